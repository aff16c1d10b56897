"""Many cells: streamed in, drawn as dots or rings, filtered, corrected, merged."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.tiling import tile_region
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, class_index
from napari_deepheme.plugin import streaming
from napari_deepheme.plugin.cell_index import CellIndex
from napari_deepheme.plugin.kinds import cell_kinds
from napari_deepheme.plugin.layers import frame_of, shapes_kwargs
from napari_deepheme.plugin.result_layers import drawing, overlay, overview
from napari_deepheme.plugin.result_layers.drawing import Ready
from napari_deepheme.plugin.result_layers.figures import MAX_FIGURES, Figures
from napari_deepheme.plugin.result_layers.overlay import Overlay
from napari_deepheme.plugin.result_layers.overview import Overview
from napari_deepheme.plugin.result_layers.stream import Stream

SIZE = Size(4000, 3000)
WHOLE = Region(0, 0, *SIZE)
LIMIT = 50


def scattered(n, seed=0, codes=("M2", "L4", "ER3", "U4")):
    rng = np.random.default_rng(seed)
    centres = rng.integers(60, np.array(SIZE) - 60, (n, 2))
    return CellTable.from_arrays(
        np.hstack([centres - 20, np.full((n, 2), 40)]),
        rng.random(n),
        [class_index(code) for code in rng.choice(codes, n)],
        rng.uniform(0.4, 1, n),
        {"identified": np.where(rng.random(n) < 0.2, "no", "yes")},
    )


def spread(n, codes=("M2", "L4", "ER3")):
    """Cells that lie apart, so that the merge keeps them all."""
    columns = int(n**0.5) + 1
    rows, cols = np.divmod(np.arange(n), columns)
    corners = np.stack([cols, rows], axis=1) * (np.array(SIZE) - 80) // columns
    return CellTable.from_arrays(
        np.hstack([corners + 20, np.full((n, 2), 40)]),
        np.full(n, 0.9),
        [class_index(codes[i % len(codes)]) for i in range(n)],
        np.full(n, 0.8),
    )


def tile_results(cells, tile_size=512, margin=8):
    """What tiles give: their cells and those just beyond their core."""
    tiles = tile_region(WHOLE, WHOLE, tile_size=tile_size, halo=64)
    for i, tile in enumerate(tiles):
        near = tile.core.grown(margin).holds_centres(cells.boxes)
        yield TileResult(tile, i, len(tiles), cells.take(near), ())


def streamed(cells):
    stream = Stream([WHOLE])
    for result in tile_results(cells):
        stream.add(result)
    return stream


@pytest.fixture
def made(viewer, slide_layer):
    frame = {"scale": (0.25, 0.25), "units": ("um", "um")}
    return Overlay(viewer, "slide", frame, SIZE, max_points=LIMIT)


def points_of(viewer):
    return viewer.layers["Cells"]


def picture_of(viewer):
    return viewer.layers["Cells (overview)"]


def drawn_rows(viewer):
    """The rows that napari hands to the canvas."""
    return points_of(viewer)._view_indices.tolist()


def rgb(code):
    return [int(CLASS_BY_CODE[code].colour[i : i + 2], 16) for i in (1, 3, 5)]


def ring_colours(viewer, cell):
    """Colours in the picture within the box of a cell."""
    x, y, width, height = cell.boxes[0].tolist()
    part = picture_of(viewer).data[0][y : y + height, x : x + width]
    return {tuple(pixel[:3]) for pixel in part[part[..., 3] > 0].tolist()}


def test_napari_draws_only_the_points_that_are_shown(viewer, made):
    cells = scattered(LIMIT)
    made.show(Ready.of(cells), frozenset({"M2"}))
    kept = np.flatnonzero(np.array(cells.class_codes) != "M2")
    assert drawn_rows(viewer) == kept.tolist()
    made.hide_classes(frozenset())
    assert drawn_rows(viewer) == list(range(LIMIT))


def test_the_picture_while_a_run_goes_on_is_that_of_all_cells_at_once(viewer, made):
    cells = spread(800)
    stream, expected = Stream([WHOLE]), Overview(SIZE)
    for i, result in enumerate(tile_results(cells)):
        stream.add(result)
        made.extend(stream, frozenset())
        if i % 7 == 0 and "Cells (overview)" in viewer.layers:
            _ = picture_of(viewer).data[-1][:, :]
    expected.diameter = 40.0
    expected.show(stream.index, frozenset())
    for shown, level in zip(picture_of(viewer).data, expected.levels, strict=True):
        assert np.array_equal(shown[:, :], level[:, :])


def test_what_a_flush_handles_does_not_grow_with_what_was_found(
    viewer, made, monkeypatch
):
    handled = []
    adopt = drawing.CellsLayer.adopt
    add, take = Overview.add, Stream.take
    monkeypatch.setattr(
        drawing.CellsLayer,
        "adopt",
        lambda layer, twin: (handled.append(len(twin.data)), adopt(layer, twin)),
    )
    monkeypatch.setattr(
        Overview, "add", lambda o, rows: (handled.append(len(rows)), add(o, rows))
    )

    def counted(stream, rows):
        rows = list(rows)
        handled.append(len(rows))
        return take(stream, rows)

    monkeypatch.setattr(Stream, "take", counted)
    stream, most = Stream([WHOLE]), []
    for result in tile_results(spread(4000)):
        before = len(stream)
        stream.add(result)
        handled.clear()
        made.extend(stream, frozenset())
        most.append((max(handled, default=0), len(stream) - before))
    assert len(stream) == 4000
    assert all(n <= max(new, LIMIT) for n, new in most)


def test_few_cells_are_rings_and_need_no_picture(viewer, made):
    made.show(Ready.of(scattered(LIMIT)), frozenset())
    assert "Cells (overview)" not in viewer.layers
    assert len(drawn_rows(viewer)) == LIMIT


def test_beyond_the_limit_the_layer_holds_all_cells_and_the_picture_shows_them(
    viewer, made
):
    cells = scattered(1000)
    made.show(Ready.of(cells), frozenset())
    made.look(WHOLE)
    points = points_of(viewer)
    assert np.array_equal(points.data, cells.centres[:, ::-1] - 0.5)
    assert points.features["class_code"].tolist() == list(cells.class_codes)
    assert drawn_rows(viewer) == []
    assert picture_of(viewer).visible
    assert [layer.name for layer in viewer.layers] == [
        "slide",
        "Cells (overview)",
        "Cells",
        "Mitotic figures",
    ]


def test_zooming_in_shows_exactly_the_cells_in_and_near_the_view(viewer, made):
    cells = scattered(1000)
    made.show(Ready.of(cells), frozenset())
    view = Region(1000, 1000, 400, 300)
    made.look(view)
    near = np.flatnonzero(view.grown(200).holds_centres(cells.boxes))
    assert 0 < view.holds_centres(cells.boxes).sum() <= LIMIT
    assert drawn_rows(viewer) == near.tolist()
    assert not picture_of(viewer).visible
    made.look(WHOLE)
    assert drawn_rows(viewer) == []
    assert picture_of(viewer).visible


def test_a_view_that_moves_within_what_is_drawn_draws_nothing_anew(
    viewer, made, monkeypatch
):
    made.show(Ready.of(scattered(1000)), frozenset())
    made.look(Region(1000, 1000, 400, 300))
    monkeypatch.setattr(made._drawing, "_draw", lambda: pytest.fail("drawn"))
    made.look(Region(1050, 1020, 400, 300))


def test_the_picture_is_hidden_with_the_layer_of_cells(viewer, made):
    made.show(Ready.of(scattered(1000)), frozenset())
    points_of(viewer).visible = False
    assert not picture_of(viewer).visible
    points_of(viewer).visible = True
    assert picture_of(viewer).visible


def test_a_class_that_is_switched_off_leaves_picture_and_points(viewer, made):
    cells = spread(300)
    made.show(Ready.of(cells), frozenset())
    at = cells.class_codes.index("L4")
    cell = cells.take(np.array([at]))
    assert ring_colours(viewer, cell) == {tuple(rgb("L4"))}
    made.hide_classes(frozenset({"L4"}))
    assert ring_colours(viewer, cell) == set()
    x, y = cell.centres[0].astype(int).tolist()
    made.look(Region(x - 200, y - 200, 400, 400))
    codes = {cells.class_codes[row] for row in drawn_rows(viewer)}
    assert codes == {"M2", "ER3"}
    made.hide_classes(frozenset())
    assert at in drawn_rows(viewer)


@pytest.mark.parametrize("diameter", [2.0, 20.0])
def test_a_crowded_block_is_painted_as_one_with_few_cells_is(diameter, monkeypatch):
    cells = scattered(9000)
    index = CellIndex.of(cells, cell_kinds(cells))
    painted = []
    for crowded in (0, 1_000_000):
        monkeypatch.setattr(overview, "_CROWDED", crowded)
        picture = Overview(SIZE)
        picture.show(index, frozenset({"L4"}), diameter)
        painted.append([np.asarray(level) for level in picture.levels])
    for few, crowd in zip(*painted, strict=True):
        assert few.any()
        assert np.array_equal(few, crowd)


@pytest.mark.parametrize("canvas_px", [2000, 1000, 400, 100])
def test_whatever_the_canvas_napari_draws_what_the_picture_shows_now(
    viewer, made, canvas_px
):
    made.show(Ready.of(spread(800)), frozenset())
    picture = picture_of(viewer)
    whole = 0.25 * np.array([[0, 0], SIZE[::-1]])
    picture._update_draw(1, whole, (canvas_px, canvas_px))
    now = picture.data[picture.data_level]
    assert min(now.shape[:2]) > canvas_px
    for hidden in ({"M2"}, {"M2", "L4"}, set()):
        made.hide_classes(frozenset(hidden))
        drawn = np.asarray(picture._slice.image.view)
        assert drawn.any()
        assert np.array_equal(drawn, np.asarray(now))


def test_the_picture_in_the_list_of_layers_follows_the_filter(
    viewer, made, monkeypatch
):
    monkeypatch.setattr(overview, "_MOST_IN_COARSEST", 300)
    made.show(Ready.of(spread(800)), frozenset())
    picture = picture_of(viewer)
    given = np.asarray(picture.data[-1])
    assert max(given.shape) <= 64
    before = given.copy()
    thumbnail = picture.thumbnail.copy()
    made.hide_classes(frozenset({"M2", "L4"}))
    colours = {tuple(pixel[:3]) for pixel in given[given[..., 3] > 0].tolist()}
    assert colours == {tuple(rgb("ER3"))}
    assert not np.array_equal(picture.thumbnail, thumbnail)
    made.hide_classes(frozenset())
    assert np.array_equal(given, before)


def test_when_few_cells_are_left_by_the_filter_they_are_rings(viewer, made):
    cells = spread(300, codes=("M2",) * 9 + ("L4",))
    made.show(Ready.of(cells), frozenset())
    made.look(WHOLE)
    made.hide_classes(frozenset({"M2"}))
    assert {cells.class_codes[row] for row in drawn_rows(viewer)} == {"L4"}
    assert len(drawn_rows(viewer)) == 30
    assert not picture_of(viewer).visible


def test_a_correction_recolours_picture_and_point(viewer, made):
    cells = spread(300)
    made.show(Ready.of(cells), frozenset())
    row = cells.class_codes.index("M2")
    corrected = CorrectedCells(cells).correct([row], "L4")
    made.select(row)
    made.recolour(corrected, [row])
    assert ring_colours(viewer, cells.take(np.array([row]))) == {tuple(rgb("L4"))}
    points = points_of(viewer)
    wanted = np.array(rgb("L4")) / 255
    assert np.allclose(points.border_color[row, :3], wanted, atol=1e-3)
    assert points.features["reader_class"][row] == "L4"
    assert made.selected() == [row]
    assert points.size[row] > points.size[row + 1]
    made.recolour(corrected.undo(), [row])
    assert ring_colours(viewer, cells.take(np.array([row]))) == {tuple(rgb("M2"))}
    assert points.features["reader_class"][row] == ""


def test_the_cell_under_the_pointer_is_found_among_many_and_while_they_come(
    viewer, made
):
    cells = spread(400)
    made.show(Ready.of(cells), frozenset())
    for row in (0, 123, 399):
        x, y = cells.centres[row] * 0.25
        assert made.cell_at((y, x)) == row
    assert made.cell_at((0, 0)) is None
    assert made.cell_at((-50, -50)) is None
    stream = streamed(cells)
    made.extend(stream, frozenset())
    x, y = cells.centres[123] * 0.25
    assert made.take([made.cell_at((y, x))]).boxes.tolist() == [
        cells.boxes[123].tolist()
    ]


def test_codes_are_written_beside_the_few_in_view_of_many(viewer, made, monkeypatch):
    monkeypatch.setattr("napari_deepheme.plugin.cells_layer._FEW", 10)
    cells = spread(400)
    made.show(Ready.of(cells), frozenset())
    view = Region(1000, 1000, 400, 300)
    made.look(view)
    viewer.scene.camera.zoom = 0.5
    made.write_codes(view, show=True)
    # From so far away they would cover each other.
    assert points_of(viewer)._view_text.tolist() == [""]
    viewer.scene.camera.zoom = 8
    made.write_codes(view, show=True)
    inside = np.flatnonzero(view.holds_centres(cells.boxes))
    written = points_of(viewer)._view_text.tolist()
    assert written == [cells.class_codes[row] for row in inside]
    made.write_codes(view, show=False)
    assert points_of(viewer)._view_text.tolist() == [""]


def test_no_more_figures_are_outlined_than_napari_can_draw(viewer):
    layer = viewer.add_shapes(ndim=2, name="figures")
    figures = spread(MAX_FIGURES + 100, codes=("U4",))
    shown = Figures(viewer, layer)
    shown.add(figures)
    shown.add(figures)
    assert 0 < layer.nshapes <= MAX_FIGURES
    assert len(layer.features) == layer.nshapes
    shown.show(figures)
    assert layer.nshapes == MAX_FIGURES
    shown.show(figures.take(np.arange(3)))
    assert layer.nshapes == 3


def test_a_figure_has_the_number_of_its_cell(viewer, made):
    cells = scattered(LIMIT)
    u4 = (cells.class_indices == class_index("U4")) & (
        cells.further["identified"] == "yes"
    )
    numbers = (np.flatnonzero(u4) + 1).tolist()
    assert numbers != list(range(1, len(numbers) + 1))
    made.show(Ready.of(cells), frozenset())
    assert viewer.layers["Mitotic figures"].features["cell_id"].tolist() == numbers
    assert shapes_kwargs(cells, {}, {})["features"]["cell_id"].tolist() == numbers


def test_figures_of_a_run_that_goes_on_have_the_numbers_of_their_cells(viewer, made):
    cells, stream = scattered(LIMIT // 4), Stream([WHOLE])
    for result in tile_results(cells):
        stream.add(result)
        made.extend(stream, frozenset())
    found = viewer.layers["Mitotic figures"].features
    rows = found["cell_id"].to_numpy() - 1
    assert len(rows) > 1
    there = found[["x", "y", "width", "height"]].to_numpy()
    assert there.tolist() == stream.take(rows).boxes.tolist()


def test_where_not_all_figures_are_outlined_those_in_view_are(viewer):
    layer = viewer.add_shapes(ndim=2, name="figures")
    cells = spread(MAX_FIGURES + 100, codes=("U4",))
    figures = Figures(viewer, layer)
    figures.show(cells)
    view = Region(3000, 2000, 900, 900)
    figures.look(view)
    assert layer.nshapes == view.holds_centres(cells.boxes).sum() > 0


def test_a_small_run_after_a_large_review_is_merged_on_the_thread(
    controller, slide_layer, monkeypatch
):
    monkeypatch.setattr("napari_deepheme.plugin.controller.FEW_CELLS", 5)
    controller.classify_slide()
    controller.finish()
    controller.desk.review.correct([0], "M3")
    controller.classify_slide()
    controller.finish()
    assert controller.session.running
    assert not controller.session.can_export
    controller.finish()
    assert controller.session.n_corrected == 1


def test_a_large_run_ends_with_the_merged_table_in_the_layer(
    controller, slide_layer, viewer, core, monkeypatch
):
    monkeypatch.setattr(streaming, "FEW_CELLS", 3)
    monkeypatch.setattr("napari_deepheme.plugin.controller.FEW_CELLS", 3)
    controller.classify_slide()
    controller.finish()
    assert controller.session.running
    assert controller.session.n_cells == 4
    assert not controller.session.can_export
    controller.finish()
    assert not controller.session.running
    assert controller.session.message == "Done."
    assert points_of(viewer).features["class_code"].tolist() == [
        "M2",
        "L4",
        "U4",
        "ER3",
    ]
    assert controller.desk.read_cells().cells == core.cells


def test_the_layer_of_the_picture_is_no_slide(viewer, made, controller):
    made.show(Ready.of(scattered(1000)), frozenset())
    assert controller.session.slides == ("slide",)


def test_layers_for_a_large_region_are_made_before_the_run(viewer, made):
    made.expect(WHOLE)
    assert "Cells (overview)" not in viewer.layers
    made.expect(Region(0, 0, 10_000, 10_000))
    assert not picture_of(viewer).visible
    assert overlay.MAX_CODES < drawing.MAX_POINTS


def test_a_picture_can_be_sliced_like_an_array(made):
    cells = scattered(500)
    pyramid = Overview(SIZE)
    pyramid.show(CellIndex.of(cells, cell_kinds(cells)), frozenset(), 40.0)
    level = pyramid.levels[0]
    whole = np.asarray(level)
    assert whole.shape == level.shape == (3000, 4000, 4)
    assert np.array_equal(level[100:900:3, 7], whole[100:900:3, 7])
    assert np.array_equal(level[-1], whole[-1])
    assert np.array_equal(level[..., 3], whole[..., 3])
    assert np.array_equal(level[250:260, 250:520, :3], whole[250:260, 250:520, :3])


def test_the_picture_is_seen_again_after_a_second_run(viewer, made):
    """What napari draws of it, not what it could draw."""

    def drawn():
        return np.asarray(picture_of(viewer)._slice.image.view)[..., 3].any()

    made.show(Ready.of(spread(800)), frozenset())
    assert picture_of(viewer).visible
    assert drawn()
    made.release()
    frame = frame_of(points_of(viewer))
    again = Overlay(viewer, "slide", frame, SIZE, max_points=LIMIT)
    stream = streamed(spread(700))
    again.extend(stream, frozenset())
    assert drawn()
    again.show(Ready.of(spread(900)), frozenset())
    assert picture_of(viewer).visible
    assert drawn()


def test_naparis_own_tools_leave_the_points_with_their_cells(viewer, made):
    cells, asked = scattered(LIMIT), []
    made.show(Ready.of(cells), frozenset())
    made.on_removal(lambda: asked.append(made.selected()))
    made.select_rows([3, 4])
    points, before = points_of(viewer), points_of(viewer).data.copy()
    points.remove_selected()
    assert asked == [[3, 4]]
    points.add((10.0, 10.0))
    points._move({3}, (1.0, 1.0))
    points._copy_data()
    points._paste_data()
    with pytest.raises(TypeError, match="one by one"):
        points.pop()
    np.testing.assert_array_equal(points.data, before)
    assert len(points.features) == LIMIT


def test_a_selected_cell_is_framed_and_the_others_are_not(viewer, made):
    made.show(Ready.of(scattered(LIMIT)), frozenset())
    made.select_rows([3, 7])
    symbols = np.array([str(symbol) for symbol in points_of(viewer).symbol])
    assert np.flatnonzero(symbols == "square").tolist() == [3, 7]
    made.select_rows([7])
    symbols = np.array([str(symbol) for symbol in points_of(viewer).symbol])
    assert np.flatnonzero(symbols == "square").tolist() == [7]
