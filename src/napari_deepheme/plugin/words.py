"""What the widget says of cells and runs, in plain words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.errors import NameTakenError, OblongPixelsError
from napari_deepheme.core.further_columns import MITOSIS_WORDS, UNIDENTIFIED
from napari_deepheme.core.review.corrections import (
    WORDS_APART,
    is_added,
    is_doubted,
    is_unidentified,
    judged_classes,
    judged_counts,
    judged_mitosis,
    reader_classes,
    short_words,
)
from napari_deepheme.core.slide.mpp import LARGEST_MPP, SMALLEST_MPP, coarse_doubt
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, MITOTIC_CODE
from napari_deepheme.core.wording import in_percent, plural

if TYPE_CHECKING:
    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.counts.counting import CountGoal
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.errors import UnknownMppError
    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.plugin.session import Session

NOT_NOW = "Not taken, since a run goes on. Wait for its end, or press “Cancel”."

BUSY = "Not begun, since a run goes on. Wait for its end, or press “Cancel”."

CLICK_HINT = "Click a cell to select it, Shift-click to add more."

NOT_SAVED = (
    "Not saved: what you correct now is in no sitting. “Save as… > Sitting” keeps it."
)

NO_MODEL = "Classify a slide first: it is not known which model named these cells."

MAP_HINT = (
    "Green is where cells are counted. Paint on the layer “Where to count” to change "
    "that."
)

PAINTED_HINT = (
    "Green is where cells are counted, as you painted it. Delete the layer “Where to "
    "count” for a new map."
)

CUTTING = "Cutting out the corrected cells …"

RENDERED_ONLY = "learned from rendered cells only"

MARK = " †"
"""Beside a class that the model learned from rendered cells only."""


def in_the_widget(error: Exception, remedy: str) -> str:
    """Word a failure; of a model's name that is taken with the remedy that is there.

    The command line has options that the widget has not.
    """
    if isinstance(error, NameTakenError):
        return str(NameTakenError(error.path, error.reason, remedy))
    return str(error)


def class_words(reader_class: str) -> str:
    """Return code and name of a class, or what else a reader can say."""
    if reader_class in WORDS_APART:
        return WORDS_APART[reader_class]
    return f"{reader_class} {CLASS_BY_CODE[reader_class].name}"


def describe(chosen: CellTable) -> str:
    """Tell what is known of one cell, or how many of which class several are.

    Parameters
    ----------
    chosen : CellTable
        These cells, taken from the table of all: they have its numbers.
    """
    if not len(chosen):
        return ""
    if len(chosen) == 1:
        return _one(chosen)
    numbers = Counter(short_words(chosen)).most_common()
    of_each = ", ".join(f"{n:,} {c}" for c, n in numbers)
    return f"{len(chosen):,} cells selected: {of_each}"


def outcome(result: RegionResult, goal: CountGoal | None = None) -> str:
    """Tell how a run ended, without numbers of cells: corrections change these."""
    words = ["Done" if result.complete else "Stopped before the end"]
    if result.counted_areas is not None:
        words.append(f"counted in {plural(len(result.counted_areas), 'area')}")
    is_short = goal is not None and not goal.is_reached(judged_counts(result.cells))
    if goal is not None and is_short and result.complete:
        words[-1] += f", all there are: fewer than the {goal.n_cells:,} asked for"
    if result.failed:
        words.append(f"{plural(len(result.failed), 'place')} could not be read")
    return "; ".join(filter(None, (*words, coarse_doubt(result.mpp)))) + "."


def lost_words(n_cells: int) -> str:
    """Tell of cells that a reader judged before and a run did not find."""
    were, them = ("was", "it") if n_cells == 1 else ("were", "them")
    return (
        f"{plural(n_cells, 'cell')} that {were} corrected before {were} not found this "
        f"time: what was said of {them} waits for a run that finds {them}."
    )


def mpp_refusal(error: UnknownMppError) -> str:
    """Tell why a pixel size is not taken, and what to do."""
    if isinstance(error, OblongPixelsError):
        return str(error)
    return (
        f"{error.what}. Enter micrometres per pixel, {SMALLEST_MPP:g} to "
        f"{LARGEST_MPP:g}, before classifying."
    )


def card_note(card: ModelCard) -> str:
    """Return what stands below the model's box: licence, and what it never saw."""
    words = [f"Weights: {card.license}."]
    if card.rendered_only:
        codes = ", ".join(card.rendered_only)
        words.append(f"{RENDERED_ONLY.capitalize()}: {codes}.")
    return " ".join(words)


