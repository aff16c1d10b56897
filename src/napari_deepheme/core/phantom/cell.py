"""One cell of any class, without its background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.phantom import formed
from napari_deepheme.core.phantom.cytoplasm import cytoplasm_density, granule_map
from napari_deepheme.core.phantom.grid import Floats, Grid, alpha, both, wavy_outline
from napari_deepheme.core.phantom.mitosis import (
    CHROMOSOMES,
    CYTOPLASMS,
    mitotic_figure,
)
from napari_deepheme.core.phantom.nucleus import chromatin_density, nucleus_depth
from napari_deepheme.core.phantom.recipes import OTHER_DIAMETERS_UM, RECIPES, Recipe
from napari_deepheme.core.phantom.stain import Stain
from napari_deepheme.core.taxonomy import (
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.phantom.recipes import Granules

# The microscope's own blur: sigma of the point spread of a dry 40x lens.
_BLUR_UM = 0.14
_FORMED: Final[
    dict[
        str,
        Callable[[Grid, float, Stain, np.random.Generator], formed.Painted],
    ]
] = {
    "ER5": formed.paint_polychromatic_erythrocyte,
    "ER6": formed.paint_erythrocyte,
    "PL3": formed.paint_platelet_clump,
    "U1": formed.paint_artefact,
}
_PHASE_SHARES: Final = (0.25, 0.43, 0.17, 0.15)
_LINEAGE_SHARES: Final = (0.62, 0.28, 0.10)


@dataclass(frozen=True, slots=True, eq=False)
class CellPicture:
    """A cell without background.

    Attributes
    ----------
    density : ndarray of float32, shape (h, w, 3)
        Optical density to the base e for red, green and blue: on a background the
        pixel is ``background * exp(-density)``.
    mask : ndarray of float32, shape (h, w)
        How much of each pixel the cell covers, 0 to 1.
    box : Region
        Box of the cell body (mask above one half) within the picture, in pixels.
    class_code : str
        Class of the cell.
    mitotic_phase, mitotic_lineage : str
        Of a mitotic figure; empty for others.
    """

    density: Floats
    mask: Floats
    box: Region
    class_code: str
    mitotic_phase: str = ""
    mitotic_lineage: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Nucleus:
    """A nucleus that is stained: its cover (h, w) and its density (h, w, 3)."""

    cover: Floats
    density: Floats


def render_cell(
    class_code: str,
    rng: np.random.Generator,
    *,
    mpp: float,
    stain: Stain | None = None,
    mitotic_phase: str | None = None,
    mitotic_lineage: str | None = None,
) -> CellPicture:
    """Render one cell of a class as optical density, without a background.

    Parameters
    ----------
    class_code : str
        One of the 23 codes.
    rng : numpy.random.Generator
        Source of chance; the same state gives the same cell.
    mpp : float
        Micrometres per pixel of the picture.
    stain : Stain, optional
        Stain of the slide; by default one is drawn for the cell.
    mitotic_phase : str, optional
        One of `MITOTIC_PHASES`, for a mitotic figure; by default one is drawn.
    mitotic_lineage : {"erythroid", "neutrophil", "eosinophil"}, optional
        Colour of the cytoplasm of a mitotic figure; by default one is drawn.

    Returns
    -------
    CellPicture
        A picture a little larger than the cell. Put it on a background by
        ``background * exp(-density)``.

    Raises
    ------
    ValueError
        If the class, phase or lineage does not exist.

    Examples
    --------
    >>> cell = render_cell("M6", np.random.default_rng(1), mpp=0.25)
    >>> 10 < cell.box.width * 0.25 < 18
    True
    """
    stain = Stain.sample(rng) if stain is None else stain
    phase = lineage = ""
    if class_code in RECIPES:
        density, mask = _paint_cell(RECIPES[class_code], mpp, stain, rng)
    elif class_code == MITOTIC_CODE:
        phase = mitotic_phase or str(rng.choice(MITOTIC_PHASES, p=_PHASE_SHARES))
        lineage = mitotic_lineage or str(
            rng.choice(MITOTIC_LINEAGES, p=_LINEAGE_SHARES)
        )
        density, mask = _paint_mitosis(phase, lineage, mpp, stain, rng)
    elif class_code in _FORMED:
        radius = rng.uniform(*OTHER_DIAMETERS_UM[class_code]) / 2
        grid = Grid.square(1.3 * radius + 1, mpp)
        density, mask = _FORMED[class_code](grid, radius, stain, rng)
    else:
        raise ValueError(f"no class has the code {class_code!r}")
    return finished(density, mask, mpp, class_code, phase, lineage)


def finished(
    density: Floats,
    mask: Floats,
    mpp: float,
    code: str,
    phase: str = "",
    lineage: str = "",
) -> CellPicture:
    """Blur as the lens does, cut to what is there, and measure the body."""
    sigma = _BLUR_UM / mpp
    density = gaussian_filter(density, (sigma, sigma, 0), truncate=3.0)
    rows = np.flatnonzero((mask > 0.02).any(axis=1))
    columns = np.flatnonzero((mask > 0.02).any(axis=0))
    margin = int(np.ceil(3 * sigma)) + 1
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    cut = (slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1))
    mask = np.ascontiguousarray(mask[cut])
    body = mask > min(0.5, 0.5 * float(mask.max()))
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    box = Region.from_corners(
        int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    )
    density = np.ascontiguousarray(density[cut], np.float32)
    return CellPicture(density, mask, box, code, phase, lineage)


def _paint_cell(
    recipe: Recipe, mpp: float, stain: Stain, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    radius = rng.uniform(*recipe.diameter_um) / 2
    aspect = rng.uniform(*recipe.aspect)
    grid = Grid.square(1.22 * radius * np.sqrt(aspect) + 1, mpp)
    bent = grid.warped(rng, 0.12 + 0.015 * radius, 0.3 * radius)
    body = bent.warped(rng, 0.13, 0.5).outline(
        wavy_outline(rng, radius, roughness=recipe.roughness, aspect=aspect)
    )
    size = radius * rng.uniform(*recipe.nucleus_ratio)
    turn = rng.uniform(0, 2 * np.pi)
    far = rng.uniform(*recipe.off_centre) * max(0.0, radius - size - 0.2)
    x, y = far * float(np.cos(turn)), far * float(np.sin(turn))
    # The x axis of the nucleus points to the middle of the cell.
    there = grid.moved(x, y).turned(turn + np.pi)
    shape = recipe.nuclei[int(rng.integers(len(recipe.nuclei)))]
    nucleus = both(nucleus_depth(there, shape, size, rng), body - 0.1, 0.8)
    hof = (
        x - 0.95 * size * float(np.cos(turn)),
        y - 0.95 * size * float(np.sin(turn)),
        0.5 * size + 0.8,
    )
    inner = Nucleus(
        alpha(nucleus), chromatin_density(there, nucleus, recipe.chromatin, stain, rng)
    )
    plasma = cytoplasm_density(grid, body, hof, recipe.cytoplasm, stain, rng)
    return _composed(grid, body, plasma, inner, recipe.granules, stain, rng)


def _paint_mitosis(
    phase: str, lineage: str, mpp: float, stain: Stain, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    if lineage not in CYTOPLASMS:
        raise ValueError(
            f"no lineage {lineage!r} of mitotic figures; take one of {MITOTIC_LINEAGES}"
        )
    radius = rng.uniform(*OTHER_DIAMETERS_UM[MITOTIC_CODE]) / 2
    grid = Grid.square(1.55 * radius + 1, mpp)
    figure = mitotic_figure(grid, phase, radius, rng)
    recipe, granules = CYTOPLASMS[lineage]
    plasma = cytoplasm_density(
        grid, figure.body_um, (0.0, 0.0, radius), recipe, stain, rng
    )
    dark = chromatin_density(grid, figure.chromosomes_um, CHROMOSOMES, stain, rng)
    inner = Nucleus(alpha(figure.chromosomes_um), dark)
    return _composed(grid, figure.body_um, plasma, inner, granules, stain, rng)


def _composed(
    grid: Grid,
    body_um: Floats,
    plasma: Floats,
    nucleus: Nucleus,
    granules: tuple[Granules, ...],
    stain: Stain,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Lay cytoplasm, granules and nucleus into the outline of the cell."""
    cover = alpha(body_um, 0.42)
    outside = 1 - 0.92 * nucleus.cover
    density = plasma * (cover * outside)[..., None]
    density += nucleus.density * nucleus.cover[..., None]
    for kind in granules:
        where = alpha(body_um - 0.35)
        spots = granule_map(grid, where, kind, rng) * kind.strength
        spots = spots * (1 - (1 - kind.over_nucleus) * nucleus.cover)
        density += spots[..., None] * stain.density(kind.dye)
    return density, cover
