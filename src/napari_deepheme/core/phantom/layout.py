"""Where things lie on a smear: block by block, each settled by the seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from napari_deepheme.core.phantom.recipes import OTHER_DIAMETERS_UM, RECIPES
from napari_deepheme.core.phantom.sprites import N_ORIENTATIONS, N_SPRITES
from napari_deepheme.core.phantom.terrain import Terrain

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.geometry import Size
    from napari_deepheme.core.phantom.grid import Floats

BLOCK_PX: Final = 512
# Percent of the nucleated and other larger things of a marrow smear, by class.
DIFFERENTIAL: Final[dict[str, float]] = {
    "B1": 0.3,
    "B2": 0.4,
    "E1": 1.0,
    "E4": 2.0,
    "ER1": 1.0,
    "ER2": 3.0,
    "ER3": 11.0,
    "ER4": 10.0,
    "L2": 10.0,
    "L4": 2.0,
    "M1": 1.5,
    "M2": 4.0,
    "M3": 9.0,
    "M4": 10.0,
    "M5": 11.0,
    "M6": 14.0,
    "MO2": 2.5,
    "PL2": 0.3,
    "PL3": 0.6,
    "U1": 5.0,
    "U4": 1.2,
}
_CODES: Final = tuple(DIFFERENTIAL)
_SLOT_UM: Final = 12.0
# A small phantom shows each class: none is rarer than this, in percent.
_LEAST_PERCENT: Final = 1.2
_SMALL_AREA_PX: Final = 8_000**2
_OFFSET: Final = 1 << 20


class Things(NamedTuple):
    """Cells or vacuoles of a block; arrays of one length.

    Attributes
    ----------
    x, y : ndarray of float32
        Centres, in level-0 pixels.
    radius : ndarray of float32
        In level-0 pixels.
    rank : ndarray of float64
        Who stays where two lie on one place: the greater.
    kind : ndarray of int64
        Index in `placed_codes`; -1 for a vacuole.
    number, orientation : ndarray of int64
        Which picture, and how it is turned.
    gain : ndarray of float32
        Strength of its stain.
    """

    x: Floats
    y: Floats
    radius: Floats
    rank: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    orientation: npt.NDArray[np.int64]
    gain: Floats

    def where(self, keep: npt.NDArray[np.bool_]) -> Things:
        """Return those that are kept."""
        return Things._make(column[keep] for column in self)


class Grains(NamedTuple):
    """Small things without truth: red cells, platelets, dust; arrays of one length."""

    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    orientation: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Answers what lies in a block of a smear.

    Attributes
    ----------
    size : Size
        Of the slide, in level-0 pixels.
    seed : int
        Settles everything.
    mpp : float
        Micrometres per pixel.
    """

    size: Size
    seed: int
    mpp: float

    def around(self, column: int, row: int) -> Things:
        """Return all cells and vacuoles of a block and of the eight around it."""
        parts = [
            _settled(self, column + i, row + j) for j in (-1, 0, 1) for i in (-1, 0, 1)
        ]
        return _joined(parts)

    def cells(self, column: int, row: int) -> Things:
        """Return the cells whose centre lies in a block."""
        things = _settled(self, column, row)
        return things.where(things.kind >= 0)

    def red_cells(self, column: int, row: int) -> Grains:
        """Return the red cells that belong to a block and lie between its cells."""
        return _red_cells(self, column, row)

    def platelets(self, column: int, row: int) -> Grains:
        """Return the single platelets and young red cells of a block."""
        return _platelets(self, column, row)


def placed_codes() -> tuple[str, ...]:
    """Return the classes that `Things.kind` counts."""
    return _CODES


def block_rng(seed: int, column: int, row: int, use: int) -> np.random.Generator:
    """Return the source of chance of a block for one use."""
    return np.random.default_rng((seed, column + _OFFSET, row + _OFFSET, use))


@lru_cache(maxsize=8)
def terrain_of(layout: Layout) -> Terrain:
    """Return the terrain of a smear."""
    return Terrain.make(layout.size, layout.seed, layout.mpp)


