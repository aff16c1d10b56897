"""Tiles whose bytes are looked at once, when they are first read, and what was seen."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region, Size

_UNSEEN, _SOUND, _BROKEN = range(3)

_NOT_FOR_US: Final = (OSError, EOFError, ValueError, IndexError)
"""What cannot be read or decoded, is told where the pixels are asked for."""


class LookedAt:
    """What is known of the tiles of one picture.

    Parameters
    ----------
    n_tiles : int
        They have the numbers below it.
    """

    def __init__(self, n_tiles: int) -> None:
        self._states = np.zeros(n_tiles, np.uint8)

    def __len__(self) -> int:
        """Return how many tiles there are."""
        return self._states.size

    def are_sound(
        self,
        numbers: npt.NDArray[np.int64],
        look_at: Callable[[list[int]], Iterator[bool]],
    ) -> bool:
        """Tell whether none of some tiles is broken, as far as can be seen.

        Parameters
        ----------
        numbers : ndarray of int64, shape (n,)
            The tiles'.
        look_at : callable
            Given numbers, yields whether each is sound, in order; asked for those that
            were not looked at. Where it fails to read, the rest is taken for sound now,
            and looked at again.
        """
        unseen = numbers[self._states[numbers] == _UNSEEN].tolist()
        if unseen:
            with suppress(*_NOT_FOR_US):
                for number, is_sound in zip(unseen, look_at(unseen), strict=True):
                    self._states[number] = _SOUND if is_sound else _BROKEN
        return not (self._states[numbers] == _BROKEN).any()


def tiles_under(window: Region, tile: Size, shape: Size) -> npt.NDArray[np.int64]:
    """Give the numbers of the tiles that share pixels with a window, row by row.

    Parameters
    ----------
    window : Region
        In pixels of the picture.
    tile : Size
        Of a tile.
    shape : Size
        Columns and rows of tiles.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Region, Size
    >>> tiles_under(Region(90, 0, 20, 150), Size(100, 100), Size(3, 2))
    array([0, 1, 3, 4])
    """
    (width, height), (n_columns, n_rows) = tile, shape
    columns = np.arange(n_columns)[window.x // width : -(-window.right // width)]
    rows = np.arange(n_rows)[window.y // height : -(-window.bottom // height)]
    numbers: npt.NDArray[np.int64] = (rows[:, np.newaxis] * n_columns + columns).ravel()
    return numbers
