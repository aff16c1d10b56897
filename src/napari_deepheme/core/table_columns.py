"""Columns of a table as files and frames hold them, checked and brought to numbers."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.wording import columns_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import numpy.typing as npt

NEEDED: Final = ("x", "y", "width", "height", "class_code")
"""Columns without which there is no table of cells."""

_SIDES: Final = NEEDED[:4]

_LONGEST_TEXT: Final = 10_000
"""Letters that a field of a further column can have."""

_LARGEST_COLUMN: Final = 1 << 30
"""Letters of a further column, all fields as long as the longest: 4 GB are held."""

COORDINATE_LIMIT: Final = 2**31
"""What coordinates stay below, in level-0 pixels, and numbers of cells."""

_LIKE_A_NUMBER: Final = re.compile(
    r"[+-]?[.,]?\d[\d.,_'\u2019\s]*(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE
)
"""A number in whatever form spreadsheets write; other texts are names."""

_INDEX_OF_CODE: Final = {code: index for index, code in enumerate(CLASS_CODES)}


def check_names(names: Collection[str]) -> None:
    """Refuse columns among which a needed one is missing.

    Raises
    ------
    ValueError
        Names those that are missing.
    """
    missing = set(NEEDED) - set(names)
    if missing:
        raise ValueError(f"it lacks {columns_named(missing)}")


def boxes_of(columns: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.float64]:
    """Return x, y, width and height, shape (n, 4); for `whole_boxes` to round.

    Raises
    ------
    ValueError
        If one is no number.
    """
    return np.stack([_numbers(columns, name) for name in _SIDES], axis=1)


def whole_boxes(boxes: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return boxes in whole pixels, shape (n, 4).

    Raises
    ------
    ValueError
        If they have another shape, or one is no number, is too large, or a side is less
        than a pixel.

    Examples
    --------
    >>> whole_boxes([[10.6, 20, 30.2, 40]]).tolist()
    [[11, 20, 30, 40]]
    """
    given = np.asarray(boxes)
    if given.size and (given.ndim != 2 or given.shape[1] != len(_SIDES)):
        raise ValueError(f"boxes must be (n, 4), not {given.shape}")
    given = given.reshape(-1, len(_SIDES))
    if given.dtype != np.int32:
        given = np.rint(_as_floats(given, "boxes hold"))
        for name, values in zip(_SIDES, given.T, strict=True):
            _check_pixels(values, name)
    for name, values in zip(_SIDES[2:], given.T[2:], strict=True):
        if (values < 1).any():
            raise ValueError(f"the column {name} must be at least 1")
    return given.astype(np.int32, copy=False)


