"""The plugin inside napari: readers, writers, the widget from click to file."""

import csv
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_deepheme.cli import run as run_command
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.models.protocols import ClassifierSpec, Models
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.plugin import kept_models
from napari_deepheme.plugin.reader import get_slide_reader

PLUGIN = "napari-deepheme"

NAMELESS = SimpleNamespace(spec=ClassifierSpec("nameless", 0.25, 32))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "smear.svs"
    write_phantom(path, Size(900, 800), 5)
    return path


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def widget(viewer):
    _, made = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    yield made
    made.controller.close()


@pytest.fixture
def exported(phantom, tmp_path):
    region = ["--region", "100,100,600,600"]
    run_command(["classify", str(phantom), *region, "--out", str(tmp_path / "out")])
    return tmp_path / "out"


def keys(viewer):
    return {str(key): action for key, action in viewer.keymap.items()}


def wait_for_end(widget, qtbot, seconds=60):
    qtbot.waitUntil(lambda: not widget.session.running, timeout=1000 * seconds)


def test_a_slide_opens_as_a_lazy_layer_in_micrometres(viewer, phantom):
    (layer,) = viewer.open(phantom, plugin=PLUGIN)
    assert layer.rgb
    assert layer.scale.tolist() == [0.25, 0.25]
    assert [str(u) for u in layer.units] == ["micrometer", "micrometer"]
    assert layer.metadata["objective_power"] == "40"
    assert layer.metadata["vendor"] == "aperio"
    assert set(layer.metadata["associated_images"]) >= {"label", "macro"}
    level = layer.data[0] if layer.multiscale else layer.data
    assert level.shape == (800, 900, 3)


def test_a_tiff_that_is_no_pyramid_is_left_to_napari(phantom, tmp_path):
    plain, slide = tmp_path / "plain.tif", tmp_path / "slide.tif"
    tifffile.imwrite(plain, np.zeros((50, 60), np.uint16))
    write_phantom(slide, Size(2200, 600), 1)
    assert get_slide_reader(str(plain)) is None
    assert get_slide_reader(str(slide)) is not None
    assert get_slide_reader([str(phantom)]) is not None


def test_a_click_classifies_what_is_seen_and_gives_the_cells_of_the_command_line(
    viewer, widget, phantom, qtbot, tmp_path
):
    # Models of an earlier test may be of another number of threads.
    kept_models._loaded.cache_clear()
    widget.controller.open_slide(phantom)
    viewer.window.resize(900, 700)
    qtbot.wait(100)
    widget.view.region_button.click()
    assert not widget.view.region_button.isEnabled()
    assert widget.view.cancel_button.isEnabled()
    wait_for_end(widget, qtbot)
    assert widget.session.message_kind == "info", widget.session.message
    widget.controller.desk.export(tmp_path / "viewer")
    summary = json.loads((tmp_path / "viewer" / "summary.json").read_text())
    region = ",".join(map(str, summary["region"]))
    out = ["--out", str(tmp_path / "line")]
    assert run_command(["classify", str(phantom), "--region", region, *out]) == 0
    viewer_cells = read_csv(tmp_path / "viewer" / "cells.csv")
    assert len(viewer_cells) > 5
    assert viewer_cells == read_csv(tmp_path / "line" / "cells.csv")
    assert len(viewer.layers["Cells"].data) == len(viewer_cells)
    assert viewer.layers["Cells"].scale.tolist() == [0.25, 0.25]
    assert "Mitotic figures" in viewer.layers


