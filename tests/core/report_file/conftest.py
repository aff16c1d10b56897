"""A small slide, thirty cells on it counted by hand, and what their report says."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.export.geojson import NO_SHIFT
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.further_columns import (
    DELETED,
    IDENTIFIED,
    LINEAGE,
    NOT_A_CELL,
    PHASE,
    READ_AT,
    READ_FROM,
    READER,
    READER_CLASS,
)
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.report_file import gather_report
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import class_index

MODEL = (
    *["M1"] * 2,  # cells 1 and 2
    *["M5"] * 2,  # 3 and 4
    *["M6"] * 10,  # 5 to 14
    *["ER3"] * 4,  # 15 to 18
    *["ER4"] * 2,  # 19 and 20
    *["L4"] * 5,  # 21 to 25
    *["U1", "U4", "U4"],  # 26 to 28
    *["L2"] * 2,  # 29 and 30
)

FACTS = RunFacts(
    "small.svs",
    "namer 2.1",
    "finder 1.3",
    Compute("cpu", "openvino", "bfloat16"),
    rendered_only=("U4",),
    bounds_origin=NO_SHIFT,
    unidentified_below=0.6,
)


def thirty_cells():
    """Cell 2 becomes M2 by a reader, 24 is none, 25 deleted, 30 unidentified."""
    n = len(MODEL)
    further = {
        name: np.zeros(n, "<U40")
        for name in (PHASE, LINEAGE, READER_CLASS, READER, READ_AT, READ_FROM)
    }
    further[IDENTIFIED] = np.array(["yes"] * (n - 1) + ["no"])
    further[PHASE][26], further[LINEAGE][26] = "metaphase", "erythroid"
    for row, word in ((1, "M2"), (23, NOT_A_CELL), (24, DELETED)):
        further[READER_CLASS][row] = word
        further[READER][row] = "<b>Ann</b>"
        further[READ_AT][row] = "2026-03-01T09:30:00Z"
        further[READ_FROM][row] = MODEL[row]
    boxes = [(100 + 90 * (i % 6), 100 + 90 * (i // 6), 40, 40) for i in range(n)]
    codes = [class_index(code) for code in MODEL]
    return CellTable.from_arrays(boxes, [0.9] * n, codes, [0.8] * n, further)


class BlindSlide(ArraySlide):
    """A slide of which nothing can be read."""

    def read_region(self, location, level, size_level):
        raise UnreadableRegionError(self.name, Region(*location, *size_level), "torn")


@pytest.fixture(scope="session")
def noise():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (700, 800, 3), np.uint8)
    pixels.flags.writeable = False
    return pixels


@pytest.fixture
def slide(noise):
    return ArraySlide(noise, mpp=0.25, name="small.svs")


@pytest.fixture
def blind_slide(noise):
    return BlindSlide(noise, mpp=0.25, name="small.svs")


@pytest.fixture
def result():
    region = Region(50, 60, 700, 600)
    return RegionResult(region, Mpp(0.25, 0.25), thirty_cells(), (), True, 2.0)


@pytest.fixture
def facts():
    return FACTS


@pytest.fixture
def content(result, slide):
    return gather_report(result, FACTS, slide, date="1 March 2026", reader="Ann")
