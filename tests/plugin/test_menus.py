"""Napari's menu Layers, as the plugin extends it."""

import numpy as np
import pytest
from napari._app_model import get_app_model
from npe2 import PluginManifest

from napari_deepheme.cli import run as run_command
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.torch.runner import plain_compute
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.plugin import kept_models

PLUGIN = "napari-deepheme"

PLACES = {
    "napari/layers/classify": {"classify_region", "classify_slide"},
    "napari/layers/measure": {"open_differential", "open_mitoses", "open_density"},
}


@pytest.fixture(scope="module", autouse=True)
def no_measurement():
    """Compute as torch does on the CPU: what is fastest is not the question here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastest, "candidates", lambda *_: [plain_compute("cpu")])
        kept_models._loaded.cache_clear()
        yield
    # What was loaded so is not for other tests.
    kept_models._loaded.cache_clear()


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "smear.svs"
    write_phantom(path, Size(900, 800), 5)
    return path


@pytest.fixture(scope="module")
def cells_csv(phantom, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert run_command(["classify", str(phantom), "--out", str(out)]) == 0
    return out / "cells.csv"


@pytest.fixture
def viewer(make_napari_viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path / "sittings"))
    viewer = make_napari_viewer()
    yield viewer
    for dock in list(viewer.window.dock_widgets.values()):
        if hasattr(dock, "controller"):
            dock.controller.close()


def choose(name):
    """Choose an entry of the menu."""
    return get_app_model().commands.execute_command(f"{PLUGIN}.{name}").result()


def opened(viewer):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    return widget


def wait_for_cells(widget, qtbot):
    qtbot.waitUntil(lambda: not widget.session.running, timeout=60_000)
    qtbot.waitUntil(lambda: widget.session.can_export, timeout=5000)
    assert widget.session.message_kind == "info", widget.session.message


@pytest.mark.parametrize("place", PLACES)
def test_the_entries_stand_in_menus_that_napari_has(viewer, place):
    items = get_app_model().menus.get_menu(place)
    own = {i.command.id: i.command for i in items if hasattr(i, "command")}
    assert {f"{PLUGIN}.{name}" for name in PLACES[place]} <= set(own)
    manifest = PluginManifest.from_distribution(PLUGIN)
    assert {m.command for m in manifest.contributions.menus[place]} <= set(own)


def test_an_entry_is_grey_while_there_is_no_layer(viewer, phantom):
    items = get_app_model().menus.get_menu("napari/layers/classify")
    (command,) = (
        i.command for i in items if i.command.id == f"{PLUGIN}.classify_slide"
    )
    assert not command.enablement.eval({"num_layers": 0})
    assert command.enablement.eval({"num_layers": 1})


def test_classify_opens_the_widget_and_classifies_what_is_seen(viewer, phantom, qtbot):
    viewer.open(phantom, plugin=PLUGIN)
    viewer.window.resize(900, 700)
    qtbot.wait(100)
    choose("classify_region")
    widget = opened(viewer)
    assert widget.session.running
    wait_for_cells(widget, qtbot)
    assert len(viewer.layers["Cells"].data) > 5
    assert widget.session.slide == "smear.svs"


def test_the_whole_slide_is_classified_from_the_menu(viewer, phantom, cells_csv, qtbot):
    viewer.open(phantom, plugin=PLUGIN)
    choose("classify_slide")
    widget = opened(viewer)
    wait_for_cells(widget, qtbot)
    n_rows = len(cells_csv.read_text().splitlines()) - 1
    assert widget.session.n_cells == n_rows


@pytest.mark.parametrize(
    ("name", "dock"),
    [
        ("open_differential", "Differential"),
        pytest.param("open_mitoses", "Mitoses", marks=pytest.mark.slow),
        pytest.param("open_density", "Density", marks=pytest.mark.slow),
    ],
)
def test_the_cells_of_an_opened_layer_are_measured(
    viewer, phantom, cells_csv, qtbot, name, dock
):
    viewer.open(phantom, plugin=PLUGIN)
    points, _ = viewer.open(cells_csv, plugin=PLUGIN)
    n_cells = len(points.data)
    viewer.layers.selection.active = points
    choose(name)
    widget = opened(viewer)
    wait_for_cells(widget, qtbot)
    assert widget.desk.result[1].is_known
    assert widget.session.n_cells == n_cells
    assert len(viewer.layers["Cells"].data) == n_cells
    assert dock in viewer.window.dock_widgets
    count = sum(widget.session.counts.values())
    assert 0 < count <= n_cells


def test_cells_that_were_opened_before_their_slide_are_drawn_once(
    viewer, phantom, cells_csv, qtbot
):
    points, _ = viewer.open(cells_csv, plugin=PLUGIN)
    n_cells = len(points.data)
    (slide,) = viewer.open(phantom, plugin=PLUGIN)
    viewer.layers.selection.active = points
    get_app_model().commands.execute_command("napari.layer.duplicate").result()
    viewer.layers.selection.active = points
    choose("open_mitoses")
    widget = opened(viewer)
    wait_for_cells(widget, qtbot)
    names = {layer.name for layer in viewer.layers}
    assert names == {"smear.svs", "Cells", "Mitotic figures", "Cells copy"}
    assert len(viewer.layers["Cells"].data) == n_cells
    np.testing.assert_allclose(viewer.layers["Cells"].scale, slide.scale)
    assert viewer.layers.selection.active is slide


def test_cells_that_are_gone_on_with_beside_a_review_are_drawn_once(
    viewer, phantom, cells_csv, qtbot
):
    viewer.open(phantom, plugin=PLUGIN)
    widget = opened(viewer)
    widget.controller.returning.open_sitting(cells_csv)
    wait_for_cells(widget, qtbot)
    points, figures = viewer.open(cells_csv, plugin=PLUGIN)
    viewer.layers.selection.active = points
    choose("open_mitoses")
    qtbot.waitUntil(lambda: points not in viewer.layers, timeout=5000)
    assert figures not in viewer.layers
    names = [layer.name for layer in viewer.layers]
    assert names == ["smear.svs", "Cells", "Mitotic figures"]
    assert widget.desk.overlay.is_there


def test_cells_that_lie_on_the_desk_already_are_not_opened_again(
    viewer, phantom, cells_csv, qtbot
):
    viewer.open(phantom, plugin=PLUGIN)
    points, _ = viewer.open(cells_csv, plugin=PLUGIN)
    viewer.layers.selection.active = points
    choose("open_differential")
    widget = opened(viewer)
    wait_for_cells(widget, qtbot)
    widget.desk.review.correct([0], "B1")
    viewer.layers.selection.active = viewer.layers["Cells"]
    choose("open_differential")
    qtbot.wait(200)
    assert widget.session.n_corrected == 1


def test_without_cells_it_is_said_where_they_come_from(viewer, phantom):
    viewer.open(phantom, plugin=PLUGIN)
    choose("open_differential")
    session = opened(viewer).session
    assert session.message_kind == "error"
    assert "no cells yet" in session.message


def test_without_a_slide_the_cells_of_a_layer_ask_for_it(viewer, cells_csv):
    points, _ = viewer.open(cells_csv, plugin=PLUGIN)
    viewer.layers.selection.active = points
    choose("open_differential")
    assert opened(viewer).session.message == "Open the slide of these cells first."
