from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari import settings
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.plan import RunPlan
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.models.protocols import ClassifierSpec, DetectorSpec, Models
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin.controller import Controller
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.worker import Failed

SIDE = 1000


def table(*cells):
    """Make a table of (x, y, class code), 40 px a box."""
    return CellTable.from_arrays(
        np.array([(x, y, 40, 40) for x, y, _ in cells]).reshape(-1, 4),
        np.full(len(cells), 0.9),
        [class_index(code) for _, _, code in cells],
        np.full(len(cells), 0.8),
    )


CELLS = ((100, 100, "M2"), (300, 140, "L4"), (500, 700, "U4"), (900, 900, "ER3"))

MODELS = Models(
    SimpleNamespace(spec=DetectorSpec("finder 1", 0.5, 10, 4, 0.4)),
    SimpleNamespace(spec=ClassifierSpec("namer 1", 0.25, 32)),
)


class Core:
    """Stands in for the pipeline: notes what it is asked, gives `CELLS`."""

    def __init__(self):
        self.regions = None
        self.slide = None
        self.while_computing = lambda: None
        self.error = None
        self.failed = ()
        self.cells = table(*CELLS)
        self.adequacy = None

    def name_boxes(self, slide, boxes, classifier, *, mpp):
        """Say of each box that it holds a lymphocyte."""
        self.named = [(b.x, b.y, b.width, b.height) for b in boxes]
        n = len(boxes)
        return CellTable.from_arrays(self.named, [0] * n, [10] * n, [0.7] * n)

    def __call__(self, slide, search, models, *, stopping):
        self.slide, self.search, self.regions = slide, search, list(search.regions)
        self.mpp = plausible_mpp(slide, mpp=search.mpp)
        regions = search.regions
        if search.goal is not None:
            painted = search.adequacy
            yield self.adequacy if painted is None else painted
            size = regions[0].size
            halves = [Region(0, 0, size.width, size.height // 2)]
            halves.append(Region(0, halves[0].bottom, *halves[0].size))
            tiles = tuple(Tile(half, half) for half in halves)
            failed = self.adequacy.failed
            yield RunPlan(() if failed else tiles, 1, self.mpp, failed)
        halves = [
            Region(r.x, r.y + h * (r.height // 2), r.width, r.height // 2)
            for r in regions
            for h in (0, 1)
        ]
        for i, half in enumerate(halves):
            cells = self.cells
            inside = cells.take(half.holds_centres(cells.boxes))
            self.while_computing()
            yield TileResult(Tile(half, half), i, len(halves), inside, self.failed)
            if self.error:
                raise self.error


class InlineTask:
    """Runs the generator where it stands, as the worker does on its thread."""

    def __init__(self):
        self.stopped = False

    def quit(self):
        self.stopped = True

    def wait(self, seconds):
        return True

    def run(self, items, on_item, on_end):
        try:
            for item in items():
                on_item(item)
                if self.stopped:
                    break
        except Exception as error:
            on_item(Failed(error))
        on_end()


@pytest.fixture(autouse=True)
def own_models(monkeypatch, tmp_path):
    """Keep the user's own models and corrections out of the tests."""
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "user" / "models"))
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path / "user" / "sittings"))
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "user" / "config"))
    return tmp_path / "user"


@pytest.fixture
def inline_start():
    """Start work where it stands, and end it there."""
    task = InlineTask()

    def start(items, *, on_item, on_end):
        task.stopped = False
        task.run(items, on_item, on_end)
        return task

    start.task = task
    return start


@pytest.fixture
def later_start():
    """Start work later: `later_start.ends` does what is due, thing by thing."""

    def start(items, *, on_item, on_end):
        task = InlineTask()
        start.ends.append(lambda: task.run(items, on_item, on_end))
        return task

    start.ends = []
    return start


@pytest.fixture(autouse=True)
def preferences_of_their_own(tmp_path, monkeypatch):
    """What is set on napari's pages is not what the user who runs the tests set."""
    path = tmp_path / "napari" / "settings.yaml"
    monkeypatch.setattr(settings, "_CFG_PATH", str(path))
    settings._clear_plugin_settings_cache()
    yield
    settings._clear_plugin_settings_cache()


@pytest.fixture
def await_end(qtbot):
    """Do what ends a widget, and wait until it is gone.

    `qtbot.waitSignal` would disconnect a signal of an object that is gone, of which
    PySide warns.
    """

    def wait(widget, end):
        gone = []
        widget.destroyed.connect(lambda *_: gone.append(True))
        end()
        qtbot.waitUntil(lambda: bool(gone), timeout=5000)

    return wait


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def doubting_core(core):
    """A pipeline that doubts the first cell and tells what is known of the figure."""
    further = {
        "identified": np.array(["no", "yes", "yes", "yes"]),
        "mitotic_phase": np.array(["", "", "metaphase", ""]),
        "mitotic_lineage": np.array(["", "", "erythroid", ""]),
    }
    core.cells = replace(core.cells, further=further)
    return core


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def slide_layer(viewer):
    pixels = np.full((SIDE, SIDE, 3), 230, np.uint8)
    return viewer.add_image(
        pixels, rgb=True, name="slide", scale=(0.25, 0.25), units=("um", "um")
    )


@pytest.fixture
def controller(viewer, core, inline_start):
    """Make a widget without Qt whose runs end when `finish` is called."""
    task, kept = InlineTask(), []

    def start(items, *, on_item, on_end):
        task.stopped = False
        made.pending = lambda: task.run(items, on_item, on_end)
        return task

    made = Controller(
        viewer,
        Session(model="namer"),
        load_models=lambda model, detector, device: MODELS,
        iter_search=core,
        map_adequacy=lambda slide, *, mpp: core.adequacy,
        keep_corrections=kept.append,
        name_boxes=core.name_boxes,
        start=start,
    )
    made.session, made.kept = made._session, kept
    made.desk.saving._start = inline_start

    def finish():
        made.pending()

    made.finish = finish
    return made


@pytest.fixture
def look_at(viewer):
    """Show a square of the slide: centre in level-0 pixels, side of the canvas."""

    def look(x, y, side):
        viewer.canvas.size = (side, side)
        # The edge of a pixel lies half a pixel before its centre.
        viewer.scene.camera.center = (0, (y - 0.5) * 0.25, (x - 0.5) * 0.25)
        viewer.scene.camera.zoom = 4.0

    return look


@pytest.fixture
def make_controller(core, inline_start):
    """Make widgets without Qt, each with a viewer of its own; work is done at once.

    The viewer is handed to them as napari hands it to a widget. One that is given is
    shared with the widgets that were there before.
    """

    def make(viewer=None, start=inline_start):
        viewer = viewer or ViewerModel()
        session = Session(model="namer")
        made = Controller(
            PublicOnlyProxy(viewer),
            session,
            load_models=lambda *_: MODELS,
            iter_search=core,
            map_adequacy=lambda slide, *, mpp: core.adequacy,
            keep_corrections=lambda read: None,
            name_boxes=core.name_boxes,
            start=start,
        )
        made.viewer, made.session = viewer, session
        return made

    return make


@pytest.fixture
def slide_path(phantom_svs, tmp_path):
    path = tmp_path / "slides" / "case 1.svs"
    path.parent.mkdir()
    path.write_bytes(phantom_svs.read_bytes())
    return path
