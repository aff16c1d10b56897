"""What is seen in a network is what it infers by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_deepheme.core.errors import NotExplainableError
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.networks.litenet import LiteNet
from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.models.networks.resnext import ResNeXt50
from napari_deepheme.core.models.postprocess import (
    mirrored_views,
    probabilities_of,
    unmirrored,
)
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    find_model,
    load_classifier,
)
from napari_deepheme.core.models.torch.classifier import TorchClassifier
from napari_deepheme.core.models.torch.insight import open_insight
from napari_deepheme.core.models.torch.weights import load_networks

BUNDLED = find_model(DEFAULT_CLASSIFIER)
CARD = replace(
    BUNDLED,
    outputs={"training_only": ("extra",), "class_code": ("M5", "M6", "L4")},
    settings={},
    size_px=64,
)
SINGLE = Compute("cpu", "torch", "float32")


class RedAndBlue(nn.Module):
    """Two channels of features, fields of 8 px: red, which is M5, and blue, M6."""

    def __init__(self):
        super().__init__()
        self.colours = nn.Conv2d(3, 2, 8, stride=8)
        self.head = nn.Linear(2, 4)
        with torch.no_grad():
            self.colours.bias.zero_()
            self.colours.weight.zero_()
            self.colours.weight[0, 0] = self.colours.weight[1, 2] = 1 / 64
            self.head.bias.zero_()
            self.head.weight.zero_()
            self.head.weight[1, 0] = self.head.weight[2, 1] = 5

    def forward(self, x):
        return self.head(torch.relu(self.colours(x)).mean(dim=(2, 3)))


def spot(x, y, channel=0):
    """A black crop with a spot of 8 x 8 px."""
    crop = np.zeros((64, 64, 3), np.uint8)
    crop[y : y + 8, x : x + 8, channel] = 255
    return crop


def random_crops(n=3, side=64):
    return np.random.default_rng(3).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.fixture
def toy():
    return open_insight(TorchClassifier(CARD, [RedAndBlue()], SINGLE))


def networks_of(kind):
    torch.manual_seed(5)
    return {
        "LiteNet": lambda: [LiteNet(4)],
        "CropNet": lambda: [CropNet(4, widths=(4, 6, 8), n_blocks=1)],
        "ResNeXt": lambda: [ResNeXt50(4)],
        "ResNeXt with a head": lambda: [ResNeXt50(4, n_features=9, n_hidden=7)],
        "ensemble": lambda: [CropNet(4, widths=(4, 6, 8)) for _ in range(3)],
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "width"),
    [
        ("LiteNet", 1280),
        ("CropNet", 8),
        pytest.param("ResNeXt", 2048, marks=pytest.mark.slow),
        pytest.param("ResNeXt with a head", 7, marks=pytest.mark.slow),
        ("ensemble", 8),
    ],
)
def test_every_kind_of_network_has_features_and_maps(kind, width):
    crops = random_crops()
    classifier = TorchClassifier(CARD, networks_of(kind), SINGLE)
    insight = open_insight(classifier)
    features = insight.features(crops, batch_size=2)
    assert features.shape == (3, width)
    assert features.dtype == np.float32
    for given in (
        insight.grad_cam(crops[0], "M6"),
        insight.smooth_grad(crops[0], "M6", n_samples=3),
    ):
        assert given.shape == (64, 64)
        assert given.dtype == np.float32
        assert given.min() >= 0
        assert given.max() in (0, 1)
    members = classifier.classify_members(crops, batch_size=2)
    whole = classifier.classify(crops, batch_size=2).classes
    assert members.mean(axis=0) == pytest.approx(whole, abs=1e-6)


def test_the_last_layer_makes_the_inferred_probabilities_of_the_features():
    classifier = TorchClassifier(BUNDLED, load_networks(BUNDLED), SINGLE)
    crops = measuring_cells(96)[:8]
    features = open_insight(classifier).features(crops, batch_size=8)
    head = classifier.torch_networks()[0][0].head
    logits = head(torch.from_numpy(features)).detach().numpy()
    given = probabilities_of(logits, BUNDLED)[0]
    wanted = classifier.classify(crops, batch_size=8).classes
    assert given == pytest.approx(wanted, abs=1e-5)


def test_features_do_not_depend_on_the_batch(toy):
    crops = random_crops(7)
    whole = toy.features(crops, batch_size=7)
    assert whole == pytest.approx(toy.features(crops, batch_size=2), abs=1e-5)


def test_features_are_averaged_over_members_and_views():
    first, second = RedAndBlue(), RedAndBlue()
    second.colours.weight.data *= 3
    crops = random_crops()
    one, other, both = (
        open_insight(TorchClassifier(CARD, n, SINGLE)).features(crops, batch_size=4)
        for n in ([first], [second], [first, second])
    )
    assert both == pytest.approx((one + other) / 2)
    card = replace(CARD, settings={"n_views": 8.0})
    networks = networks_of("CropNet")
    insight = open_insight(TorchClassifier(card, networks, SINGLE))
    views = [
        insight.features(view, batch_size=4) for view in mirrored_views(crops[:1], 8)
    ]
    assert all(view == pytest.approx(views[0], rel=1e-4) for view in views)


def test_grad_cam_lights_up_where_the_feature_of_the_class_is(toy):
    crop = np.maximum(spot(8, 40, channel=0), spot(48, 16, channel=2))
    red, blue = toy.grad_cam(crop, "M5"), toy.grad_cam(crop, "M6")
    assert red[40:48, 8:16].mean() > 0.6
    assert red[16:24, 48:56].max() == 0
    assert blue[16:24, 48:56].mean() > 0.6
    assert blue[40:48, 8:16].max() == 0
    # Nothing speaks for a class that neither colour leads to.
    assert not toy.grad_cam(crop, "L4").any()


def test_grad_cam_moves_with_the_cell(toy):
    here, there = toy.grad_cam(spot(8, 16), "M5"), toy.grad_cam(spot(32, 40), "M5")
    assert np.roll(here, (24, 24), axis=(0, 1)) == pytest.approx(there, abs=1e-5)


def test_grad_cam_of_a_mirrored_crop_is_the_mirrored_map():
    classifier = TorchClassifier(CARD, networks_of("CropNet"), SINGLE)
    insight = open_insight(classifier)
    crop = random_crops(1)[0]
    given = insight.grad_cam(crop, "M5")
    for view, mirrored in enumerate(mirrored_views(crop[np.newaxis], 8)):
        other = unmirrored(insight.grad_cam(mirrored[0], "M5")[np.newaxis], view)
        assert other[0] == pytest.approx(given, abs=1e-4)


def test_smooth_grad_is_the_same_twice_and_follows_its_seed(toy):
    crop = random_crops(1)[0]
    first = toy.smooth_grad(crop, "M5", n_samples=5)
    assert np.array_equal(first, toy.smooth_grad(crop, "M5", n_samples=5))
    classifier = TorchClassifier(CARD, networks_of("CropNet"), SINGLE)
    insight = open_insight(classifier)
    one, other = (insight.smooth_grad(crop, "M5", seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.5


def test_smooth_grad_is_dark_where_the_network_is_blind():
    network = RedAndBlue()
    network.colours.weight.data[:, :, :, 4:] = 0
    insight = open_insight(TorchClassifier(CARD, [network], SINGLE))
    seen = insight.smooth_grad(np.full((64, 64, 3), 200, np.uint8), "M5")
    assert seen[:, 0:4].min() > 0
    assert not seen[:, 4:8].any()


def test_looking_into_a_network_leaves_it_as_it_is():
    classifier = TorchClassifier(CARD, networks_of("CropNet"), SINGLE)
    crops = random_crops()
    before = classifier.classify(crops, batch_size=4).classes
    insight = open_insight(classifier)
    insight.smooth_grad(crops[0], "M5", n_samples=2)
    network = classifier.torch_networks()[0][0]
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())
    assert np.array_equal(before, classifier.classify(crops, batch_size=4).classes)


def test_networks_that_openvino_computes_are_loaded_again_for_it():
    pytest.importorskip("openvino")
    crops = measuring_cells(96)[:4]
    given = [
        open_insight(load_classifier(device="cpu", backend=backend))
        for backend in ("openvino", "torch")
    ]
    maps = [insight.grad_cam(crops[2], "M6") for insight in given]
    assert maps[0] == pytest.approx(maps[1], abs=1e-4)


def test_a_class_that_the_model_does_not_name_has_no_map(toy):
    with pytest.raises(NotExplainableError, match="does not name B1"):
        toy.grad_cam(spot(8, 8), "B1")


def test_a_classifier_of_another_kind_says_that_it_has_no_gradients(
    tmp_path, save_classifier
):
    from napari_deepheme.core.models.cards.card import WeightsFile
    from napari_deepheme.core.models.onnx.classifier import OnnxClassifier

    path = save_classifier(tmp_path / "c.onnx", np.eye(3, 4), side=64)
    card = replace(CARD, weights_format="onnx", weights=(WeightsFile(path),))
    with pytest.raises(NotExplainableError, match="ONNX"):
        open_insight(OnnxClassifier(card, "cpu"))


def test_a_network_without_a_map_is_refused():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, x):
            return self.head(x.mean(dim=(2, 3)))

    with pytest.raises(NotExplainableError, match="no map"):
        open_insight(TorchClassifier(CARD, [Flat()], SINGLE))
