"""The recipes of the two bundled models: data, fit, calibration, card."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from safetensors.torch import save_file

from napari_deepheme.core.files import atomic_path, make_folder
from napari_deepheme.core.models.card import WeightsFile
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_model
from napari_deepheme.core.models.torch_weights import load_networks
from napari_deepheme.core.training.calibrate import fit_calibration
from napari_deepheme.core.training.cell_set import (
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
from napari_deepheme.core.training.fit_classifier import (
    INPUT_PX,
    ClassifierFit,
    fit_classifier,
)
from napari_deepheme.core.training.fit_detector import DetectorFit, fit_detector
from napari_deepheme.core.training.fitting import FitConfig
from napari_deepheme.core.training.manifest import read_manifest
from napari_deepheme.core.training.scenes import (
    crop_scenes,
    cutouts,
    field_scenes,
    phantom_scenes,
    smear_scenes,
)
from napari_deepheme.core.training.teacher import INPUT_PX as TEACHER_PX
from napari_deepheme.core.training.teacher import TeacherFit, fit_teacher, teach

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn

_log = logging.getLogger(__name__)

PHANTOM_SEEDS: Final = {"train": 10_000, "held out": 90_000}
"""First seeds of the phantoms; those of tests and of the sample slide lie below."""


REAL_SOURCES: Final = ("matek", "pbc", "bites", "segpc", "fields")
"""Sources that a teacher is asked about; of rendered cells the class is known."""

SINGLE_CELL_SOURCES: Final = ("matek", "pbc", "bites", "segpc")

_TEACHER_STEPS: Final = 4500


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Where the data lies.

    Attributes
    ----------
    folder : Path
        Holds ``cells/manifest.csv``, ``fields`` and ``smears``.
    """

    folder: Path

    def real_cells(self, split: str) -> CellSet:
        """Return the cells of the manifest, of one split."""
        cells = read_manifest(self.folder / "cells" / "manifest.csv")
        return cells_of_manifest([c for c in cells if c.split == split])


def train_classifier(
    data: TrainingData,
    out: Path,
    *,
    n_steps: int,
    seed: int = 0,
    without: str = "",
    taught: bool = True,
) -> nn.Module:
    """Fit the bundled classifier; resumes from the checkpoints in `out`.

    A teacher is fitted first and asked what it takes the real cells for: its doubts
    tell more than a label (Hinton et al. 2015).

    Parameters
    ----------
    data : TrainingData
        The data.
    out : Path
        Folder of checkpoints and weights.
    n_steps : int
        Batches of 128 of the classifier.
    seed : int
        Of the fits.
    without : str
        A source that is left out, to measure how the rest carries over to it.
    taught : bool
        Whether there is a teacher.
    """
    make_folder(out)
    cells = classifier_cells(data)
    if without:
        cells = cells.without(without)
    _log.info("%d cells in %d groups", len(cells), len(set(cells.groups)))
    lessons = None
    if taught:
        # What is bundled now has seen all sources.
        lessons = lessons_of_teacher(cells, out, seed=seed, earlier=not without)
    config = ClassifierFit(FitConfig(n_steps=n_steps, seed=seed))
    network = fit_classifier(
        cells, config, checkpoint=out / "classifier.pt", taught=lessons
    )
    save_weights(network, out / "cropnet-marrow.safetensors")
    val = data.real_cells("val")
    calibration = fit_calibration(network, val.without(without) if without else val)
    _log.info("calibration %s", calibration)
    _write_card("cropnet-marrow", out, calibration)
    return network


