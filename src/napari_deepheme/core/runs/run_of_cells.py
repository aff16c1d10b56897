"""Whether cells are of the run that the summary beside them tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.export.facts import summary_beside
from napari_deepheme.core.review.corrections import is_corrected, n_found, was_added
from napari_deepheme.core.runs.journal_records import read_past
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable

_MAY_DIFFER: Final = "cells and summary may be of different runs"


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


def uncounted_words(path: Path, cells: CellTable) -> str:
    """Say that a reader named other cells of a table than its summary counts.

    Parameters
    ----------
    path : Path
        The table.
    cells : CellTable
        What it holds, or those of its cells of which a reader said something.

    Returns
    -------
    str
        Empty where their number is that of the summary beside it, or there is none.
    """
    try:
        counted = summary_beside(path).get("corrected")
    except (OSError, ValueError, AttributeError):
        return ""
    n_named = int(is_corrected(cells).sum())
    if not isinstance(counted, int) or counted == n_named:
        return ""
    return (
        f"in {path} a reader named {plural(n_named, 'cell')}, of which summary.json "
        f"counts {counted}: open the slide and this table in napari, and export them "
        "into its folder"
    )


def _is_of_another(asked: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Tell whether a summary has another pixel size or model than was asked for."""
    mpp, model = asked.get("mpp"), asked.get("model")
    is_other_mpp = mpp is not None and summary.get("mpp") != [mpp, mpp]
    named = model.get("name") if isinstance(model, dict) else None
    return is_other_mpp or (named is not None and summary.get("model") != named)