def _one(cell: CellTable) -> str:
    code, judged = cell.class_codes[0], str(judged_classes(cell)[0])
    sure = _sure(cell)
    if is_added(cell)[0]:
        return _added(cell)
    place = f"cell {cell.cell_ids[0]}, detector {cell.scores[0]:.2f}"
    given = str(reader_classes(cell)[0])
    if given == code:
        return f"{class_words(judged)}, confirmed by the reader, {sure} ({place})"
    if given:
        model = f"{code} ({sure})"
        if is_doubted(cell)[0]:
            model = f"unidentified ({code} {sure})"
        return f"{class_words(judged)}, corrected from {model}, {place}"
    if is_unidentified(cell)[0]:
        return f"unidentified ({code} {sure}), {place}"
    mitosis = [str(judged_mitosis(cell, of)[0]) for of in MITOSIS_WORDS]
    words = [class_words(judged), *filter(None, mitosis), sure]
    return f"{', '.join(words)} ({place})"


def _sure(cell: CellTable) -> str:
    return in_percent(cell.probabilities[0], is_below=bool(is_doubted(cell)[0]))


def _added(cell: CellTable) -> str:
    """Tell of a cell that no detector found."""
    known = UNIDENTIFIED if is_unidentified(cell)[0] else str(judged_classes(cell)[0])
    words = f"{class_words(known)}, added by hand (cell {cell.cell_ids[0]}"
    # No model was asked where it is not at hand.
    if cell.probabilities[0]:
        words += f"; the model: {cell.class_codes[0]} {_sure(cell)}"
    return f"{words})"


def progress_in_words(session: Session) -> str:
    """Say how far a run or a training is; of what was found, what counts of it."""
    if session.training:
        words = session.step
        if session.seconds_left:
            words += f", about {_duration(session.seconds_left)} left"
        return words
    if session.can_export and not session.running:
        return _counted(session)
    if not session.step:
        return ""
    words = f"{plural(session.n_cells, 'cell')}, {session.step}"
    if session.running and session.seconds_left:
        words += f", about {_duration(session.seconds_left)} left"
    return words


def _counted(session: Session) -> str:
    """Say how many cells count, and how many do not until they are named."""
    n, n_counted = session.n_cells, differential(session.counts).n
    n_figures = session.counts.get(MITOTIC_CODE, 0)
    mark = MARK if n_figures and MITOTIC_CODE in session.rendered_only else ""
    n_others = n - n_counted - n_figures - session.n_unidentified
    words = f"{plural(n, 'cell')}: {n_counted:,} counted, "
    words += f"{plural(n_figures, 'mitotic figure')}{mark}, "
    words += f"{session.n_unidentified:,} unidentified"
    if n_others > 0:
        words += f", {plural(n_others, 'other')}"
    return f"{words}; {session.stopped}" if session.stopped else words


def stopped_words(result: RegionResult, session: Session | None = None) -> str:
    """Say where a run was stopped; empty if it was not.

    Parameters
    ----------
    result : RegionResult
        What it gave.
    session : Session, optional
        State as the run left it; without it, as in a sitting, it is not known how far
        the run came.
    """
    if result.complete:
        return ""
    if session is None or not session.step:
        return "stopped before the end"
    return f"stopped at {session.step}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