@pytest.mark.parametrize("when", ["Loading the models …", "Looking for cells …"])
def test_cancel_acts_within_a_second(when, viewer, widget, phantom, qtbot):
    controller, session = widget.controller, widget.session
    controller.open_slide(phantom)
    load, take = controller._load_models, controller._on_item
    loaded, stopped = threading.Event(), threading.Event()

    def slowly_loaded(*names):
        models = load(*names)
        if when.startswith("Loading"):
            stopped.wait(60)
        loaded.set()
        return models

    def slow(slide, search, models, *, stopping):
        for _ in range(100):
            time.sleep(0.2)
            yield SimpleNamespace()

    controller._load_models, controller._iter_search = slowly_loaded, slow
    controller._on_item = lambda run, item: isinstance(item, Models) and take(run, item)
    widget.view.slide_button.click()
    qtbot.waitUntil(lambda: session.message == when, timeout=60_000)
    started = time.monotonic()
    widget.view.cancel_button.click()
    wait_for_end(widget, qtbot)
    assert time.monotonic() - started < 1
    stopped.set()
    # What was still being loaded is not taken for a run of later.
    qtbot.waitUntil(loaded.is_set, timeout=60_000)
    qtbot.wait(200)
    assert not session.running
    assert session.message.startswith("Stopped before the first cells")


def test_a_dock_that_is_closed_in_the_middle_of_a_run_stops_it(viewer, phantom, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    controller = widget.controller
    controller.open_slide(phantom)
    steps = []

    def slow(slide, search, models, *, stopping):
        for step in range(200):
            steps.append(step)
            time.sleep(0.05)
            yield SimpleNamespace()

    controller._iter_search = slow
    controller._on_item = lambda run, item: None
    widget.view.slide_button.click()
    qtbot.waitUntil(lambda: len(steps) > 2, timeout=20_000)
    task = controller._task
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    qtbot.waitUntil(task.done.is_set, timeout=2000)
    qtbot.wait(50)
    assert len(steps) < 100


def test_a_click_on_the_canvas_selects_a_cell_and_a_key_corrects_it(
    viewer, widget, phantom, exported, qtbot
):
    widget.controller.open_slide(phantom)
    cells = read_csv(exported / "cells.csv")

    def found(slide, search, models, *, stopping):
        region = search.regions[0]
        yield TileResult(Tile(region, region), 0, 1, cells, ())

    widget.controller._iter_search = found
    widget.controller._load_models = lambda *_: Models(NAMELESS, NAMELESS)
    widget.view.slide_button.click()
    wait_for_end(widget, qtbot)
    press = viewer.mouse_drag_callbacks[-1]
    x, y = cells.centres[0] * 0.25
    event = SimpleNamespace(
        type="mouse_press", pos=(50, 60), position=(y, x), modifiers=()
    )
    steps = press(viewer, event)
    next(steps)
    event.type = "mouse_release"
    assert next(steps, None) is None
    assert viewer.layers["Cells"].selected_data == {0}
    widget.view.corrections.class_box.setCurrentIndex(0)
    keys(viewer)["C"](viewer)
    assert viewer.layers["Cells"].features["reader_class"][0] == "M1"
    assert widget.session.counts["M1"] >= 1


def test_a_dock_that_is_gone_leaves_mouse_and_key_alone(viewer, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    before = len(viewer.mouse_drag_callbacks)
    # Without cells the keys are napari's.
    assert "C" not in keys(viewer)
    widget.session.can_export = True
    assert {"C", "1", "Ctrl+Z"} <= set(keys(viewer))
    viewer.window.remove_dock_widget(dock)
    widget.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.mouse_drag_callbacks) < before, timeout=2000)
    assert not {"C", "1", "Ctrl+Z"} & set(keys(viewer))


def test_what_is_in_view_is_looked_up_anew_when_the_grid_changes(
    viewer, widget, monkeypatch
):
    viewer.add_image(np.zeros((8, 8)))
    looked = []
    monkeypatch.setattr(widget, "_camera_rested", lambda: looked.append(True))
    changes = {
        "on": lambda: setattr(viewer.canvas.grid, "enabled", True),
        "stride": lambda: setattr(viewer.canvas.grid, "stride", 2),
        "a layer more": lambda: viewer.add_image(np.zeros((8, 8))),
        "all gone": viewer.layers.clear,
    }
    for what, change in changes.items():
        looked.clear()
        change()
        assert looked, what


