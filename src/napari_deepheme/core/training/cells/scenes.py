"""Pictures with boxed cells that a detector learns from, brought to its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.slide.background import picture_background, whiten
from napari_deepheme.core.training.cells.fields import read_fields
from napari_deepheme.core.training.cells.nuclei import join_lobes, segment_nuclei, union
from napari_deepheme.core.training.cells.smears import read_smears

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.training.cells.cell_set import CellSet
    from napari_deepheme.core.training.cells.fields import Field
    from napari_deepheme.core.training.cells.nuclei import Nucleus

INPUT_MPP: Final = 0.5
"""Micrometres per pixel that the bundled detector sees."""

_NUCLEUS_TO_CELL: Final = 1.2
"""Side of a cell's box over its nucleus's, where only the nucleus is known."""

_CENTRAL_UM: Final = 4.5


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its cells.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        Whitened RGB.
    boxes : ndarray of float32, shape (n, 4)
        x, y, width, height of the cells, in pixels of the picture.
    known : ndarray of bool, shape (h, w)
        False where nobody knows whether there is a cell: no loss there.
    mpp : float
        Micrometres per pixel.
    kind : str
        Where it comes from: sampling draws the kinds by their share.
    """

    pixels: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]
    mpp: float
    kind: str

    def at(self, mpp: float) -> Scene:
        """Return the scene resampled to another scale."""
        factor = self.mpp / mpp
        height, width = self.known.shape
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        picture = Image.fromarray(self.pixels)
        known = Image.fromarray(self.known.astype(np.uint8) * 255)
        return Scene(
            np.asarray(picture.resize(size, Image.Resampling.BILINEAR)),
            self.boxes * np.float32(factor),
            np.asarray(known.resize(size, Image.Resampling.BILINEAR)) > 127,
            mpp,
            self.kind,
        )


def smear_scenes(folder: Path, *, split: str) -> list[Scene]:
    """Give the boxed smears; their white cells are what is sought."""
    scenes = []
    for picture in read_smears(folder, split=split):
        boxes = picture.boxes[picture.kinds == "WBC"].astype(np.float32).reshape(-1, 4)
        known = np.ones(picture.pixels.shape[:2], bool)
        scenes.append(Scene(picture.pixels, boxes, known, picture.mpp, "smear"))
    return scenes


def field_scenes(folder: Path) -> list[Scene]:
    """Give the marrow fields: plasma cells by mask, the others by nucleus."""
    return [_field_scene(field) for field in read_fields(folder, split="train")]


def crop_scenes(cells: CellSet, *, mpp: float) -> list[Scene]:
    """Give single-cell pictures, with the nuclei that stand in them."""
    scenes = []
    for pixels, group in zip(cells.crops, cells.groups, strict=True):
        labels, nuclei = segment_nuclei(pixels, mpp=mpp)
        known = _known(pixels, labels, nuclei)
        boxes = _grown(_with_central_cell(nuclei, pixels.shape, mpp))
        if group.endswith(("PLATELET", "RBC")):
            boxes = boxes[:0]
        scenes.append(Scene(pixels, boxes, known, mpp, "crop"))
    return scenes


@dataclass(frozen=True, slots=True)
class Cutout:
    """A real cell without its surroundings, to paste anywhere.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        Whitened RGB.
    mask : ndarray of float32, shape (h, w)
        How much of each pixel is the cell's, 0 to 1.
    box : tuple of float
        x, y, width and height of the cell, in pixels of the picture.
    """

    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.float32]
    box: tuple[float, float, float, float]


