import csv
import json

import numpy as np
import pytest
import tifffile
from napari.layers._layer_actions import _duplicate_layer
from PIL import Image

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.review.corrections import reader_classes
from napari_deepheme.plugin.panels.density import CellDensity
from napari_deepheme.plugin.slide_layers.slides import slide_of
from napari_deepheme.plugin.words import BUSY, progress_in_words


def names(viewer):
    return [layer.name for layer in viewer.layers]


def cells_layer(viewer):
    return viewer.layers["Cells"]


def test_without_a_slide_the_user_is_told_to_open_one(controller):
    controller.classify_region()
    assert controller.session.message == "Open a slide first."
    assert controller.session.message_kind == "error"
    assert not controller.session.running


def test_a_run_takes_what_the_canvas_shows(controller, slide_layer, look_at, core):
    look_at(400, 300, 200)
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(300, 200, 200, 200)]


def test_a_view_that_leaves_the_slide_is_clipped(
    controller, slide_layer, look_at, core
):
    look_at(0, 0, 400)
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(0, 0, 200, 200)]


def test_a_slide_out_of_sight_is_not_classified(controller, slide_layer, look_at):
    look_at(9000, 9000, 100)
    controller.classify_region()
    assert "out of sight" in controller.session.message
    assert not controller.session.running


def test_while_a_run_goes_on_the_session_says_so_and_then_tells_the_outcome(
    controller, slide_layer, viewer
):
    controller.classify_slide()
    assert controller.session.running
    # Made before the first cells, which adding them would hold.
    assert names(viewer) == ["slide", "Cells", "Mitotic figures"]
    controller.finish()
    session = controller.session
    assert not session.running
    assert names(viewer) == ["slide", "Cells", "Mitotic figures"]
    assert session.can_export
    assert session.message == "Done."
    assert session.n_done == session.n_steps == 2
    assert session.counts["M2"] == session.counts["U4"] == 1


def test_a_coarse_scan_is_doubted_when_its_cells_are_told(controller, slide_layer):
    controller.set_mpp(1.0)
    controller.classify_slide()
    controller.finish()
    assert "it was seen at 1 µm per pixel" in controller.session.message
    assert controller.session.message_kind == "info"


def test_cells_lie_on_the_centres_of_their_boxes_in_the_frame_of_the_slide(
    controller, slide_layer, viewer
):
    controller.classify_slide()
    controller.finish()
    layer = cells_layer(viewer)
    # Row and column; napari counts from the centre of the first pixel.
    assert layer.data[0].tolist() == [119.5, 119.5]
    assert layer.data[1].tolist() == [159.5, 319.5]
    assert layer.scale.tolist() == slide_layer.scale.tolist()
    columns = ["cell_id", "x", "y", "width", "height", "score", "class_code"]
    columns += ["class_name", "probability"]
    assert list(layer.features.columns) == columns
    assert layer.features["class_code"].tolist() == ["M2", "L4", "U4", "ER3"]
    figures = viewer.layers["Mitotic figures"]
    assert figures.nshapes == 1
    assert figures.data[0].mean(axis=0).tolist() == [719.5, 519.5]


def test_the_layer_of_figures_exists_also_when_there_is_none(
    controller, slide_layer, look_at, viewer
):
    look_at(150, 150, 200)
    controller.classify_region()
    controller.finish()
    assert viewer.layers["Mitotic figures"].nshapes == 0
    assert len(cells_layer(viewer).data) == 1


def test_a_slide_whose_layer_is_renamed_stays_the_chosen_one(
    controller, slide_layer, viewer, core
):
    other = viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True, name="other")
    viewer.layers.selection.active = slide_layer
    controller.set_mpp(0.2)
    viewer.layers.selection.active = None
    slide_layer.name = "case 1"
    session = controller.session
    assert session.slide == "case 1"
    assert set(session.slides) == {"case 1", "other"}
    assert session.mpp == 0.2
    controller.classify_slide()
    slide_layer.name = "case 2"
    controller.finish()
    assert session.slide == "case 2"
    assert session.can_export
    other.name = "case 3"
    assert session.slide == "case 2"
    assert set(session.slides) == {"case 2", "case 3"}


