"""Many cells as a picture: a pyramid of dots that is painted where it is looked at.

Each dot has the colour of one cell, never a blend of several, so that colours mean what
the legend says and their shares are those of the classes. Where cells lie on top of
each other the dot is denser, not darker.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.shown.lazy_level import LazyLevel
from napari_deepheme.plugin.cell_index import CellIndex
from napari_deepheme.plugin.kinds import N_KINDS, kind_colours, shown_kinds

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Image

    _Whole = npt.NDArray[np.int64]

_Pair = tuple[int, int]

_SIDE: Final = 256
"""Side of a block, in pixels of its level."""

_MAX_BLOCKS: Final = 600

_COARSEST: Final = 64
"""The coarsest level is no larger than this: no canvas shows it; the list of layers
does. Napari asks for it once (seen in 0.9.2), so it has to be quickly painted anew."""

_MOST_IN_COARSEST: Final = 20_000
"""Of more cells some are left out of it, by chance."""

_MIN_DOT_PX, _MIN_RING_PX = 4.0, 16.0
"""Cells smaller than a ring is worth are covered by their colour."""

_RING: Final = 0.16
"""Width of a ring, as a part of its diameter."""

_CLEAR: Final = 0.2
"""How much of the slide shines through one dot; half of it through two, and so on."""

_MAX_NUMBER: Final = 7
"""More cells in a place look no denser."""

_STEP: Final = _MAX_NUMBER + 1

_CROWDED: Final = 8
"""Where a cell's middle lies on one pixel of so many, the whole block is shifted."""

_NOTHING: Final = N_KINDS * _STEP


class Overview:
    """The pyramid of one slide; its levels are what napari is given.

    Parameters
    ----------
    size : Size
        The slide's.
    """

    def __init__(self, size: Size) -> None:
        self._index = CellIndex()
        self._n_shown = 0
        self._shown = shown_kinds(frozenset())
        self.diameter = 40.0
        n_levels = 1
        while max(size) / 2 ** (n_levels - 1) > _COARSEST:
            n_levels += 1
        kinds = [_Level] * (n_levels - 1) + [_CoarsestLevel]
        self.levels = [kind(self, size, 2**k) for k, kind in enumerate(kinds)]

    @classmethod
    def behind(cls, picture: Image) -> Self:
        """Return what a layer shows that was made of `levels`.

        To give such a layer other levels leaves it empty (seen in napari 0.9.2).
        """
        level: Any = picture.data[0]
        overview: Self = level.overview
        return overview

    def shows(self, index: CellIndex) -> bool:
        """Tell whether the cells are those of an index."""
        return self._index is index

    def show(
        self, index: CellIndex, hidden: frozenset[str], diameter: float | None = None
    ) -> None:
        """Show these cells, but for the classes that are switched off.

        Parameters
        ----------
        index : CellIndex
            The cells.
        hidden : frozenset of str
            Codes of the classes that are switched off.
        diameter : float, optional
            Of a cell, in level-0 pixels; as it was, if left out.
        """
        self._index, self._n_shown = index, len(index)
        self._shown = shown_kinds(hidden)
        self.diameter = diameter or self.diameter
        for level in self.levels:
            level.forget()

    def add(self, rows: npt.NDArray[np.intp]) -> None:
        """Show further cells of the index; the work is that of these alone."""
        self._n_shown = int(rows.max(initial=self._n_shown - 1)) + 1
        shown, centres, kinds = self.dots(rows)
        if shown.size:
            for level in self.levels:
                level.add(centres, kinds)

    def repaint(self, rows: npt.NDArray[np.intp]) -> None:
        """Paint anew where some cells lie: their kind was changed."""
        centres = self._index.centres_of(rows)
        for level in self.levels:
            level.forget_near(centres)

    def dots_in(self, region: Region) -> tuple[npt.NDArray[Any], ...]:
        """Return rows, centres and kinds of the cells in a region that are shown."""
        rows = self._index.rows_near(region)
        return self.dots(rows[rows < self._n_shown])

    def some_dots(self, most: int) -> tuple[npt.NDArray[Any], ...]:
        """Return the same of so many cells at most, drawn from all over the slide."""
        rows = np.arange(self._n_shown)
        if len(rows) > most:
            rows = np.unique(np.random.default_rng(0).choice(len(rows), most))
        return self.dots(rows)

    def dots(self, rows: npt.NDArray[np.intp]) -> tuple[npt.NDArray[Any], ...]:
        """Return those of some rows that are shown, their centres and their kinds."""
        rows = rows[self._shown[self._index.kinds[rows]]]
        return rows, self._index.centres_of(rows), self._index.kinds[rows]


