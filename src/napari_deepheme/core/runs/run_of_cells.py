"""Whether cells are of the run that the summary beside them tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.export.facts import SUMMARY, summary_beside
from napari_deepheme.core.export.lying_there import has_words
from napari_deepheme.core.export.summary import RUN_FILES, summarize_cells
from napari_deepheme.core.files import is_there
from napari_deepheme.core.review.corrections import is_corrected, n_found, was_added
from napari_deepheme.core.runs.journal_records import read_past
from napari_deepheme.core.taxonomy import MITOTIC_CODE
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable

_MAY_DIFFER: Final = "cells and summary may be of different runs"

_N_TOLD: Final = 4
"""Counts of a table that are told in a sentence, at most; the rest are counted."""

_SURE: Final = "identified "
"""Before the class of cells without those that are unidentified."""


def other_run_doubts(path: Path, cells: CellTable) -> Iterator[str]:
    """Yield what speaks against a file of cells and its summary being of one run.

    Parameters
    ----------
    path : Path
        The file of cells; of a table, also the number of its rows is looked at, which
        a reader's additions do not change. Without a ``summary.json`` beside it, or
        with one that cannot be read, there is nothing to tell.
    cells : CellTable
        What it holds.
    """
    try:
        summary = summary_beside(path)
        stated, complete = summary.get("n_cells"), summary.get("complete")
    except (OSError, ValueError, AttributeError):
        return
    found = len(cells) - int(was_added(cells).sum())
    is_table = path.suffix.lower() == ".csv"
    if is_table and isinstance(stated, int) and stated not in (found, n_found(cells)):
        yield (
            f"The summary tells of {plural(stated, 'cell')}, and there are "
            f"{len(cells)}: {_MAY_DIFFER}."
        )
    past = read_past(path.parent)
    if past is None or past.is_finished:
        return
    if complete is True or _is_of_another(past.asked, summary):
        yield f"The last run in the folder of the cells did not end: {_MAY_DIFFER}."


def uncounted_in(folder: Path) -> str:
    """Say of the table in a folder what `uncounted_words` does.

    It is read where a reader said something of its cells, by its header or its summary.

    Raises
    ------
    InvalidTableError
        If it cannot be read then, or has no header of cells.
    """
    path = folder / RUN_FILES[0]
    if has_words(path) or (is_there(path) and _summary(path).get("corrected")):
        return uncounted_words(path, read_csv(path))
    return ""


def uncounted_words(path: Path, cells: CellTable) -> str:
    """Say that a table gives other counts than the summary beside it.

    Parameters
    ----------
    path : Path
        The table.
    cells : CellTable
        What it holds: all cells.

    Returns
    -------
    str
        Empty where all that the summary counts is what the table gives, or there is
        none.
    """
    told = _differing(_summary(path), cells)
    if not told:
        return ""
    if len(told) > _N_TOLD:
        told[_N_TOLD:] = [f"{len(told) - _N_TOLD} more differ"]
    return (
        f"{path} gives other counts than {SUMMARY} beside it ({'; '.join(told)}): open "
        "the slide and this table in napari, and export them into its folder"
    )


def _summary(path: Path) -> dict[str, Any]:
    """Return the summary beside a table; an empty one where there is none."""
    try:
        summary: Any = summary_beside(path)
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def _differing(summary: dict[str, Any], cells: CellTable) -> list[str]:
    """Return in words which counts of a summary are not those of a table."""
    of_cells = {**summarize_cells(cells), "corrected": int(is_corrected(cells).sum())}
    given, stated = _numbers(of_cells), _numbers(summary)
    differ = {name for name, n in given.items() if stated.get(name, n) != n}
    return [
        f"{name}: {n:,} instead of {stated[name]:,}"
        for name, n in given.items()
        # What differs among all cells of a class is not told of the sure ones again.
        if name in differ and name.removeprefix(_SURE) not in differ - {name}
    ]


def _numbers(summary: dict[str, Any]) -> dict[str, int]:
    """Return the counts of a summary under the words by which they are told.

    What it lacks, as those of earlier versions, or what is no count, is left out.
    """
    differential = summary.get("differential")
    sure = differential.get("counts") if isinstance(differential, dict) else None
    found = {
        "named by a reader": summary.get("corrected"),
        "cells": summary.get("n_cells"),
        **_worded(summary.get("counts"), "{}"),
        **_worded(sure, _SURE + "{}"),
    }
    # Versions without these had figures that the model doubts among the others.
    if isinstance(sure, dict):
        found[_SURE + MITOTIC_CODE] = summary.get("mitotic_figures")
        found |= _worded(summary.get("mitotic_phases"), "figures in {}")
        found |= _worded(summary.get("mitotic_lineages"), "{} figures")
        found["unidentified"] = summary.get("unidentified")
    return {name: n for name, n in found.items() if type(n) is int}


def _worded(counts: Any, words: str) -> dict[str, Any]:
    if not isinstance(counts, dict):
        return {}
    return {words.format(name): n for name, n in counts.items()}


def _is_of_another(asked: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Tell whether a summary has another pixel size or model than was asked for."""
    mpp, model = asked.get("mpp"), asked.get("model")
    is_other_mpp = mpp is not None and summary.get("mpp") != [mpp, mpp]
    named = model.get("name") if isinstance(model, dict) else None
    return is_other_mpp or (named is not None and summary.get("model") != named)