def lessons_of_teacher(
    cells: CellSet, out: Path, *, seed: int, earlier: bool
) -> npt.NDArray[np.float32]:
    """Fit a teacher on cells and return what it says of the real ones.

    Parameters
    ----------
    cells : CellSet
        The cells.
    out : Path
        Folder of the checkpoint.
    seed : int
        Of the fit.
    earlier : bool
        Whether the classifier that is bundled now is asked too, of single cells.
    """
    config = TeacherFit(
        FitConfig(
            n_steps=_TEACHER_STEPS,
            batch_size=32,
            learning_rate=6e-4,
            weight_decay=0.03,
            seed=seed,
            half=False,
            head="body._fc",
            head_rate=3.3,
        )
    )
    sources = np.array([g.split("/")[0] for g in cells.groups])
    plain = ~np.isin(sources, ("figures", "phantom"))
    teacher = fit_teacher(cells.take(plain), config, checkpoint=out / "teacher.pt")
    lessons = np.zeros(cells.targets.shape, np.float32)
    real = np.isin(sources, REAL_SOURCES)
    lessons[real] = teach(teacher, cells.take(real), side_px=TEACHER_PX)
    if earlier:
        single = np.isin(sources, SINGLE_CELL_SOURCES)
        given = teach(_bundled_network(), cells.take(single), side_px=INPUT_PX)
        lessons[single] = 0.6 * lessons[single] + 0.4 * given
    return lessons


def _bundled_network() -> nn.Module:
    return load_networks(find_model(DEFAULT_CLASSIFIER))[0].eval()


def classifier_cells(data: TrainingData) -> CellSet:
    """Gather all that the classifier learns from: real and rendered."""
    real = data.real_cells("train")
    red_cells = cells_of_smears(data.folder / "smears", n_cells=900, seed=0)
    platelets = np.array([group == "pbc/PLATELET" for group in real.groups])
    fields = data.folder / "fields"
    marrow = field_backgrounds(fields, split="train", n_a_field=10, seed=0)
    backgrounds = np.concatenate([real.crops[platelets], red_cells.crops, marrow])
    seed = PHANTOM_SEEDS["train"]
    return CellSet.join(
        [
            real,
            red_cells,
            cells_of_fields(fields, split="train"),
            cells_of_phantoms(n_a_class=150, seed=seed, backgrounds=backgrounds),
            cells_of_figures(
                n_figures=1600, n_lookalikes=200, seed=seed, backgrounds=marrow
            ),
            cells_of_phantom_smears(n_smears=10, seed=seed, n_a_class=12),
        ]
    )


def train_detector(
    data: TrainingData, out: Path, *, n_steps: int, seed: int = 0
) -> nn.Module:
    """Fit the bundled detector; resumes from ``out/detector.pt``.

    Parameters are those of `train_classifier`; a batch has 16 canvases.
    """
    make_folder(out)
    crops = crop_scenes(_some_of_each(data.real_cells("train"), 60), mpp=CROP_UM / 144)
    scenes = [
        *smear_scenes(data.folder / "smears", split="train"),
        *field_scenes(data.folder / "fields"),
        *crops,
        *phantom_scenes(n_scenes=96, seed=PHANTOM_SEEDS["train"]),
    ]
    _log.info("%d scenes", len(scenes))
    fit = FitConfig(n_steps=n_steps, batch_size=16, learning_rate=2e-3, seed=seed)
    network = fit_detector(
        scenes, DetectorFit(fit), checkpoint=out / "detector.pt", cells=cutouts(crops)
    )
    save_weights(network, out / "peaknet-marrow.safetensors")
    _write_card("peaknet-marrow", out, {})
    return network


def save_weights(network: nn.Module, path: Path) -> None:
    """Write weights as safetensors in half precision."""
    halved = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    with atomic_path(path) as partial:
        save_file({k: v.contiguous() for k, v in halved.items()}, partial)


def _write_card(name: str, out: Path, settings: dict[str, float]) -> None:
    """Put the bundled card beside the new weights, with the settings that they need."""
    bundled = find_model(name)
    weights = WeightsFile(out / f"{name}.safetensors")
    card = replace(
        bundled, weights=(weights,), settings={**bundled.settings, **settings}
    )
    card.write(out / f"{name}.json")


def _some_of_each(cells: CellSet, n_a_group: int) -> CellSet:
    rng = np.random.default_rng(0)
    groups = np.array(cells.groups)
    rows = np.concatenate(
        [
            rng.permutation(np.flatnonzero(groups == group))[:n_a_group]
            for group in np.unique(groups)
        ]
    )
    return cells.take(rows)