class _Level(LazyLevel):
    """One level as a lazy array, shape (height, width, 4), uint8, RGBA."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, overview: Overview, size: Size, downsample: int) -> None:
        self.overview = overview
        self._downsample = downsample
        height, width = (-(-side // downsample) for side in (size.height, size.width))
        self.shape = (height, width, 4)
        self.chunks = (_SIDE, _SIDE, 4)
        self._blocks: OrderedDict[_Pair, _Block] = OrderedDict()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self[...].astype(dtype or np.uint8, copy=False)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in key:
            key = (slice(None),) * (3 - len(key) + 1) + key[key.index(Ellipsis) + 1 :]
        spans = [range(n)[k] for k, n in zip(key[:2], self.shape, strict=False)]
        if len(spans) < 2 or not all(isinstance(span, range) for span in spans):
            whole: npt.NDArray[np.uint8] = self[:, :][key]
            return whole
        rows, columns = spans
        picture = self._gather(_extent(rows), _extent(columns))
        part: npt.NDArray[np.uint8] = picture[_within(rows), _within(columns)]
        return part[(..., *key[2:3])]

    def forget(self) -> None:
        self._blocks.clear()

    def forget_near(self, centres: npt.NDArray[np.float64]) -> None:
        for place in list(self._blocks):
            if self._near(place, centres).any():
                del self._blocks[place]

    def add(
        self, centres: npt.NDArray[np.float64], kinds: npt.NDArray[np.uint8]
    ) -> None:
        for place, block in self._blocks.items():
            near = self._near(place, centres)
            if near.any():
                block.stamp(self._pixels(place, centres[near]), kinds[near])

    def _gather(self, rows: _Pair, columns: _Pair) -> npt.NDArray[np.uint8]:
        (top, bottom), (left, right) = rows, columns
        looks = np.full((bottom - top, right - left), _NOTHING, np.uint16)
        for y in range(top // _SIDE, -(-bottom // _SIDE)):
            down, dy = _overlap(y, top, bottom)
            for x in range(left // _SIDE, -(-right // _SIDE)):
                along, dx = _overlap(x, left, right)
                looks[down, along] = self._block((y, x)).looks[dy, dx]
        pixels: npt.NDArray[np.uint8] = _RGBA[looks].view(np.uint8)
        return pixels.reshape(*looks.shape, 4)

    def _block(self, place: _Pair) -> _Block:
        block = self._blocks.get(place)
        if block is None:
            block = _Block(_stamp(self.overview.diameter / self._downsample))
            _, centres, kinds = self._dots_in(self._region(place))
            block.stamp(self._pixels(place, centres), kinds)
            self._blocks[place] = block
            if len(self._blocks) > _MAX_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(place)
        return block

    def _dots_in(self, region: Region) -> tuple[npt.NDArray[Any], ...]:
        return self.overview.dots_in(region)

    def _region(self, place: _Pair) -> Region:
        """Return the part of the slide whose cells a block shows, in level-0 pixels."""
        margin, side = self._margin, _SIDE * self._downsample
        return Region(place[1] * side, place[0] * side, side, side).grown(margin)

    @property
    def _margin(self) -> int:
        stamp = _stamp(self.overview.diameter / self._downsample)
        return int(np.abs(stamp).max() + 1) * self._downsample

    def _near(
        self, place: _Pair, centres: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        region = self._region(place)
        x, y = centres.T
        near: npt.NDArray[np.bool_] = (x >= region.x) & (x < region.right)
        near &= (y >= region.y) & (y < region.bottom)
        return near

    def _pixels(
        self, place: _Pair, centres: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        """Return row and column of cells within a block, shape (n, 2)."""
        pixels = (centres[:, ::-1] / self._downsample).astype(np.int64)
        within: npt.NDArray[np.int64] = pixels - np.array(place) * _SIDE
        return within


class _CoarsestLevel(_Level):
    """The level that napari keeps: the array that it was given is painted anew."""

    def __init__(self, overview: Overview, size: Size, downsample: int) -> None:
        super().__init__(overview, size, downsample)
        self._given: npt.NDArray[np.uint8] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._given is None:
            self._given = self[...]
        return self._given.astype(dtype or np.uint8, copy=bool(copy))

    def forget(self) -> None:
        super().forget()
        self._paint()

    def forget_near(self, centres: npt.NDArray[np.float64]) -> None:
        super().forget_near(centres)
        self._paint()

    def add(
        self, centres: npt.NDArray[np.float64], kinds: npt.NDArray[np.uint8]
    ) -> None:
        super().add(centres, kinds)
        self._paint()

    def _dots_in(self, region: Region) -> tuple[npt.NDArray[Any], ...]:
        return self.overview.some_dots(_MOST_IN_COARSEST)

    def _paint(self) -> None:
        if self._given is not None:
            self._given[...] = self[...]


class _Block:
    """A square of a level: the kind that is on top, and how many cells lie there.

    Both are kept as one number, the look: the kind times `_MAX_NUMBER` + 1, and the
    number of cells, up to `_MAX_NUMBER`.
    """

    def __init__(self, stamp: npt.NDArray[np.int64]) -> None:
        self._stamp_rc = stamp
        self._pad = 2 * int(np.abs(stamp).max() + 1)
        side = _SIDE + 2 * self._pad
        self._looks = np.full((side, side), _NOTHING, np.uint16)

    @property
    def looks(self) -> npt.NDArray[np.uint16]:
        return self._looks[self._pad : -self._pad, self._pad : -self._pad]

    def stamp(
        self, pixels: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint8]
    ) -> None:
        """Put a dot on each of some pixels; the last one lies on top."""
        side = len(self._looks)
        spots = (pixels[:, 0] + self._pad) * side + pixels[:, 1] + self._pad
        # As many dots as pixels at most, however many cells lie on one.
        last = np.full(side * side, -1)
        last[spots] = np.arange(len(spots))
        taken = np.flatnonzero(last >= 0)
        heights = np.bincount(spots, minlength=side * side)
        shifts = self._stamp_rc @ np.array([side, 1])
        if len(taken) * _CROWDED > side * side:
            top, more = _spread(last, heights, shifts)
        else:
            top, more = _put(last, heights, shifts, np.sort(last[taken]), spots)
        looks = self._looks.ravel()
        numbers = np.minimum(looks % _STEP + more, _MAX_NUMBER).astype(np.uint16)
        covered = top >= 0
        looks = looks // _STEP
        looks[covered] = kinds[top[covered]]
        self._looks = (looks * _STEP + numbers).reshape(side, side)


def _put(
    last: _Whole, heights: _Whole, shifts: _Whole, on_top: _Whole, spots: _Whole
) -> tuple[_Whole, _Whole]:
    """Return the cell on top of each pixel, -1 for none, and how many lie there.

    `last` and `heights` are the same of the cells' middles alone. Quick for few cells.
    """
    flat = (spots[on_top, None] + shifts).ravel()
    top = np.full_like(last, -1)
    top[flat] = np.repeat(on_top, len(shifts))
    weights = np.repeat(heights[spots[on_top]], len(shifts))
    return top, np.bincount(flat, weights, len(last)).astype(np.int64)


def _spread(last: _Whole, heights: _Whole, shifts: _Whole) -> tuple[_Whole, _Whole]:
    """Return what `_put` does, by shifting the whole: quick where most is covered."""
    top, more = np.full_like(last, -1), np.zeros_like(heights)
    for shift in shifts.tolist():
        to, start = slice(max(shift, 0), len(last) + min(shift, 0)), max(-shift, 0)
        source = slice(start, start + len(last) - abs(shift))
        np.maximum(top[to], last[source], out=top[to])
        more[to] += heights[source]
    return top, more


def _stamp(diameter: float) -> npt.NDArray[np.int64]:
    """Return the pixels of a dot, of a ring where there is room, around its centre."""
    is_ring = diameter >= _MIN_RING_PX
    outer = 1.15 * diameter if is_ring else max(_MIN_DOT_PX, diameter)
    reach = int(outer / 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(y, x)
    inside = distance <= outer / 2
    if is_ring:
        inside &= distance > outer / 2 - max(2.0, _RING * diameter)
    return np.stack([y[inside], x[inside]], axis=1).astype(np.int64)


def _extent(span: range) -> _Pair:
    return (min(span[0], span[-1]), max(span[0], span[-1]) + 1) if span else (0, 0)


def _within(span: range) -> npt.NDArray[np.intp] | slice:
    if span.step == 1:
        return slice(None)
    return np.array(span, np.intp) - (_extent(span)[0])


def _overlap(block: int, start: int, stop: int) -> tuple[slice, slice]:
    """Return where a block lies in a span, and the part of it that does."""
    low, high = max(start, block * _SIDE), min(stop, (block + 1) * _SIDE)
    return (
        slice(low - start, high - start),
        slice(low - block * _SIDE, high - block * _SIDE),
    )


def _palette() -> npt.NDArray[np.uint32]:
    """Return the colour of each look, red, green, blue and alpha in one number."""
    palette = np.zeros((N_KINDS + 1, _STEP, 4), np.uint8)
    palette[:N_KINDS, :, :3] = (255 * kind_colours()[:, None]).round()
    palette[:N_KINDS, :, 3] = 255 * (1 - 2 * _CLEAR / 2.0 ** np.arange(_STEP))
    return palette.view(np.uint32).ravel()


_RGBA: Final = _palette()
