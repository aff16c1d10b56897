"""A sitting as one SQLite file: written whole once, then step by step.

SQLite, because a step of the reader is then a few rows in a transaction, which is there
whole after a power cut or not at all, and because pandas, DuckDB, R, QGIS and any
database browser read it. The schema is documented in docs/sittings.md.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidSittingError,
    SittingChangedError,
    SittingElsewhereError,
)
from napari_deepheme.core.export.facts import NOTICE
from napari_deepheme.core.files import atomic_path, make_folder, replaced_file
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.times import utc_now, utc_of
from napari_deepheme.core.sittings.sitting import (
    DrawnShape,
    Sitting,
    SlideMark,
    facts_from_json,
    facts_to_json,
    result_from_json,
    result_to_json,
    threshold_from_json,
    view_from_json,
)
from napari_deepheme.core.sittings.sitting_database import (
    giving_way,
    opened,
    opened_to_read,
)
from napari_deepheme.core.sittings.sitting_rows import (
    MITOSES,
    SCHEMA,
    has_said,
    is_as_read,
    n_same_steps,
    put_cells,
    put_counted,
    put_meta,
    put_shapes,
    put_steps,
    read_cells,
    read_meta,
    read_shapes,
    read_steps,
    shape_row,
    step_numbers,
    take_back,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SUFFIX: Final = ".deepheme"

FORMAT: Final = "napari-deepheme sitting"

VERSION: Final = 1
"""Of the schema. A file of a later one is refused, not guessed at."""

_GONE: Final = "bring it back, or save it under another name"


class SittingFile:
    """The file of a sitting that goes on; `sync` adds what is new.

    Any thread may call it, one at a time.

    Parameters
    ----------
    path : Path
        A file that `create_sitting` made. It is taken over: another window that saved
        to it is refused from now on.
    corrected : CorrectedCells
        The cells as the file has them, with their steps.
    shapes : sequence of DrawnShape, optional
        What is drawn there; None where that was not read.

    Raises
    ------
    SittingChangedError
        If the file is not any more as it was read; it is not taken over then.
    CannotWriteError
        If it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        corrected: CorrectedCells,
        shapes: Sequence[DrawnShape] | None = None,
    ) -> None:
        self.path = path
        self._writer = json.dumps(uuid.uuid4().hex)
        self._saved = corrected.steps
        self._n_cells = len(corrected)
        changed = _modified(path)
        with self._write() as database:
            meta = {"changed": changed, **read_meta(database)}
            if not is_as_read(database, corrected, shapes):
                raise SittingChangedError(str(path))
            # To open it is no change, but gives the file another time.
            put_meta(database, {"changed": meta["changed"], "writer": self._writer})
            database.execute(MITOSES)
            put_counted(database)
            numbers = step_numbers(database)
            drawn = database.execute("SELECT layer, geojson FROM shapes").fetchall()
        self._kept = {**meta, "shapes": json.dumps(drawn)}
        self._steps = [step for step, is_undone in numbers if not is_undone]
        self._last = max((step for step, _ in numbers), default=0)

    def is_ours(self) -> bool:
        """Tell whether it can be read, and no other window has taken it over."""
        lost = suppress(InvalidSittingError, SittingElsewhereError)
        with lost, _reading(self.path) as database:
            self._check(database)
            return True
        return False

    def gives_way_to(self, sitting: Sitting) -> bool:
        """Tell whether another run's may replace it: nothing is lost, here or there."""
        with suppress(InvalidSittingError):
            if self.is_ours() and not is_corrected_sitting(self.path):
                return read_searched_px(self.path) <= sitting.result.searched_px
        return False

    def sync(
        self,
        corrected: CorrectedCells,
        shapes: Sequence[DrawnShape] = (),
        view: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write what changed since the last time; tell whether anything did.

        Parameters
        ----------
        corrected : CorrectedCells
            The cells with all steps.
        shapes : sequence of DrawnShape
            What is drawn.
        view : mapping, optional
            How it is looked at, as JSON holds it.

        Raises
        ------
        SittingElsewhereError
            If another window has taken the file over.
        CannotWriteError
            If it cannot be written; it stays as it was.
        """
        n_same = n_same_steps(self._saved, corrected.steps)
        drawn = json.dumps([shape_row(shape) for shape in shapes])
        values = {
            "threshold": json.dumps(corrected.threshold),
            "view": json.dumps(dict(view or {}), sort_keys=True),
        }
        changed = {k: v for k, v in values.items() if self._kept.get(k) != v}
        is_same = n_same == len(self._saved) == len(corrected.steps)
        # A cell that was added and taken back since is one more, and no step.
        is_same = is_same and self._n_cells == len(corrected)
        is_drawn_same = self._kept["shapes"] == drawn
        if is_same and is_drawn_same and not changed:
            return False
        new = corrected.steps[n_same:]
        numbers = list(range(self._last + 1, self._last + 1 + len(new)))
        with self._write() as database:
            self._check(database)
            put_cells(database, corrected.base, self._n_cells)
            take_back(database, self._steps[n_same:])
            put_steps(database, numbers, new)
            if not is_drawn_same:
                put_shapes(database, shapes)
            put_meta(database, {**changed, "changed": json.dumps(utc_now())})
        self._n_cells, self._saved = len(corrected), corrected.steps
        self._steps = self._steps[:n_same] + numbers
        self._last += len(new)
        self._kept.update(changed, shapes=drawn)
        return True

    def _check(self, database: sqlite3.Connection) -> None:
        if read_meta(database).get("writer") != self._writer:
            raise SittingElsewhereError(str(self.path))

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            # SQLite would make an empty one.
            raise CannotWriteError(str(self.path), "it is gone", _GONE)
        try:
            with opened(self.path) as database, database:
                database.execute("BEGIN IMMEDIATE")
                yield database
        except sqlite3.Error as error:
            raise CannotWriteError(str(self.path), str(error)) from error


def create_sitting(
    path: Path, sitting: Sitting, *, before: SittingFile | None = None
) -> SittingFile:
    """Write a sitting to a new file, in the place of one that is there.

    Parameters
    ----------
    path : Path
        The file.
    sitting : Sitting
        What it is to hold.
    before : SittingFile, optional
        The one that is there, if it is to stay unless it gives way.

    Raises
    ------
    SittingChangedError
        If it does not.
    CannotWriteError
        If it cannot be written; what was there stays then.
    """
    make_folder(path.parent)
    empty = CorrectedCells(sitting.corrected.base)
    with ExitStack() as held, atomic_path(path) as temporary:
        try:
            with opened(temporary) as database, database:
                database.executescript(SCHEMA + MITOSES)
                database.execute("BEGIN")
                put_meta(database, _facts(sitting))
                put_cells(database, empty.base, 0)
                # What was taken back is to count nowhere else, either.
                gone = (*sitting.corrected.dropped, *sitting.corrected.undone)
                numbers = range(1, len(gone) + 1)
                put_steps(database, numbers, gone)
                take_back(database, numbers)
            file = SittingFile(temporary, empty)
            file.sync(sitting.corrected, sitting.shapes, sitting.view)
        except sqlite3.Error as error:
            raise CannotWriteError(str(path), str(error)) from error
        except CannotWriteError as error:
            raise CannotWriteError(str(path), error.reason, error.remedy) from error
        # It takes its place when the inner one of the two contexts ends.
        held.enter_context(giving_way(replaced_file(path)))
        # Asked while nobody else can write to it.
        if before is not None and not before.gives_way_to(sitting):
            raise SittingChangedError(str(path))
    file.path = path
    return file


def read_sitting(path: Path | str) -> Sitting:
    """Read a sitting.

    Raises
    ------
    InvalidSittingError
        If it is none, is damaged, or is of a later version.
    """
    with _reading(Path(path)) as database:
        return _sitting(database, Path(path))


def read_mark_and_change(path: Path | str) -> tuple[SlideMark, str]:
    """Read of which slide a sitting is, and when it was changed last; this is quick.

    That is in UTC after ISO 8601. To open it is no change.

    Raises
    ------
    InvalidSittingError
        If it is no sitting.
    """
    with _reading(Path(path)) as database:
        for table in ("cells", "corrections", "shapes"):
            database.execute(f"SELECT 1 FROM {table} LIMIT 1")
        meta = _values(database)
        return _mark(meta), _changed(meta, Path(path))


def read_searched_px(path: Path | str) -> float:
    """Read how much the run of a sitting searched, as `RegionResult.searched_px`.

    Raises
    ------
    InvalidSittingError
        If it is no sitting.
    """
    with _reading(Path(path)) as database:
        meta = _values(database)
        return result_from_json(meta["result"], CellTable.empty()).searched_px


def is_corrected_sitting(path: Path | str) -> bool:
    """Tell whether a reader said anything in a sitting, which is quick.

    Raises
    ------
    InvalidSittingError
        If it is no sitting.
    """
    with _reading(Path(path)) as database:
        return bool(step_numbers(database)) or has_said(database)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with opened_to_read(path) as database:
            yield database
    except (OSError, sqlite3.Error, ValueError, TypeError, LookupError) as error:
        raise InvalidSittingError(str(path), str(error)) from error
    except RecursionError:
        raise InvalidSittingError(str(path), "it is nested too deeply") from None
    except OverflowError:
        raise InvalidSittingError(str(path), "a number is too large") from None


def _sitting(database: sqlite3.Connection, path: Path) -> Sitting:
    meta = _values(database)
    base = read_cells(database)
    corrected = replace(
        CorrectedCells.replayed(base, read_steps(database, len(base))),
        dropped=tuple(read_steps(database, len(base), undone=True)),
        since=str(meta["since"] if "since" in meta else _changed(meta, path)),
    )
    return Sitting(
        slide=_mark(meta),
        facts=facts_from_json(meta["facts"]),
        result=result_from_json(meta["result"], base),
        corrected=corrected.with_threshold(threshold_from_json(meta.get("threshold"))),
        shapes=tuple(read_shapes(database)),
        view=view_from_json(meta.get("view")),
    )


def _changed(meta: Mapping[str, Any], path: Path) -> str:
    # Sittings of earlier versions do not tell.
    return str(meta.get("changed") or json.loads(_modified(path)))


def _modified(path: Path) -> str:
    """Return when something wrote to a file, as JSON; empty where it is gone."""
    try:
        return json.dumps(utc_of(path.stat().st_mtime))
    except (OSError, ValueError, OverflowError):
        return json.dumps("")


def _values(database: sqlite3.Connection) -> dict[str, Any]:
    meta = {key: json.loads(value) for key, value in read_meta(database).items()}
    if meta.get("format") != FORMAT:
        raise ValueError("it is another program's database")
    if int(meta["version"]) > VERSION:
        raise ValueError(
            f"it is of version {meta['version']}, this program knows {VERSION}: "
            "take a newer one"
        )
    return meta


def _mark(meta: Mapping[str, Any]) -> SlideMark:
    slide = meta["slide"]
    return SlideMark(str(slide["name"]), str(slide["path"]), dict(slide["identity"]))


def _facts(sitting: Sitting) -> dict[str, str]:
    mark = sitting.slide
    slide = {"name": mark.name, "path": mark.path, "identity": dict(mark.identity)}
    return {
        "format": json.dumps(FORMAT),
        "version": json.dumps(VERSION),
        "notice": json.dumps(NOTICE),
        "slide": json.dumps(slide),
        "facts": json.dumps(facts_to_json(sitting.facts)),
        "result": json.dumps(result_to_json(sitting.result)),
        "since": json.dumps(sitting.corrected.since),
        "changed": json.dumps(utc_now()),
    }
