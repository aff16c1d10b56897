"""``summary.json``, and the three files of a run together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from napari_deepheme.core.counts.mitoses import (
    lineages_of,
    mitotic_figures,
    mitotic_indices,
    phases_of,
)
from napari_deepheme.core.counts.report import differential, me_ratio, ratios
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.facts import NOTICE, SUMMARY
from napari_deepheme.core.export.geojson import write_geojson
from napari_deepheme.core.files import atomic_file, atomic_files, make_folder
from napari_deepheme.core.geometry import regions_to_json
from napari_deepheme.core.review.corrections import (
    is_corrected,
    is_unidentified,
    judged_counts,
    likeliest_counts,
    n_found,
)
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.counts.mitoses import MitoticIndex
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.geometry import Mpp, Point
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader

RUN_FILES: Final = ("cells.csv", "cells.geojson", SUMMARY)
"""What a run writes into its folder."""


OF_THE_RUN: Final = (
    "slide",
    "region",
    "counted_areas",
    "drawn_areas",
    "mpp",
    "model",
    "detector",
    "complete",
)
"""What a summary says of the run; no review of its cells changes that."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a report states beside the cells.

    Attributes
    ----------
    slide : str
        File name of the slide.
    model : str
        Name and version of the classifier.
    detector : str
        Name and version of the detector; empty where the cells alone are known.
    compute : Compute
        Where and how the networks computed.
    rendered_only : tuple of str
        Codes of the classes that the model learned from rendered cells alone.
    bounds_origin : Point
        That of the slide at hand, for QuPath.
    unidentified_below : float
        Probability under which the model leaves a cell unidentified; 0 for never, and
        where it is not known.
    mpp : Mpp or None
        Micrometres per pixel at which the run was made; None where that is what its
        result has, or not known.

    Raises
    ------
    ValueError
        If `unidentified_below` is no probability.
    """

    slide: str
    model: str
    detector: str
    compute: Compute
    rendered_only: tuple[str, ...] = ()
    bounds_origin: Point = field(kw_only=True)
    unidentified_below: float = 0.0
    mpp: Mpp | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.unidentified_below <= 1:
            below = str(self.unidentified_below)[:80]
            raise ValueError(f"unidentified_below is no probability: {below}")

    @property
    def is_known(self) -> bool:
        """Whether more is known than the cells of a table."""
        return bool(self.detector)

    @classmethod
    def of(cls, slide: SlideReader, models: Models) -> Self:
        """Gather the facts of a run."""
        return cls(
            slide=slide.name,
            model=models.classifier.spec.name,
            detector=models.detector.spec.name,
            compute=models.compute,
            rendered_only=models.classifier.spec.rendered_only,
            bounds_origin=slide.bounds_origin,
            unidentified_below=models.classifier.spec.unidentified_below,
        )


def summarize(result: RegionResult, facts: RunFacts) -> dict[str, Any]:
    """Return the content of ``summary.json``; a figure without denominator is None."""
    cells, region = result.cells, result.region
    return {
        # A name that is not UTF-8 is spelled out: JSON has no other way to hold it.
        "slide": spelled_out(facts.slide),
        "region": region.to_json(),
        "counted_areas": regions_to_json(result.counted_areas),
        "drawn_areas": [list(a.corners) for a in result.drawn_areas] or None,
        "searched_areas": regions_to_json(result.searched_areas),
        "mpp": list(result.mpp),
        "bounds_origin": list(facts.bounds_origin),
        "model": facts.model,
        "detector": facts.detector,
        "device": facts.compute.device if facts.is_known else None,
        "backend": facts.compute.backend if facts.is_known else None,
        "precision": facts.compute.numbers if facts.is_known else None,
        **summarize_cells(cells),
        "unidentified_below": facts.unidentified_below or None,
        "corrected": int(is_corrected(cells).sum()),
        "seconds": None if result.seconds is None else round(result.seconds, 3),
        "failed_tiles": len(result.failed),
        "failed_regions": regions_to_json(result.failed),
        "complete": result.complete if facts.is_known else None,
        "learned_from_rendered_cells_only": list(facts.rendered_only),
        "notice": NOTICE,
    }


def summarize_cells(cells: CellTable) -> dict[str, Any]:
    """Return what of ``summary.json`` is counted off a table of cells alone."""
    count, indices = differential(cells), mitotic_indices(cells)
    counts = judged_counts(cells)
    return {
        "n_cells": n_found(cells),
        "counts": likeliest_counts(cells),
        "differential": {
            "n": count.n,
            "counts": {code: counts[code] for code in count.percent},
            "percent": dict(count.percent),
            "interval_95": dict(count.interval),
            "interval_is": "Wilson, sampling error only",
        },
        "me_ratio": me_ratio(counts),
        "ratios": {
            r.name: {"over": r.over, "under": r.under, "value": r.value}
            for r in ratios(counts)
        },
        **_mitoses(mitotic_figures(cells), indices),
        "unidentified": int(is_unidentified(cells).sum()),
    }


def _mitoses(figures: CellTable, indices: Sequence[MitoticIndex]) -> dict[str, Any]:
    every, *by_lineage = indices
    return {
        "mitotic_figures": len(figures),
        "mitotic_index": every.per_1000,
        "mitotic_index_interval_95": every.interval,
        "mitotic_phases": phases_of(figures),
        "mitotic_lineages": lineages_of(figures),
        "mitotic_index_by_lineage": {i.name: i.per_1000 for i in by_lineage},
    }


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Write a summary as JSON.

    Raises
    ------
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    with atomic_file(path) as stream:
        stream.write(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")


def export_run(
    result: RegionResult,
    facts: RunFacts,
    folder: Path,
    *,
    noted: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Write ``cells.csv``, ``cells.geojson`` and ``summary.json`` into a folder.

    The folder is made where it is missing. All take their places together, the summary
    last: where it lies, the other two are whole, and of the same run.

    Parameters
    ----------
    result : RegionResult
        The run.
    facts : RunFacts
        What it used.
    folder : Path
        Where they go.
    noted : callable, optional
        Given what of the summary is of the run alone (`OF_THE_RUN`), when all are
        written and before they take their places; if it raises, they do not.

    Raises
    ------
    CannotWriteError
        If a file cannot be written; what lay there stays as it was then.
    """
    make_folder(folder)
    with atomic_files(*(folder / name for name in RUN_FILES)) as (table, shapes, last):
        write_csv(result.cells, table)
        write_geojson(result.cells, shapes, bounds_origin=facts.bounds_origin)
        content = summarize(result, facts)
        write_summary(content, last)
        if noted is not None:
            noted({name: content[name] for name in OF_THE_RUN})
