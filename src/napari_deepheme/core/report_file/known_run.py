"""What is known of the run that a table of cells came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import InvalidSummaryError
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.geometry import Polygon, Region, regions_from_json
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.report_file.wording import NOT_KNOWN
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.core.slide.mpp import stated_mpp
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader


def known_run(
    cells: CellTable,
    slide: SlideReader,
    path: Path | None,
    *,
    mpp: float | None = None,
) -> tuple[RegionResult, RunFacts | None]:
    """Return a table of cells as the result of the run that its summary tells of.

    Parameters
    ----------
    cells : CellTable
        The cells, as the run found them or corrected since.
    slide : SlideReader
        The slide that they lie on.
    path : Path or None
        The ``summary.json`` beside them; it may be missing.
    mpp : float, optional
        Micrometres per pixel, before what summary and slide state. The facts keep at
        which the run was made.

    Returns
    -------
    RegionResult, RunFacts or None
        Without a summary the region is what holds the cells, and there are no facts.

    Raises
    ------
    InvalidSummaryError
        If there is such a file and it is no summary of a run.
    UnknownMppError
        If neither summary, slide nor `mpp` tell a pixel size that can be right.
    """
    content = _content(path)
    if path is None or content is None:
        region = _hull(cells)
        taken = plausible_mpp(slide, mpp=mpp)
        return RegionResult(region, taken, cells, (), True, None), None
    try:
        summary = orjson.loads(content)
        facts, result = _facts(summary, slide), _result(cells, summary)
    except KeyError as error:
        raise InvalidSummaryError(str(path), f"it lacks {error}") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidSummaryError(str(path), str(error)) from error
    if mpp is not None:
        facts = replace(facts, mpp=result.mpp)
        result = replace(result, mpp=plausible_mpp(slide, mpp=mpp))
    return result, facts


def found_at(result: RegionResult, facts: RunFacts | None) -> Mpp:
    """Return at what pixel size the cells of a result were found, whatever is given."""
    return (facts and facts.mpp) or result.mpp


def _content(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        check_regular(path)
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidSummaryError(str(path), reason) from error


def _facts(summary: dict[str, Any], slide: SlideReader) -> RunFacts:
    compute = Compute(
        device=str(summary.get("device") or NOT_KNOWN),
        backend=str(summary.get("backend") or NOT_KNOWN),
        precision=str(summary.get("precision") or NOT_KNOWN),
    )
    rendered = summary.get("learned_from_rendered_cells_only", [])
    return RunFacts(
        slide=str(summary["slide"]),
        model=str(summary.get("model", NOT_KNOWN)),
        detector=str(summary.get("detector", NOT_KNOWN)),
        compute=compute,
        rendered_only=tuple(code for code in CLASS_CODES if code in rendered),
        bounds_origin=slide.bounds_origin,
        unidentified_below=float(summary.get("unidentified_below") or 0),
    )


def _result(cells: CellTable, summary: dict[str, Any]) -> RegionResult:
    mpp = stated_mpp(*summary["mpp"])
    if mpp is None:
        raise ValueError(f"no pixel size: {summary['mpp']}")
    return RegionResult(
        region=Region.from_json(summary["region"]),
        mpp=mpp,
        cells=cells,
        failed=regions_from_json(summary.get("failed_regions")) or (),
        # None where that is not known: then nobody stopped it, as far as is known.
        complete=summary["complete"] is None or bool(summary["complete"]),
        # Earlier versions wrote 0 for what was not known.
        seconds=float(summary.get("seconds") or 0) or None,
        counted_areas=regions_from_json(summary.get("counted_areas")),
        drawn_areas=tuple(
            Polygon.from_corners(area) for area in summary.get("drawn_areas") or ()
        ),
        searched_areas=regions_from_json(summary.get("searched_areas")),
    )


def _hull(cells: CellTable) -> Region:
    if not len(cells):
        return Region(0, 0, 0, 0)
    boxes = cells.boxes.astype(np.int64)
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
    return Region.from_corners(left, top, right, bottom)
