"""The cells a classifier learns from, gathered into arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from napari_deepheme.core.slide.background import picture_background, whiten
from napari_deepheme.core.slide.scaled.centre_crop import centre_crop
from napari_deepheme.core.taxonomy import MITOTIC_CODE
from napari_deepheme.core.training.cells.fields import read_fields
from napari_deepheme.core.training.cells.manifest import (
    OUTPUTS,
    load_crops,
    target_matrix,
)
from napari_deepheme.core.training.cells.phantom_cells import (
    render_crops,
    render_figures,
    render_lookalikes,
    smear_crops,
)
from napari_deepheme.core.training.cells.smears import read_smears

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.training.cells.fields import Field
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.cells.smears import SmearPicture

CROP_UM: Final = 21.6
"""Field of every crop, in micrometres: 96 px of DeepHeme's at 0.225."""

STORED_PX: Final = 144

_LOOKALIKE_TARGETS: Final = {
    "pyknotic": ("U1", "ER4", "ER3", "not-identifiable"),
    "apoptotic": ("U1", "ER4", "M6", "not-identifiable"),
    "karyorrhexis": ("U1", "not-identifiable"),
    "precipitate": ("U1", "not-identifiable", "platelet"),
    "basophil": ("B2",),
    "overlapping lymphocytes": ("L2", "U1", "not-identifiable"),
}
"""What a lookalike of a mitotic figure may be called."""


@dataclass(frozen=True, slots=True)
class CellSet:
    """Crops of one field of view and what they may be.

    Attributes
    ----------
    crops : ndarray of uint8, shape (n, 144, 144, 3)
        Whitened RGB, 21.6 um wide.
    targets : ndarray of bool, shape (n, len(OUTPUTS))
        The outputs that are right.
    groups : tuple of str
        Source and label of each, such as "pbc/SNE": sampling balances them.
    phases, lineages : ndarray of int64, shape (n,)
        Place of a mitotic figure's phase and lineage in the taxonomy; -1 where there
        is none or nobody knows.
    """

    crops: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.bool_]
    groups: tuple[str, ...]
    phases: npt.NDArray[np.int64] = field(kw_only=True)
    lineages: npt.NDArray[np.int64] = field(kw_only=True)

    @classmethod
    def of(
        cls,
        crops: npt.NDArray[np.uint8],
        targets: npt.NDArray[np.bool_],
        groups: tuple[str, ...],
    ) -> Self:
        """Make a set of which no phase is known."""
        unknown = np.full(len(groups), -1, np.int64)
        return cls(crops, targets, groups, phases=unknown, lineages=unknown)

    @classmethod
    def join(cls, parts: Sequence[CellSet]) -> Self:
        """Put sets one behind the other."""
        return cls(
            np.concatenate([p.crops for p in parts]),
            np.concatenate([p.targets for p in parts]),
            tuple(group for p in parts for group in p.groups),
            phases=np.concatenate([p.phases for p in parts]),
            lineages=np.concatenate([p.lineages for p in parts]),
        )

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> CellSet:
        """Return some cells, by index or by mask."""
        return CellSet(
            self.crops[rows],
            self.targets[rows],
            tuple(np.array(self.groups)[rows]),
            phases=self.phases[rows],
            lineages=self.lineages[rows],
        )

    def without(self, source: str) -> CellSet:
        """Return the cells of all other sources."""
        return self.take(np.array([g.split("/")[0] != source for g in self.groups]))

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.groups)


def cells_of_manifest(cells: Sequence[LabelledCell]) -> CellSet:
    """Cut and whiten the pictures of a manifest, each by its own background."""
    crops = load_crops(cells, size_px=STORED_PX, mpp=CROP_UM / STORED_PX)
    for crop in crops:
        crop[:] = whiten(crop, picture_background(crop))
    groups = tuple(f"{c.source}/{c.label}" for c in cells)
    return CellSet.of(crops, target_matrix(cells), groups)


def cells_of_fields(folder: Path, *, split: str) -> CellSet:
    """Cut the nuclei of marrow fields: plasma cells, and what is none.

    Plasma cells are cut twice, around the cell and around the nucleus, since detectors
    may centre on either. All others are labelled "anything but L4".
    """
    crops, targets, groups = [], [], []
    for marrow in read_fields(folder, split=split):
        for centre, is_plasma in _field_centres(marrow):
            crops.append(cut_crop(marrow.pixels, centre, marrow.mpp))
            targets.append(_one("L4") if is_plasma else ~_one("L4"))
            groups.append("fields/L4" if is_plasma else "fields/not-L4")
    return CellSet.of(np.stack(crops), np.stack(targets), tuple(groups))


def field_backgrounds(
    folder: Path, *, split: str, n_a_field: int, seed: int
) -> npt.NDArray[np.uint8]:
    """Cut crops anywhere in marrow fields, to lay rendered cells on."""
    rng = np.random.default_rng(seed)
    crops = []
    for marrow in read_fields(folder, split=split):
        height, width = marrow.pixels.shape[:2]
        for _ in range(n_a_field):
            x, y = rng.uniform(60, width - 60), rng.uniform(60, height - 60)
            crops.append(cut_crop(marrow.pixels, (x, y), marrow.mpp))
    return np.stack(crops)