def test_a_second_run_updates_the_layers_of_the_first(
    controller, slide_layer, look_at, viewer
):
    controller.classify_slide()
    controller.finish()
    look_at(150, 150, 200)
    controller.classify_region()
    controller.finish()
    assert names(viewer) == ["slide", "Cells", "Mitotic figures"]
    assert len(cells_layer(viewer).data) == 1


@pytest.mark.parametrize("name", ["Cells", "Mitotic figures"])
def test_a_copy_of_a_result_is_the_users_and_the_next_run_leaves_it_alone(
    controller, slide_layer, viewer, core, name
):
    controller.classify_slide()
    controller.finish()
    own = viewer.layers[name]
    viewer.layers.selection.active = own
    _duplicate_layer(viewer.layers)
    copy = viewer.layers[f"{name} copy"]
    viewer.layers.move(viewer.layers.index(copy), 1)
    viewer.layers.selection.active = slide_layer
    core.cells = core.cells.take([0, 1])
    controller.classify_slide()
    controller.finish()
    expected = {"slide", "Cells", "Mitotic figures", copy.name}
    assert set(names(viewer)) == expected
    assert viewer.layers[name] is own
    whole, anew = {"Cells": (4, 2), "Mitotic figures": (1, 0)}[name]
    assert (len(copy.data), len(own.data)) == (whole, anew)
    assert controller.session.slides == ("slide",)


def test_a_layer_of_corrected_cells_can_be_duplicated(controller, slide_layer, viewer):
    controller.classify_slide()
    controller.finish()
    review, own = controller.desk.review, viewer.layers["Cells"]
    review.correct([0], "L4")
    review.set_threshold(0.9)
    review.apply_threshold()
    viewer.layers.selection.active = own
    _duplicate_layer(viewer.layers)
    copied = viewer.layers["Cells copy"].features
    for name in ("reader_class", "identified"):
        assert list(copied[name]) == list(own.features[name])
    assert list(copied["reader_class"]) == ["L4", "", "", ""]


def test_a_slide_can_be_duplicated(controller, viewer, slide_path):
    controller.open_slide(slide_path)
    viewer.layers.selection = {viewer.layers["case 1.svs"]}
    _duplicate_layer(viewer.layers)
    assert controller.session.slides == ("case 1.svs", "case 1.svs copy")
    whole, copy = (slide_of(layer) for layer in viewer.layers)
    assert whole is copy


def test_results_stay_with_their_slide_when_another_is_opened_meanwhile(
    controller, slide_layer, viewer, core
):
    controller.classify_slide()
    viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True, name="other")
    viewer.layers.selection.active = viewer.layers["other"]
    told = "slide stays until the run has ended. Select other again then."
    assert controller.session.message == told
    controller.session.say("")
    viewer.add_points(ndim=2, name="mine")
    viewer.layers.selection.active = viewer.layers["other"]
    assert controller.session.message == ""
    viewer.layers.selection.active = slide_layer
    viewer.layers.selection.active = viewer.layers["other"]
    said = []
    core.while_computing = lambda: said.append(controller.session.message)
    controller.finish()
    assert said[-1] == told
    assert core.slide.name == "slide"
    assert controller.session.n_cells == 4
    controller.choose_slide("other")
    controller.set_mpp(0.5)
    controller.classify_slide()
    controller.finish()
    assert len([n for n in names(viewer) if n.startswith("Cells")]) == 2
    assert len(cells_layer(viewer).data) == 4


def test_drawn_shapes_are_the_region_when_their_layer_is_active(
    controller, slide_layer, viewer, core
):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.add_rectangles(np.array([[80, 80], [80, 200], [200, 200], [200, 80]]))
    shapes.add_ellipses(np.array([[100, 240], [100, 400], [220, 400], [220, 240]]))
    shapes.add_lines(np.array([[0, 0], [900, 900]]))
    shapes.selected_data = set()
    viewer.layers.selection.active = shapes
    controller.classify_region()
    controller.finish()
    assert [(r.x, r.y, r.right, r.bottom) for r in core.regions] == [
        (80, 80, 201, 201),
        (240, 100, 401, 221),
    ]
    codes = cells_layer(viewer).features["class_code"].tolist()
    assert codes == ["M2", "L4"]


