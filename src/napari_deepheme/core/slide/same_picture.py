"""Whether a small picture is a large one reduced, told by a few looks at both."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Region, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Means = npt.NDArray[np.float64]

_LOOKS: Final = 4
"""Windows along each side, spread evenly."""

_SIDE_PX: Final = 128
_SIDE_LEAST_PX: Final = 16
"""Side of a window in pixels of the large picture, and the least in the small one."""

_MANY_PIECES: Final = 8

_CELLS: Final = 4
"""A window is compared by the means of so many parts along each side."""

_MOST_PIXELS: Final = 1 << 21
"""What may be decoded of each picture: some hundredths of a second."""

_LARGEST_DIFFERENCE: Final = 16
"""More than compression, and the sharpening of scanners, change such a mean."""

_LARGEST_SHARE: Final = 1 / 2
"""Of the spread of the means. Between two pictures, the difference is all of it."""

_LEAST_SPREAD: Final = 2.0
"""With less, as between two empty glasses, nothing can be told."""

_CLEAR_SPREAD: Final = 8.0
_OTHER_SHARE: Final = 1.0
_MOST_PIXELS_OF_SAID: Final = 1 << 19
"""For what is said to be reduced, which is believed unless it is clearly another one:
levels that are every so manieth pixel differ by 2/3 of their spread, other pictures by
more than all of it."""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that can be looked at.

    Attributes
    ----------
    size : Size
        Its width and height.
    piece : Size
        What is decoded at once.
    read : callable
        Gives the colours of a window, shape (height, width, 3).
    """

    size: Size
    piece: Size
    read: Callable[[Region], npt.NDArray[np.uint8]]


def shows_same_picture(large: Look, small: Look) -> bool:
    """Tell whether one picture is another, reduced.

    Parameters
    ----------
    large, small : Look
        The pictures.

    Returns
    -------
    bool
        False, too, if looking at them would take too long, or nothing is to be seen.
    """
    spread, difference = _compared(large, small, _MOST_PIXELS)
    bound = min(_LARGEST_DIFFERENCE, _LARGEST_SHARE * spread)
    return spread >= _LEAST_SPREAD and difference <= bound


def shows_other_picture(large: Look, small: Look) -> bool:
    """Tell whether a picture that is said to be another one, reduced, clearly is not.

    Parameters
    ----------
    large, small : Look
        The pictures.

    Returns
    -------
    bool
        False, too, if looking at them would take too long, or too little is to be seen.
    """
    spread, difference = _compared(large, small, _MOST_PIXELS_OF_SAID)
    return spread >= _CLEAR_SPREAD and difference > _OTHER_SHARE * spread


def _compared(large: Look, small: Look, most: int) -> tuple[float, float]:
    """Give the spread of the means of one picture, and the difference of the other's.

    The spread is 0 where no window can be looked at for so many pixels. One that cannot
    be read is passed over.
    """
    n_cells = Size(min(_CELLS, small.size.width), min(_CELLS, small.size.height))
    pairs = []
    for of_large, of_small in _affordable(large, small, most):
        # Decoders raise anything.
        with suppress(Exception):
            pair = large.read(of_large), small.read(of_small)
            pairs.append([_means(pixels, n_cells) for pixels in pair])
    if not pairs:
        return 0.0, 0.0
    one, other = (np.concatenate(means) for means in zip(*pairs, strict=True))
    spread = float(np.abs(one - one.mean(axis=0)).mean())
    return spread, float(np.abs(one - other).mean())


def _affordable(large: Look, small: Look, most: int) -> Iterator[tuple[Region, Region]]:
    """Give windows of both as long as what they need of either is little enough."""
    needed: tuple[set[tuple[int, int]], ...] = (set(), set())
    for pair in _windows(large, small):
        if pair[0].area > most:
            return
        more = [
            have | set(_pieces(window, look.piece))
            for have, window, look in zip(needed, pair, (large, small), strict=True)
        ]
        if all(
            len(pieces) * look.piece.width * look.piece.height <= most
            for pieces, look in zip(more, (large, small), strict=True)
        ):
            needed = (more[0], more[1])
            yield pair


def _windows(large: Look, small: Look) -> Iterator[tuple[Region, Region]]:
    along_x = large.size.width / small.size.width
    along_y = large.size.height / small.size.height
    side = max(round(_SIDE_PX / along_x), _SIDE_LEAST_PX)
    step_x = _step(large.size.width, large.piece.width) / along_x
    step_y = _step(large.size.height, large.piece.height) / along_y
    xs = _starts(small.size.width, side, step_x)
    ys = _starts(small.size.height, side, step_y)
    places = list(product(ys, xs))
    # From the middle on in large steps, so that the first few are spread, too.
    step = 2 * _LOOKS - 1
    for at in range(len(places)):
        y, x = places[(at * step + _LOOKS + 1) % len(places)]
        window = Region(x, y, min(side, small.size.width), min(side, small.size.height))
        scaled = Region.from_corners(
            round(window.x * along_x),
            round(window.y * along_y),
            round(window.right * along_x),
            round(window.bottom * along_y),
        )
        yield scaled, window


def _step(length: int, piece: int) -> int:
    """Give that of which windows of a large picture start at multiples.

    Where there are many pieces, a window had better lie in one than across two.
    """
    return piece if length >= _MANY_PIECES * piece else 1


def _starts(length: int, side: int, step: float) -> list[int]:
    room = max(0, length - side)
    starts = [round(room * (at + 0.5) / _LOOKS) for at in range(_LOOKS)]
    return [ceil(start // step * step) for start in starts] if step > side else starts


def _pieces(window: Region, piece: Size) -> Iterator[tuple[int, int]]:
    rows = range(window.y // piece.height, -(-window.bottom // piece.height))
    columns = range(window.x // piece.width, -(-window.right // piece.width))
    return product(rows, columns)


def _means(pixels: npt.NDArray[np.uint8], n_cells: Size) -> Means:
    """Give the mean colours of the parts of a window, one a row."""
    height, width, _ = pixels.shape
    rows = np.linspace(0, height, n_cells.height + 1).round().astype(int)
    columns = np.linspace(0, width, n_cells.width + 1).round().astype(int)
    sums: Means = np.add.reduceat(pixels.astype(np.float64), rows[:-1], axis=0)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    n_pixels = np.outer(np.diff(rows), np.diff(columns))
    means: Means = sums / n_pixels[..., np.newaxis]
    return means.reshape(-1, 3)
