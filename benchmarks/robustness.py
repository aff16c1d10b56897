"""How calls depend on how a slide lies, is scanned and is focused.

Run by ``python benchmarks/robustness.py FOLDER [SLIDE]``. Of the upper left 4,000 px of
the slide, copies are made that are turned, mirrored, shifted, rescaled, saved as JPEG,
and stained or photographed otherwise; each is classified, and its cells are compared
with those of the part as it is.
Then phantoms of some seeds, which FOLDER keeps, are classified, and what was named
right is told apart by the true blur of each cell.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

from napari_deepheme import classify, open_slide
from napari_deepheme.core.counts.report import ratios
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.phantom.terrain import Terrain
from napari_deepheme.core.review.corrections import is_unidentified, judged_counts
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluation.matching import match_centres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable

    Pixels = npt.NDArray[np.uint8]
    Points = npt.NDArray[np.float64]

SIDE = 4000
SHIFT = Point(53, 37)
NEAR_UM = 3.0
JPEG_QUALITY = 75

# By how much more red, green and blue are taken up.
STAINS = {
    "stained paler by a quarter": (0.75, 0.75, 0.75),
    "stained darker by a quarter": (1.25, 1.25, 1.25),
    "stained bluer": (1.2, 1.0, 0.8),
    "stained redder": (0.8, 1.0, 1.2),
}
WARM_LIGHT = (1.0, 0.93, 0.82)

SIZES = dict.fromkeys(range(101, 106), Size(3000, 3000)) | {
    106: Size(2000, 2000),
    107: Size(5000, 3000),
}
PHANTOM_MPP = 0.25
BOX = ("x", "y", "width", "height")
# As `core.phantom.sprites` softens cells.
BLUR_UM = (0.0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Copy:
    """A part of a slide as it might have been scanned.

    Attributes
    ----------
    name : str
        What was done.
    pixels : ndarray of uint8, shape (h, w, 3)
        The copy.
    scale : float
        Pixels of the part per pixel of the copy.
    back : callable
        Takes places of the copy, shape (n, 2) in x and y, to those of the part.
    """

    name: str
    pixels: Pixels
    scale: float
    back: Callable[[Points], Points]


def main() -> None:
    folder, *slides = map(Path, sys.argv[1:])
    for slide in slides:
        compare_copies(slide, folder)
    compare_blurs(folder)


def compare_copies(path: Path, folder: Path) -> None:
    with open_slide(path) as slide:
        mpp = plausible_mpp(slide).x
        size = Size(min(SIDE, slide.size.width), min(SIDE, slide.size.height))
        # Level 0, so location and size are in the same pixels.
        part = slide.read_region(Point(0, 0), 0, size)
    first: CellTable | None = None
    for copy in copies(part):
        cells = classified(copy, folder, mpp)
        first = cells if first is None else first
        places = copy.back(centres(cells))
        print(f"{copy.name}: {compared(first, cells, places, mpp)}", flush=True)


def copies(part: Pixels) -> Iterator[Copy]:
    height, width = part.shape[:2]
    yield Copy("as it is", part, 1, lambda at: at)
    yield Copy(
        "turned by 90 degrees",
        np.rot90(part),
        1,
        lambda at: np.stack([width - at[:, 1], at[:, 0]], axis=1),
    )
    yield Copy("mirrored", part[:, ::-1], 1, lambda at: [width, 0] + at * [-1, 1])
    yield Copy("upside down", part[::-1], 1, lambda at: [0, height] + at * [1, -1])
    shifted = np.pad(part, ((SHIFT.y, 0), (SHIFT.x, 0), (0, 0)), mode="edge")
    yield Copy(f"shifted by {SHIFT.x}, {SHIFT.y} px", shifted, 1, lambda at: at - SHIFT)
    for scale in (1.2, 2.0, 4.0):
        size = round(width / scale), round(height / scale)
        smaller = Image.fromarray(part).resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(smaller)
        name = f"pixels {scale} times as large"
        yield Copy(name, pixels, scale, lambda at, scale=scale: at * scale)
    stream = BytesIO()
    Image.fromarray(part).save(stream, "JPEG", quality=JPEG_QUALITY)
    pixels = np.asarray(Image.open(stream))
    yield Copy(f"as JPEG of quality {JPEG_QUALITY}", pixels, 1, lambda at: at)
    for name, look in looks(part):
        yield Copy(name, look, 1, lambda at: at)


def looks(part: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Yield the part as other stains, lamps and cameras might have shown it."""
    light = np.maximum(part, 1).astype(np.float64) / 255
    for name, exponents in STAINS.items():
        # Optical density is as much as there is dye: a factor of the light's exponent.
        yield name, as_pixels(light**exponents)
    yield "in warmer light", as_pixels(light * WARM_LIGHT)
    yield "seen with a contrast of 0.8", as_pixels(light * 0.8 + 0.2)


