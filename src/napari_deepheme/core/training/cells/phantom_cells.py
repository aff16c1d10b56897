"""Rendered cells: for classes without a real example, and for rendered slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom import (
    LOOKALIKES,
    CellPicture,
    Smear,
    Stain,
    render_cell,
    render_lookalike,
)
from napari_deepheme.core.slide.background import (
    WHITE_POINT,
    picture_background,
    whiten,
)
from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class FigureCrops:
    """Rendered mitotic figures.

    Attributes
    ----------
    crops : ndarray of uint8, shape (n, size, size, 3)
        RGB, on the white of the backgrounds.
    phases, lineages : ndarray of int64, shape (n,)
        Their places in the taxonomy.
    """

    crops: npt.NDArray[np.uint8]
    phases: npt.NDArray[np.int64]
    lineages: npt.NDArray[np.int64]


def render_crops(
    *,
    n_a_class: int,
    seed: int,
    mpp: float,
    backgrounds: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Render single cells of all classes into given backgrounds.

    Parameters
    ----------
    n_a_class : int
        Cells of each class.
    seed : int
        Of all chance.
    mpp : float
        Micrometres per pixel of crops and backgrounds.
    backgrounds : ndarray of uint8, shape (n, size_px, size_px, 3)
        Whitened RGB without a cell in the centre.

    Returns
    -------
    crops : ndarray of uint8, shape (m, size_px, size_px, 3)
        RGB on the same white.
    class_codes : list of str
        What was rendered.
    """
    crops, codes = [], []
    for code in CLASS_CODES:
        for i in range(n_a_class):
            rng = np.random.default_rng((seed, CLASS_CODES.index(code), i))
            cell = render_cell(code, rng, mpp=mpp, stain=Stain.sample(rng))
            crops.append(_in_the_middle(cell, backgrounds, rng))
            codes.append(code)
    return np.stack(crops), codes


def render_figures(
    *, n: int, seed: int, mpp: float, backgrounds: npt.NDArray[np.uint8]
) -> FigureCrops:
    """Render mitotic figures into backgrounds; parameters as for `render_crops`."""
    crops, phases, lineages = [], [], []
    for i in range(n):
        rng = np.random.default_rng((seed, 1, i))
        phase = MITOTIC_PHASES[i % len(MITOTIC_PHASES)]
        stain = Stain.sample(rng)
        cell = render_cell(MITOTIC_CODE, rng, mpp=mpp, stain=stain, mitotic_phase=phase)
        crops.append(_in_the_middle(cell, backgrounds, rng))
        phases.append(MITOTIC_PHASES.index(cell.mitotic_phase))
        lineages.append(MITOTIC_LINEAGES.index(cell.mitotic_lineage))
    return FigureCrops(np.stack(crops), np.array(phases), np.array(lineages))


def render_lookalikes(
    *, n_a_kind: int, seed: int, mpp: float, backgrounds: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Render lookalikes of mitotic figures into backgrounds; return their kinds too."""
    crops, kinds = [], []
    for k, kind in enumerate(LOOKALIKES):
        for i in range(n_a_kind):
            rng = np.random.default_rng((seed, 2, k, i))
            cell = render_lookalike(kind, rng, mpp=mpp, stain=Stain.sample(rng))
            crops.append(_in_the_middle(cell, backgrounds, rng))
            kinds.append(kind)
    return np.stack(crops), kinds


def _in_the_middle(
    cell: CellPicture, backgrounds: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    background = backgrounds[rng.integers(len(backgrounds))]
    background = np.rot90(background, int(rng.integers(4)))
    middle = len(background) / 2
    return lay_on(background, cell, centre=(middle, middle))


def lay_on(
    background: npt.NDArray[np.uint8], cell: CellPicture, centre: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """Put a rendered cell on a whitened picture, its box centred at x, y."""
    box = cell.box
    left = round(centre[0] - box.x - box.width / 2)
    top = round(centre[1] - box.y - box.height / 2)
    height, width = cell.mask.shape
    bounds = Region(0, 0, background.shape[1], background.shape[0])
    target = Region(left, top, width, height).intersection(bounds)
    rows = slice(target.y - top, target.bottom - top)
    columns = slice(target.x - left, target.right - left)
    mask = cell.mask[rows, columns, None]
    picture = background.copy()
    under = picture[target.y : target.bottom, target.x : target.right]
    # The cell has pushed aside what lay there.
    glass = under * (1 - mask) + WHITE_POINT * mask
    under[:] = np.clip(glass * np.exp(-cell.density[rows, columns]), 0, 255)
    return picture


def smear_crops(
    *, n_smears: int, seed: int, size_um: float, n_a_class: int, side_px: int
) -> tuple[npt.NDArray[np.uint8], list[str], float]:
    """Cut the cells of rendered smears, at most so many of a class and smear.

    Parameters
    ----------
    n_smears, seed : int
        How many smears; the seed of the first.
    size_um : float
        Width of a crop.
    n_a_class : int
        Most cells of a class and smear.
    side_px : int
        Side of a smear.

    Returns
    -------
    crops : ndarray of uint8, shape (n, side, side, 3)
        Whitened RGB, `size_um` wide.
    class_codes : list of str
        Their true classes.
    mpp : float
        Micrometres per pixel of the crops.
    """
    crops, codes, mpp = [], [], 0.25
    for i in range(n_smears):
        smear = Smear(Size(side_px, side_px), seed + i)
        mpp = smear.mpp
        whole = smear.read(Region(0, 0, side_px, side_px))
        whole = whiten(whole, picture_background(whole))
        half = round(size_um / mpp / 2)
        n_of = dict.fromkeys(CLASS_CODES, 0)
        for cell in smear.cells(Region(half, half, *[side_px - 2 * half] * 2)):
            x, y = cell.x + cell.width // 2, cell.y + cell.height // 2
            n_of[cell.class_code] += 1
            if n_of[cell.class_code] <= n_a_class:
                crops.append(whole[y - half : y + half, x - half : x + half])
                codes.append(cell.class_code)
    return np.stack(crops), codes, mpp
