"""The table of cells: one row a cell, one array a column."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.further_columns import FURTHER_COLUMNS, in_order
from napari_deepheme.core.spreadsheets import plain_header, refuse_double
from napari_deepheme.core.table_columns import (
    boxes_of,
    check_names,
    class_indices_of,
    further_numbers,
    numbers_of,
    row_number,
    shares_of,
    texts_of,
    whole_boxes,
    whole_indices,
)
from napari_deepheme.core.table_words import tell_other_class_names, understood
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    import pandas

COLUMNS: Final = (
    "cell_id",
    "x",
    "y",
    "width",
    "height",
    "score",
    "class_code",
    "class_name",
    "probability",
)
"""The columns of ``cells.csv``, in order."""

KNOWN_NAMES: Final = frozenset((*COLUMNS, *FURTHER_COLUMNS))
"""Columns that have a meaning: found also in upper case and with blanks around."""

_Values = TypeVar("_Values")

DECIMALS: Final = 4
"""Digits behind the point that scores and probabilities carry, here and in files."""


@dataclass(frozen=True, slots=True, eq=False)
class CellTable:
    """Cells with box, score and class.

    Attributes
    ----------
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height in level-0 pixels.
    scores : ndarray of float32, shape (n,)
        The detector's confidence in [0, 1], rounded to four decimals.
    class_indices : ndarray of uint8, shape (n,)
        Place of the class in `taxonomy.CELL_CLASSES`.
    probabilities : ndarray of float32, shape (n,)
        The classifier's probability of that class, rounded to four decimals.
    further : mapping of str to ndarray, each of shape (n,)
        Any further columns of a file, as they are; those that have a meaning stand
        first, in one order, so that all files of the same cells agree.
    numbers : ndarray of int64, shape (n,), or None
        The `cell_id` of each row, from the file or the table that it was taken from;
        None for 1, 2, 3, …

    Raises
    ------
    ValueError
        If the columns differ in length, a class index is none, or a further column is
        called as one of `COLUMNS`.

    Examples
    --------
    >>> table = CellTable.from_arrays([[0, 0, 9, 9]], [0.9], [11], [0.75])
    >>> len(table), table.class_codes
    (1, ('L4',))
    """

    boxes: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    class_indices: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    further: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    numbers: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse columns that do not fit each other, and bring them into order."""
        n = len(self.boxes)
        if self.boxes.shape != (n, 4):
            raise ValueError(f"boxes must be (n, 4), not {self.boxes.shape}")
        lengths = {len(self.scores), len(self.class_indices), len(self.probabilities)}
        lengths |= {len(values) for values in self.further.values()}
        lengths |= set() if self.numbers is None else {len(self.numbers)}
        if lengths != {n}:
            raise ValueError("the columns of a table must be of one length")
        if n and int(self.class_indices.max()) >= len(CELL_CLASSES):
            raise ValueError("a class index is beyond the 23 classes")
        if taken := self.further.keys() & set(COLUMNS):
            told = ", ".join(sorted(taken))
            raise ValueError(f"a further column is called {told}: give it another name")
        object.__setattr__(self, "further", in_order(self.further))

    @classmethod
    def empty(cls) -> Self:
        """Give a table without a row."""
        return cls.from_arrays(np.empty((0, 4)), [], [], [])

    @classmethod
    def from_arrays(
        cls,
        boxes: npt.ArrayLike,
        scores: npt.ArrayLike,
        class_indices: npt.ArrayLike,
        probabilities: npt.ArrayLike,
        further: Mapping[str, npt.ArrayLike] | None = None,
    ) -> Self:
        """Make a table of anything array-like; rounds scores and probabilities.

        Boxes are rounded to whole pixels, and further columns are kept as texts; names
        and words of them are understood as for `from_columns`.

        Raises
        ------
        ValueError
            If a box is beyond what files can hold or a side is less than a pixel, a
            score or probability is not in [0, 1], a class index none of the 23, a word
            of a further column has no meaning there, one is called as one of `COLUMNS`,
            or columns differ in length.
        """
        named = _by_meaning(further or {}, beside=COLUMNS)
        texts = {name: np.asarray(values, np.str_) for name, values in named.items()}
        return cls(
            whole_boxes(boxes),
            _share(scores, "score"),
            whole_indices(class_indices),
            _share(probabilities, "probability"),
            understood(texts, row_number),
        )

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[Any]],
        *,
        place: Callable[[int], str] = row_number,
    ) -> Self:
        """Make a table of named columns, as ``cells.csv`` has them.

        Parameters
        ----------
        columns : mapping of str to sequence
            At least x, y, width, height and class_code. A missing score or probability
            is taken as 1; names beyond `COLUMNS` are kept as texts. `KNOWN_NAMES` can
            be in upper case and have blanks around. Rows keep their `cell_id` where it
            is a number; where all are names, they are numbered from 1.
        place : callable
            Names a row for errors, such as "line 7".

        Raises
        ------
        ValueError
            If a column is missing or cannot be understood, or holds a word that has no
            meaning there, or a `cell_id` stands twice: says which.
        """
        columns = _by_meaning(columns)
        check_names(columns.keys())
        numbers = numbers_of(columns.get("cell_id", ()), place)
        texts = {
            name: texts_of(columns, name) for name in columns if name not in COLUMNS
        }
        cells = cls.from_arrays(
            boxes_of(columns),
            shares_of(columns, "score"),
            class_indices_of(columns),
            shares_of(columns, "probability"),
        )
        tell_other_class_names(columns, place)
        return replace(cells, further=understood(texts, place), numbers=numbers)

    @classmethod
    def from_pandas(cls, frame: pandas.DataFrame) -> Self:
        """Make a table of a data frame; columns and errors are as for `from_columns`.

        An index called `cell_id`, as that of an AnnData's `obs`, is that column.
        What is missing in a further column is empty. True and False stand for yes and
        no, and a reader's class may be a name, as in a file that a person wrote.
        """
        if frame.index.name == "cell_id" and "cell_id" not in frame.columns:
            frame = frame.reset_index()
        refuse_double([str(name) for name in frame.columns])
        return cls.from_columns(
            {str(name): _plain(frame[name]) for name in frame.columns}
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with the columns of ``cells.csv``.

        Examples
        --------
        >>> table = CellTable.from_arrays([[0, 0, 9, 9]], [0.9], [11], [0.75])
        >>> table.to_pandas().class_name.tolist()
        ['plasma cell']
        """
        import pandas

        x, y, width, height = self.boxes.T.astype(np.int64)
        names = np.array([c.name for c in CELL_CLASSES])
        columns = (
            self.cell_ids,
            x,
            y,
            width,
            height,
            self.scores.astype(np.float64).round(DECIMALS),
            np.array(CLASS_CODES)[self.class_indices],
            names[self.class_indices],
            self.probabilities.astype(np.float64).round(DECIMALS),
        )
        return pandas.DataFrame(
            {**dict(zip(COLUMNS, columns, strict=True)), **self.further}
        )

    @classmethod
    def concatenate(cls, tables: Sequence[CellTable]) -> Self:
        """Put tables one below the other; a further column that one lacks is empty.

        Rows keep their `cell_id` where all tables have `numbers` and none stands twice,
        as of parts of one table. Otherwise those of later tables are numbered on behind
        the highest of the first.
        """
        if not tables:
            return cls.empty()
        names = dict.fromkeys(name for table in tables for name in table.further)
        return cls(
            np.concatenate([t.boxes for t in tables]),
            np.concatenate([t.scores for t in tables]),
            np.concatenate([t.class_indices for t in tables]),
            np.concatenate([t.probabilities for t in tables]),
            {
                name: np.concatenate([_column(t, name) for t in tables])
                for name in names
            },
            _numbers_together(tables),
        )

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.boxes)

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same rows and numbers in the same order."""
        if not isinstance(other, CellTable):
            return NotImplemented
        return (
            np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.class_indices, other.class_indices)
            and np.array_equal(self.probabilities, other.probabilities)
            and (
                (self.numbers is None and other.numbers is None)
                or np.array_equal(self.cell_ids, other.cell_ids)
            )
            and self.further.keys() == other.further.keys()
            and all(
                np.array_equal(v, other.further[k]) for k, v in self.further.items()
            )
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def class_codes(self) -> tuple[str, ...]:
        """Code of each cell's class."""
        return tuple(map(CLASS_CODES.__getitem__, self.class_indices.tolist()))

    @property
    def cell_ids(self) -> npt.NDArray[np.int64]:
        """The number of each cell, in files, reports and the viewer."""
        if self.numbers is None:
            return np.arange(1, len(self) + 1)
        return self.numbers

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Centre x and y of each box, shape (n, 2), in level-0 pixels."""
        return box_centres(self.boxes)

    def counts(self) -> dict[str, int]:
        """Count the cells of each of the 23 classes, in their order, as the model says.

        Unidentified cells stand under their likeliest class, and what a reader said
        has no say: `differential` and the ratios take the table itself.
        """
        counts = np.bincount(self.class_indices, minlength=len(CLASS_CODES))
        return {code: int(n) for code, n in zip(CLASS_CODES, counts, strict=True)}

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> CellTable:
        """Return some rows, by index or by mask; they keep their `cell_id`.

        Examples
        --------
        >>> table = CellTable.from_arrays([[0, 0, 9, 9]] * 3, [1] * 3, [0] * 3, [1] * 3)
        >>> table.take(np.array([2, 0])).cell_ids.tolist()
        [3, 1]
        """
        return CellTable(
            self.boxes[rows],
            self.scores[rows],
            self.class_indices[rows],
            self.probabilities[rows],
            {name: values[rows] for name, values in self.further.items()},
            self._numbers_of(rows),
        )

    def _numbers_of(
        self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        if self.numbers is not None:
            return self.numbers[rows]
        # Not by way of `cell_ids`: a few rows of a large table are often asked for.
        wanted = np.asarray(rows)
        if wanted.dtype == bool:
            return np.flatnonzero(wanted) + 1
        return wanted.astype(np.int64) % len(self) + 1

    def numbered_anew(self, first: int = 1) -> CellTable:
        """Return the same rows under numbers of their own, counted from a first one.

        Examples
        --------
        >>> table = CellTable.from_arrays([[0, 0, 9, 9]] * 3, [1] * 3, [0] * 3, [1] * 3)
        >>> table.take(np.array([2, 0])).numbered_anew().cell_ids.tolist()
        [1, 2]
        """
        numbers = None if first == 1 else np.arange(first, first + len(self))
        return replace(self, numbers=numbers)

    def in_reading_order(self) -> CellTable:
        """Return the rows by centre, top to bottom, then left to right.

        They keep their `cell_id`.
        """
        x, y, width, height = self.boxes.astype(np.int64).T
        # All that tells two rows apart takes part, so that their first order does not.
        keys = (self.probabilities, self.class_indices, self.scores, width, height)
        return self.take(np.lexsort((*keys, 2 * x + width, 2 * y + height)))


def _by_meaning(
    columns: Mapping[str, _Values], *, beside: Sequence[str] = ()
) -> dict[str, _Values]:
    """Return columns by the names of ours that are meant, also beside other columns."""
    names = plain_header([*beside, *columns], KNOWN_NAMES)[len(beside) :]
    refuse_double(names)
    return dict(zip(names, columns.values(), strict=True))


def _column(table: CellTable, name: str) -> npt.NDArray[np.str_]:
    values = table.further.get(name)
    return np.zeros(len(table), np.str_) if values is None else values


def _numbers_together(tables: Sequence[CellTable]) -> npt.NDArray[np.int64] | None:
    given = [table.numbers for table in tables if table.numbers is not None]
    if len(given) == len(tables):
        together = np.concatenate(given)
        if (np.diff(np.sort(together)) > 0).all():
            return together
    first, n = tables[0].numbers, sum(map(len, tables[1:]))
    if first is None:
        return None
    return np.concatenate([first, further_numbers(first, n)])


def _share(values: npt.ArrayLike, what: str) -> npt.NDArray[np.float32]:
    shares = _rounded(values)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"a {what} does not lie between 0 and 1")
    return shares


def _rounded(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    # By way of float64, so that a value read back from four digits is the same float32.
    return np.asarray(values, np.float64).round(DECIMALS).astype(np.float32)


def _plain(column: pandas.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), "").tolist()  # type: ignore[no-any-return]
