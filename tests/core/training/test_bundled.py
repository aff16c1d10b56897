"""The fits of the bundled models: they learn, go on where they were, and load."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.networks.residual import CropNet, PeakNet
from napari_deepheme.core.models.registry import find_model, load_models
from napari_deepheme.core.training import bundled
from napari_deepheme.core.training.bundled import (
    Amounts,
    TrainingData,
    classifier_cells,
    train_classifier,
    train_detector,
)
from napari_deepheme.core.training.cells.cell_set import CellSet
from napari_deepheme.core.training.cells.known import picture_marks
from napari_deepheme.core.training.cells.manifest import OUTPUTS
from napari_deepheme.core.training.cells.scenes import INPUT_MPP, Scene
from napari_deepheme.core.training.fitting import loop as fitting
from napari_deepheme.core.training.fitting.augment import AugmentConfig
from napari_deepheme.core.training.fitting.calibrate import view_logits
from napari_deepheme.core.training.fitting.classifier import (
    N_OUTPUTS,
    ClassifierFit,
    fit_classifier,
    sampling_weights,
)
from napari_deepheme.core.training.fitting.detector import (
    DetectorFit,
    _canvas,
    _pool,
    detection_targets,
    fit_detector,
    peak_loss,
)
from napari_deepheme.core.training.fitting.loop import FitConfig

FEW = Amounts(
    n_a_class=1,
    n_figures=4,
    n_lookalikes=1,
    n_smears=1,
    smear_px=600,
    n_of_smear=1,
    n_red_cells=4,
    n_backgrounds=2,
    n_scenes=1,
)


class Killed(Exception):
    """A process ends at once."""


def killed_after_a_checkpoint(monkeypatch, run):
    save = fitting._save

    def save_then_die(*args):
        save(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_save", save_then_die)
        with pytest.raises(Killed):
            run()


def same(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize(("n_steps", "batch_size"), [(0, 8), (1, 1)])
def test_a_fit_without_steps_or_of_single_pictures_is_refused(n_steps, batch_size):
    with pytest.raises(ValueError, match="at least 1 step of 2 pictures"):
        FitConfig(n_steps=n_steps, batch_size=batch_size)


def test_a_fit_can_start_from_what_another_one_ended_in(tmp_path):
    def run(network, name):
        fit = FitConfig(n_steps=1, batch_size=4, half=False)
        config = ClassifierFit(fit, side_px=32)
        return fit_classifier(
            network, coloured_cells(), config, checkpoint=tmp_path / name
        )

    network = tiny_network()
    network.features[0].requires_grad_(False)
    first = run(network, "first.pt")
    second = run(copy.deepcopy(first), "second.pt")
    assert torch.equal(first.features[0].weight, second.features[0].weight)
    assert not torch.equal(first.head.weight, second.head.weight)


def coloured_cells():
    """Give two classes that differ in colour alone, 20 cells each."""
    rng = np.random.default_rng(0)
    crops = np.full((40, 48, 48, 3), 240.0)
    crops[:20, 12:36, 12:36] = (120, 40, 140)
    crops[20:, 12:36, 12:36] = (230, 150, 120)
    crops = (crops + rng.normal(0, 4, crops.shape)).clip(0, 255).astype(np.uint8)
    targets = np.zeros((40, len(OUTPUTS)), bool)
    targets[:20, OUTPUTS.index("L2")] = True
    # Either is right.
    targets[20:, [OUTPUTS.index("E1"), OUTPUTS.index("E4")]] = True
    return CellSet.of(crops, targets, ("lab/L2",) * 20 + ("lab/E",) * 20)


def test_a_classifier_learns_what_can_be_told_apart(tmp_path):
    cells = coloured_cells()

    def fitted(n_steps):
        torch.manual_seed(4)
        network = CropNet(N_OUTPUTS, widths=(4, 6, 8), n_blocks=1)
        fit = FitConfig(n_steps=n_steps, batch_size=8, learning_rate=0.02, half=False)
        mild = AugmentConfig(stain=0.0, ring=0.0)
        config = ClassifierFit(fit, side_px=32, augment=mild)
        path = tmp_path / f"{n_steps}.pt"
        network = fit_classifier(network, cells, config, checkpoint=path)
        logits = view_logits(network, cells.crops, n_views=1)[0]
        given = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        return (given * cells.targets).sum(axis=1)

    before, after = fitted(1), fitted(60)
    assert after.mean() > 0.8
    assert after.min() > before.mean()


GROUPS = st.lists(
    st.sampled_from(("pbc/A", "pbc/B", "figures/U4", "rendered/L2")), min_size=1
)


@given(groups=GROUPS)
def test_a_group_is_drawn_by_the_root_of_its_size_times_its_emphasis(groups):
    emphasis = {"rendered": 0.35, "figures": 2.0}
    weights = sampling_weights(tuple(groups), emphasis)
    assert weights.sum() == pytest.approx(1)
    drawn = {
        g: sum(w for w, other in zip(weights, groups, strict=True) if other == g)
        for g in groups
    }
    wanted = {
        g: np.sqrt(groups.count(g)) * emphasis.get(g.split("/")[0], 1) for g in groups
    }
    total = sum(wanted.values())
    assert drawn == pytest.approx({g: w / total for g, w in wanted.items()})


def square_scene(seed, kind="field"):
    """Give a scene of dark squares on glass, each in its box, and no other."""
    rng = np.random.default_rng(seed)
    pixels = np.full((60, 90, 3), 240, np.uint8)
    boxes = []
    for x in (8, 38, 68):
        y, side = int(rng.integers(5, 35)), int(rng.integers(12, 18))
        pixels[y : y + side, x : x + side] = (90, 40, 140)
        boxes.append((x, y, side, side))
    return Scene(
        pixels, np.array(boxes, np.float32), np.ones((60, 90), bool), INPUT_MPP, kind
    )


@pytest.mark.parametrize("seed", range(6))
def test_every_box_of_a_canvas_lies_on_its_cell(seed):
    config = DetectorFit(FitConfig(1), canvas_px=96, scales=(1.0,))
    pool = _pool([square_scene(i) for i in range(4)], config.scales)
    canvas = _canvas(pool, config, np.random.default_rng(seed))
    assert canvas.pixels.shape == (96, 96, 3)
    for x, y, w, h in canvas.boxes:
        middle_x, middle_y = int(x + w / 2), int(y + h / 2)
        assert 0 <= middle_x < 96
        assert 0 <= middle_y < 96
        assert canvas.pixels[middle_y, middle_x].tolist() == [90, 40, 140]
    # And no cell of which more than half is seen is without a box.
    dark = (canvas.pixels[..., 1] == 40).astype(float)
    for x, y, w, h in canvas.boxes.astype(int):
        dark[max(0, y) : y + h, max(0, x) : x + w] = 0
    assert dark.sum() < 6 * 18 * 9


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_canvas_comes_from_a_kind_as_often_as_its_share_says(share):
    config = DetectorFit(
        FitConfig(1),
        canvas_px=64,
        scales=(1.0,),
        shares={"field": 1 - share, "smear": share},
    )
    light = replace(square_scene(0, "smear"), boxes=np.empty((0, 4), np.float32))
    pool = _pool([square_scene(0), light], config.scales)
    rng = np.random.default_rng(0)
    n_boxes = sum(len(_canvas(pool, config, rng).boxes) for _ in range(8))
    assert (n_boxes == 0) == (share == 1.0)


def test_a_cell_centred_beyond_the_canvas_is_no_target():
    scene = square_scene(1)
    scene = Scene(scene.pixels[:, :88], scene.boxes, scene.known[:, :88], 0.5, "field")
    beyond = replace(scene, boxes=scene.boxes + np.float32([0, 200, 0, 0]))
    assert detection_targets(beyond)[[0, 2]].max() == 0
    assert detection_targets(scene)[2].sum() == 3


def detector(path, n_steps, *, seed=0):
    fit = FitConfig(
        n_steps=n_steps, batch_size=4, learning_rate=3e-3, seed=seed, half=False
    )
    config = DetectorFit(
        replace(fit, checkpoint_every=1),
        canvas_px=64,
        scales=(1.0,),
        dilations=(1,),
        n_fine=8,
    )
    scenes = [square_scene(i) for i in range(4)]
    return fit_detector(scenes, config, checkpoint=path)


def test_a_detector_learns_where_cells_are(tmp_path):
    scene = square_scene(9)
    seen = torch.from_numpy(scene.pixels[:56, :88].copy())
    scene = Scene(seen.numpy(), scene.boxes, scene.known[:56, :88], INPUT_MPP, "field")
    targets = torch.from_numpy(detection_targets(scene))[None]
    views = 2 * seen.permute(2, 0, 1)[None].float() / 255 - 1

    def loss(network):
        with torch.inference_mode():
            return float(peak_loss(network(views), targets))

    before, after = (loss(detector(tmp_path / f"{n}.pt", n)) for n in (1, 40))
    assert after < before / 2


def test_a_detectors_fit_that_is_killed_ends_as_one_that_was_not(tmp_path, monkeypatch):
    whole = detector(tmp_path / "whole.pt", 3)
    parts = tmp_path / "parts.pt"
    killed_after_a_checkpoint(monkeypatch, lambda: detector(parts, 3))
    assert torch.load(parts, weights_only=True)["step"] == 1
    assert same(whole, detector(parts, 3))
    assert not same(whole, detector(tmp_path / "other.pt", 3, seed=1))


def test_what_nobody_knows_costs_nothing():
    targets = torch.rand(1, 7, 4, 4)
    targets[:, 1:3] = 0
    maps = torch.randn(1, 5, 4, 4)
    assert float(peak_loss(maps, targets)) == 0
    targets[:, 1] = 1
    assert float(peak_loss(maps, targets)) > 0


@pytest.fixture(scope="module")
def cells(recipe_data):
    return classifier_cells(TrainingData(recipe_data), FEW)


def test_the_classifier_learns_from_every_source_and_from_no_held_out_cell(
    cells, recipe_data
):
    sources = {g.split("/")[0] for g in cells.groups}
    assert sources == {
        *("matek", "pbc", "bites", "smears", "fields"),
        *("rendered", "figures", "phantom"),
    }
    held_out = TrainingData(recipe_data).real_cells("val")
    assert len(held_out) == 10
    drawn = {crop.tobytes() for crop in cells.crops}
    assert not drawn & {crop.tobytes() for crop in held_out.crops}


def tiny_network():
    torch.manual_seed(6)
    return CropNet(N_OUTPUTS, widths=(4, 6, 8), n_blocks=1)


@pytest.mark.slow
def test_a_classifiers_recipe_that_is_killed_ends_as_one_that_was_not(
    recipe_data, tmp_path, monkeypatch, cells
):
    monkeypatch.setattr(bundled, "imagenet_network", tiny_network)
    monkeypatch.setattr(bundled, "classifier_cells", lambda *_: cells)

    def run(name):
        return train_classifier(TrainingData(recipe_data), tmp_path / name, n_steps=5)

    whole = run("whole")
    killed_after_a_checkpoint(monkeypatch, lambda: run("parts"))
    assert not (tmp_path / "parts" / "second.pt").exists()
    assert same(whole, run("parts"))
    name = "litenet-marrow"
    one, other = (tmp_path / n / f"{name}.safetensors" for n in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()
    card = find_model(str(tmp_path / "whole" / f"{name}.json"))
    assert 0 < card.settings["unidentified_below"] < 1
    assert 0.2 < card.settings["temperature"] < 5
    assert card.outputs == find_model(name).outputs
    learned = TrainingData(recipe_data).labelled("train")
    assert card.learned_marks == picture_marks(learned)
    assert (tmp_path / "whole" / "third.pt").exists()


def test_weights_move_a_share_of_the_way_to_anothers():
    network, other = tiny_network(), tiny_network()
    with torch.no_grad():
        network.head.weight.fill_(1)
        other.head.weight.fill_(3)
    fitting.move_towards(network, other, 0.6)
    assert network.head.weight.unique().tolist() == pytest.approx([2.2])


def test_a_source_that_is_left_out_is_neither_learned_nor_calibrated_with(
    recipe_data, tmp_path, monkeypatch, cells
):
    asked = []
    monkeypatch.setattr(bundled, "imagenet_network", tiny_network)
    monkeypatch.setattr(bundled, "classifier_cells", lambda *_: cells)
    monkeypatch.setattr(
        bundled, "fit_classifier", lambda n, c, *_, **__: asked.append(c) or n.eval()
    )
    fit_calibration = bundled.fit_calibration
    monkeypatch.setattr(
        bundled,
        "fit_calibration",
        lambda n, c: asked.append(c) or fit_calibration(n, c),
    )
    data = TrainingData(recipe_data)
    train_classifier(data, tmp_path, n_steps=2, without="matek")
    *fits, val = ({g.split("/")[0] for g in c.groups} for c in asked)
    assert fits == [{g.split("/")[0] for g in cells.groups} - {"matek"}] * 3
    assert val == {"pbc", "bites"}


def test_the_detectors_recipe_ends_in_a_model_that_finds_things(recipe_data, tmp_path):
    network = train_detector(
        TrainingData(recipe_data), tmp_path, n_steps=1, amounts=FEW
    )
    assert isinstance(network, PeakNet)
    path = tmp_path / "peaknet-marrow.json"
    models = load_models(detector=str(path), compute=Compute())
    boxes, scores = models.detector.detect(np.full((64, 64, 3), 240, np.uint8))
    assert len(boxes) == len(scores)
    assert models.detector.spec.mpp == INPUT_MPP
    marks = find_model(str(path)).learned_marks
    singles = picture_marks(TrainingData(recipe_data).labelled("train"))
    assert singles < marks
    # Three fields and two smears; the others are held out.
    assert len(marks - singles) == 5
    stored = torch.load(tmp_path / "detector.pt", weights_only=True)
    assert stored["step"] == 1