def test_cells_are_seen_through_what_was_drawn_as_napari_draws_it(
    controller, slide_layer, viewer
):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    square = np.array([[80, 80], [80, 480], [480, 480], [480, 80]])
    shapes.add_rectangles([square, square + 20])
    shapes.add_rectangles(square + 40, face_color="#ff000040", edge_width=7)
    viewer.layers.selection.active = shapes
    controller.classify_region()
    controller.finish()
    assert shapes.face_color[:, 3].round(2).tolist() == [0, 0, 0.25]
    # 440 px are drawn across.
    assert shapes.edge_width == [2.2, 2.2, 7]
    shapes.add_rectangles(square + 60)
    assert shapes.face_color[3, 3] == 0


def drawn(viewer, left, top, side, unit):
    """Draw a square on a layer in another unit of length, and make it active."""
    corners = [(top, left), (top, left + side), (top + side, left + side)]
    shapes = viewer.add_shapes(
        [[*corners, (top + side, left)]], shape_type="polygon", units=(unit, unit)
    )
    shapes.selected_data = set()
    viewer.layers.selection.active = shapes


# A pixel of the slide is 0.25 um, and its centre is where napari counts from.
@pytest.mark.parametrize(
    ("left", "top", "side", "unit"),
    [(0.05, 0.025, 0.1, "mm"), (50_000, 25_000, 100_000, "nm")],
)
def test_shapes_that_are_drawn_in_another_unit_lie_where_they_are_seen(
    controller, slide_layer, viewer, core, left, top, side, unit
):
    drawn(viewer, left, top, side, unit)
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(200, 100, 401, 401)]


def test_beside_a_layer_without_lengths_shapes_lie_where_they_are_seen(
    controller, slide_layer, viewer, core
):
    viewer.add_image(np.zeros((9, 9)), name="in pixels")
    drawn(viewer, 50, 25, 100, "mm")
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(200, 100, 401, 401)]


def test_a_cell_is_found_and_gone_to_beside_a_layer_in_another_unit(
    controller, slide_layer, viewer
):
    controller.classify_slide()
    controller.finish()
    drawn(viewer, 0, 0, 9, "nm")
    controller.desk.select_at((160 * 250, 320 * 250))
    assert controller.desk.review.selected == [1]
    controller.desk.review.go_to(0)
    assert viewer.scene.camera.center[-2:] == pytest.approx((119.5 * 250,) * 2)


def test_axes_that_change_places_leave_the_view_where_it_is(
    controller, slide_layer, viewer, core
):
    viewer.dims.transpose()
    viewer.canvas.size = (200, 100)
    # Down the canvas runs the slide's x now.
    viewer.scene.camera.center = (0, (400 - 0.5) * 0.25, (300 - 0.5) * 0.25)
    viewer.scene.camera.zoom = 4.0
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(300, 250, 200, 100)]
    controller.classify_slide()
    controller.finish()
    controller.desk.review.go_to(1)
    assert viewer.scene.camera.center[-2:] == (319.5 * 0.25, 159.5 * 0.25)
    # The code stands beside its cell, along what runs down the canvas and across.
    places, *_ = cells_layer(viewer)._view_text_coords
    assert np.allclose(places[0], (319.5, 159.5), atol=40)


def test_a_slide_that_is_seen_from_its_side_is_out_of_sight(
    controller, slide_layer, viewer
):
    viewer.add_image(np.zeros((3, 9, 9)), name="of three axes")
    viewer.layers.selection.active = slide_layer
    viewer.dims.order = (1, 0, 2)
    controller.classify_region()
    assert "out of sight" in controller.session.message


