"""Points of a map drawn into pixels, and found again there. It holds no Qt object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_MARGIN: Final = 16

_FILLED: Final = 0.92
"""Part of the canvas that all points take at first."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What a map is drawn on; colours are 32-bit words: opaque, red, green, blue.

    Attributes
    ----------
    ground : int
        Behind the points.
    rim : int
        Around each point, some of which are as light, or as dark, as the ground.
    ring, halo : int
        Around the selected ones, and around that.
    ink : int
        Of a lasso and of the mark of the keyboard.
    """

    ground: int
    rim: int
    ring: int
    halo: int
    ink: int


LIGHT: Final = Paper(0xFFE8E8EC, 0xFF6E6E74, 0xFF000000, 0xFFFFFFFF, 0xFF202020)

DARK: Final = Paper(0xFF202228, 0xFF9A9AA2, 0xFFFFFFFF, 0xFF000000, 0xFFF0F0F0)


@dataclass(frozen=True, slots=True)
class Look:
    """What of a map is seen, and how large.

    Attributes
    ----------
    x, y : float
        Place on the map that is in the middle of the canvas.
    scale : float
        Canvas pixels per unit of the map.
    width, height : int
        Of the canvas.
    """

    x: float
    y: float
    scale: float
    width: int
    height: int

    @classmethod
    def at_all(cls, points: npt.NDArray[np.float32], width: int, height: int) -> Self:
        """Look at all points; rows of NaN have no place."""
        placed = points[np.isfinite(points).all(axis=1)]
        if not len(placed):
            return cls(0, 0, 1, width, height)
        low, high = placed.min(axis=0), placed.max(axis=0)
        extent = np.maximum(high - low, 1e-3)
        scale = _FILLED * float(min(width / extent[0], height / extent[1]))
        x, y = ((low + high) / 2).tolist()
        return cls(x, y, scale, width, height)

    def zoomed(self, factor: float, at: tuple[float, float]) -> Self:
        """Zoom so that what lies at a canvas position stays there."""
        x, y = self.to_map(np.array([at])).ravel().tolist()
        return replace(
            self,
            x=x + (self.x - x) / factor,
            y=y + (self.y - y) / factor,
            scale=self.scale * factor,
        )

    def moved(self, dx: float, dy: float) -> Self:
        """Move what is seen by canvas pixels."""
        return replace(self, x=self.x - dx / self.scale, y=self.y + dy / self.scale)

    def to_canvas(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return canvas x and y, of which y runs down; the map's runs up."""
        middle = np.array([self.width / 2, self.height / 2])
        gap = points.astype(np.float64) - (self.x, self.y)
        canvas: npt.NDArray[np.float64] = gap * (self.scale, -self.scale) + middle
        return canvas

    def to_map(self, canvas: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return places on the map."""
        gap = canvas - np.array([self.width / 2, self.height / 2])
        points: npt.NDArray[np.float64] = gap / (self.scale, -self.scale)
        points += np.array([self.x, self.y])
        return points


def draw(
    canvas: npt.NDArray[np.float64],
    colours: npt.NDArray[np.float32],
    selected: npt.NDArray[np.intp],
    look: Look,
    paper: Paper = LIGHT,
    ratio: float = 1.0,
) -> npt.NDArray[np.uint32]:
    """Draw points as discs with a thin rim, selected ones ringed and on top.

    Parameters
    ----------
    canvas : ndarray of float64, shape (n, 2)
        As `Look.to_canvas` gives them.
    colours : ndarray of float32, shape (n, 3)
        Red, green and blue in [0, 1].
    selected : ndarray of int
        Rows that are ringed.
    look : Look
        What is seen.
    paper : Paper
        What it is drawn on.
    ratio : float
        Pixels of the screen per pixel of the canvas.

    Returns
    -------
    ndarray of uint32, shape (height * ratio, width * ratio)
        Opaque pixels, as Qt's RGB32 has them.
    """
    radius, margin = ratio * point_radius(len(canvas)), round(ratio * _MARGIN)
    width, height = round(ratio * look.width), round(ratio * look.height)
    stride = width + 2 * margin
    pixels = np.full((height + 2 * margin) * stride, paper.ground, np.uint32)
    rows, places = _places(ratio * canvas, (width, height), margin)
    words = _words(colours[rows])
    _stamp(pixels, places, paper.rim, radius + ratio, stride, hole=radius)
    _stamp(pixels, places, words, radius, stride)
    is_selected = np.zeros(len(canvas), bool)
    is_selected[selected[selected < len(canvas)]] = True
    chosen = is_selected[rows]
    if chosen.any():
        of, inner = places[chosen], max(radius, 2.5 * ratio)
        _stamp(pixels, of, paper.halo, inner + 3 * ratio, stride)
        _stamp(pixels, of, paper.ring, inner + 2 * ratio, stride)
        _stamp(pixels, of, words[chosen], inner, stride)
    whole = pixels.reshape(-1, stride)
    return np.ascontiguousarray(whole[margin:-margin, margin:-margin])


def point_radius(n: int) -> float:
    """Return the radius of a point in canvas pixels: smaller where there are many."""
    return max(1.5, 4.5 - round(0.8 * float(np.log10(max(n, 100) / 100))))


def nearest_point(
    canvas: npt.NDArray[np.float64], at: tuple[float, float], within: float
) -> int | None:
    """Return the row that lies nearest to a canvas position, None if none is near."""
    if not len(canvas):
        return None
    squares = ((canvas - at) ** 2).sum(axis=1)
    squares[np.isnan(squares)] = np.inf
    row = int(squares.argmin())
    return row if squares[row] <= within**2 else None


def point_beside(
    canvas: npt.NDArray[np.float64], at: tuple[float, float], way: tuple[int, int]
) -> int | None:
    """Return the row that one comes to from a canvas position by an arrow key.

    Parameters
    ----------
    canvas : ndarray of float64, shape (n, 2)
        As `Look.to_canvas` gives them.
    at : tuple of float
        Where one is.
    way : tuple of int
        The arrow: (1, 0) is to the right, (0, 1) down.

    Returns
    -------
    int or None
        The nearest in the quarter that the arrow points to; None if there is none.
    """
    if not len(canvas):
        return None
    gaps = canvas - at
    along = gaps @ np.array(way)
    across = np.abs(gaps @ np.array(way)[::-1])
    with np.errstate(invalid="ignore"):
        squares = np.where((along > 0) & (across <= along), (gaps**2).sum(1), np.inf)
    row = int(squares.argmin())
    return row if np.isfinite(squares[row]) else None


def inside_lasso(
    canvas: npt.NDArray[np.float64], corners: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Return the rows that lie within a closed line, by the even-odd rule."""
    if len(corners) < 3:
        return np.empty(0, np.intp)
    low, high = corners.min(axis=0), corners.max(axis=0)
    rows = np.flatnonzero(((canvas >= low) & (canvas <= high)).all(axis=1))
    x, y = canvas[rows].T
    inside = np.zeros(len(rows), bool)
    for (x0, y0), (x1, y1) in zip(
        corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True
    ):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return rows[inside]


def _places(
    canvas: npt.NDArray[np.float64], size: tuple[int, int], margin: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows that are seen and where in the flat, margined pixels."""
    with np.errstate(invalid="ignore"):
        seen = ((canvas >= 0) & (canvas < size)).all(axis=1)
    rows = np.flatnonzero(seen)
    whole = canvas[rows].astype(np.intp) + margin
    return rows, whole[:, 1] * (size[0] + 2 * margin) + whole[:, 0]


def _offsets(radius: float, hole: float, stride: int) -> list[int]:
    reach = np.arange(-int(radius), int(radius) + 1)
    squares = reach[:, None] ** 2 + reach**2
    dy, dx = np.nonzero((squares <= radius**2) & (squares > hole * abs(hole)))
    offsets: list[int] = ((dy - int(radius)) * stride + dx - int(radius)).tolist()
    return offsets


def _stamp(
    pixels: npt.NDArray[np.uint32],
    places: npt.NDArray[np.intp],
    words: npt.NDArray[np.uint32] | int,
    radius: float,
    stride: int,
    hole: float = -1,
) -> None:
    for offset in _offsets(radius, hole, stride):
        pixels[places + offset] = words


def _words(colours: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    whole = np.rint(colours * 255).astype(np.uint32)
    words = (whole[:, 0] << 16) | (whole[:, 1] << 8) | whole[:, 2] | 0xFF000000
    return words.astype(np.uint32)
