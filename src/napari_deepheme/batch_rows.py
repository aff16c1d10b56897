"""What the table of a cohort says of a slide: what came of it, or why nothing did."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson

from napari_deepheme.core.errors import (
    DeephemeError,
    InvalidSummaryError,
    OblongPixelsError,
    OtherRunError,
    OutOfMemoryError,
    RunBusyError,
    UnknownMppError,
)
from napari_deepheme.core.export.cohort import FAILED, NOT_BEGUN, done_row, failed_row
from napari_deepheme.core.export.facts import SUMMARY
from napari_deepheme.core.runs.journal_records import read_past
from napari_deepheme.core.runs.result_folders import holds_run
from napari_deepheme.core.runs.run_request import RunRequest, run_identity
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.watch import last_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.runs.result_folders import AskedSlide

    OnFailure = Callable[[AskedSlide, str], None]

_log = logging.getLogger(__name__)

_REPORT = (
    "a fault of this program or of a library: report it, with the traceback on "
    "standard error"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a slide was not done.

    Attributes
    ----------
    words : str
        In full.
    kind : str
        Of what kind it is, which names nothing.
    """

    words: str
    kind: str

    @classmethod
    def of(cls, error: Exception, asked: AskedSlide) -> Self:
        """Word an error; of one that nobody foresaw, the log has the traceback."""
        if isinstance(error, MemoryError) and not isinstance(error, DeephemeError):
            error = OutOfMemoryError()
        if isinstance(error, DeephemeError):
            kind = (type(error).__doc__ or "").splitlines()[0]
            return cls(_mpp_remedied(error, asked) or str(error), kind)
        _log.error("%s: something unforeseen", asked.path, exc_info=error)
        kind = f"unforeseen {type(error).__name__}"
        return cls(f"{kind}: {error} ({_REPORT})", f"{kind} ({_REPORT})")


def finished_row(
    asked: AskedSlide, request: RunRequest, on_failure: OnFailure, *, overwrite: bool
) -> dict[str, Any] | None:
    """Return the row of a slide that was done before, with the same request.

    Its results may have been reviewed meanwhile. Those of another slide, place, count
    or model that lie there instead are not its own, nor are numbers that no run finds.

    Parameters
    ----------
    asked : AskedSlide
        The slide.
    request : RunRequest
        What it is asked for.
    on_failure : callable
        As `batch.iter_batch` takes it.
    overwrite : bool
        Whether what lies there instead may be thrown away.

    Returns
    -------
    dict or None
        None for a slide that is to be done. Whatever fails as it is looked at is met
        again, and told, when it is begun.
    """
    past = read_past(asked.folder)
    if past is None or not past.is_finished:
        return None
    try:
        with open_slide(asked.path, read_timeout=request.read_timeout) as reader:
            if run_identity(reader, request) != past.asked:
                return None
            changed = last_change(reader) > past.written
        summary = _summary(asked)
        if changed and summary["failed_tiles"]:
            # What could not be read of it may have been mended.
            return None
        other = [name for name, own in past.results.items() if summary[name] != own]
        if not other:
            return _done_row(asked, summary)
        differs = f"its summary.json has another {other[0]}: {summary[other[0]]}"
        refused: DeephemeError = OtherRunError(str(asked.folder), differs)
    except InvalidSummaryError as error:
        refused = error
    except Exception:
        return None
    if overwrite:
        return None
    return row_not_begun(asked, refused, request, on_failure)


def row_of_done(asked: AskedSlide) -> dict[str, Any]:
    """Return the row of a slide whose files are written."""
    return _done_row(asked, _summary(asked))


def row_not_begun(
    asked: AskedSlide,
    error: Exception,
    request: RunRequest,
    on_failure: OnFailure,
) -> dict[str, Any]:
    """Return the row of a slide whose folder is as it was."""
    is_anothers = isinstance(error, RunBusyError) or holds_run(asked.folder)
    status = NOT_BEGUN if is_anothers else FAILED
    failure = Failure.of(error, asked)
    return row_of_failed(asked, failure, request, on_failure, status=status)


def row_of_failed(
    asked: AskedSlide,
    failure: Failure,
    request: RunRequest,
    on_failure: OnFailure,
    *,
    status: str = FAILED,
) -> dict[str, Any]:
    """Tell why a slide was not done; return its row."""
    on_failure(asked, failure.words)
    reason = failure.kind if request.deidentify else failure.words
    return failed_row(asked.name, asked.folder.name, reason, status=status)


def _mpp_remedied(error: DeephemeError, asked: AskedSlide) -> str:
    """Say how one slide is given its pixel size, which is not that of the others."""
    is_known = isinstance(error, OblongPixelsError)
    if is_known or not isinstance(error, UnknownMppError):
        return ""
    alone = f"batch {asked.path} --mpp 0.25 --out {asked.folder.parent}"
    return f"{error.what}: give it for this slide alone, for example {alone}"


def _summary(asked: AskedSlide) -> dict[str, Any]:
    summary: dict[str, Any] = orjson.loads((asked.folder / SUMMARY).read_bytes())
    return summary


def _done_row(asked: AskedSlide, summary: dict[str, Any]) -> dict[str, Any]:
    try:
        return done_row(asked.name, asked.folder.name, summary)
    except (ValueError, TypeError) as error:
        raise InvalidSummaryError(str(asked.folder / SUMMARY), str(error)) from error