@lru_cache(maxsize=4096)
def _settled(layout: Layout, column: int, row: int) -> Things:
    """Return what stays in a block when each has made room for its betters."""
    own = _proposed(layout, column, row)
    if not len(own.x):
        return own
    near = [
        _proposed(layout, column + i, row + j) for j in (-1, 0, 1) for i in (-1, 0, 1)
    ]
    other = _joined(near)
    far = np.hypot(own.x[:, None] - other.x, own.y[:, None] - other.y)
    # In a particle cells lie over one another; elsewhere they hardly touch.
    room = 0.93 - 0.4 * terrain_of(layout).particle(own.x, own.y)
    reach = own.radius[:, None] + other.radius
    touching = far < np.where(other.kind < 0, 0.95, room[:, None]) * reach
    beaten = (touching & (own.rank[:, None] < other.rank)).any(axis=1)
    return own.where(~beaten)


@lru_cache(maxsize=4096)
def _proposed(layout: Layout, column: int, row: int) -> Things:
    """Return what might lie in a block, before places are disputed."""
    rng = block_rng(layout.seed, column, row, 0)
    cells = _proposed_cells(layout, column, row, rng)
    return _joined([cells, _proposed_vacuoles(layout, column, row, rng)])


def _joined(parts: list[Things]) -> Things:
    columns: list[tuple[npt.NDArray[Any], ...]] = list(zip(*parts, strict=True))
    return Things._make(np.concatenate(column) for column in columns)


def _proposed_cells(
    layout: Layout, column: int, row: int, rng: np.random.Generator
) -> Things:
    terrain = terrain_of(layout)
    side = max(1, round(BLOCK_PX * layout.mpp / _SLOT_UM))
    x, y = _slots(rng, column, row, side)
    gain = rng.normal(1, 0.05, len(x)).clip(0.85, 1.15)
    kind = rng.choice(len(_CODES), len(x), p=_shares(layout))
    everything = Things(
        x,
        y,
        (_radii_um()[kind] / layout.mpp).astype(np.float32),
        # Large ones would always be beaten by their many neighbours.
        rng.uniform(0, 1, len(x)) + _radii_um()[kind] * 0.09,
        kind,
        rng.integers(0, N_SPRITES, len(x)),
        rng.integers(0, N_ORIENTATIONS, len(x)),
        (gain * terrain.gain(x, y)).astype(np.float32),
    )
    return everything.where(rng.uniform(0, 1, len(x)) < terrain.crowding(x, y))


def _proposed_vacuoles(
    layout: Layout, column: int, row: int, rng: np.random.Generator
) -> Things:
    terrain = terrain_of(layout)
    x, y = _slots(rng, column, row, 5)
    part = terrain.particle(x, y)
    chance = (0.03 + 0.3 * part) * terrain.covered(x, y)
    size = np.exp(rng.normal(1.1, 0.6, len(x))) * (1 + 4 * part)
    nothing = np.zeros(len(x), np.int64)
    everything = Things(
        x,
        y,
        (np.clip(size, 1, 45) / layout.mpp).astype(np.float32),
        rng.uniform(10, 11, len(x)),
        nothing - 1,
        nothing,
        nothing,
        np.ones(len(x), np.float32),
    )
    return everything.where(rng.uniform(0, 1, len(x)) < chance)


@lru_cache(maxsize=1024)
def _red_cells(layout: Layout, column: int, row: int) -> Grains:
    rng = block_rng(layout.seed, column, row, 1)
    terrain = terrain_of(layout)
    area_um2 = (BLOCK_PX * layout.mpp) ** 2
    n = int(rng.poisson(area_um2 / 42))
    x, y = _strewn(rng, column, row, n)
    thick = terrain.thickness(x, y)
    wanted = terrain.covered(x, y) * (0.08 + 0.75 * thick**1.3)
    wanted = (
        wanted * np.exp(0.8 * terrain.clear.at(x, y)) * (1 - terrain.particle(x, y))
    )
    keep = rng.uniform(0, 1, n) < np.minimum(wanted, 1) * 0.5
    x, y = _stacked(rng, x[keep], y[keep], thick[keep], layout.mpp)
    return _between(layout, column, row, x, y, rng)