def cutouts(scenes: Iterable[Scene]) -> list[Cutout]:
    """Cut the central cell out of single-cell scenes, at the detector's scale.

    The cell is taken for an ellipse a little larger than its box; scenes without a cell
    in the middle give nothing.
    """
    found = []
    for scene in scenes:
        small = scene.at(INPUT_MPP)
        height, width = small.known.shape
        middle = np.array([width / 2, height / 2])
        centres = box_centres(small.boxes)
        near = np.abs(centres - middle).max(axis=1) * INPUT_MPP < _CENTRAL_UM
        if near.sum() != 1:
            continue
        x, y, w, h = (float(v) for v in small.boxes[near][0])
        rows, columns = np.mgrid[:height, :width] + 0.5
        far = np.hypot(
            (columns - x - w / 2) / (w / 2 + 1.5), (rows - y - h / 2) / (h / 2 + 1.5)
        )
        mask = np.clip((1.08 - far) * w / 4, 0, 1).astype(np.float32)
        found.append(Cutout(small.pixels, mask, (x, y, w, h)))
    return found


def phantom_scenes(*, n_scenes: int, seed: int) -> list[Scene]:
    """Render windows of phantoms; platelet clumps are neither sought nor avoided."""
    scenes = []
    side = 640
    for i in range(n_scenes):
        smear = Smear(Size(2000, 2000), seed + i // 8)
        rng = np.random.default_rng((seed, i))
        x, y = rng.integers(0, 2000 - side, 2)
        window = Region(int(x), int(y), side, side)
        raw = smear.read(window)
        known = np.ones((side, side), bool)
        boxes = []
        for cell in smear.cells(window.grown(80)):
            left, top = cell.x - window.x, cell.y - window.y
            if cell.class_code == "PL3":
                rows = slice(max(0, top), max(0, top + cell.height))
                known[rows, max(0, left) : max(0, left + cell.width)] = False
            else:
                boxes.append((left, top, cell.width, cell.height))
        pixels = whiten(raw, picture_background(raw))
        array = np.array(boxes, np.float32).reshape(-1, 4)
        scenes.append(Scene(pixels, array, known, smear.mpp, "phantom"))
    return scenes


def _with_central_cell(
    nuclei: Sequence[Nucleus], shape: tuple[int, ...], mpp: float
) -> list[Nucleus]:
    """Join all pieces near the middle: a picture has one cell there, however lobed."""
    middle_y, middle_x = shape[0] / 2, shape[1] / 2
    central: list[Nucleus] = []
    others: list[Nucleus] = []
    for n in nuclei:
        away = np.hypot(n.x + n.width / 2 - middle_x, n.y + n.height / 2 - middle_y)
        (central if away * mpp < _CENTRAL_UM else others).append(n)
    return [*others, union(central)] if central else others


def _field_scene(field: Field) -> Scene:
    boxes, others = [], []
    for nucleus in field.nuclei:
        plasma = field.plasma_of(nucleus)
        if plasma is not None and field.n_nuclei_in(plasma) == 1:
            boxes.append(field.plasma_box(plasma))
        else:
            others.append(nucleus)
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Scene(
        field.pixels,
        np.concatenate([array, _grown(join_lobes(others, mpp=field.mpp))]),
        _known(field.pixels, field.labels, field.nuclei),
        field.mpp,
        "field",
    )


def _grown(nuclei: Iterable[Nucleus]) -> npt.NDArray[np.float32]:
    boxes = np.array([(n.x, n.y, n.width, n.height) for n in nuclei], np.float32)
    boxes = boxes.reshape(-1, 4)
    margin = (_NUCLEUS_TO_CELL - 1) / 2 * boxes[:, 2:]
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + 2 * margin], axis=1)


def _known(
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int32],
    nuclei: Iterable[Nucleus],
) -> npt.NDArray[np.bool_]:
    """Doubt what is stained like a nucleus but was not segmented as one."""
    density = -np.log10(np.clip(pixels[..., 1] / 240.0, 1 / 240, 1))
    stained = ndimage.gaussian_filter(density, 2.0) > 0.3
    taken = np.isin(labels, [n.label for n in nuclei])
    taken = ndimage.binary_dilation(taken, iterations=4)
    doubt = ndimage.binary_opening(stained & ~taken, iterations=2)
    known: npt.NDArray[np.bool_] = ~doubt
    return known
