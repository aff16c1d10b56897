"""Points, sizes and regions of a slide: integers, in level-0 pixels.

The origin is the upper left corner, x runs to the right and y down. A region is half
open: it holds its left and top edge, not its right and bottom one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from operator import index
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np

from napari_deepheme.core.boxes import box_centres

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt


class Point(NamedTuple):
    """A position, in level-0 pixels unless its name says otherwise."""

    x: int
    y: int


class Size(NamedTuple):
    """A width and a height, in level-0 pixels unless its name says otherwise."""

    width: int
    height: int


class Mpp(NamedTuple):
    """Micrometres per pixel, along x and along y."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A rectangle of a slide, half open.

    Whole numbers of any kind are taken, as those of numpy, and kept as `int`: what
    is computed of them does not overflow.

    Attributes
    ----------
    x, y : int
        Upper left corner, in level-0 pixels.
    width, height : int
        Extent, in level-0 pixels; not negative.

    Raises
    ------
    TypeError
        If one is no whole number.
    ValueError
        If the width or the height is negative.

    Examples
    --------
    >>> Region(*np.array([0, 0, 60_000, 60_000], np.int32)).area
    3600000000
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Take whole numbers as `int`; refuse others, and a negative extent."""
        numbers = (self.x, self.y, self.width, self.height)
        if set(map(type, numbers)) != {int}:
            for name, number in zip(self.__slots__, numbers, strict=True):
                object.__setattr__(self, name, _whole(number))
        if self.width < 0 or self.height < 0:
            raise ValueError(f"a region cannot be {self.width} x {self.height} px")

    @classmethod
    def from_corners(cls, left: int, top: int, right: int, bottom: int) -> Self:
        """Span a region between two corners; an inverted one has no area.

        Examples
        --------
        >>> Region.from_corners(10, 20, 15, 18)
        Region(x=10, y=20, width=5, height=0)
        """
        return cls(left, top, max(0, right - left), max(0, bottom - top))

    @classmethod
    def from_json(cls, numbers: Iterable[int]) -> Self:
        """Take x, y, width and height as JSON holds them.

        Raises
        ------
        TypeError, ValueError
            If these are not four whole numbers, or the extent is negative.
        """
        taken = tuple(numbers)
        if any(type(number) is not int for number in taken):
            raise ValueError(f"no region: {str(taken)[:80]}")
        return cls(*taken)

    def to_json(self) -> list[int]:
        """Return x, y, width and height, as JSON holds them.

        Examples
        --------
        >>> Region(1, 2, 3, 4).to_json()
        [1, 2, 3, 4]
        """
        return [self.x, self.y, self.width, self.height]

    @property
    def right(self) -> int:
        """First column beyond the region."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the region."""
        return self.y + self.height

    @property
    def location(self) -> Point:
        """Upper left corner."""
        return Point(self.x, self.y)

    @property
    def size(self) -> Size:
        """Width and height."""
        return Size(self.width, self.height)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def intersection(self, other: Region) -> Region:
        """Return the part that two regions share, without area if there is none.

        Examples
        --------
        >>> Region(0, 0, 10, 10).intersection(Region(8, 2, 10, 3))
        Region(x=8, y=2, width=2, height=3)
        """
        return Region.from_corners(
            max(self.x, other.x),
            max(self.y, other.y),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def grown(self, margin: int) -> Region:
        """Return the region with a margin added on each side.

        Examples
        --------
        >>> Region(10, 10, 4, 4).grown(2)
        Region(x=8, y=8, width=8, height=8)
        """
        return Region.from_corners(
            self.x - margin,
            self.y - margin,
            self.right + margin,
            self.bottom + margin,
        )

    def contains(self, other: Region) -> bool:
        """Tell whether another region lies wholly inside this one."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def holds_centres(self, boxes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Tell which boxes have their centre in the region.

        Parameters
        ----------
        boxes : ndarray of int32, shape (n, 4)
            x, y, width, height in level-0 pixels.

        Returns
        -------
        ndarray of bool, shape (n,)
            The rule by which a cell belongs to a region.

        Examples
        --------
        >>> Region(0, 0, 10, 10).holds_centres(np.array([[8, 0, 4, 4], [7, 0, 4, 4]]))
        array([False,  True])
        """
        wide = boxes.astype(np.int64)
        # Twice the centre, so that a half pixel needs no float.
        x2 = 2 * wide[:, 0] + wide[:, 2]
        y2 = 2 * wide[:, 1] + wide[:, 3]
        inside_x = (x2 >= 2 * self.x) & (x2 < 2 * self.right)
        inside_y = (y2 >= 2 * self.y) & (y2 < 2 * self.bottom)
        inside: npt.NDArray[np.bool_] = inside_x & inside_y
        return inside


@dataclass(frozen=True, slots=True)
class Polygon:
    """A drawn area: the cells whose centre lies in it.

    Attributes
    ----------
    corners : tuple of tuple of float
        x and y of each corner, in level-0 pixels; the last is joined to the first.
    """

    corners: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, area: Region | Self) -> Self:
        """Return an area as a polygon: it holds the same cells."""
        if not isinstance(area, Region):
            return area
        left, top, right, bottom = area.x, area.y, area.right, area.bottom
        return cls(((left, top), (right, top), (right, bottom), (left, bottom)))

    @classmethod
    def from_corners(cls, corners: Iterable[Iterable[float]]) -> Self:
        """Take corners as JSON holds them, x and y each.

        Raises
        ------
        ValueError
            If these are not three finite corners or more.
        """
        taken = tuple((float(x), float(y)) for x, y in corners)
        if len(taken) < 3 or not np.isfinite(taken).all():
            raise ValueError(f"no polygon: {str(taken)[:80]}")
        return cls(taken)

    @property
    def region(self) -> Region:
        """Smallest region that holds it."""
        xs, ys = zip(*self.corners, strict=True)
        return Region.from_corners(
            floor(min(xs)), floor(min(ys)), ceil(max(xs)), ceil(max(ys))
        )

    def clipped(self, region: Region) -> Self | None:
        """Return the part of it that lies in a region; None if that has no area.

        Examples
        --------
        >>> Polygon(((-5, 0), (5, 0), (5, 5))).clipped(Region(0, 0, 9, 9)).corners
        ((0.0, 2.5), (0.0, 0.0), (5, 0), (5, 5))
        >>> Polygon(((-5, 0), (0, 0), (0, 9))).clipped(Region(0, 0, 9, 9))
        """
        corners = self.corners
        for axis, edge, sign in (
            (0, region.x, 1),
            (1, region.y, 1),
            (0, region.right, -1),
            (1, region.bottom, -1),
        ):
            corners = _cut(corners, axis, edge, sign)
        if not corners:
            return None
        part = type(self)(corners)
        if _runs_along_edges(corners, region):
            # It holds the whole region, or touches it alone.
            (is_whole,) = part.holds_centres(np.array([region.to_json()], np.float64))
            return part if is_whole else None
        return part

    def holds_centres(
        self, boxes: npt.NDArray[np.int32 | np.float64]
    ) -> npt.NDArray[np.bool_]:
        """Tell which boxes, shape (n, 4), have their centre inside (even-odd rule).

        Examples
        --------
        >>> triangle = Polygon(((0, 0), (10, 0), (0, 10)))
        >>> triangle.holds_centres(np.array([[1, 1, 2, 2], [8, 8, 2, 2]]))
        array([ True, False])
        """
        x, y = box_centres(boxes).T
        inside = np.zeros(len(boxes), bool)
        ends = (*self.corners[1:], self.corners[0])
        for (x1, y1), (x2, y2) in zip(self.corners, ends, strict=True):
            if y1 == y2:
                continue
            crosses = (y1 > y) != (y2 > y)
            inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
        return inside


