"""A bank of pictures, rendered once each when first asked for, to be placed often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.phantom.cell import render_cell
from napari_deepheme.core.phantom.formed import paint_platelet, red_cell_thickness
from napari_deepheme.core.phantom.grid import Grid
from napari_deepheme.core.taxonomy import MITOTIC_CODE, MITOTIC_PHASES, class_index

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.phantom.grid import Floats
    from napari_deepheme.core.phantom.stain import Stain

N_SPRITES: Final = 32
N_RED_CELLS: Final = 160
N_PLATELETS: Final = 24
N_ORIENTATIONS: Final = 8
# Megakaryocytes are large and rare.
_FEWER: Final = {"PL2": 8, "PL3": 12}
_SOFTNESS_UM: Final = (0.0, 0.25, 0.5)
N_SOFTNESS: Final = len(_SOFTNESS_UM)


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A picture that is ready to be laid on others.

    Attributes
    ----------
    density : ndarray of float32, shape (3, h, w)
        What it takes from the light; channel by channel, which is faster.
    keep : ndarray of float32, shape (h, w)
        Share of what lies below that is still seen.
    box : Region
        Of the cell body, in the picture.
    mitotic_phase : str
        Empty for all but mitotic figures.
    """

    density: Floats
    keep: Floats
    box: Region
    mitotic_phase: str = ""

    def turned(self, orientation: int) -> Sprite:
        """Return the picture in one of eight orientations."""
        density, keep, box = self.density, self.keep, self.box
        h, w = keep.shape
        if orientation & 1:
            density, keep = density[:, :, ::-1], keep[:, ::-1]
            box = Region(w - box.right, box.y, box.width, box.height)
        if orientation & 2:
            density, keep = density[:, ::-1], keep[::-1]
            box = Region(box.x, h - box.bottom, box.width, box.height)
        if orientation & 4:
            density, keep = density.transpose(0, 2, 1), keep.T
            box = Region(box.y, box.x, box.height, box.width)
        return Sprite(density, keep, box, self.mitotic_phase)

    def softened(self, sigma_px: float) -> Sprite:
        """Return the picture out of focus."""
        margin = int(np.ceil(2.5 * sigma_px))
        pad = ((margin, margin), (margin, margin))
        keep = np.pad(self.keep, pad, constant_values=1.0)
        density = gaussian_filter(
            np.pad(self.density, ((0, 0), *pad)), (0, sigma_px, sigma_px), truncate=3
        )
        keep = gaussian_filter(keep, sigma_px, truncate=3)
        b = self.box
        box = Region(b.x + margin, b.y + margin, b.width, b.height)
        return Sprite(density, keep, box, self.mitotic_phase)


@dataclass(slots=True)
class SpriteBank:
    """The cells, red cells and platelets of one slide, rendered on demand.

    Attributes
    ----------
    seed : int
        Of the slide; with it each picture is settled.
    mpp : float
        Micrometres per pixel.
    stain : Stain
        Of the slide.
    """

    seed: int
    mpp: float
    stain: Stain
    _cells: dict[tuple[str, int, int], Sprite] = field(default_factory=dict)
    _red_cells: dict[int, Floats] = field(default_factory=dict)
    _platelets: dict[int, Sprite] = field(default_factory=dict)

    def cell(self, class_code: str, number: int, softness: int = 0) -> Sprite:
        """Return one of the pictures of a class, in or out of focus."""
        number %= _FEWER.get(class_code, N_SPRITES)
        key = (class_code, number, softness)
        if key not in self._cells:
            if softness:
                sharp = self.cell(class_code, number)
                made = sharp.softened(_SOFTNESS_UM[softness] / self.mpp)
            else:
                made = self._rendered(class_code, number)
            self._cells[key] = made
        return self._cells[key]

    def red_cell(self, number: int) -> Floats:
        """Return how thick one of the red cells is, shape (h, w)."""
        number %= N_RED_CELLS
        if number not in self._red_cells:
            rng = self._rng(1, number)
            radius = rng.uniform(3.2, 4.3)
            grid = Grid.square(1.3 * radius + 1, self.mpp)
            pallor = max(0.0, rng.normal(0.36, 0.2))
            thickness, _ = red_cell_thickness(grid, radius, rng, pallor=pallor)
            soft = gaussian_filter(thickness, 0.2 / self.mpp, truncate=3)
            self._red_cells[number] = soft * np.float32(rng.uniform(0.8, 1.1))
        return self._red_cells[number]

    def platelet(self, number: int) -> Sprite:
        """Return one of the single platelets."""
        number %= N_PLATELETS
        if number not in self._platelets:
            rng = self._rng(2, number)
            grid = Grid.square(3.2, self.mpp)
            density, cover = paint_platelet(
                grid, rng.uniform(0.8, 1.6), self.stain, rng
            )
            soft = gaussian_filter(density, (0.2 / self.mpp, 0.2 / self.mpp, 0))
            h, w = cover.shape
            self._platelets[number] = Sprite(
                _planes(soft), 1 - 0.5 * cover, Region(0, 0, w, h)
            )
        return self._platelets[number]

    def _rendered(self, class_code: str, number: int) -> Sprite:
        phase = None
        if class_code == MITOTIC_CODE:
            phase = MITOTIC_PHASES[number % len(MITOTIC_PHASES)]
        picture = render_cell(
            class_code,
            self._rng(0, class_index(class_code), number),
            mpp=self.mpp,
            stain=self.stain,
            mitotic_phase=phase,
        )
        keep = 1 - np.float32(0.88) * picture.mask
        density = _planes(picture.density)
        return Sprite(density, keep, picture.box, picture.mitotic_phase)

    def _rng(self, *words: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *words, 104729))


def lay(canvas: Floats, sprite: Sprite, x: int, y: int, gain: float) -> None:
    """Lay a picture on a canvas of densities, what leaves it being cut off.

    Parameters
    ----------
    canvas : ndarray of float32, shape (3, h, w)
        Changed in place.
    sprite : Sprite
        What to lay.
    x, y : int
        Where the upper left corner of the picture comes to lie.
    gain : float
        Strength of its stain.
    """
    cut = overlap(canvas.shape[1:], sprite.keep.shape, x, y)
    if cut is None:
        return
    there, here = cut
    below = canvas[:, *there]
    below *= sprite.keep[here]
    below += sprite.density[:, *here] * np.float32(gain)


def overlap(
    canvas: tuple[int, ...], picture: tuple[int, ...], x: int, y: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return the rows and columns in which a picture meets a canvas, in both."""
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(canvas[1], x + picture[1]), min(canvas[0], y + picture[0])
    if x0 >= x1 or y0 >= y1:
        return None
    there = (slice(y0, y1), slice(x0, x1))
    return there, (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))


def stack_turned(picture: Floats, orientation: int) -> npt.NDArray[np.float32]:
    """Return a picture of one channel in one of eight orientations."""
    if orientation & 1:
        picture = picture[:, ::-1]
    if orientation & 2:
        picture = picture[::-1]
    return picture.T if orientation & 4 else picture


def _planes(density: Floats) -> Floats:
    """Return a picture (h, w, 3) channel by channel, (3, h, w)."""
    return np.ascontiguousarray(np.moveaxis(density, 2, 0))
