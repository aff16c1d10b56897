"""The pixel size that the user gives: of which slide, for how long, what it moves."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.plugin.layers import DRAWN_ON


@pytest.fixture
def photos(tmp_path):
    """Two photographs, whose pixel size nobody states."""
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for grey, path in zip((230, 231), paths, strict=True):
        Image.new("RGB", (1000, 1000), (grey, grey, grey)).save(path)
    return paths


@pytest.fixture
def of_photo(make_controller, photos):
    """A widget in which a photograph was classified and corrected."""
    made = make_controller()
    made.open_slide(photos[0])
    made.set_mpp(0.2)
    made.classify_slide()
    made.desk.review.correct([0], "M3")
    return made


@pytest.fixture
def reopened(of_photo, make_controller):
    """A widget of tomorrow, in which its sitting is gone on with."""
    of_photo.close()
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(Path(of_photo.session.sitting))
    return tomorrow


def scales(viewer):
    return {layer.name: layer.scale.tolist() for layer in viewer.layers}


def n_exported(folder):
    return len((folder / "cells.csv").read_text().splitlines()) - 1


def test_a_sitting_that_opens_its_slide_lies_on_the_layer_itself(reopened):
    (slide,) = (one for one in reopened.viewer.layers if one.name == "a.png")
    assert reopened.desk.run.layer is slide
    assert set(map(tuple, scales(reopened.viewer).values())) == {(0.2, 0.2)}
    # What lies on it goes along.
    slide.translate = (10, 20)
    assert reopened.viewer.layers["Cells"].translate.tolist() == [10, 20]


def test_a_slide_that_its_sitting_opened_is_classified_again(reopened, tmp_path):
    reopened.desk.export(tmp_path / "run")
    for mpp in (0.2, 0.3):
        reopened.set_mpp(mpp)
        reopened.classify_slide()
        session = reopened.session
        assert (session.message, session.n_cells) == ("Done.", 4)
        assert session.n_corrected == 1
        assert set(map(tuple, scales(reopened.viewer).values())) == {(mpp, mpp)}
    reopened.desk.export(tmp_path / "run")
    assert n_exported(tmp_path / "run") == 4


@pytest.mark.parametrize("step", ["give_mpp", "frame_of"])
def test_a_run_that_cannot_be_shown_leaves_the_review_and_says_why(
    of_photo, tmp_path, monkeypatch, step
):
    of_photo.desk.export(tmp_path / "run")
    before, session = of_photo.desk.run, of_photo.session

    def fails(*_):
        raise KeyError("no such layer")

    monkeypatch.setattr(f"napari_deepheme.plugin.desk.{step}", fails)
    with pytest.raises(KeyError, match="no such layer"):
        of_photo.classify_slide()
    assert not session.running
    assert session.message_kind == "error"
    assert "no such layer" in session.message
    assert of_photo.desk.run is before
    assert session.can_export
    assert (session.n_cells, session.n_corrected) == (4, 1)
    of_photo.desk.export(tmp_path / "run")
    assert n_exported(tmp_path / "run") == 4
    monkeypatch.undo()
    of_photo.classify_slide()
    assert (session.message, session.n_corrected) == ("Done.", 1)


def test_a_slide_keeps_the_pixel_size_that_it_was_given(of_photo, photos, core):
    session = of_photo.session
    of_photo.open_slide(photos[1])
    assert session.mpp == 0
    assert session.needs_mpp
    of_photo.set_mpp(0.4)
    of_photo.choose_slide("a.png")
    assert (session.mpp, session.needs_mpp) == (0.2, False)
    assert session.n_corrected == 1
    of_photo.classify_slide()
    assert core.mpp == (0.2, 0.2)
    of_photo.choose_slide("b.png")
    assert session.mpp == 0.4
    # Also when it was closed meanwhile, and when the user takes it back.
    of_photo.viewer.layers.remove("a.png")
    of_photo.open_slide(photos[0])
    assert session.mpp == 0.2
    of_photo.set_mpp(0)
    of_photo.choose_slide("b.png")
    of_photo.choose_slide("a.png")
    assert session.mpp == 0


def test_a_sitting_brings_the_pixel_size_that_the_user_gave(reopened, core):
    session = reopened.session
    assert (session.mpp, session.needs_mpp) == (0.2, False)
    reopened.classify_slide()
    assert (session.message, core.mpp) == ("Done.", (0.2, 0.2))


@pytest.mark.parametrize(("given", "brought"), [(0.5, 0.5), (0.0, 0.0)])
def test_a_sitting_brings_no_pixel_size_that_its_slide_states(
    make_controller, slide_path, given, brought
):
    made = make_controller()
    made.open_slide(slide_path)
    made.set_mpp(given)
    made.classify_slide()
    made.close()
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(Path(made.session.sitting))
    assert tomorrow.session.can_export
    assert tomorrow.session.mpp == brought


def test_what_belongs_to_another_slide_keeps_its_scale(make_controller, photos):
    made = make_controller()
    viewer = made.viewer
    for path in photos:
        made.open_slide(path)
    square = np.array([(80, 80), (80, 200), (200, 200), (200, 80)])
    viewer.add_shapes([square], name="of b")
    viewer.add_labels(np.zeros((50, 50), int), name="of nobody")
    made.choose_slide("a.png")
    viewer.add_shapes([square], name="of a")
    assert len(viewer.layers["of b"].metadata[DRAWN_ON]) == 1
    made.set_mpp(0.2)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == [1, 1]
    assert found["of a"] == found["of nobody"] == found["a.png"] == [0.2, 0.2]
    made.choose_slide("b.png")
    made.set_mpp(0.4)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == found["Cells [1]"] == [0.4, 0.4]
    assert found["of a"] == found["Cells"] == found["a.png"] == [0.2, 0.2]
    # Once more, though both lie in micrometres now.
    made.set_mpp(0.8)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == found["Cells [1]"] == [0.8, 0.8]
    assert found["of a"] == found["Cells"] == found["a.png"] == [0.2, 0.2]


def test_a_slide_that_is_opened_in_the_middle_of_a_run_waits(
    make_controller, photos, core
):
    made = make_controller()
    session, viewer, said = made.session, made.viewer, []
    session.events.message.connect(lambda text, *_: said.append(text))
    made.open_slide(photos[0])
    made.set_mpp(0.2)
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, 100, 120), 3
    seen = []

    def while_computing():
        if "b.png" not in viewer.layers:
            before = tuple(camera.center)
            made.open_slide(photos[1])
            seen.append((session.slide, tuple(camera.center) == before))
            session.say("Something else.")
            made._on_layers_changed()

    core.while_computing = while_computing
    made.classify_slide()
    assert seen == [("a.png", True)]
    told = "a.png stays until the run has ended. Select b.png again then."
    assert said.count(told) == 1
    assert (session.slide, session.n_cells, session.message) == ("a.png", 4, "Done.")
    assert session.can_export
    assert not viewer.layers["b.png"].visible
    viewer.layers.selection.active = viewer.layers["b.png"]
    assert session.slide == "b.png"
    assert viewer.layers["b.png"].visible