def cells_of_smears(folder: Path, *, n_cells: int, seed: int) -> CellSet:
    """Cut red cells of boxed smears, which are real examples of ER6."""
    rng = np.random.default_rng(seed)
    found: list[tuple[SmearPicture, tuple[float, float]]] = []
    for picture in read_smears(folder, split="train"):
        boxes = picture.boxes[picture.kinds == "RBC"]
        inside = boxes[_whole(boxes, picture.pixels.shape, margin=2)]
        found += [(picture, (b[0] + b[2] / 2, b[1] + b[3] / 2)) for b in inside]
    chosen = rng.choice(len(found), min(n_cells, len(found)), replace=False)
    crops = [cut_crop(found[i][0].pixels, found[i][1], found[i][0].mpp) for i in chosen]
    targets = np.repeat(_one("ER6")[None], len(crops), axis=0)
    return CellSet.of(np.stack(crops), targets, ("smears/RBC",) * len(crops))


def cells_of_phantoms(
    *, n_a_class: int, seed: int, backgrounds: npt.NDArray[np.uint8]
) -> CellSet:
    """Render single cells of all classes into backgrounds; see `render_crops`."""
    mpp = CROP_UM / STORED_PX
    crops, codes = render_crops(
        n_a_class=n_a_class, seed=seed, mpp=mpp, backgrounds=backgrounds
    )
    return CellSet.of(crops, _rows(codes), tuple(f"rendered/{code}" for code in codes))


def cells_of_figures(
    *, n_figures: int, n_lookalikes: int, seed: int, backgrounds: npt.NDArray[np.uint8]
) -> CellSet:
    """Render mitotic figures and their lookalikes into backgrounds.

    What a dying cell is called is left open, but for its not being in mitosis.
    """
    mpp = CROP_UM / STORED_PX
    figures = render_figures(n=n_figures, seed=seed, mpp=mpp, backgrounds=backgrounds)
    others, kinds = render_lookalikes(
        n_a_kind=n_lookalikes, seed=seed, mpp=mpp, backgrounds=backgrounds
    )
    unknown = np.full(len(kinds), -1, np.int64)
    return CellSet(
        np.concatenate([figures.crops, others]),
        np.concatenate(
            [_rows([MITOTIC_CODE] * n_figures), np.stack([_any_of(k) for k in kinds])]
        ),
        ("figures/U4",) * n_figures + tuple(f"figures/{kind}" for kind in kinds),
        phases=np.concatenate([figures.phases, unknown]),
        lineages=np.concatenate([figures.lineages, unknown]),
    )


def cells_of_phantom_smears(
    *, n_smears: int, seed: int, n_a_class: int, side_px: int
) -> CellSet:
    """Cut cells of rendered smears; see `smear_crops`."""
    crops, codes, mpp = smear_crops(
        n_smears=n_smears,
        seed=seed,
        size_um=CROP_UM,
        n_a_class=n_a_class,
        side_px=side_px,
    )
    stored = [_stored(crop, mpp) for crop in crops]
    groups = tuple(f"phantom/{code}" for code in codes)
    return CellSet.of(np.stack(stored), _rows(codes), groups)


def _field_centres(marrow: Field) -> list[tuple[tuple[float, float], bool]]:
    centres = []
    for n in marrow.nuclei:
        middle = (n.x + n.width / 2, n.y + n.height / 2)
        plasma = marrow.plasma_of(n)
        if plasma is None:
            if not n.at_border:
                centres.append((middle, False))
            continue
        centres.append((middle, True))
        if marrow.n_nuclei_in(plasma) == 1:
            x, y, width, height = marrow.plasma_box(plasma)
            centres.append(((x + width / 2, y + height / 2), True))
    return centres


def cut_crop(
    pixels: npt.NDArray[np.uint8], centre: tuple[float, float], mpp: float
) -> npt.NDArray[np.uint8]:
    """Cut what a stored crop shows about a point x, y of a picture."""
    margin = round(CROP_UM / mpp / 2) + 2
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), "reflect")
    x, y = round(centre[0]), round(centre[1])
    window = padded[y : y + 2 * margin, x : x + 2 * margin]
    return _stored(window, mpp)


def _stored(pixels: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[np.uint8]:
    return centre_crop(pixels, mpp=mpp, crop_px=STORED_PX, crop_mpp=CROP_UM / STORED_PX)


def _whole(
    boxes: npt.NDArray[np.float64], shape: tuple[int, ...], margin: float
) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (
        (boxes[:, 0] > margin)
        & (boxes[:, 1] > margin)
        & (boxes[:, 0] + boxes[:, 2] < shape[1] - margin)
        & (boxes[:, 1] + boxes[:, 3] < shape[0] - margin)
    )
    return inside


def _rows(codes: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.stack([_one(code) for code in codes])


def _any_of(kind: str) -> npt.NDArray[np.bool_]:
    row = np.zeros(len(OUTPUTS), bool)
    for output in _LOOKALIKE_TARGETS[kind]:
        row |= _one(output)
    return row


def _one(output: str) -> npt.NDArray[np.bool_]:
    row = np.zeros(len(OUTPUTS), bool)
    row[OUTPUTS.index(output)] = True
    return row