def _stacked(
    rng: np.random.Generator, x: Floats, y: Floats, thick: Floats, mpp: float
) -> tuple[Floats, Floats]:
    """Draw stacks of coins out from single red cells, longer where it is thick."""
    xs, ys = [x], [y]
    turn = rng.uniform(0, 2 * np.pi, len(x))
    step = rng.uniform(3.0, 7.5, len(x)) / mpp
    alive = np.ones(len(x), bool)
    for _ in range(6):
        alive = alive & (rng.uniform(0, 1, len(x)) < 0.25 + 0.5 * thick)
        turn = turn + rng.normal(0, 0.4, len(x))
        x = (x + step * np.cos(turn)).astype(np.float32)
        y = (y + step * np.sin(turn)).astype(np.float32)
        xs.append(x[alive])
        ys.append(y[alive])
    return np.concatenate(xs), np.concatenate(ys)


@lru_cache(maxsize=1024)
def _platelets(layout: Layout, column: int, row: int) -> Grains:
    rng = block_rng(layout.seed, column, row, 2)
    n = int(rng.poisson((BLOCK_PX * layout.mpp) ** 2 / 1300))
    x, y = _strewn(rng, column, row, n)
    covered = terrain_of(layout).covered(x, y)
    keep = rng.uniform(0, 1, n) < covered
    return _between(layout, column, row, x[keep], y[keep], rng)


def _between(
    layout: Layout,
    column: int,
    row: int,
    x: Floats,
    y: Floats,
    rng: np.random.Generator,
) -> Grains:
    """Drop those that lie on cells or in vacuoles."""
    things = layout.around(column, row)
    far = np.hypot(x[:, None] - things.x, y[:, None] - things.y)
    free = (far > things.radius + 1.6 / layout.mpp).all(axis=1)
    number = rng.integers(0, 1 << 30, len(x))
    orientation = rng.integers(0, N_ORIENTATIONS, len(x))
    return Grains(
        x[free].astype(np.int64),
        y[free].astype(np.int64),
        number[free],
        orientation[free],
    )


def _slots(
    rng: np.random.Generator, column: int, row: int, side: int
) -> tuple[Floats, Floats]:
    """Return one point by chance in each of side x side equal parts of a block."""
    pitch = BLOCK_PX / side
    line = np.arange(side) * pitch
    x, y = np.meshgrid(column * BLOCK_PX + line, row * BLOCK_PX + line)
    jitter = rng.uniform(0, pitch, (2, side, side))
    x, y = (x + jitter[0]).ravel(), (y + jitter[1]).ravel()
    return x.astype(np.float32), y.astype(np.float32)


def _strewn(
    rng: np.random.Generator, column: int, row: int, n: int
) -> tuple[Floats, Floats]:
    place = rng.uniform(0, BLOCK_PX, (2, n))
    x, y = place[0] + column * BLOCK_PX, place[1] + row * BLOCK_PX
    return x.astype(np.float32), y.astype(np.float32)


@lru_cache(maxsize=8)
def _shares(layout: Layout) -> npt.NDArray[np.float64]:
    percent = np.array(list(DIFFERENTIAL.values()))
    if layout.size.width * layout.size.height < _SMALL_AREA_PX:
        least = [0.8 if c == "PL2" else _LEAST_PERCENT for c in _CODES]
        percent = np.maximum(percent, least)
    shares: npt.NDArray[np.float64] = percent / percent.sum()
    return shares


@lru_cache(maxsize=1)
def _radii_um() -> npt.NDArray[np.float64]:
    spans = [
        RECIPES[c].diameter_um if c in RECIPES else OTHER_DIAMETERS_UM[c]
        for c in _CODES
    ]
    return np.array([(low + high) / 4 for low, high in spans])
