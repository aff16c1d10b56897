"""The map of where to count: shown, painted over, and counted by."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from napari_deepheme.core.adequacy import KINDS, AdequacyMap
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.counting import CountGoal
from napari_deepheme.core.engine.plan import RunPlan
from napari_deepheme.core.engine.results import ResultCollector, TileResult
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin.result_layers.where_to_count import NAME, painted_map
from napari_deepheme.plugin.run import Run
from napari_deepheme.plugin.slide_layers.slides import give_mpp, slide_of
from napari_deepheme.plugin.words import progress_in_words

SMEAR, THICK = KINDS.index("smear"), KINDS.index("thick")


@pytest.fixture
def adequacy(core):
    kinds = np.array([[SMEAR, THICK], [0, SMEAR]], np.uint8)
    scores = np.array([[0.9, 0.3], [0.0, 0.7]], np.float32)
    core.adequacy = AdequacyMap(500, kinds, scores, Size(1000, 1000))
    return core.adequacy


def test_a_count_of_a_slide_of_which_nothing_can_be_read_says_so(
    controller, slide_layer, adequacy, core
):
    core.adequacy = replace(adequacy, failed=(Region(0, 0, 1000, 1000),))
    controller.session.max_cells = 10
    controller.classify_slide()
    controller.finish()
    assert "nothing of it can be decoded" in controller.session.message
    assert controller.session.message_kind == "error"


def key_of(viewer):
    return viewer.layers[NAME].metadata["napari_deepheme"]["slide_key"]


def test_the_map_lies_on_the_slide_block_by_block(
    controller, slide_layer, viewer, adequacy
):
    controller.show_where_to_count()
    assert controller.session.running
    controller.finish()
    assert not controller.session.running
    assert "Green" in controller.session.message
    layer = viewer.layers[NAME]
    assert [one.name for one in viewer.layers] == ["slide", NAME]
    # The first block covers pixels 0 to 499, a quarter of a micrometre each.
    assert layer.data_to_world((0, 0)) == pytest.approx((249.5 / 4, 249.5 / 4))
    assert layer.data_to_world((1, 0))[0] == pytest.approx(749.5 / 4)
    assert layer.visible


def test_a_second_map_takes_the_place_of_the_first(
    controller, slide_layer, viewer, adequacy
):
    for _ in range(2):
        controller.show_where_to_count()
        controller.finish()
    assert [one.name for one in viewer.layers] == ["slide", NAME]


def test_a_map_that_was_painted_is_shown_again_as_it_was_painted(
    controller, slide_layer, viewer, adequacy
):
    controller.show_where_to_count()
    controller.finish()
    layer = viewer.layers[NAME]
    painted = [[SMEAR, SMEAR], [0, SMEAR]]
    layer.data = np.array(painted, np.uint8)
    # Before a count that goes by it, and after.
    for _ in range(2):
        layer.visible = False
        controller.show_where_to_count()
        assert not controller.session.running
        assert layer.visible
        assert np.asarray(layer.data).tolist() == painted
        assert "as you painted it" in controller.session.message
        controller.set_max_cells(2)
        controller.classify_slide()
        controller.finish()
    layer.data = adequacy.kinds.copy()
    controller.show_where_to_count()
    controller.finish()
    assert "as you painted it" not in controller.session.message


def test_what_is_painted_is_what_is_counted_by(
    controller, slide_layer, viewer, adequacy, core
):
    controller.show_where_to_count()
    controller.finish()
    layer = viewer.layers[NAME]
    layer.data[0, 1] = SMEAR
    layer.data[1, 1] = 99
    painted = painted_map(viewer, key_of(viewer))
    # A number that means nothing changes nothing.
    assert painted.kinds.tolist() == [[SMEAR, SMEAR], [0, SMEAR]]
    assert painted.scores[0, 1] >= 0.5
    controller.set_max_cells(300)
    controller.classify_slide()
    controller.finish()
    assert np.array_equal(core.search.adequacy.kinds, painted.kinds)
    assert core.search.goal.n_cells == 300


def test_a_map_that_nobody_painted_is_made_anew_for_a_count(
    controller, slide_layer, viewer, adequacy, core
):
    controller.show_where_to_count()
    controller.finish()
    assert painted_map(viewer, key_of(viewer)) is None
    controller.set_max_cells(300)
    controller.classify_slide()
    controller.finish()
    assert core.search.adequacy is None


def test_a_count_shows_its_map_aside_and_ends_with_its_goal(
    controller, slide_layer, viewer, adequacy, core
):
    controller.set_max_cells(2)
    controller.classify_slide()
    controller.finish()
    session = controller.session
    # The upper half alone has the two.
    assert session.message == "Done; counted in 1 area."
    assert len(viewer.layers["Cells"].data) == 2
    assert not viewer.layers[NAME].visible
    assert session.can_export


def test_a_count_says_how_near_its_goal_is_and_how_long_that_takes(
    controller, slide_layer, adequacy, monkeypatch
):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(
        "napari_deepheme.plugin.result_layers.stream.time.monotonic", lambda: clock.now
    )
    session, told, area = controller.session, [], Region(0, 0, 10, 10)
    plan = RunPlan((Tile(area, area),) * 80, 4, Mpp(0.25, 0.25))
    slide = slide_of(slide_layer)
    run = Run(slide_layer, slide, ResultCollector(area, (area,), plan.mpp, 0.3))
    run.count(plan, CountGoal(20), area)
    for index in range(12):
        # Four are computed together.
        clock.now += 6.0 if index % 4 == 0 else 0.001
        cells = CellTable.from_arrays([[1, 1, 4, 4]], [0.9], [class_index("M6")], [0.9])
        result = TileResult(plan.tiles[index], index, 80, cells, ())
        controller._streaming.take(result, run, None)
        told.append((session.step, round(session.seconds_left)))
        assert session.n_done <= session.n_steps
    assert told[3::4] == [
        ("4 of 20 counted", 24),
        ("8 of 20 counted", 18),
        ("12 of 20 counted", 12),
    ]
    assert told[4:7] == [("4 of 20 counted", 24)] * 3


def test_a_count_that_is_stopped_says_how_near_its_goal_was(
    controller, slide_layer, adequacy
):
    controller.set_max_cells(300)
    controller.session.events.n_done.connect(controller.stop)
    controller.classify_slide()
    controller.finish()
    assert controller.session.stopped == "stopped at 2 of 300 counted"


def test_a_count_says_how_long_the_run_took(
    controller, slide_layer, adequacy, monkeypatch
):
    clock = SimpleNamespace(monotonic=count(100, 60).__next__)
    monkeypatch.setattr("napari_deepheme.plugin.run.time", clock)
    controller.set_max_cells(2)
    controller.classify_slide()
    controller.finish()
    result, _ = controller.desk.result
    assert result.seconds >= 60


def test_a_count_that_misses_its_goal_says_so(controller, slide_layer, adequacy):
    controller.set_max_cells(300)
    controller.classify_slide()
    controller.finish()
    told = "Done; counted in 2 areas, all there are: fewer than the 300 asked for."
    assert controller.session.message == told


def test_every_cell_needs_no_map(controller, slide_layer, viewer, core):
    controller.classify_slide()
    controller.finish()
    assert core.search.goal is None
    assert NAME not in viewer.layers


def test_a_slide_without_a_pixel_size_is_not_judged(controller, viewer):
    pixels = np.full((50, 50, 3), 230, np.uint8)
    viewer.add_image(pixels, rgb=True, name="photo")
    controller.choose_slide("photo")
    controller.show_where_to_count()
    assert controller.session.needs_mpp
    assert not controller.session.running


def test_a_map_leaves_the_totals_of_the_cells(controller, slide_layer, adequacy):
    controller.classify_slide()
    controller.finish()
    before = progress_in_words(controller.session)
    controller.show_where_to_count()
    controller.finish()
    assert controller.session.n_cells == 4
    assert progress_in_words(controller.session) == before
    assert before.startswith("4 cells: 3 counted")


def test_a_map_that_is_cancelled_says_that_it_has_ended(
    controller, slide_layer, viewer, adequacy
):
    controller.show_where_to_count()
    controller.cancel()
    assert controller.session.message == "Stopping …"
    # A worker hands nothing on after that.
    controller._mapping._on_end()
    assert controller.session.message.startswith("Stopped before there was a map")
    assert not controller.session.running
    assert NAME not in viewer.layers


def off_by(viewer, slide_layer, block_px):
    """How far the centre of each block lies from that of its pixels, in these."""
    made = viewer.layers[NAME]
    blocks = np.argwhere(np.ones_like(made.data))
    lies = [slide_layer.world_to_data(made.data_to_world(block)) for block in blocks]
    return np.abs(np.array(lies) - ((blocks + 0.5) * block_px - 0.5)).max()


def shear_and_scale(layer):
    layer.shear, layer.scale = [0.2], (0.5, 0.5)


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "there"])
@pytest.mark.parametrize(
    "turn",
    [
        lambda layer: setattr(layer, "rotate", 90),
        lambda layer: setattr(layer, "affine", [[0, 2, 5], [-1, 0, 7], [0, 0, 1]]),
        shear_and_scale,
    ],
    ids=["rotate", "affine", "shear"],
)
def test_the_map_lies_on_a_slide_that_is_turned(
    controller, slide_layer, viewer, adequacy, turn, is_there
):
    if is_there:
        controller.show_where_to_count()
        controller.finish()
    slide_layer.translate = (40, -30)
    turn(slide_layer)
    if is_there:
        # It goes along with its slide.
        assert off_by(viewer, slide_layer, 500) < 1e-6
    controller.show_where_to_count()
    controller.finish()
    assert off_by(viewer, slide_layer, 500) < 1e-6


def test_a_map_of_other_blocks_lies_on_the_slide_as_well(
    controller, slide_layer, viewer, adequacy, core
):
    controller.show_where_to_count()
    controller.finish()
    kinds, scores = np.ones((4, 4), np.uint8), np.ones((4, 4), np.float32)
    core.adequacy = AdequacyMap(250, kinds, scores, Size(1000, 1000))
    controller.set_mpp(0.5)
    controller.show_where_to_count()
    controller.finish()
    assert viewer.layers[NAME].data.shape == (4, 4)
    assert off_by(viewer, slide_layer, 250) < 1e-6
    # Painted on, it is not made anew, but lies right.
    viewer.layers[NAME].data[0, 0] = THICK
    viewer.layers[NAME].translate = (3, 3)
    controller.show_where_to_count()
    assert "as you painted it" in controller.session.message
    assert off_by(viewer, slide_layer, 250) < 1e-6


def test_what_lies_below_its_slide_is_scaled_once_with_it(
    controller, slide_layer, viewer, adequacy
):
    controller.show_where_to_count()
    controller.finish()
    layers = viewer.layers
    slide_layer.metadata["napari_deepheme"] = {"slide": slide_of(slide_layer)}
    layers.move(layers.index(slide_layer), len(layers))
    give_mpp(viewer, slide_layer, Mpp(0.5, 0.5))
    assert slide_layer.scale.tolist() == [0.5, 0.5]
    assert off_by(viewer, slide_layer, 500) < 1e-6
