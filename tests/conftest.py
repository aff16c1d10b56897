"""What several folders of tests share."""

import sys

import hypothesis
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.torch.runner import plain_compute
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.core.training.own import data
from napari_deepheme.plugin.preparing import Preparing

# How long an example takes is the machine's: under a debugger, with coverage, on two
# busy cores it takes many times as long.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_runtest_setup(item):
    if sys.platform == "win32" and item.get_closest_marker("not_on_windows"):
        pytest.skip("Windows has no such signals, pipes, links, rights or limits")


@pytest.fixture(scope="session")
def phantom_svs(tmp_path_factory):
    """Path of a small rendered slide, to be read only."""
    path = tmp_path_factory.mktemp("phantom") / "small.svs"
    write_phantom(path, Size(1000, 1000), 5)
    return path


@pytest.fixture(scope="session")
def make_table():
    """Make a table of rows (x, y, width, height, class code[, score, probability])."""

    def make(*rows):
        rows = [(*row, 0.9, 0.8)[:7] if len(row) == 5 else row for row in rows]
        return CellTable.from_arrays(
            [row[:4] for row in rows],
            [row[5] for row in rows],
            [class_index(row[4]) for row in rows],
            [row[6] for row in rows],
        )

    return make


@pytest.fixture
def columns_made(monkeypatch):
    """Return the lengths of columns that tables make anew, as they are asked for."""
    lengths = []

    def counted(name):
        made = getattr(CellTable, name).fget

        def column(self):
            lengths.append(len(self))
            return made(self)

        return property(column)

    for name in ("class_codes", "cell_ids", "centres"):
        monkeypatch.setattr(CellTable, name, counted(name))
    return lengths


@pytest.fixture(scope="session", autouse=True)
def a_cache_of_their_own(tmp_path_factory):
    """What is measured or set is kept for the tests alone, and forgotten."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_DEEPHEME_CACHE", str(folder))
        patch.setenv("NAPARI_DEEPHEME_CONFIG", str(folder / "config"))
        yield


@pytest.fixture(autouse=True)
def nothing_is_prepared(monkeypatch):
    """Models are loaded where a test asks for them, not beside it."""
    monkeypatch.setattr(Preparing, "begin", lambda self: None)


@pytest.fixture(scope="session")
def cells_rendered_before():
    """Those that trainings rehearse with, by class, size and seed."""
    return {}


@pytest.fixture
def rendered_once(monkeypatch, cells_rendered_before):
    """Render what a training rehearses with once, for all tests."""
    render = data.render_cells

    def remembered(codes, **options):
        known = (tuple(codes), *sorted(options.items()))
        if known not in cells_rendered_before:
            cells_rendered_before[known] = render(codes, **options)
        return cells_rendered_before[known]

    monkeypatch.setattr(data, "render_cells", remembered)


@pytest.fixture
def torch_alone(monkeypatch):
    """Compute as torch does, in one way: measuring a test's own model takes seconds."""
    alone = plain_compute("cpu").exact
    monkeypatch.setattr(fastest, "candidates", lambda *_: [alone])
