import csv
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.models.networks import CropNet
from napari_deepheme.core.models.torch_detector import read_peaks
from napari_deepheme.core.phantom import render_cell
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index
from napari_deepheme.core.training.cells.cell_set import CellSet
from napari_deepheme.core.training.cells.manifest import (
    OUTPUTS,
    load_crops,
    read_manifest,
    target_matrix,
)
from napari_deepheme.core.training.cells.nuclei import (
    Nucleus,
    join_lobes,
    segment_nuclei,
)
from napari_deepheme.core.training.cells.phantom_cells import lay_on
from napari_deepheme.core.training.cells.scenes import Scene
from napari_deepheme.core.training.evaluation.evaluate import (
    calibration_error,
    judge_classes,
    match_centres,
)
from napari_deepheme.core.training.fitting.augment import AugmentConfig, augment
from napari_deepheme.core.training.fitting.classifier import (
    N_OUTPUTS,
    ClassifierFit,
    fit_classifier,
)
from napari_deepheme.core.training.fitting.detector import detection_targets
from napari_deepheme.core.training.fitting.loop import FitConfig
from napari_deepheme.core.training.fitting.set_loss import set_losses

HEADER = ("file", "source", "label", "classes", "split", "mpp")


def write_manifest(folder, *rows):
    path = folder / "manifest.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows((HEADER, *rows))
    return path


def test_a_manifest_gives_sets_of_classes(tmp_path):
    Image.new("RGB", (144, 144), (200, 100, 50)).save(tmp_path / "a.png")
    path = write_manifest(tmp_path, ("a.png", "lab", "EOS", "E1|E4", "val", "0.15"))
    (cell,) = read_manifest(path)
    assert cell.targets == ("E1", "E4")
    row = target_matrix([cell])[0]
    assert [OUTPUTS[i] for i in np.flatnonzero(row)] == ["E1", "E4"]
    crops = load_crops([cell], size_px=96, mpp=0.225)
    assert crops.shape == (1, 96, 96, 3)
    assert (crops == (200, 100, 50)).all()


@pytest.mark.parametrize(
    "row",
    [
        ("a.png", "lab", "EOS", "E9", "val", "0.15"),
        ("a.png", "lab", "EOS", "E1", "val", "wide"),
    ],
)
def test_a_manifest_with_an_unknown_class_or_number_is_refused(tmp_path, row):
    with pytest.raises(InvalidTableError):
        read_manifest(write_manifest(tmp_path, row))


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(InvalidTableError, match=r"manifest\.csv"):
        read_manifest(tmp_path / "manifest.csv")


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


def test_figures_of_a_table_counted_by_hand():
    codes = ["M5", "M5", "M6", "M6", "L2"]
    calls = ["M5", "M6", "M6", "M6", "M1"]
    probabilities = np.full((5, 23), 0.01, np.float32)
    for row, call in zip(probabilities, calls, strict=True):
        row[class_index(call)] = 0.78
    result = judge_classes(probabilities, codes)
    by_class = {c.target: c for c in result.classes}
    assert by_class["M5"].f1 == pytest.approx(2 / 3)
    assert by_class["M6"].f1 == pytest.approx(4 / 5)
    assert by_class["M6"].precision == pytest.approx(2 / 3)
    assert by_class["L2"].f1 == 0
    assert result.macro_f1 == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert result.accuracy == pytest.approx(3 / 5)
    # M5: scores 0.78 and 0.01 against three of 0.01: 3 wins and 3 ties of 6 pairs.
    assert by_class["M5"].auc == pytest.approx((3 + 3 / 2) / 6)


def test_any_code_of_a_set_hits_it():
    probabilities = np.zeros((2, 23), np.float32)
    probabilities[0, class_index("E1")] = 1
    probabilities[1, class_index("E4")] = 1
    assert judge_classes(probabilities, ["E1|E4", "E1|E4"]).macro_f1 == 1


def test_calibration_error_is_the_gap_between_confidence_and_truth():
    confidence = np.full(10, 0.9, np.float32)
    right = np.array([True] * 6 + [False] * 4)
    assert calibration_error(confidence, right) == pytest.approx(0.3)


def test_a_detection_serves_one_mark_only():
    found = np.array([[0.0, 0.0]])
    truth = np.array([[1.0, 0.0], [-2.0, 0.0]])
    assert match_centres(found, truth, np.array([5.0, 5.0])).tolist() == [0, -1]
    assert match_centres(found, truth, np.array([0.5, 0.5])).tolist() == [-1, -1]


def test_wilson_interval_of_the_textbook():
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-3)
    assert all(math.isnan(v) for v in wilson(0, 0))


def test_painted_nuclei_are_segmented_apart():
    picture = Image.new("RGB", (200, 120), (235, 235, 240))
    draw = ImageDraw.Draw(picture)
    for x, y in ((40, 60), (82, 60), (150, 40)):
        draw.ellipse((x - 22, y - 22, x + 22, y + 22), fill=(90, 40, 140))
    _, nuclei = segment_nuclei(np.asarray(picture), mpp=0.2)
    centres = sorted((n.x + n.width / 2, n.y + n.height / 2) for n in nuclei)
    assert centres == [
        (pytest.approx(40, abs=4), pytest.approx(60, abs=4)),
        (pytest.approx(82, abs=4), pytest.approx(60, abs=4)),
        (pytest.approx(150, abs=4), pytest.approx(40, abs=4)),
    ]


def test_lobes_that_lie_together_are_one_nucleus():
    def nucleus(x, width):
        return Nucleus(x, 0, width, width, 1, 1.0, at_border=False)

    lobes, large = [nucleus(0, 20), nucleus(22, 20)], nucleus(45, 50)
    apart = nucleus(120, 20)
    joined = join_lobes([*lobes, large, apart], mpp=0.2)
    assert sorted((n.x, n.width) for n in joined) == [(0, 42), (45, 50), (120, 20)]


@pytest.mark.parametrize("code", [CLASS_CODES[0], "M6", "PL2"])
def test_a_rendered_cell_lies_in_the_centre_of_its_background(code):
    background = np.full((144, 144, 3), 240, np.uint8)
    cell = render_cell(code, np.random.default_rng(3), mpp=0.15)
    picture = lay_on(background, cell, centre=(72, 72))
    dark = picture.min(axis=2) < 200
    assert dark[52:92, 52:92].mean() > 0.3
    assert (background == 240).all()
