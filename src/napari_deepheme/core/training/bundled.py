"""The recipes of the two bundled models: data, fit, calibration, card."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from safetensors.torch import save_file

from napari_deepheme.core.files import atomic_path, make_folder
from napari_deepheme.core.models.card import WeightsFile
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.training.calibrate import fit_temperature
from napari_deepheme.core.training.cell_set import (
    CROP_UM,
    CellSet,
    cells_of_fields,
    cells_of_manifest,
    cells_of_phantom_smears,
    cells_of_phantoms,
    cells_of_smears,
)
from napari_deepheme.core.training.fit_classifier import ClassifierFit, fit_classifier
from napari_deepheme.core.training.fit_detector import DetectorFit, fit_detector
from napari_deepheme.core.training.fitting import FitConfig
from napari_deepheme.core.training.manifest import read_manifest
from napari_deepheme.core.training.scenes import (
    crop_scenes,
    field_scenes,
    phantom_scenes,
    smear_scenes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_log = logging.getLogger(__name__)

PHANTOM_SEEDS: Final = {"train": 10_000, "held out": 90_000}
"""First seeds of the phantoms; those of tests and of the sample slide lie below."""


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
    data: TrainingData, out: Path, *, n_steps: int, seed: int = 0
) -> nn.Module:
    """Fit the bundled classifier; resumes from ``out/classifier.pt``.

    Parameters
    ----------
    data : TrainingData
        The data.
    out : Path
        Folder of checkpoint and weights.
    n_steps : int
        Batches of 128.
    seed : int
        Of the fit.
    """
    make_folder(out)
    cells = classifier_cells(data)
    _log.info("%d cells in %d groups", len(cells), len(set(cells.groups)))
    config = ClassifierFit(FitConfig(n_steps=n_steps, seed=seed))
    network = fit_classifier(cells, config, checkpoint=out / "classifier.pt")
    save_weights(network, out / "cropnet-marrow.safetensors")
    temperature = fit_temperature(network, data.real_cells("val"))
    _log.info("temperature %.3f", temperature)
    _write_card("cropnet-marrow", out, {"temperature": round(temperature, 3)})
    return network


def classifier_cells(data: TrainingData) -> CellSet:
    """Gather all that the classifier learns from: real and rendered."""
    real = data.real_cells("train")
    red_cells = cells_of_smears(data.folder / "smears", n_cells=900, seed=0)
    platelets = np.array([group == "pbc/PLATELET" for group in real.groups])
    backgrounds = np.concatenate([real.crops[platelets], red_cells.crops])
    seed = PHANTOM_SEEDS["train"]
    return CellSet.join(
        [
            real,
            red_cells,
            cells_of_fields(data.folder / "fields"),
            cells_of_phantoms(n_a_class=120, seed=seed, backgrounds=backgrounds),
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
    scenes = [
        *smear_scenes(data.folder / "smears", split="train"),
        *field_scenes(data.folder / "fields"),
        *crop_scenes(_some_of_each(data.real_cells("train"), 60), mpp=CROP_UM / 144),
        *phantom_scenes(n_scenes=96, seed=PHANTOM_SEEDS["train"]),
    ]
    _log.info("%d scenes", len(scenes))
    fit = FitConfig(n_steps=n_steps, batch_size=16, learning_rate=2e-3, seed=seed)
    network = fit_detector(scenes, DetectorFit(fit), checkpoint=out / "detector.pt")
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
    return CellSet(cells.crops[rows], cells.targets[rows], tuple(groups[rows]))