def whole_indices(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return places in `taxonomy.CELL_CLASSES`.

    Raises
    ------
    ValueError
        If one is none.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "iu":
        given = _as_floats(given, "class indices hold")
    if not ((given >= 0) & (given < len(CLASS_CODES))).all():
        raise ValueError(f"a class index lies beyond the {len(CLASS_CODES)} classes")
    if (given != np.floor(given)).any():
        raise ValueError("a class index is no whole number")
    return given.astype(np.uint8)


def class_indices_of(columns: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the place of each class code among the 23.

    Raises
    ------
    ValueError
        If a code is none.
    """
    codes = columns["class_code"]
    for code in set(codes) - set(CLASS_CODES):
        raise ValueError(f"{code!r} is not a class code")
    return [_INDEX_OF_CODE[code] for code in codes]


def shares_of(
    columns: Mapping[str, Sequence[Any]], name: str
) -> npt.NDArray[np.float64]:
    """Return a column of numbers from 0 to 1; one that is missing holds 1.

    Raises
    ------
    ValueError
        If one is no such number.
    """
    values = _numbers(columns, name)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"the column {name} must lie between 0 and 1")
    return values


def texts_of(columns: Mapping[str, Sequence[Any]], name: str) -> npt.NDArray[np.str_]:
    """Return a further column, all fields of which take as much room as the longest.

    Raises
    ------
    ValueError
        If a field is too long.
    """
    values = columns[name]
    longest = max(map(len, map(str, values)), default=0)
    limit = min(_LONGEST_TEXT, _LARGEST_COLUMN // max(1, len(values)))
    if longest > limit:
        raise ValueError(
            f"a field of the column {name[:40]!r} has {longest:,} letters, and "
            f"{limit:,} are held at most of {len(values):,} cells"
        )
    return np.array(values, np.str_)


def row_number(row: int) -> str:
    """Name a row of a table whose rows are numbered from 1."""
    return f"row {row + 1}"


def numbers_of(
    ids: Iterable[object], place: Callable[[int], str] = row_number
) -> npt.NDArray[np.int64] | None:
    """Return the numbers that rows bear; None where they are 1, 2, 3, …, or all names.

    Rows without a number go on behind the highest.

    Parameters
    ----------
    ids : iterable
        What stands under `cell_id`; empty ones are as many as there are.
    place : callable
        Names a row of the table, such as "line 7".

    Raises
    ------
    ValueError
        If there are numbers, and one is not whole or negative, or there are names among
        them; if two rows bear the same, however it is written: a cell would count
        twice. Names the rows.

    Examples
    --------
    >>> numbers_of(["7", "3.0", ""]).tolist()
    [7, 3, 8]
    >>> numbers_of([1, 2, 3]), numbers_of(["a", "b"])
    (None, None)
    """
    # A missing number of pandas is not itself.
    given = ["" if one is None or one != one else str(one).strip() for one in ids]
    if not any(map(_LIKE_A_NUMBER.fullmatch, given)):
        _refuse_double(given, place)
        return None
    numbers = _floats(given)
    missing = np.isnan(numbers)
    _refuse_not_whole(np.where(missing, 0, numbers), given, place)
    whole = np.where(missing, 0, numbers).astype(np.int64)
    whole[missing] = further_numbers(whole[~missing], int(np.count_nonzero(missing)))
    if len(np.unique(whole)) < len(whole):
        _refuse_double(list(map(str, whole.tolist())), place)
    return None if np.array_equal(whole, np.arange(1, len(whole) + 1)) else whole


def further_numbers(taken: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return n numbers for further cells: behind the highest, as far as there are any.

    Parameters
    ----------
    taken : ndarray of int64
        Numbers of the cells that are there.
    n : int
        How many are needed; the lowest free ones where so many do not follow.

    Examples
    --------
    >>> further_numbers(np.array([7, 3]), 2).tolist()
    [8, 9]
    >>> further_numbers(np.array([1, COORDINATE_LIMIT - 1]), 2).tolist()
    [2, 3]
    """
    first = int(taken.max(initial=0)) + 1
    if first + n <= COORDINATE_LIMIT:
        return np.arange(first, first + n, dtype=np.int64)
    return np.setdiff1d(np.arange(1, len(taken) + n + 1), taken)[:n]


def first_of_each(ids: Iterable[object]) -> list[object]:
    """Return what rows are numbered by, None where an earlier row has the same.

    Such a row is another cell, as one that was copied in QuPath, and `numbers_of` gives
    it a number of its own.

    Examples
    --------
    >>> first_of_each(["7", "3", "7", None])
    ['7', '3', None, None]
    """
    seen: set[str] = set()
    firsts: list[object] = []
    for one in ids:
        firsts.append(None if str(one) in seen else one)
        seen.add(str(one))
    return firsts


def _floats(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return numbers: NaN where nothing stands, infinite what is none."""
    try:
        # Python takes 1_000 for a number; nobody else does.
        if not any("_" in text for text in texts):
            return np.array([text or "nan" for text in texts], np.float64)
    except ValueError:
        pass
    return np.array([_float(text or "nan") for text in texts])


def _float(text: str) -> float:
    try:
        return math.inf if "_" in text else float(text)
    except ValueError:
        return math.inf


def _refuse_not_whole(
    numbers: npt.NDArray[np.float64],
    given: Sequence[str],
    place: Callable[[int], str],
) -> None:
    is_whole = (
        (numbers >= 0) & (numbers < COORDINATE_LIMIT) & (numbers == np.floor(numbers))
    )
    if not is_whole.all():
        row = int(np.argmin(is_whole))
        raise ValueError(
            f"{place(row)}: {given[row][:40]!r} under cell_id is no whole number from "
            f"0 to {COORDINATE_LIMIT - 1}: mend it, or take out the column cell_id"
        )


def _refuse_double(ids: Sequence[str], place: Callable[[int], str]) -> None:
    seen: dict[str, int] = {}
    for row, text in enumerate(ids):
        if text and seen.setdefault(text, row) != row:
            raise ValueError(
                f"{place(seen[text])} and {place(row)} are both cell_id {text[:40]}: "
                "take out rows that are there twice, or the column cell_id"
            )


def _as_floats(values: npt.NDArray[Any], what: str) -> npt.NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except (ValueError, TypeError):
        raise ValueError(f"{what} something that is no number") from None


def _check_pixels(values: npt.NDArray[np.float64], name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"the column {name} holds something that is no number")
    if not (np.abs(values) < COORDINATE_LIMIT).all():
        raise ValueError(f"the column {name} holds a number that is too large")


def _numbers(
    columns: Mapping[str, Sequence[Any]], name: str
) -> npt.NDArray[np.float64]:
    values = columns.get(name, (1,) * len(columns["class_code"]))
    try:
        # Python takes 1_000 for a number; nobody else does.
        if not any(isinstance(value, str) and "_" in value for value in values):
            return np.array(values, np.float64)
    except (ValueError, TypeError):
        pass
    raise ValueError(f"the column {name} holds something that is no number")
