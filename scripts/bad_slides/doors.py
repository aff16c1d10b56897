"""One bad slide through the other doors: report, export, Python, the dock widget."""

from __future__ import annotations

import time
import traceback
import zlib
from typing import TYPE_CHECKING, Final
from unittest import mock

from bad_slides.case import DONE, FAILED_TILES, WRONG, Outcome
from bad_slides.judged import judge_file, judge_line
from bad_slides.run import bundled, caught, classify, prepare, show
from bad_slides.stand_ins import stand_ins
from napari_deepheme import cli
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.runs import classify_slide
from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bad_slides.case import BadSlide

_BOXES: Final = [(20 + i % 5 * 90, 20 + i // 5 * 90, 40, 40) for i in range(23)]
_SIDE: Final = 512


def report(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Write the report of some cells, as HTML or as PDF."""
    out = folder / "out" / _one_of(case, ("report.html", "report.pdf"))
    return _written(case, folder, path, out, ["report", str(path), "--cells"])


def export(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Export some cells as what a slide is needed for."""
    kind = _one_of(case, ("crops", "geojson", "dicom"))
    out = folder / "out" / f"cells.{kind}"
    words = ["export", "--to", kind, "--slide", str(path)]
    return _written(case, folder, path, out, words)


def _one_of(case: BadSlide, choice: tuple[str, ...]) -> str:
    return choice[zlib.crc32(case.name.encode()) % len(choice)]


def _written(
    case: BadSlide, folder: Path, path: Path, out: Path, words: list[str]
) -> Outcome:
    prepare(case)
    (folder / "run").mkdir()
    out.parent.mkdir()
    n = len(_BOXES)
    table = CellTable.from_arrays(_BOXES, [0.9] * n, list(range(n)), [0.8] * n)
    cells = folder / "run" / "cells.csv"
    write_csv(table, cells)
    given = ["--mpp", "0.25"] if "--mpp" in case.words else []
    started = time.monotonic()
    said = caught(lambda: cli.run([*words, str(cells), *given, "--out", str(out)]))
    ending, detail = judge_file(said, path, out)
    return Outcome(ending, detail, time.monotonic() - started)


def python(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Open, read and classify a slide as in a notebook."""
    prepare(case)
    mpp = 0.25 if "--mpp" in case.words else None
    started = time.monotonic()
    try:
        failed = _read(case, path, mpp)
        with mock.patch.object(classify_slide, "load_models", stand_ins):
            result = classify_slide.classify(path, mpp=mpp)
        failed += len(result.failed)
    except DeephemeError as error:
        ending, detail = judge_line(str(error), path)
        return Outcome(ending, detail, time.monotonic() - started)
    except BaseException:
        return Outcome(WRONG, traceback.format_exc(), time.monotonic() - started)
    ending = FAILED_TILES if failed else DONE
    return Outcome(ending, f"{failed} failed", time.monotonic() - started)


def _read(case: BadSlide, path: Path, mpp: float | None) -> int:
    """Read corners and middle of each level; count what cannot be read."""
    n_failed = 0
    with open_slide(path, mpp=mpp) as slide:
        if case.opened is not None:
            case.opened(path)
        width, height = slide.size
        for level in range(len(slide.levels)):
            for x, y in ((0, 0), (width // 2, height // 2), (width - 1, height - 1)):
                try:
                    pixels = slide.read_region(Point(x, y), level, Size(_SIDE, _SIDE))
                except DeephemeError as error:
                    ending, detail = judge_line(str(error), path)
                    if ending == WRONG:
                        raise ValueError(detail) from error
                    n_failed += 1
                else:
                    assert pixels.shape == (_SIDE, _SIDE, 3)
    return n_failed


ACTIONS: Final[dict[str, Callable[[BadSlide, Path, Path], Outcome]]] = {
    "classify": classify,
    "show": show,
    "report": report,
    "export": export,
    "python": python,
    "bundled": bundled,
}