def _whole(number: object) -> int:
    try:
        return index(number)  # type: ignore[arg-type]
    except TypeError:
        told = str(number)[:40]
        raise TypeError(f"a region has whole pixels, not {told}: round it") from None


def _cut(
    corners: tuple[tuple[float, float], ...], axis: int, edge: float, sign: int
) -> tuple[tuple[float, float], ...]:
    """Keep what lies beyond an edge, along x (0) or y (1), in the sign's direction."""
    kept: list[tuple[float, float]] = []
    for start, end in zip((*corners[-1:], *corners[:-1]), corners, strict=True):
        before, after = sign * (start[axis] - edge), sign * (end[axis] - edge)
        if (before >= 0) != (after >= 0):
            part = before / (before - after)
            along = start[1 - axis] + part * (end[1 - axis] - start[1 - axis])
            kept.append((float(edge), along) if axis == 0 else (along, float(edge)))
        if after >= 0:
            kept.append(end)
    return tuple(kept)


def _runs_along_edges(corners: tuple[tuple[float, float], ...], region: Region) -> bool:
    """Tell whether a ring within a region nowhere leaves the region's edges."""
    edges = ((0, region.x), (0, region.right), (1, region.y), (1, region.bottom))
    return all(
        any(start[axis] == end[axis] == edge for axis, edge in edges)
        for start, end in zip((*corners[-1:], *corners[:-1]), corners, strict=True)
    )


def hull(regions: Sequence[Region]) -> Region:
    """Return the smallest region that holds all of some regions, at least one."""
    return Region.from_corners(
        min(r.x for r in regions),
        min(r.y for r in regions),
        max(r.right for r in regions),
        max(r.bottom for r in regions),
    )


def regions_to_json(regions: Iterable[Region] | None) -> list[list[int]] | None:
    """Return regions as JSON holds them; None where they are not known."""
    return None if regions is None else [region.to_json() for region in regions]


def regions_from_json(
    stored: Iterable[Iterable[int]] | None,
) -> tuple[Region, ...] | None:
    """Make regions of what `regions_to_json` gave.

    Raises
    ------
    TypeError, ValueError
        As for `Region.from_json`.
    """
    return None if stored is None else tuple(map(Region.from_json, stored))


def no_boxes() -> npt.NDArray[np.int32]:
    """Return boxes as arrays hold them, shape (n, 4): none."""
    return np.empty((0, 4), np.int32)


def touched_by(
    regions: Iterable[Region], boxes: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Tell which boxes, shape (n, 4), share a pixel with any of some regions.

    Examples
    --------
    >>> touched_by([Region(0, 0, 5, 5)], np.array([[4, 4, 2, 2], [5, 0, 2, 2]]))
    array([ True, False])
    """
    touched = np.zeros(len(boxes), bool)
    x, y, width, height = boxes.T
    for region in regions:
        touched |= (
            (x < region.right)
            & (x + width > region.x)
            & (y < region.bottom)
            & (y + height > region.y)
        )
    return touched


class Area(Protocol):
    """What cells can lie in: a `Region` or a `Polygon`."""

    def holds_centres(self, boxes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Tell which boxes, shape (n, 4), belong to it."""
        ...
