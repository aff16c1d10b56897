"""Small models of one's own: cards and weights, right and wrong."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from napari_deepheme.core.errors import InvalidModelError, ModelNotFoundError
from napari_deepheme.core.models.card import ModelCard
from napari_deepheme.core.models.networks import CropNet
from napari_deepheme.core.models.registry import (
    DEFAULT_DETECTOR,
    find_model,
    load_classifier,
    load_models,
)
from napari_deepheme.core.models.torch_classifier import CropClassifier
from napari_deepheme.core.models.torch_runner import TorchRunner
from napari_deepheme.core.taxonomy import class_index

CONTENT = {
    "name": "small",
    "version": "3",
    "kind": "classifier",
    "description": "names three",
    "license": "CC0-1.0",
    "architecture": "CropNet",
    "arguments": {"n_outputs": 4, "widths": [4, 6, 8], "n_blocks": 1},
    "mpp": 0.5,
    "class_codes": ["M6", "ER4", "B1"],
    "learned_from": {"M6": "marrow", "ER4": "marrow + rendered", "B1": "rendered"},
    "settings": {"crop_px": 32},
}


@pytest.fixture
def write_model(tmp_path):
    """Write a small model; give the path of its weights."""

    def write(change=None, **changes):
        (tmp_path / "small.json").write_text(json.dumps({**CONTENT, **changes}))
        torch.manual_seed(0)
        weights = CropNet(4, widths=(4, 6, 8), n_blocks=1).state_dict()
        if change:
            change(weights)
        save_file(weights, tmp_path / "small.safetensors")
        return tmp_path / "small.safetensors"

    return write


def load(path):
    return load_classifier(str(path), device="cpu")


def crops(n=6, side=32):
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def test_a_model_of_ones_own_is_told_by_its_card(write_model):
    spec = load(write_model()).spec
    assert (spec.name, spec.mpp, spec.crop_px) == ("small 3", 0.5, 32)
    assert spec.rendered_only == ("B1",)


def test_only_the_classes_of_the_card_get_a_probability(write_model):
    probabilities = load(write_model()).classify(crops(), batch_size=4)
    assert probabilities.shape == (6, 23)
    named = [class_index(code) for code in CONTENT["class_codes"]]
    assert probabilities[:, named].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.delete(probabilities, named, axis=1) == 0).all()


def test_a_name_of_the_card_is_no_path_and_an_absent_file_is_no_model(write_model):
    path = write_model()
    for name in ("small", "", str(path.parent), str(path) + "x", "a\0b", "x" * 9000):
        with pytest.raises(ModelNotFoundError):
            find_model(name)


def test_a_detector_is_not_taken_for_a_classifier():
    with pytest.raises(InvalidModelError, match="it is a detector"):
        load_models(DEFAULT_DETECTOR, device="cpu")


def test_weights_that_are_missing_are_told(write_model):
    path = write_model()
    path.unlink()
    with pytest.raises(InvalidModelError, match=r"small\.safetensors"):
        load(path.with_suffix(".json"))


def put(name, value):
    return lambda weights: weights.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        put("head.bias", torch.zeros(3)),
        put("head.weight", torch.zeros(4, 9)),
        put("more", torch.zeros(1)),
        lambda weights: weights.pop("head.bias"),
        lambda weights: weights.clear(),
    ],
    ids=["short", "wide", "one more", "one less", "none"],
)
def test_weights_of_other_shapes_are_refused_in_one_line(write_model, change):
    with pytest.raises(InvalidModelError) as caught:
        load(write_model(change))
    assert len(str(caught.value).splitlines()) == 1


def test_weights_of_half_precision_are_widened(write_model):
    def halve(weights):
        for name, value in weights.items():
            if value.is_floating_point():
                weights[name] = value.half()

    wanted = load(write_model()).classify(crops(), batch_size=8)
    path = write_model(halve)
    assert load_file(path)["head.bias"].dtype is torch.float16
    assert load(path).classify(crops(), batch_size=8) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("field", sorted(CONTENT.keys() - {"arguments"}))
def test_a_card_that_lacks_a_field_is_refused_or_does_without(write_model, field):
    path = write_model()
    content = {k: v for k, v in CONTENT.items() if k != field}
    path.with_suffix(".json").write_text(json.dumps(content))
    if field == "learned_from":
        assert load(path).spec.rendered_only == ()
        return
    with pytest.raises(InvalidModelError, match=r"small\.json"):
        load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_codes": ["M6", "M6", "B1"]},
        {"class_codes": "M6"},
        {"class_codes": 5},
        {"class_codes": []},
        {"class_codes": ["M6", "ER4", "B1", "L2", "L4"]},
        {"settings": [1]},
        {"settings": {"crop_px": 0}},
        {"settings": {"crop_px": 32, "temperature": -1}},
        {"mpp": float("inf")},
        {"mpp": None},
        {"texts": {"limits": 5}},
        {"learned_from": 3},
        {"arguments": [1]},
        {"arguments": {"n_outputs": 4, "widths": []}},
        {"arguments": {"n_outputs": "four"}},
        {"arguments": {"n_outputs": 10**30}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused_in_one_line(write_model, changes):
    with pytest.raises(InvalidModelError) as caught:
        load(write_model(**changes))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"5", b"null", b"[" * 100_000]
)
def test_a_file_that_is_no_card_is_refused(tmp_path, content):
    (tmp_path / "small.json").write_bytes(content)
    with pytest.raises(InvalidModelError):
        ModelCard.read(tmp_path / "small.json")


def test_a_card_reads_as_text(write_model):
    card = find_model(str(write_model(texts={"Limits": ["one lab", "one stain"]})))
    lines = card.describe().splitlines()
    assert lines[0] == "small 3 (classifier): names three"
    assert "Research use only." in lines
    assert "Classes: M6 ER4 B1" in lines
    assert "  ER4: marrow + rendered" in lines
    assert lines[-3:] == ["Limits:", "  - one lab", "  - one stain"]


class Corner(nn.Module):
    """Gives the first pixel, whose mirrored views differ, as logits."""

    def forward(self, x):
        return x[:, :, 0, 0] * 2


def test_views_are_averaged_and_the_temperature_softens(write_model):
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    for place, channel in (((0, 0), 0), ((31, 31), 1), ((0, 31), 2), ((31, 0), 0)):
        picture[(0, *place, channel)] = 255

    def classify(**settings):
        path = write_model(settings={"crop_px": 32, **settings})
        classifier = CropClassifier(find_model(str(path)), Corner(), "cpu")
        given = classifier.classify(picture, batch_size=1)[0]
        return given[[class_index(code) for code in CONTENT["class_codes"]]]

    # Logits of a view are 2, -2, -2, in the channel that its corner shows.
    high = 1 / (1 + 2 * np.exp(-4))
    low = (1 - high) / 2
    assert classify() == pytest.approx([high, low, low], abs=0.01)
    # Corners: upper left, lower right, upper right, lower left.
    assert classify(n_views=4) == pytest.approx(
        [(high + low) / 2, (high + 3 * low) / 4, (high + 3 * low) / 4], abs=0.01
    )
    soft = 1 / (1 + 2 * np.exp(-1))
    assert classify(temperature=4)[0] == pytest.approx(soft, abs=0.01)


def small_network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten())


@pytest.mark.parametrize("batch_size", [1, 2, 5, 11, 12, 100])
def test_batches_give_what_one_batch_gives(batch_size):
    pixels = crops(11, side=12)
    wanted = TorchRunner(small_network(), "cpu").run(pixels, batch_size=11)
    given = TorchRunner(small_network(), "cpu").run(pixels, batch_size=batch_size)
    assert given.shape == (11, 500)
    assert given.dtype == np.float32
    assert given == pytest.approx(wanted, abs=1e-5)


def test_pixels_reach_a_network_between_minus_one_and_one():
    pixels = np.zeros((1, 2, 3, 3), np.uint8)
    pixels[0, :, :, 1] = 255
    pixels[0, 1, 2, 2] = 51
    seen = TorchRunner(nn.Identity(), "cpu").run(pixels, batch_size=1)
    assert seen.shape == (1, 3, 2, 3)
    assert (seen[0, 0] == -1).all()
    assert seen[0, 1] == pytest.approx(1)
    assert seen[0, 2, 1, 2] == pytest.approx(-0.6)


def test_mirrored_views_and_slices_are_taken_as_they_are():
    pixels = crops(3, side=8)
    runner = TorchRunner(nn.Identity(), "cpu")
    flipped = runner.run(pixels[:, ::-1, ::-1], batch_size=2)
    whole = runner.run(pixels, batch_size=2)
    np.testing.assert_array_equal(flipped, whole[:, :, ::-1, ::-1])


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory():
    class Wrong(nn.Module):
        def forward(self, x):
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        TorchRunner(Wrong(), "cpu").run(crops(2), batch_size=2)
