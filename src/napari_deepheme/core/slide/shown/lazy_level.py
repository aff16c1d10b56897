"""What napari asks of a level that is read piece by piece, beside its pixels."""

from __future__ import annotations

from math import prod
from typing import Any, Self


class LazyLevel:
    """Tells its size by its shape; one byte a value.

    Attributes
    ----------
    shape : tuple of int
        Height, width and channels.
    """

    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes it would take as an array of numpy."""
        return self.size

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        """Give itself: it reads and never changes, and its slide is one."""
        return self

    def __len__(self) -> int:
        """Give the height."""
        return self.shape[0]
