"""What several folders of tests share."""

import gc
import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import tifffile

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


FAULTS = Path(__file__).parent / "faults"


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also the tests that are slow")


def pytest_collection_modifyitems(config, items):
    """Pass over the slow ones, unless they or their file are asked for."""
    words = config.invocation_params.args
    if config.getoption("--slow") or any(".py" in word for word in words):
        return
    left_out = {
        item
        for item in items
        if item.get_closest_marker("slow") and not item.path.is_relative_to(FAULTS)
    }
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_collection_finish():
    """Let no search for garbage go through all that was imported, viewer by viewer."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    if sys.platform == "win32" and item.get_closest_marker("not_on_windows"):
        pytest.skip("Windows has no such signals, pipes, links, rights or limits")


@pytest.fixture(scope="session")
def phantom_svs(tmp_path_factory):
    """Path of a small rendered slide, to be read only."""
    path = tmp_path_factory.mktemp("phantom") / "small.svs"
    write_phantom(path, Size(1000, 1000), 5)
    return path


SCN = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection name="c" uuid="u" sizeX="250000" sizeY="200000">{images}</collection></scn>
"""

SCN_IMAGE = """<image name="{name}" uuid="{name}">
<creationDate>2026-01-01T00:00:00Z</creationDate><device model="SCN400" version="1"/>
<pixels sizeX="{width}" sizeY="{height}">
<dimension sizeX="{width}" sizeY="{height}" r="0" ifd="{ifd}"/></pixels>
<view sizeX="{wide}" sizeY="{high}" offsetX="{x}" offsetY="{y}"/><scanSettings>
<objectiveSettings><objective>{objective}</objective></objectiveSettings>
<illuminationSettings><illuminationSource>brightfield</illuminationSource>
<numericalAperture>0.65</numericalAperture></illuminationSettings></scanSettings>
</image>"""
"""Lengths on the glass are in nanometres."""


def write_scn(path, *areas):
    """Write a slide of 1000 x 800 px of 0.25 µm, with areas (x, y, pixels)."""
    macro = {"name": "macro", "ifd": 0, "objective": 1, "x": 0, "y": 0}
    macro |= {"wide": 250_000, "high": 200_000, "width": 256, "height": 256}
    images, pages = [macro], [np.full((256, 256, 3), 230, np.uint8)]
    for ifd, (x, y, pixels) in enumerate(areas, 1):
        height, width, _ = pixels.shape
        main = {"name": f"main{ifd}", "width": width, "height": height, "ifd": ifd}
        main |= {"objective": 40, "wide": 250 * width, "high": 250 * height}
        images.append(main | {"x": 250 * x, "y": 250 * y})
        pages.append(pixels)
    options = {"photometric": "rgb", "tile": (256, 256), "metadata": None}
    options |= {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        joined = "".join(SCN_IMAGE.format(**image) for image in images)
        text = SCN.format(images=joined).encode()
        for pixels in pages:
            tif.write(pixels, compression="jpeg", description=text, **options)
            text = None
    return path


@pytest.fixture(scope="session")
def bounded_scn(tmp_path_factory):
    """Path of a slide of 1000 x 800 px; 600 x 500 px from (300, 200) on are scanned.

    A pixel has 0.25 µm.
    """
    path = tmp_path_factory.mktemp("leica") / "bounded.scn"
    return write_scn(path, (300, 200, np.full((500, 600, 3), 230, np.uint8)))


@pytest.fixture(scope="session")
def scn_writer():
    """Writes slides as Leica's scanner has them."""
    return write_scn


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
    folder, base = tmp_path_factory.mktemp("settings"), tmp_path_factory.getbasetemp()
    # What is fastest is measured once, for all processes that share the tests.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_DEEPHEME_CACHE", str(shared / "cache"))
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