def test_what_was_drawn_is_what_was_analysed_and_not_the_box_around_it(
    controller, slide_layer, viewer, tmp_path
):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.add_rectangles(np.array([[-50, -90], [-50, 199], [199, 199], [199, -90]]))
    shapes.add_polygons(np.array([[850, 850], [850, 999], [999, 850]]))
    shapes.selected_data = set()
    viewer.layers.selection.active = shapes
    controller.classify_region()
    controller.finish()
    corner, triangle = controller.desk.analysed()
    # Napari counts from the centre of the first pixel; the slide has no more than that.
    assert corner.region == Region(0, 0, 200, 200)
    assert triangle.corners == ((850.5, 850.5), (999.5, 850.5), (850.5, 999.5))
    controller.desk.export(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["region"] == [0, 0, 1000, 1000]
    assert summary["drawn_areas"][1] == [list(c) for c in triangle.corners]


def test_shapes_beside_the_slide_are_nothing_to_classify(
    controller, slide_layer, viewer
):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.add_rectangles(np.array([[-50, -90], [-50, -9], [-9, -9], [-9, -90]]))
    viewer.layers.selection.active = shapes
    controller.classify_region()
    assert "Draw" in controller.session.message


def test_selected_shapes_alone_are_the_region(controller, slide_layer, viewer):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.add_rectangles(np.array([[80, 80], [80, 200], [200, 200], [200, 80]]))
    shapes.add_polygons(np.array([[100, 240], [100, 400], [300, 320]]))
    shapes.selected_data = {1}
    viewer.layers.selection.active = shapes
    controller.classify_region()
    controller.finish()
    assert cells_layer(viewer).features["class_code"].tolist() == ["L4"]
    told = "Done. Of 2 drawn regions 1 was taken: "
    assert controller.session.message.startswith(told)


def test_shapes_that_are_drawn_one_after_the_other_are_all_taken(
    controller, slide_layer, viewer, core
):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.mode = "add_rectangle"
    shapes.add_rectangles(np.array([[80, 80], [80, 200], [200, 200], [200, 80]]))
    shapes.add_rectangles(np.array([[100, 240], [100, 400], [220, 400], [220, 240]]))
    # As napari leaves it after the mouse has drawn.
    shapes.selected_data = {1}
    viewer.layers.selection.active = shapes
    controller.classify_region()
    controller.finish()
    assert len(core.regions) == 2
    assert "drawn" not in controller.session.message


def test_a_selected_line_encloses_nothing(controller, slide_layer, viewer, core):
    shapes = viewer.add_shapes(ndim=2, name="mine", scale=slide_layer.scale)
    shapes.add_rectangles(np.array([[80, 80], [80, 200], [200, 200], [200, 80]]))
    shapes.add_lines(np.array([[0, 0], [900, 900]]))
    shapes.selected_data = {1}
    viewer.layers.selection.active = shapes
    controller.classify_region()
    assert core.regions is None
    assert "encloses nothing" in controller.session.message


def test_the_plugins_own_figures_are_not_taken_for_a_drawn_region(
    controller, slide_layer, viewer, look_at, core
):
    controller.classify_slide()
    controller.finish()
    viewer.layers.selection.active = viewer.layers["Mitotic figures"]
    look_at(400, 300, 200)
    controller.classify_region()
    controller.finish()
    assert core.regions == [Region(300, 200, 200, 200)]


def test_an_active_layer_without_closed_shapes_is_explained(
    controller, slide_layer, viewer
):
    viewer.layers.selection.active = viewer.add_shapes(ndim=2, name="mine")
    controller.classify_region()
    assert "Draw" in controller.session.message
    assert not controller.session.running


def test_cancel_keeps_what_was_found(controller, slide_layer, viewer, core):
    controller.classify_slide()
    core.while_computing = controller.cancel
    controller.finish()
    assert controller.session.message == "Stopped before the end."
    assert cells_layer(viewer).features["class_code"].tolist() == ["M2", "L4"]
    assert controller.session.can_export
    assert progress_in_words(controller.session).endswith("; stopped at tile 1 of 2")


def test_a_run_that_gives_nothing_leaves_the_totals_of_the_one_before(
    controller, slide_layer, core
):
    session = controller.session
    controller.classify_slide()
    core.while_computing = controller.cancel
    controller.finish()
    before = progress_in_words(session)
    controller.classify_slide()
    controller.cancel()
    assert session.message.startswith("Stopped before the first cells")
    assert progress_in_words(session) == before
    core.while_computing = lambda: None
    controller.classify_slide()
    controller.finish()
    assert "stopped" not in progress_in_words(session)


@pytest.mark.parametrize(
    "ask", ["classify_slide", "classify_region", "show_where_to_count"]
)
def test_what_is_asked_for_while_a_run_goes_on_is_answered(
    controller, slide_layer, ask, core
):
    controller.classify_slide()
    core.while_computing = getattr(controller, ask)
    told = []
    controller.session.events.message.connect(lambda new, _: told.append(new))
    controller.finish()
    assert BUSY in told
    assert controller.session.message == "Done."


@pytest.mark.parametrize(
    "ask", ["classify_slide", "classify_region", "show_where_to_count"]
)
def test_without_a_slide_each_button_says_what_is_missing(controller, ask):
    controller.session.message = ""
    getattr(controller, ask)()
    assert controller.session.message == "Open a slide first."


def test_a_foreseen_failure_is_told_in_plain_words(controller, slide_layer, core):
    core.error = UnreadableSlideError("slide.svs", "it is gone")
    controller.classify_slide()
    controller.finish()
    assert "cannot read slide.svs" in controller.session.message
    assert controller.session.message_kind == "error"
    assert not controller.session.running


def test_a_bug_is_told_and_keeps_its_traceback(controller, slide_layer, core):
    core.error = RuntimeError("out of luck")
    controller.classify_slide()
    with pytest.raises(RuntimeError, match="out of luck"):
        controller.finish()
    assert "out of luck" in controller.session.message
    assert not controller.session.running


def test_places_that_could_not_be_read_are_told(controller, slide_layer, core):
    core.failed = (Region(0, 0, 256, 256),)
    controller.classify_slide()
    controller.finish()
    assert "1 place could not be read" in controller.session.message


def test_a_slide_of_which_nothing_can_be_read_is_named_with_cause_and_remedy(
    controller, slide_layer, core
):
    core.failed, core.cells = (Region(0, 0, 1000, 1000),), core.cells.take([])
    controller.classify_slide()
    controller.finish()
    assert controller.session.message.startswith("slide: 1000 x 1000 px at (0, 0)")
    assert "nothing of it can be decoded (copy" in controller.session.message
    assert controller.session.message_kind == "error"


def test_a_slide_without_pixel_size_asks_for_it_and_then_goes_on(
    controller, viewer, core
):
    viewer.add_image(np.zeros((100, 100, 3), np.uint8), rgb=True, name="photo")
    assert controller.session.slide == "photo"
    assert controller.session.needs_mpp
    assert "micrometres per pixel" in controller.session.message
    controller.classify_slide()
    assert not controller.session.running
    controller.set_mpp(0.2)
    controller.classify_slide()
    controller.finish()
    assert core.mpp == (0.2, 0.2)


@pytest.mark.parametrize("mpp", [2.0, 0.01])
@pytest.mark.parametrize("ask", ["classify_slide", "show_where_to_count"])
def test_a_pixel_size_that_cannot_be_right_is_refused_with_its_bounds(
    controller, slide_layer, mpp, ask
):
    session = controller.session
    controller.set_mpp(mpp)
    assert session.needs_mpp
    getattr(controller, ask)()
    assert not session.running
    assert f"slide: {mpp:g} x {mpp:g} micrometres per pixel cannot" in session.message
    assert "Enter micrometres per pixel, 0.05 to 1.2, before" in session.message
    assert session.message_kind == "error"
    controller.set_mpp(0.25)
    assert not session.needs_mpp


def test_a_grey_layer_is_not_offered_as_a_slide(controller, viewer):
    viewer.add_image(np.zeros((50, 50)), name="grey")
    assert controller.session.slides == ()


def test_a_layer_of_another_plugin_is_read_at_its_scale(controller, viewer, core):
    levels = [np.zeros((400 // n, 400 // n, 3), np.uint8) for n in (1, 2, 4)]
    viewer.add_image(
        levels, rgb=True, name="pyramid", scale=(0.25, 0.3), units=("um", "um")
    )
    controller.classify_slide()
    controller.finish()
    assert core.mpp == (0.3, 0.25)
    assert core.slide.size == (400, 400)
    assert len(core.slide.levels) == 3


def test_removing_the_slide_in_the_middle_of_a_run_stops_it(
    controller, slide_layer, viewer, core
):
    controller.classify_slide()
    core.while_computing = lambda: viewer.layers.remove(slide_layer)
    controller.finish()
    assert not controller.session.running
    assert controller.session.slide == ""


def test_removing_the_result_layers_in_the_middle_of_a_run_does_no_harm(
    controller, slide_layer, viewer, core
):
    controller.classify_slide()

    def remove_results():
        for name in ("Cells", "Mitotic figures"):
            if name in viewer.layers:
                viewer.layers.remove(name)

    core.while_computing = remove_results
    controller.finish()
    session = controller.session
    assert session.message.startswith("The layer of the cells was taken away.")
    assert session.earlier_sitting
    assert not session.running


def test_export_writes_the_files_of_the_last_run(controller, slide_layer, tmp_path):
    controller.desk.export(tmp_path / "none")
    assert controller.session.message_kind == "error"
    controller.classify_slide()
    controller.finish()
    controller.desk.export(tmp_path / "out")
    with (tmp_path / "out" / "cells.csv").open(newline="") as stream:
        codes = [row["class_code"] for row in csv.DictReader(stream)]
    assert codes == ["M2", "L4", "U4", "ER3"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["slide"] == "slide"
    assert summary["model"] == "namer 1"
    assert (tmp_path / "out" / "cells.geojson").exists()


def test_an_export_writes_over_no_other_slide_and_no_other_readers_words(
    controller, slide_layer, tmp_path
):
    controller.classify_slide()
    controller.finish()
    desk, out = controller.desk, tmp_path / "out"
    desk.export(out)
    summary = json.loads((out / "summary.json").read_text())
    anothers = json.dumps({**summary, "slide": "b.svs"})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "summary.json").write_text(anothers)
    desk.export(tmp_path / "b")
    assert "b.svs" in controller.session.message
    assert (tmp_path / "b" / "summary.json").read_text() == anothers
    lines = (out / "cells.csv").read_text().splitlines()
    said = [lines[0] + ",reader_class", lines[1] + ",M3", *(f"{n}," for n in lines[2:])]
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "cells.csv").write_text("\n".join(said))
    desk.export(tmp_path / "read")
    assert "what a reader said of 1 cell" in controller.session.message
    assert (tmp_path / "read" / "cells.csv").read_text() == "\n".join(said)
    # What this review says of the cell goes on from there.
    desk.review.correct([0], "M3")
    desk.review.correct([0], "M4")
    desk.export(tmp_path / "read")
    assert controller.session.message_kind != "error"
    # What was exported from here may be written over, whatever was taken back since.
    desk.review.undo()
    desk.review.undo()
    desk.review.correct([1], "M4")
    desk.export(tmp_path / "read")
    assert controller.session.message_kind != "error"


def test_what_another_window_said_meanwhile_is_not_exported_over(
    make_controller, slide_path, tmp_path
):
    one, two = make_controller(), make_controller()
    out = tmp_path / "out"
    one.open_slide(slide_path)
    one.classify_slide()
    one.desk.review.correct([0], "M3")
    one.desk.export(out)
    two.open_slide(slide_path)
    two.returning.open_sitting(out / "cells.csv")
    two.desk.review.correct([1], "L2")
    two.desk.export(out)
    assert two.session.message_kind != "error"
    one.desk.review.correct([2], "M5")
    one.desk.export(out)
    assert "what a reader said of 1 cell" in one.session.message
    assert reader_classes(read_csv(out / "cells.csv")).tolist() == ["M3", "L2", "", ""]
    # What it knows of now goes on from there, and then it is this review's own.
    one.desk.review.correct([1], "L2")
    one.desk.export(out)
    one.desk.review.undo()
    one.desk.review.correct([1], "L4")
    one.desk.export(out)
    assert one.session.message_kind != "error"
    there = reader_classes(read_csv(out / "cells.csv"))
    assert there.tolist() == ["M3", "L4", "M5", ""]


def test_another_review_of_a_window_is_not_exported_over_the_first(
    make_controller, slide_path, tmp_path
):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    made.desk.export(tmp_path / "bare")
    made.desk.review.correct([0], "M3")
    made.desk.export(tmp_path / "read")
    made.returning.open_sitting(tmp_path / "bare" / "cells.csv")
    made.desk.export(tmp_path / "read")
    assert "what a reader said of 1 cell" in made.session.message
    there = read_csv(tmp_path / "read" / "cells.csv")
    assert reader_classes(there).tolist() == ["M3", "", "", ""]


def test_an_export_that_cannot_be_written_is_told(controller, slide_layer, tmp_path):
    controller.classify_slide()
    controller.finish()
    (tmp_path / "out").write_text("in the way")
    controller.desk.export(tmp_path / "out")
    assert "cannot write" in controller.session.message


def test_the_legend_switches_points_and_figures(controller, slide_layer, viewer):
    controller.classify_slide()
    controller.finish()
    controller.desk.toggle_class("U4")
    assert cells_layer(viewer).shown.tolist() == [True, True, False, True]
    assert viewer.layers["Mitotic figures"].nshapes == 0
    controller.desk.toggle_class("U4")
    assert cells_layer(viewer).shown.all()
    assert viewer.layers["Mitotic figures"].nshapes == 1


def test_codes_stand_beside_the_cells_in_view_and_the_selected_one(
    controller, slide_layer, viewer, look_at
):
    controller.classify_slide()
    controller.finish()
    look_at(200, 200, 400)
    controller.desk.follow_camera()
    layer = cells_layer(viewer)
    assert layer.text.values.tolist() == ["M2", "L4", "", ""]
    controller.desk.set_show_codes(False)
    assert set(layer.text.values.tolist()) == {""}
    layer.selected_data = {3}
    assert layer.text.values.tolist() == ["", "", "", "ER3"]
    assert controller.session.selected.startswith("ER3 polychromatophilic normoblast")


def test_no_codes_are_written_when_more_than_300_cells_are_in_view(
    controller, slide_layer, viewer, look_at, monkeypatch
):
    monkeypatch.setattr("napari_deepheme.plugin.result_layers.overlay.MAX_CODES", 1)
    controller.classify_slide()
    controller.finish()
    look_at(500, 500, 1000)
    controller.desk.follow_camera()
    assert set(np.ravel(cells_layer(viewer).text.values).tolist()) == {""}


def test_the_cell_under_the_pointer_is_described(controller, slide_layer):
    controller.classify_slide()
    controller.finish()
    text = controller.desk.point_at((160 * 0.25, 320 * 0.25))
    assert text == "L4 plasma cell, 80 % (cell 2, detector 0.90)"
    assert controller.desk.point_at((0, 0)) == ""


def test_a_file_that_is_no_slide_is_told(controller, tmp_path, viewer):
    path = tmp_path / "notes.svs"
    path.write_text("not a slide")
    controller.open_slide(path)
    assert controller.session.message_kind == "error"
    assert "notes.svs" in controller.session.message
    assert len(viewer.layers) == 0


def test_a_slide_whose_pixels_are_not_square_is_told_as_one(controller, viewer):
    viewer.add_image(
        np.zeros((100, 100, 3), np.uint8),
        rgb=True,
        name="oblong",
        scale=(0.5, 0.25),
        units=("um", "um"),
    )
    controller.classify_slide()
    assert controller.session.message_kind == "error"
    assert "0.25 x 0.5 micrometres, not square" in controller.session.message
    assert controller.session.needs_mpp
    assert not controller.session.running


def test_a_slide_of_which_nothing_can_be_decoded_is_told(controller, tmp_path, viewer):
    path = tmp_path / "torn.tif"
    pixels, how = np.zeros((512, 512, 3), np.uint8), {"tile": (64, 64)}
    tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", **how)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        tiles = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as stream:
        for offset, count in tiles:
            stream.seek(offset)
            stream.write(bytes(count))
    controller.open_slide(path)
    assert controller.session.message_kind == "error"
    assert "torn.tif" in controller.session.message
    assert "nothing of it can be decoded" in controller.session.message
    assert len(viewer.layers) == 0


def test_results_lie_on_a_slide_that_is_moved_turned_and_in_other_units(
    controller, viewer
):
    layer = viewer.add_image(
        np.zeros((1000, 1000, 3), np.uint8),
        rgb=True,
        name="moved",
        scale=(0.00025, 0.00025),
        units=("mm", "mm"),
        translate=(3, 5),
        rotate=30,
    )
    controller.classify_slide()
    controller.finish()
    for name in ("Cells", "Mitotic figures"):
        here = viewer.layers[name].data_to_world((100, 300))
        assert np.allclose(here, layer.data_to_world((100, 300)))
    assert viewer.layers["Cells"].units == layer.units


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("translate", (3, 5)),
        ("rotate", 30),
        ("scale", (0.5, 0.5)),
        ("shear", [0.3]),
        ("affine", [[1, 0.1, 4], [0, 1, 9], [0, 0, 1]]),
    ],
)
def test_results_go_along_with_a_slide_that_is_moved_afterwards(
    controller, slide_layer, viewer, core, name, value
):
    core.failed = (Region(0, 0, 100, 100),)
    controller.classify_slide()
    controller.finish()
    density = CellDensity(
        viewer,
        controller.desk.review,
        slide_layer=lambda: slide_layer,
        analysed=controller.desk.analysed,
    )
    density.choose("all")
    (grid,) = (one for one in viewer.layers if one.name.startswith("Cell density"))
    here = slide_layer.world_to_data(grid.data_to_world((1, 1)))
    setattr(slide_layer, name, value)
    for result in ("Cells", "Mitotic figures", "Could not be read"):
        place = viewer.layers[result].data_to_world((100, 300))
        assert np.allclose(place, slide_layer.data_to_world((100, 300))), result
    assert np.allclose(grid.data_to_world((1, 1)), slide_layer.data_to_world(here))
    position = slide_layer.data_to_world(controller.desk.review.cells.centres[1][::-1])
    assert controller.desk.overlay.cell_at(tuple(position)) == 1


def test_a_pixel_size_that_the_user_gives_scales_slide_and_results_alike(
    controller, viewer, tmp_path
):
    Image.new("RGB", (1000, 1000), (230, 230, 230)).save(tmp_path / "photo.png")
    controller.open_slide(tmp_path / "photo.png")
    shapes = viewer.add_shapes(ndim=2, name="mine")
    shapes.add_rectangles(np.array([[80, 80], [80, 200], [200, 200], [200, 80]]))
    controller.set_mpp(0.2)
    viewer.layers.selection.active = shapes
    for _ in range(2):
        controller.classify_region()
        controller.finish()
        assert viewer.layers["Cells"].features["class_code"].tolist() == ["M2"]
        assert viewer.layers.selection.active is shapes
    for layer in viewer.layers:
        assert layer.scale.tolist() == [0.2, 0.2]
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_a_pixel_size_given_for_one_slide_is_not_taken_for_another(
    controller, viewer, slide_layer, core
):
    viewer.add_image(np.zeros((100, 100, 3), np.uint8), rgb=True, name="photo")
    controller.choose_slide("photo")
    controller.set_mpp(0.5)
    controller.choose_slide("slide")
    assert controller.session.mpp == 0
    controller.classify_slide()
    controller.finish()
    assert core.mpp == (0.25, 0.25)


def test_another_slide_has_no_counts_of_the_last_one(controller, slide_layer, viewer):
    controller.classify_slide()
    controller.finish()
    session = controller.session
    counts = session.counts
    assert counts["M2"] == 1
    other = np.full((500, 500, 3), 230, np.uint8)
    viewer.add_image(other, rgb=True, name="other", scale=(0.25, 0.25))
    assert session.slide == "other"
    assert session.counts == {}
    viewer.layers.selection.active = slide_layer
    assert session.slide == "slide"
    controller.finish()
    assert session.counts == counts