@pytest.mark.parametrize(
    "name", ["cells.csv", pytest.param("cells.geojson", marks=pytest.mark.slow)]
)
def test_exported_cells_come_back_on_their_slide(viewer, phantom, exported, name):
    viewer.open(phantom, plugin=PLUGIN)
    points, shapes = viewer.open(exported / name, plugin=PLUGIN)
    cells = read_csv(exported / "cells.csv")
    assert points.name == "Cells"
    assert shapes.name == "Mitotic figures"
    assert points.scale.tolist() == [0.25, 0.25]
    assert np.allclose(points.data, cells.centres[:, ::-1] - 0.5)
    assert points.features["class_code"].tolist() == list(cells.class_codes)


@pytest.mark.parametrize(
    "ending", [pytest.param("csv", marks=pytest.mark.slow), "geojson"]
)
def test_saved_layers_open_again_with_the_same_cells(
    viewer, phantom, exported, tmp_path, ending
):
    viewer.open(phantom, plugin=PLUGIN)
    points, _ = viewer.open(exported / "cells.csv", plugin=PLUGIN)
    saved = tmp_path / f"saved.{ending}"
    assert points.save(str(saved), plugin=PLUGIN) == [str(saved)]
    again, _ = viewer.open(saved, plugin=PLUGIN)
    wanted = ["x", "y", "width", "height", "class_code", "score", "probability"]
    assert again.features[wanted].equals(points.features[wanted])


def test_a_later_run_takes_over_the_layers_that_were_opened(
    viewer, widget, phantom, exported, qtbot
):
    widget.controller.open_slide(phantom)
    viewer.open(exported / "cells.csv", plugin=PLUGIN)
    widget.controller.choose_slide("smear.svs")
    widget.view.slide_button.click()
    wait_for_end(widget, qtbot)
    assert [layer.name for layer in viewer.layers] == [
        "smear.svs",
        "Cells",
        "Mitotic figures",
    ]


def test_a_slide_that_was_open_first_can_be_adjusted(viewer, phantom):
    viewer.open(phantom, plugin=PLUGIN)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    widget.docks.open("Display")
    assert widget.docks.seeing.layer is viewer.layers[0]
    widget.controller.close()


def test_ranges_that_are_seen_beside_the_counts_are_in_the_report(widget, tmp_path):
    (tmp_path / "ranges.csv").write_text("name,low,high\nblasts,0,5\n")
    widget.docks.open("Differential").load_ranges(tmp_path / "ranges.csv")
    assert widget.desk.saving.ranges.of("blasts").high == 5


def test_the_sample_slide_opens(viewer, monkeypatch, tmp_path):
    from napari_deepheme.plugin import sample_data

    monkeypatch.setattr(sample_data, "SAMPLE_SIZE", Size(600, 600))
    monkeypatch.setenv("NAPARI_DEEPHEME_CACHE", str(tmp_path))
    (layer,) = viewer.open_sample(PLUGIN, "marrow-phantom")
    assert layer.name == "marrow-phantom.svs"
    with sample_data.sample_slide().with_suffix(".csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == [
            "x",
            "y",
            "width",
            "height",
            "class_code",
            "mitotic_phase",
        ]


def test_a_dock_that_is_closed_takes_its_widget_along(viewer, phantom, await_end):
    viewer.open(phantom, plugin=PLUGIN)
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    assert [f for f in viewer.mouse_drag_callbacks if f.__name__ == "_on_mouse_press"]
    await_end(widget, lambda: viewer.window.remove_dock_widget(dock))
    names = {f.__name__ for f in viewer.mouse_drag_callbacks}
    assert "_on_mouse_press" not in names


def test_what_told_a_widget_of_its_slide_ends_with_its_dock(
    viewer, phantom, await_end, qtbot
):
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    widget.controller.open_slide(phantom)
    heard, slides = [], widget.desk.slides
    slides.refresh = lambda: heard.append("renamed")
    await_end(widget, lambda: viewer.window.remove_dock_widget(dock))
    viewer.layers[0].name = "renamed"
    assert slides.layer is viewer.layers[0]
    assert not heard
