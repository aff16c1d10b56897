"""The recipes of the two bundled models: data, fit, calibration, card."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_deepheme.core.files import make_folder
from napari_deepheme.core.models.cards.card import WeightsFile
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.training.cells.cell_set import (
    CROP_UM,
    CellSet,
    cells_of_fields,
    cells_of_figures,
    cells_of_manifest,
    cells_of_phantom_smears,
    cells_of_phantoms,
    cells_of_smears,
    field_backgrounds,
)
from napari_deepheme.core.training.cells.fields import field_paths
from napari_deepheme.core.training.cells.known import picture_mark, picture_marks
from napari_deepheme.core.training.cells.manifest import read_manifest
from napari_deepheme.core.training.cells.scenes import (
    crop_scenes,
    cutouts,
    field_scenes,
    phantom_scenes,
    smear_scenes,
)
from napari_deepheme.core.training.cells.smears import smear_paths
from napari_deepheme.core.training.fitting.augment import AugmentConfig
from napari_deepheme.core.training.fitting.calibrate import fit_calibration
from napari_deepheme.core.training.fitting.classifier import (
    INPUT_PX,
    ClassifierFit,
    fit_classifier,
    imagenet_network,
)
from napari_deepheme.core.training.fitting.detector import DetectorFit, fit_detector
from napari_deepheme.core.training.fitting.loop import FitConfig, move_towards
from napari_deepheme.core.training.fitting.teacher import teach
from napari_deepheme.core.training.tensor_files import write_weights

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.training.cells.manifest import LabelledCell

_log = logging.getLogger(__name__)

PHANTOM_SEEDS: Final = {"train": 10_000, "held out": 90_000}
"""First seeds of the phantoms; those of tests and of the sample slide lie below."""


REAL_SOURCES: Final = ("matek", "pbc", "bites", "segpc", "fields")
"""Sources that a teacher is asked about; of rendered cells the class is known."""

_CELLS_A_GROUP: Final = 60
"""Single cells of each source and label that the detector learns from."""

_FIRST_PX: Final = 112
"""Side of the input in the first fit: ImageNet shows larger things."""

_OUT_OF_FOCUS: Final = AugmentConfig(stain=0.14, max_blur_px=2.6)
"""Views of the last fit: up to 0.6 µm of blur, as soft as parts of a smear lie."""

_SHARE_OF_THIRD: Final = 0.6
"""How far the weights lie from those of the second fit towards the third's."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Where the data lies.

    Attributes
    ----------
    folder : Path
        Holds ``cells/manifest.csv``, ``fields`` and ``smears``.
    """

    folder: Path

    def labelled(self, split: str) -> list[LabelledCell]:
        """Return what the manifest says of one split's cells."""
        cells = read_manifest(self.folder / "cells" / "manifest.csv")
        return [cell for cell in cells if cell.split == split]

    def real_cells(self, split: str) -> CellSet:
        """Return the cells of the manifest, of one split."""
        return cells_of_manifest(self.labelled(split))


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is rendered, and cut from the pictures, for a fit.

    Attributes
    ----------
    n_a_class : int
        Rendered cells of each class.
    n_figures, n_lookalikes : int
        Rendered mitotic figures, and lookalikes of each kind.
    n_smears, smear_px : int
        Rendered smears, and their side.
    n_of_smear : int
        Cells of each class that are cut out of a rendered smear.
    n_red_cells : int
        Red cells of the real smears.
    n_backgrounds : int
        Backgrounds of each real field.
    n_scenes : int
        Rendered scenes for the detector.
    """

    n_a_class: int = 150
    n_figures: int = 1600
    n_lookalikes: int = 200
    n_smears: int = 10
    smear_px: int = 3000
    n_of_smear: int = 12
    n_red_cells: int = 900
    n_backgrounds: int = 10
    n_scenes: int = 96


_ALL: Final = Amounts()


def train_classifier(
    data: TrainingData,
    out: Path,
    *,
    n_steps: int,
    seed: int = 0,
    without: str = "",
    amounts: Amounts = _ALL,
) -> nn.Module:
    """Fit the bundled classifier; resumes from the checkpoints in `out`.

    It is fitted three times, from ImageNet's weights and then from its own: the second
    time also to what the first takes the real cells for, since doubts tell more than a
    label (Hinton et al. 2015), the third time to what the second takes them for, and
    also out of focus. The weights lie between those of the second and the third, which
    keeps what either does well (Wortsman et al. 2022).

    Parameters
    ----------
    data : TrainingData
        The data.
    out : Path
        Folder of checkpoints and weights.
    n_steps : int
        Batches of 32 of the second fit; the first has four fifths, the third two fifths
        of them.
    seed : int
        Of the fits.
    without : str
        A source that is left out, to measure how the rest carries over to it.
    amounts : Amounts
        How much is rendered.
    """
    make_folder(out)
    # What is missing is told before cells are rendered, which takes minutes.
    data.labelled("train")
    torch.manual_seed(seed)
    network: nn.Module = imagenet_network()
    cells = classifier_cells(data, amounts)
    if without:
        cells = cells.without(without)
    _log.info("%d cells in %d groups", len(cells), len(set(cells.groups)))
    network = _fitted(network, cells, out, n_steps=n_steps, seed=seed)
    save_weights(network, out / "litenet-marrow.safetensors")
    val = data.real_cells("val")
    calibration = fit_calibration(network, val.without(without) if without else val)
    _log.info("calibration %s", calibration)
    marks = classifier_marks(data, without=without)
    _write_card("litenet-marrow", out, calibration, marks)
    return network


def _fitted(
    network: nn.Module, cells: CellSet, out: Path, *, n_steps: int, seed: int
) -> nn.Module:
    """Fit three times; the last two share the result."""
    network = fit_classifier(
        network,
        cells,
        ClassifierFit(_rates(4 * n_steps // 5, 6e-4, seed), side_px=_FIRST_PX),
        checkpoint=out / "first.pt",
    )
    sharp = fit_classifier(
        network,
        cells,
        ClassifierFit(_rates(n_steps, 5e-4, seed + 1)),
        checkpoint=out / "second.pt",
        taught=_lessons(network, cells, _FIRST_PX),
    )
    soft = fit_classifier(
        copy.deepcopy(sharp),
        cells,
        ClassifierFit(
            _rates(max(1, 2 * n_steps // 5), 2e-4, seed + 2), augment=_OUT_OF_FOCUS
        ),
        checkpoint=out / "third.pt",
        taught=_lessons(sharp, cells, INPUT_PX),
    )
    move_towards(sharp, soft, _SHARE_OF_THIRD)
    return sharp


def _rates(n_steps: int, rate: float, seed: int) -> FitConfig:
    return FitConfig(
        n_steps=n_steps,
        batch_size=32,
        learning_rate=rate,
        weight_decay=0.03,
        seed=seed,
        half=False,
        head="head",
        head_rate=3.0,
    )


def _lessons(
    network: nn.Module, cells: CellSet, side_px: int
) -> npt.NDArray[np.float32]:
    """Return what a network says of the real cells, rows of zeros for the others."""
    real = np.array([g.split("/")[0] in REAL_SOURCES for g in cells.groups])
    lessons = np.zeros(cells.targets.shape, np.float32)
    lessons[real] = teach(network, cells.take(real), side_px=side_px)
    return lessons


def classifier_cells(data: TrainingData, amounts: Amounts = _ALL) -> CellSet:
    """Gather all that the classifier learns from: real and rendered."""
    real = data.real_cells("train")
    smears, fields = data.folder / "smears", data.folder / "fields"
    red_cells = cells_of_smears(smears, n_cells=amounts.n_red_cells, seed=0)
    platelets = np.array([group == "pbc/PLATELET" for group in real.groups])
    marrow = field_backgrounds(
        fields, split="train", n_a_field=amounts.n_backgrounds, seed=0
    )
    backgrounds = np.concatenate([real.crops[platelets], red_cells.crops, marrow])
    seed = PHANTOM_SEEDS["train"]
    return CellSet.join(
        [
            real,
            red_cells,
            cells_of_fields(fields, split="train"),
            cells_of_phantoms(
                n_a_class=amounts.n_a_class, seed=seed, backgrounds=backgrounds
            ),
            cells_of_figures(
                n_figures=amounts.n_figures,
                n_lookalikes=amounts.n_lookalikes,
                seed=seed,
                backgrounds=marrow,
            ),
            cells_of_phantom_smears(
                n_smears=amounts.n_smears,
                seed=seed,
                n_a_class=amounts.n_of_smear,
                side_px=amounts.smear_px,
            ),
        ]
    )


def train_detector(
    data: TrainingData,
    out: Path,
    *,
    n_steps: int,
    seed: int = 0,
    amounts: Amounts = _ALL,
) -> nn.Module:
    """Fit the bundled detector; resumes from ``out/detector.pt``.

    Parameters are those of `train_classifier`; a batch has 16 canvases.
    """
    make_folder(out)
    cells = cells_of_manifest(_cells_of_scenes(data))
    crops = crop_scenes(cells, mpp=CROP_UM / 144)
    scenes = [
        *smear_scenes(data.folder / "smears", split="train"),
        *field_scenes(data.folder / "fields"),
        *crops,
        *phantom_scenes(n_scenes=amounts.n_scenes, seed=PHANTOM_SEEDS["train"]),
    ]
    _log.info("%d scenes", len(scenes))
    fit = FitConfig(n_steps=n_steps, batch_size=16, learning_rate=2e-3, seed=seed)
    network = fit_detector(
        scenes, DetectorFit(fit), checkpoint=out / "detector.pt", cells=cutouts(crops)
    )
    save_weights(network, out / "peaknet-marrow.safetensors")
    _write_card("peaknet-marrow", out, {}, detector_marks(data))
    return network


def classifier_marks(data: TrainingData, *, without: str = "") -> frozenset[str]:
    """Return the marks of the single cells that the classifier learns from.

    Parameters are those of `train_classifier`.
    """
    cells = data.labelled("train")
    return picture_marks(cell for cell in cells if cell.source != without)


def detector_marks(data: TrainingData) -> frozenset[str]:
    """Return the marks of all pictures that the detector learns from."""
    paths = [
        *smear_paths(data.folder / "smears", split="train"),
        *field_paths(data.folder / "fields", split="train"),
    ]
    return picture_marks(_cells_of_scenes(data)).union(map(picture_mark, paths))


def save_weights(network: nn.Module, path: Path) -> None:
    """Write weights as safetensors in half precision."""
    halved = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    write_weights(path, halved)


def _write_card(
    name: str, out: Path, settings: dict[str, float], marks: frozenset[str]
) -> None:
    """Put the bundled card beside the new weights, with the settings that they need."""
    bundled = find_model(name)
    weights = WeightsFile(out / f"{name}.safetensors")
    card = replace(
        bundled,
        weights=(weights,),
        settings={**bundled.settings, **settings},
        learned_marks=marks,
    )
    card.write(out / f"{name}.json")


def _cells_of_scenes(data: TrainingData) -> list[LabelledCell]:
    """Choose some single cells of each group, for the detector."""
    rng = np.random.default_rng(0)
    cells = data.labelled("train")
    groups = np.array([f"{cell.source}/{cell.label}" for cell in cells])
    rows = [
        rng.permutation(np.flatnonzero(groups == group))[:_CELLS_A_GROUP]
        for group in np.unique(groups)
    ]
    return [cells[i] for i in np.concatenate(rows).tolist()]
