"""How a smear differs from place to place: thick to thin, particles, stain, focus.

Every field is a function of the position alone, so that any part of the slide can be
drawn without the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from napari_deepheme.core.phantom.texture import noise_sheet

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Size
    from napari_deepheme.core.phantom.grid import Floats

_SHEET: Final = 256
# Below the first size a phantom is all well-spread smear, from the second on it has
# glass around it, a thick and a thin end.
_SMALL_PX: Final = 6_000
_LARGE_PX: Final = 30_000


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Smooth noise over the slide, mean 0 and deviation 1.

    Attributes
    ----------
    sheet : ndarray of float32
        Values at the knots; joins itself at its edges.
    step_px : float
        Level-0 pixels between knots.
    """

    sheet: Floats
    step_px: float

    @classmethod
    def make(cls, rng: np.random.Generator, scale_px: float) -> Self:
        """Make a field whose hills are about `scale_px` wide."""
        shift = rng.integers(0, _SHEET, 2)
        sheet = np.roll(noise_sheet(4, _SHEET), tuple(shift), (0, 1))
        return cls(sheet, scale_px / 4)

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return the field at points, in level-0 pixels."""
        u, v = x / self.step_px, y / self.step_px
        column, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        fx, fy = (u - column).astype(np.float32), (v - row).astype(np.float32)
        left, right = column % _SHEET, (column + 1) % _SHEET
        up, down = row % _SHEET, (row + 1) % _SHEET
        s = self.sheet
        upper = s[up, left] * (1 - fx) + s[up, right] * fx
        lower = s[down, left] * (1 - fx) + s[down, right] * fx
        value: Floats = upper * (1 - fy) + lower * fy
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Terrain:
    """The lie of one smear.

    Attributes
    ----------
    size : Size
        Of the slide, in level-0 pixels.
    edge, particles, clusters, clear, stain, focus : Field
        Noise that each property is made of.
    """

    size: Size
    edge: Field
    particles: Field
    clusters: Field
    clear: Field
    stain: Field
    focus: Field

    @classmethod
    def make(cls, size: Size, seed: int, mpp: float) -> Self:
        """Lay out a smear; lengths below are in micrometres."""
        rng = np.random.default_rng((seed, 31))
        scales_um = (900.0, 520.0, 70.0, 110.0, 1500.0, 700.0)
        fields = [Field.make(rng, scale / mpp) for scale in scales_um]
        return cls(size, *fields)

    @property
    def _large(self) -> float:
        longest = max(self.size)
        return min(1.0, max(0.0, (longest - _SMALL_PX) / (_LARGE_PX - _SMALL_PX)))

    def covered(self, x: Floats, y: Floats) -> Floats:
        """Return how far there is smear at points: 0 glass, 1 smear."""
        if self._large == 0:
            return np.ones_like(x, np.float32)
        along, across, length, width = self._axes(x, y)
        start, end, side = 0.03 * length, 0.94 * length, 0.06 * width
        # The film narrows towards its thin end, which is round.
        bow = (2 * across / width - 1) ** 2
        taper = 0.07 * width * (along / length) ** 2
        inside = np.minimum(along - start, end - 0.07 * length * bow - along)
        aside = np.minimum(across, width - across) - side - taper
        inside = np.minimum(inside, aside)
        # The thin end frays more than the sides do.
        fray = 0.011 * length * (0.4 + along / length)
        inside = inside + self._large * fray * self.edge.at(x, y) - 0.01 * length
        inside = inside / (0.004 * length) + (1 - self._large) * 12
        return np.asarray(np.clip(inside, 0, 1), np.float32)

    def thickness(self, x: Floats, y: Floats) -> Floats:
        """Return how thick the smear is at points: 0 thin end, 1 thick end."""
        along, _, length, _ = self._axes(x, y)
        slope = 0.25 + 0.65 * self._large
        thick = 0.45 + slope * (0.5 - along / length) + 0.08 * self.clear.at(x, y)
        return np.asarray(np.clip(thick, 0.03, 1), np.float32)

    def particle(self, x: Floats, y: Floats) -> Floats:
        """Return how far points lie in a marrow particle, 0 to 1."""
        part = np.clip((self.particles.at(x, y) - 1.75) * 4, 0, 1)
        return np.asarray(part, np.float32)

    def crowding(self, x: Floats, y: Floats) -> Floats:
        """Return the chance that a place for a nucleated cell is taken."""
        spread = 0.09 * np.exp(0.55 * self.clusters.at(x, y))
        spread = spread * (0.45 + 1.1 * self.thickness(x, y))
        part = self.particle(x, y)
        chance = np.minimum(spread * (1 - part) + 0.95 * part, 1)
        return np.asarray(chance * self.covered(x, y), np.float32)

    def gain(self, x: Floats, y: Floats) -> Floats:
        """Return the strength of the stain at points; 1 is usual."""
        return 1 + 0.07 * np.clip(self.stain.at(x, y), -2, 2)

    def softness(self, x: Floats, y: Floats) -> Floats:
        """Return how far out of focus points are: 0 sharp, 1 and 2 more and more."""
        return np.clip(np.abs(self.focus.at(x, y)) - 0.6, 0, 2)

    def _axes(self, x: Floats, y: Floats) -> tuple[Floats, Floats, float, float]:
        if self.size.width >= self.size.height:
            return x, y, float(self.size.width), float(self.size.height)
        return y, x, float(self.size.height), float(self.size.width)
