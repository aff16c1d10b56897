"""A bone marrow smear of any size, drawn where it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom.background import camera_noise, developed, plasma
from napari_deepheme.core.phantom.layout import (
    BLOCK_PX,
    Grains,
    Layout,
    Things,
    block_rng,
    placed_codes,
    terrain_of,
)
from napari_deepheme.core.phantom.sprites import (
    N_SOFTNESS,
    Sprite,
    SpriteBank,
    lay,
    overlap,
    stack_turned,
)
from napari_deepheme.core.phantom.stain import Stain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.phantom.grid import Floats

_PLASMA: Final = (0.050, 0.062, 0.030)
_KEPT_BLOCKS: Final = 24


@dataclass(frozen=True, slots=True, order=True)
class PhantomCell:
    """One row of the truth.

    Attributes
    ----------
    y, x, width, height : int
        Box of the cell, half open, in level-0 pixels.
    class_code : str
        One of the 23 codes.
    mitotic_phase : str
        Of a mitotic figure; empty for others.
    """

    y: int
    x: int
    width: int
    height: int
    class_code: str
    mitotic_phase: str = ""


class Smear:
    """A smear that is the same for the same size and seed, however it is read.

    The slide is divided into blocks. What lies in a block is settled by the seed and
    the block's place; a block is always drawn whole, with what reaches into it from
    around, and cut to what was asked for.

    Parameters
    ----------
    size : Size
        Extent, in level-0 pixels; any positive one.
    seed : int
        Not negative.
    mpp : float
        Micrometres per pixel.

    Raises
    ------
    ValueError
        If the size, the seed or the resolution is out of range.

    Examples
    --------
    >>> smear = Smear(Size(1000, 800), 1)
    >>> smear.read(Region(990, 790, 10, 10)).shape
    (10, 10, 3)
    """

    def __init__(self, size: Size, seed: int, *, mpp: float = 0.25) -> None:
        if size[0] < 1 or size[1] < 1:
            raise ValueError(f"a smear cannot be {size[0]} x {size[1]} px")
        if seed < 0:
            raise ValueError(f"the seed must not be negative, and {seed} is")
        if not 0.1 <= mpp <= 2:
            raise ValueError(f"a smear is drawn at 0.1 to 2 um/px, not at {mpp}")
        self.size = Size(*size)
        self.seed = seed
        self.mpp = mpp
        self.stain = Stain.sample(np.random.default_rng((seed, 17)), spread=0.5)
        self._layout = Layout(self.size, seed, mpp)
        self._bank = SpriteBank(seed, mpp, self.stain)
        self._block = lru_cache(maxsize=_KEPT_BLOCKS)(self._drawn)

    def read(self, region: Region) -> npt.NDArray[np.uint8]:
        """Return the pixels of a region.

        Parameters
        ----------
        region : Region
            In level-0 pixels. The smear goes on beyond the slide, so a region that
            leaves it is filled too.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Red, green and blue; the same pixels whatever the region they are read in.
        """
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        for column, row in _blocks(region):
            at_x, at_y = column * BLOCK_PX - region.x, row * BLOCK_PX - region.y
            cut = overlap(pixels.shape, (BLOCK_PX, BLOCK_PX), at_x, at_y)
            if cut is not None:
                pixels[cut[0]] = self._block(column, row)[cut[1]]
        return pixels

    def cells(self, region: Region) -> list[PhantomCell]:
        """Return the true cells of a region, in reading order of their corners.

        All nucleated cells are listed, mitotic figures, artefacts, megakaryocytes and
        platelet clumps too. Red cells without a nucleus (ER5, ER6) and single
        platelets are not: there are thousands, and nobody counts them.

        Parameters
        ----------
        region : Region
            In level-0 pixels. A cell belongs to it when the centre of its box lies in
            it; boxes are cut off at the border of the slide.
        """
        slide = Region(0, 0, *self.size)
        found = [
            cell
            for column, row in _blocks(region.grown(BLOCK_PX).intersection(slide))
            for cell in self._cells_of(self._layout.cells(column, row), slide)
        ]
        boxes = np.array([(c.x, c.y, c.width, c.height) for c in found], np.int32)
        inside = region.holds_centres(boxes.reshape(-1, 4))
        return sorted(c for c, keep in zip(found, inside, strict=True) if keep)

    def _cells_of(self, things: Things, slide: Region) -> list[PhantomCell]:
        cells = []
        for i in range(len(things.x)):
            sprite, x, y = self._placed(things, i)
            whole = Region(x + sprite.box.x, y + sprite.box.y, *sprite.box.size)
            box = whole.intersection(slide)
            if 2 * box.area > whole.area:
                code = placed_codes()[int(things.kind[i])]
                cells.append(
                    PhantomCell(
                        box.y, box.x, box.width, box.height, code, sprite.mitotic_phase
                    )
                )
        return cells

    def _placed(
        self, things: Things, i: int, softness: int = 0
    ) -> tuple[Sprite, int, int]:
        """Return a cell's picture and where its upper left corner lies."""
        code = placed_codes()[int(things.kind[i])]
        sprite = self._bank.cell(code, int(things.number[i]), softness)
        sprite = sprite.turned(int(things.orientation[i]))
        x = int(things.x[i]) - (sprite.box.x + sprite.box.width // 2)
        y = int(things.y[i]) - (sprite.box.y + sprite.box.height // 2)
        return sprite, x, y

    def _drawn(self, column: int, row: int) -> npt.NDArray[np.uint8]:
        noise = camera_noise(block_rng(self.seed, column, row, 9), BLOCK_PX)
        x, y = column * BLOCK_PX, row * BLOCK_PX
        amount, cover = plasma(terrain_of(self._layout), x, y, BLOCK_PX)
        if not cover.any():
            return developed(None, self.stain.background, noise)
        things = self._layout.around(column, row)
        thickness = self._red_cells(column, row)
        blood = self.stain.density("haemoglobin")
        canvas = np.stack(
            [thickness * blood[i] + amount * np.float32(_PLASMA[i]) for i in range(3)]
        )
        _clear_vacuoles(canvas, things, x, y)
        self._lay_platelets(canvas, column, row)
        self._lay_cells(canvas, things, x, y)
        return developed(canvas, self.stain.background, noise)

    def _red_cells(self, column: int, row: int) -> Floats:
        """Return how thick the red cells lie on a block."""
        total = np.zeros((BLOCK_PX, BLOCK_PX), np.float32)
        for x, y, number, turn in self._around(self._layout.red_cells, column, row):
            picture = stack_turned(self._bank.red_cell(number), turn)
            x, y = x - picture.shape[1] // 2, y - picture.shape[0] // 2
            cut = overlap(total.shape, picture.shape, x, y)
            if cut is not None:
                total[cut[0]] += picture[cut[1]]
        # Stacked cells darken less than they would one by one.
        np.exp(-0.7 * total, out=total)
        return np.asarray(1.8 - 1.8 * total, np.float32)

    def _lay_platelets(self, canvas: Floats, column: int, row: int) -> None:
        for x, y, number, turn in self._around(self._layout.platelets, column, row):
            if number % 8:
                sprite = self._bank.platelet(number).turned(turn)
            else:
                sprite = self._bank.cell("ER5", number // 8).turned(turn)
            h, w = sprite.keep.shape
            lay(canvas, sprite, x - w // 2, y - h // 2, 1.0)

    def _lay_cells(self, canvas: Floats, things: Things, x: int, y: int) -> None:
        cells = things.where(things.kind >= 0)
        reach = 2 * cells.radius + 2 / self.mpp
        near = (np.abs(cells.x - x - BLOCK_PX / 2) < BLOCK_PX / 2 + reach) & (
            np.abs(cells.y - y - BLOCK_PX / 2) < BLOCK_PX / 2 + reach
        )
        cells = cells.where(near)
        blur = terrain_of(self._layout).softness(cells.x, cells.y)
        for i in range(len(cells.x)):
            softness = min(N_SOFTNESS - 1, int(blur[i] + 0.5))
            sprite, left, top = self._placed(cells, i, softness)
            lay(canvas, sprite, left - x, top - y, float(cells.gain[i]))

    def _around(
        self, of_block: Callable[[int, int], Grains], column: int, row: int
    ) -> Iterator[tuple[int, int, int, int]]:
        """Yield the small things that reach into a block: place in it and picture."""
        margin = 8 / self.mpp
        for j in (-1, 0, 1):
            for i in (-1, 0, 1):
                grains = of_block(column + i, row + j)
                x, y = grains.x - column * BLOCK_PX, grains.y - row * BLOCK_PX
                near = (np.minimum(x, y) > -margin) & (
                    np.maximum(x, y) < BLOCK_PX + margin
                )
                yield from zip(
                    x[near].tolist(),
                    y[near].tolist(),
                    grains.number[near].tolist(),
                    grains.orientation[near].tolist(),
                    strict=True,
                )


def _clear_vacuoles(canvas: Floats, things: Things, x: int, y: int) -> None:
    """Wipe round holes clean, with a thin dark line around them."""
    holes = things.where(things.kind < 0)
    for i in range(len(holes.x)):
        radius = float(holes.radius[i])
        n = int(radius) + 4
        line = np.arange(-n, n + 1, dtype=np.float32)
        inside = radius - np.hypot(line[:, None], line)
        keep = np.clip(0.5 - inside / 2, 0.03, 1)
        keep += 0.5 * np.exp(-(((inside + 2) / 1.6) ** 2))
        at = (int(holes.x[i]) - n - x, int(holes.y[i]) - n - y)
        cut = overlap(canvas.shape[1:], keep.shape, *at)
        if cut is not None:
            canvas[:, *cut[0]] *= keep[cut[1]]


def _blocks(region: Region) -> list[tuple[int, int]]:
    """Return the blocks that a region meets, row by row."""
    if not region.area:
        return []
    columns = range(region.x // BLOCK_PX, -(-region.right // BLOCK_PX))
    rows = range(region.y // BLOCK_PX, -(-region.bottom // BLOCK_PX))
    return [(column, row) for row in rows for column in columns]
