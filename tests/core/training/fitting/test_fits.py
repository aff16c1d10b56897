import math

import numpy as np
import pytest
import torch

from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.models.torch.detector import read_peaks
from napari_deepheme.core.training.cells.cell_set import CellSet
from napari_deepheme.core.training.cells.manifest import (
    OUTPUTS,
)
from napari_deepheme.core.training.cells.scenes import Scene
from napari_deepheme.core.training.fitting.augment import AugmentConfig, augment
from napari_deepheme.core.training.fitting.classifier import (
    N_OUTPUTS,
    ClassifierFit,
    fit_classifier,
)
from napari_deepheme.core.training.fitting.detector import detection_targets
from napari_deepheme.core.training.fitting.loop import FitConfig
from napari_deepheme.core.training.fitting.set_loss import set_losses


def test_views_keep_their_size_and_range_and_differ():
    torch.manual_seed(0)
    crops = torch.randint(0, 256, (6, 144, 144, 3), dtype=torch.uint8)
    config = AugmentConfig()
    views = augment(crops, size_px=96, size_um=21.6, config=config)
    assert views.shape == (6, 3, 96, 96)
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1
    again = augment(crops, size_px=96, size_um=21.6, config=config)
    assert not torch.equal(views, again)


def test_a_set_of_right_answers_costs_nothing_when_any_is_hit():
    logits = torch.full((1, 4), -20.0)
    logits[0, 1] = 20.0
    either = torch.tensor([[True, True, False, False]])
    neither = torch.tensor([[False, False, True, True]])
    assert float(set_losses(logits, either, 0.0)) == pytest.approx(0, abs=1e-6)
    assert float(set_losses(logits, neither, 0.02)) == pytest.approx(-math.log(0.02))


@pytest.mark.slow
def test_a_fit_that_is_stopped_and_resumed_ends_as_one_that_was_not(tmp_path):
    rng = np.random.default_rng(1)
    targets = np.zeros((12, len(OUTPUTS)), bool)
    targets[np.arange(12), rng.integers(0, 23, 12)] = True
    crops = rng.integers(0, 256, (12, 144, 144, 3), dtype=np.uint8)
    cells = CellSet.of(crops, targets, tuple(f"lab/{i % 3}" for i in range(12)))
    soft = np.where(np.arange(12)[:, None] < 6, targets, 0).astype(np.float32)

    def run(n_steps, name, stop_after=None):
        fit = FitConfig(n_steps=n_steps, batch_size=4, checkpoint_every=1)
        path = tmp_path / name
        config = ClassifierFit(fit, side_px=32)
        if stop_after is None:
            torch.manual_seed(5)
            network = CropNet(N_OUTPUTS, widths=(4, 6, 8), n_blocks=1)
            return fit_classifier(network, cells, config, checkpoint=path, taught=soft)
        raise_at(path, stop_after, lambda: run(n_steps, name))
        return run(n_steps, name)

    whole, resumed = run(3, "whole.pt"), run(3, "parts.pt", stop_after=1)
    for a, b in zip(
        whole.state_dict().values(), resumed.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


class Killed(Exception):
    pass


def raise_at(path, n_saved, run):
    """Break a run off right after its n-th checkpoint."""
    from napari_deepheme.core.training.fitting import loop as fitting

    save = fitting._save
    count = 0

    def save_then_die(*args):
        nonlocal count
        save(*args)
        count += 1
        if count == n_saved:
            raise Killed

    fitting._save = save_then_die
    try:
        with pytest.raises(Killed):
            run()
    finally:
        fitting._save = save
    assert path.exists()


def test_a_detectors_targets_read_back_as_the_boxes_they_were_painted_from():
    boxes = np.array([[10, 20, 24, 18], [60, 70, 40, 44]], np.float32)
    pixels = np.zeros((128, 160, 3), np.uint8)
    scene = Scene(pixels, boxes, np.ones((128, 160), bool), 0.5, "field")
    painted = detection_targets(scene)
    assert painted.shape == (7, 32, 40)
    heat = np.clip(painted[0], 1e-3, 1 - 1e-3)
    maps = np.concatenate([np.log(heat / (1 - heat))[None], painted[3:]])
    found, scores = read_peaks(maps.astype(np.float32), stride=4, min_score=0.5)
    assert found == pytest.approx(boxes, abs=0.01)
    assert (scores > 0.9).all()
