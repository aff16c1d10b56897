"""Levels of a slide as a viewer sees them: with a look that can be changed at any time.

The levels themselves stay as they are, and are what is analysed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from PIL import Image

from napari_deepheme.core.slide.background import WHITE_POINT, picture_background
from napari_deepheme.core.slide.shown.lazy_level import LazyLevel
from napari_deepheme.core.slide.shown.level_array import LevelArray, three_axes
from napari_deepheme.core.slide.shown.look import Look, apply_look

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.slide.array_slide import LazyPixels

SMALL_SIDE: Final = 512
"""The smallest level is no larger than this: it is held, and painted anew."""


class SeenLevels:
    """The levels of one slide with a look that all of them share.

    Parameters
    ----------
    plain : sequence of arrays
        The levels as they are, the largest first, each of shape (height, width, 3) or
        (height, width, 4) and uint8.
    background : callable, optional
        Gives the colour of empty background; called once, when it is first needed. By
        default it is estimated on the smallest level.

    Attributes
    ----------
    plain : list of arrays
        The levels as they are.
    look : Look
        What is changed; set by `show`.
    single : SeenLevel
        The largest level as it is seen, for a viewer that is given no pyramid.

    Examples
    --------
    >>> seen = SeenLevels([np.full((4, 4, 3), 100, np.uint8)])
    >>> seen.show(Look(brightness=1.5))
    >>> seen.levels[0][0, 0].tolist(), seen.plain[0][0, 0].tolist()
    ([150, 150, 150], [100, 100, 100])
    """

    def __init__(
        self,
        plain: Sequence[LazyPixels],
        background: Callable[[], npt.NDArray[np.float32]] | None = None,
    ) -> None:
        self.plain = list(plain)
        self.look = Look()
        self._background = background
        self._white: npt.NDArray[np.float32] | None = None
        self.single = SeenLevel(self, self.plain[0])
        self._levels: list[SeenLevel | npt.NDArray[np.uint8]] | None = None
        self._small: npt.NDArray[np.uint8] | None = None
        self._held: npt.NDArray[np.uint8] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Give the same levels with a look of their own."""
        made = type(self)(self.plain, lambda: self.white)
        memo[id(self)] = made
        made.look = self.look
        if self._held is not None:
            # A viewer's list of levels is copied one by one.
            memo[id(self._held)] = made.levels[-1]
        return made

    @property
    def levels(self) -> Sequence[SeenLevel | npt.NDArray[np.uint8]]:
        """The levels as they are seen, and a small one that is an array of numpy.

        A viewer may load the smallest level once and keep it, for its thumbnail, too.
        It is therefore held here, and changes in place.
        """
        if self._levels is None:
            last = np.asarray(self.plain[-1][:, :])
            self._small = _reduced(last)
            is_extra = self._small is not last
            lazy = self.plain if is_extra else self.plain[:-1]
            self._held = np.array(self._seen(self._small))
            self._levels = [*(SeenLevel(self, one) for one in lazy), self._held]
        return self._levels

    @property
    def white(self) -> npt.NDArray[np.float32]:
        """Colour of empty background, as estimated."""
        if self._white is None:
            estimate = self._background or self._estimate
            self._white = estimate()
        return self._white

    def show(self, look: Look) -> None:
        """Change the look; a viewer has then to slice again."""
        self.look = look
        if self._small is not None and self._held is not None:
            self._held[...] = self._seen(self._small)

    def _seen(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        look = self.look
        return pixels if look.is_neutral else apply_look(pixels, look, self.white)

    def _estimate(self) -> npt.NDArray[np.float32]:
        pixels = _reduced(np.asarray(self.plain[-1][:, :]))[..., :3]
        if not pixels.size:
            return np.full(3, WHITE_POINT, np.float32)
        return picture_background(pixels)


class SeenLevel(LazyLevel):
    """One level as it is seen, sliced like a `LevelArray`.

    What is loaded whole (``np.asarray``), as by something that saves or analyses it, is
    the level as it is.

    Parameters
    ----------
    seen : SeenLevels
        Has the look.
    plain : array
        The level as it is.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, seen: SeenLevels, plain: LazyPixels) -> None:
        self.seen = seen
        self._plain = plain
        height, width, n_channels = plain.shape
        self.shape = (height, width, n_channels)
        self._last: tuple[Any, npt.NDArray[np.uint8], float] | None = None
        # A viewer reads whole chunks of what has them.
        if hasattr(plain, "chunks"):
            self.chunks = plain.chunks

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Give the same level, seen with a look of its own."""
        return type(self)(deepcopy(self.seen, memo), self._plain)

    def __repr__(self) -> str:
        """Name what is seen."""
        return f"<SeenLevel of {self._plain!r}>"

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Load the level whole, as it is."""
        if copy is False:
            raise ValueError("a level of a slide cannot be loaded without a copy")
        return np.array(self._plain, dtype or np.uint8)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        """Read a part, as it is seen."""
        rows, columns, rest = three_axes(key)
        part: npt.NDArray[np.uint8] = self.seen._seen(self._part(rows, columns))
        return part[..., rest]

    def _part(self, rows: int | slice, columns: int | slice) -> npt.NDArray[np.uint8]:
        if isinstance(self._plain, np.ndarray):
            return self._plain[rows, columns]
        # The same part is asked for again and again while a look is being changed.
        key, last = repr((rows, columns)), self._last
        if last is not None and last[0] == key and time.monotonic() < last[2]:
            return last[1]
        if isinstance(self._plain, LevelArray):
            pixels, until = self._plain.part(rows, columns)
        else:
            pixels, until = np.asarray(self._plain[rows, columns]), math.inf
        self._last = (key, pixels, until)
        return pixels


def seen_of(data: Any) -> SeenLevels | None:
    """Return what the data of a layer are seen through; None for plain ones.

    Parameters
    ----------
    data : array, or sequence of arrays
        Levels, or one picture.
    """
    # Napari's multiscale data are a sequence that has a shape as well.
    first = data[0] if isinstance(data, Sequence) and len(data) else data
    return first.seen if isinstance(first, SeenLevel) else None


def _reduced(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    factor = -(-max(pixels.shape[:2]) // SMALL_SIDE)
    if factor <= 1:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.reduce(factor))
