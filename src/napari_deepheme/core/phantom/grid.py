"""The plane on which a cell is drawn: micrometres about its centre, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_deepheme.core.phantom.texture import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float32]

_TURN_STEPS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Pixel centres of a picture, in micrometres from the centre of the cell.

    Attributes
    ----------
    x, y : ndarray of float32, shape (h, w)
        To the right and down.
    mpp : float
        Micrometres per pixel.
    """

    x: Floats
    y: Floats
    mpp: float

    @classmethod
    def square(cls, half_um: float, mpp: float) -> Self:
        """Make a square grid that reaches `half_um` from its centre on each side."""
        n = int(np.ceil(half_um / mpp))
        line = ((np.arange(2 * n) + 0.5 - n) * mpp).astype(np.float32)
        x, y = np.meshgrid(line, line)
        return cls(x, y, mpp)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x.shape[0], self.x.shape[1]

    def moved(self, x_um: float, y_um: float) -> Grid:
        """Return the grid with its origin at another point."""
        return Grid(self.x - x_um, self.y - y_um, self.mpp)

    def turned(self, angle: float) -> Grid:
        """Return the grid with its axes turned by an angle in radians."""
        c, s = float(np.cos(angle)), float(np.sin(angle))
        return Grid(c * self.x + s * self.y, c * self.y - s * self.x, self.mpp)

    def warped(self, rng: np.random.Generator, by_um: float, scale_um: float) -> Grid:
        """Return the grid bent by smooth noise, so that nothing on it is regular."""
        dx = noise(rng, self.shape, scale_um, self.mpp)
        dy = noise(rng, self.shape, scale_um, self.mpp)
        return Grid(self.x + by_um * dx, self.y + by_um * dy, self.mpp)

    def ellipse(self, radius_um: float, aspect: float) -> Floats:
        """Return how deep each pixel lies in an ellipse, long along x, in um."""
        a = float(np.sqrt(aspect))
        inside: Floats = radius_um - np.hypot(self.x / a, self.y * a)
        return inside

    def outline(self, radii_um: Floats) -> Floats:
        """Return how deep each pixel lies in a star-shaped outline, in um.

        Parameters
        ----------
        radii_um : ndarray of float32, shape (1024,)
            Radius at each step of a full turn.
        """
        turn = np.arctan2(self.y, self.x) * (_TURN_STEPS / (2 * np.pi))
        step = turn.astype(np.int32) % _TURN_STEPS
        inside: Floats = radii_um[step] - np.hypot(self.x, self.y)
        return inside

    def chain(
        self, points_um: Sequence[tuple[float, float]], radii_um: Sequence[float]
    ) -> Floats:
        """Return how deep each pixel lies in a union of discs, in um."""
        x = np.array([p[0] for p in points_um], np.float32)[:, None, None]
        y = np.array([p[1] for p in points_um], np.float32)[:, None, None]
        r = np.array(radii_um, np.float32)[:, None, None]
        inside: Floats = (r - np.hypot(self.x - x, self.y - y)).max(axis=0)
        return inside

    def spots(
        self, x_um: Floats, y_um: Floats, weight: Floats, radius_um: float
    ) -> Floats:
        """Return a map of small soft spots, about 1 at the middle of each.

        Spots that leave the grid are dropped.
        """
        h, w = self.shape
        column = x_um / self.mpp + w / 2 - 0.5
        row = y_um / self.mpp + h / 2 - 0.5
        c, r = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
        keep = (c >= 0) & (r >= 0) & (c < w - 1) & (r < h - 1)
        c, r, weight = c[keep], r[keep], weight[keep]
        fx, fy = column[keep] - c, row[keep] - r
        at = r * w + c
        places = np.concatenate([at, at + 1, at + w, at + w + 1])
        shares = np.concatenate(
            [
                weight * (1 - fx) * (1 - fy),
                weight * fx * (1 - fy),
                weight * (1 - fx) * fy,
                weight * fx * fy,
            ]
        )
        sigma = max(0.35, 0.7 * radius_um / self.mpp)
        flat = np.bincount(places, shares, minlength=h * w).astype(np.float32)
        soft = gaussian_filter(flat.reshape(h, w), sigma, truncate=3.0)
        peak: Floats = soft * np.float32(2 * np.pi * (sigma**2 + 0.15))
        return peak


def alpha(inside_um: Floats, width_um: float = 0.35) -> Floats:
    """Return how much of each pixel is covered, from its depth in a shape."""
    cover: Floats = np.clip(inside_um * (1.0 / width_um) + 0.5, 0.0, 1.0)
    return cover


def both(one_um: Floats, other_um: Floats, round_um: float) -> Floats:
    """Return the depth in what two shapes share, its corners rounded off."""
    share = np.clip(0.5 + (other_um - one_um) * (0.5 / round_um), 0, 1)
    inside = other_um + share * (one_um - other_um) - round_um * share * (1 - share)
    return np.asarray(inside, np.float32)


def wavy_outline(
    rng: np.random.Generator, radius_um: float, *, roughness: float, aspect: float
) -> Floats:
    """Return the radii of a slightly irregular ellipse of a given mean radius.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    radius_um : float
        Radius of the circle of the same area.
    roughness : float
        Relative size of the waves; 0 for a smooth ellipse.
    aspect : float
        Long axis over short axis.

    Returns
    -------
    ndarray of float32, shape (1024,)
        One radius for each step of a full turn.
    """
    turn = np.arange(_TURN_STEPS, dtype=np.float32) * np.float32(
        2 * np.pi / _TURN_STEPS
    )
    a = float(np.sqrt(aspect))
    tilt = rng.uniform(0, 2 * np.pi)
    ellipse = 1.0 / np.hypot(np.cos(turn - tilt) / a, np.sin(turn - tilt) * a)
    waves = np.arange(2, 9, dtype=np.float32)[:, None]
    size = rng.normal(0, 1, (7, 1)) * roughness / waves
    phase = rng.uniform(0, 2 * np.pi, (7, 1))
    wave = (size * np.cos(waves * turn + phase)).sum(axis=0)
    radii: Floats = (radius_um * ellipse * (1 + wave)).astype(np.float32)
    return radii