def as_pixels(light: Points) -> Pixels:
    return (np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8)


def classified(copy: Copy, folder: Path, mpp: float) -> CellTable:
    path = folder / "copy.tif"
    per_cm = 1e4 / (mpp * copy.scale)
    tifffile.imwrite(
        path,
        np.ascontiguousarray(copy.pixels),
        tile=(256, 256),
        photometric="rgb",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )
    try:
        return classify(path, device="cpu").cells
    finally:
        path.unlink()


def compared(first: CellTable, cells: CellTable, places: Points, mpp: float) -> str:
    """Word how many cells were found again, and how many kept their class."""
    pairs = match_centres(places, centres(first), np.full(len(first), NEAR_UM / mpp))
    own, other = np.flatnonzero(pairs >= 0), pairs[pairs >= 0]
    same = first.class_indices[own] == cells.class_indices[other]
    sure = ~is_unidentified(first)[own] & ~is_unidentified(cells)[other]
    me = ratios(judged_counts(cells))[0]
    low, high = me.interval or (np.nan, np.nan)
    return (
        f"{len(cells)} cells, {len(own)} found in both, {share(same)} of these of the "
        f"same class, {share(same[sure])} of those identified in both; "
        f"M:E {me.value or np.nan:.2f} ({low:.2f} to {high:.2f})"
    )


def compare_blurs(folder: Path) -> None:
    """Tell what was named right by the blur that each rendered cell has."""
    by_seed = [judged(seed, folder) for seed in SIZES]
    blur, found, right, sure = map(np.concatenate, zip(*by_seed, strict=True))
    for level, um in enumerate(BLUR_UM):
        here = blur == level
        named = here & found
        print(
            f"blur of {um} um: {share(found[here])} of the cells found, "
            f"{share(right[named])} of these named right, "
            f"{share(right[named & sure])} of the identified ones"
        )


def judged(seed: int, folder: Path) -> tuple[npt.NDArray[np.generic], ...]:
    """Return blur, and whether found, named right and identified, of true cells."""
    path = kept_phantom(seed, folder)
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    boxes = np.array([[float(r[k]) for k in BOX] for r in rows])
    truth = np.array([CLASS_CODES.index(r["class_code"]) for r in rows])
    at = boxes[:, :2] + boxes[:, 2:] / 2
    terrain = Terrain.make(SIZES[seed], seed, PHANTOM_MPP)
    softness = terrain.softness(*at.T.astype(np.float32))
    cells = classify(path, device="cpu").cells
    reach = np.full(len(at), 2 * NEAR_UM / PHANTOM_MPP)
    pairs = match_centres(centres(cells), at, reach)
    found = pairs >= 0
    right = found & (cells.class_indices[pairs] == truth)
    sure = found & ~is_unidentified(cells)[pairs]
    blur = np.minimum(len(BLUR_UM) - 1, (softness + 0.5).astype(int))
    return blur, found, right, sure


def kept_phantom(seed: int, folder: Path) -> Path:
    path = folder / f"{seed}.svs"
    if not path.exists():
        write_phantom(path, SIZES[seed], seed, mpp=PHANTOM_MPP)
    return path


def centres(cells: CellTable) -> Points:
    return cells.boxes[:, :2] + cells.boxes[:, 2:] / 2


def share(hits: npt.NDArray[np.generic]) -> str:
    n = len(hits)
    return f"{np.count_nonzero(hits) / max(1, n):.1%} ({np.count_nonzero(hits)} of {n})"


if __name__ == "__main__":
    main()
