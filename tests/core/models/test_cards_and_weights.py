"""Small models of one's own: cards and weights, right and wrong."""

import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from napari_deepheme.core.errors import InvalidModelError, ModelNotFoundError
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.models.registry import (
    DEFAULT_DETECTOR,
    find_model,
    load_classifier,
    load_models,
)
from napari_deepheme.core.models.torch.classifier import TorchClassifier
from napari_deepheme.core.models.torch.runner import TorchRunner
from napari_deepheme.core.taxonomy import class_index

pytestmark = pytest.mark.usefixtures("torch_alone")

CODES = ["M6", "ER4", "B1"]

SOURCES = {"M6": "marrow", "ER4": "marrow + rendered", "B1": "rendered"}


def space(axis, mpp, size):
    unit = "micrometer"
    return {"type": "space", "id": axis, "scale": mpp, "unit": unit, "size": size}


def content(
    *,
    kind="classifier",
    codes=CODES,
    architecture="CropNet",
    arguments=None,
    mpp=0.5,
    size=32,
    settings=None,
    learned_from=SOURCES,
    texts=None,
):
    """Give the JSON of a card of three classes."""
    if arguments is None:
        arguments = {"n_outputs": 3, "widths": [4, 6, 8], "n_blocks": 1}
    return {
        "name": "small",
        "version": "3",
        "description": "names three",
        "license": "CC0-1.0",
        "inputs": [
            {
                "axes": [
                    {"type": "batch"},
                    space("y", mpp, size),
                    space("x", mpp, size),
                ],
                "preprocessing": [{"id": "napari_deepheme_whiten"}, NORMALISE],
            }
        ],
        "outputs": [
            {
                "id": "class_code",
                "axes": [{"type": "channel", "channel_names": codes}],
                "postprocessing": [{"id": "softmax"}],
            }
        ],
        "weights": {
            "safetensors": {
                "source": ["small.safetensors"],
                "architecture": {"callable": architecture, "kwargs": arguments},
            }
        },
        "config": {
            "napari_deepheme": {
                "kind": kind,
                "settings": {} if settings is None else settings,
                "learned_from": learned_from,
                "texts": {} if texts is None else texts,
            }
        },
    }


NORMALISE = {
    "id": "fixed_zero_mean_unit_variance",
    "kwargs": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


@pytest.fixture
def write_model(tmp_path):
    """Write a small model; give the path of its weights."""

    def write(change=None, **changes):
        (tmp_path / "small.json").write_text(json.dumps(content(**changes)))
        torch.manual_seed(0)
        weights = CropNet(3, widths=(4, 6, 8), n_blocks=1).state_dict()
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
    given = load(write_model()).classify(crops(), batch_size=4)
    probabilities = given.classes
    assert probabilities.shape == (6, 23)
    assert not given.phases.any()
    assert not given.lineages.any()
    named = [class_index(code) for code in CODES]
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
        put("head.bias", torch.zeros(2)),
        put("head.weight", torch.zeros(3, 9)),
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

    wanted = load(write_model()).classify(crops(), batch_size=8).classes
    path = write_model(halve)
    assert load_file(path)["head.bias"].dtype is torch.float16
    given = load(path).classify(crops(), batch_size=8).classes
    assert given == pytest.approx(wanted, abs=0.02)


NEEDED = [
    ("name",),
    ("version",),
    ("description",),
    ("license",),
    ("inputs",),
    ("inputs", 0, "axes"),
    ("inputs", 0, "axes", 1),
    ("inputs", 0, "axes", 1, "scale"),
    ("inputs", 0, "axes", 1, "size"),
    ("inputs", 0, "preprocessing"),
    ("outputs",),
    ("outputs", 0, "id"),
    ("outputs", 0, "axes", 0, "channel_names"),
    ("weights",),
    ("weights", "safetensors"),
    ("weights", "safetensors", "source"),
    ("weights", "safetensors", "architecture"),
    ("config",),
    ("config", "napari_deepheme"),
    ("config", "napari_deepheme", "kind"),
]


def without(card, path):
    *way, last = path
    inner = card
    for step in way:
        inner = inner[step]
    del inner[last]
    return card


@pytest.mark.parametrize("field", NEEDED, ids=lambda path: ".".join(map(str, path)))
def test_a_card_that_lacks_a_field_is_refused(write_model, field):
    path = write_model()
    path.with_suffix(".json").write_text(json.dumps(without(content(), field)))
    with pytest.raises(InvalidModelError, match=r"small\.json") as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("field", ["learned_from", "settings", "texts"])
def test_a_card_does_without_what_is_not_needed(write_model, field):
    path = write_model()
    card = without(content(), ("config", "napari_deepheme", field))
    path.with_suffix(".json").write_text(json.dumps(card))
    rendered_only = () if field == "learned_from" else ("B1",)
    assert load(path).spec.rendered_only == rendered_only


def test_a_card_that_is_written_reads_as_it_was(write_model, tmp_path):
    settings = {"temperature": 1.5, "n_views": 2}
    texts = {"Limits": ["one lab é", "one stain"]}
    card = find_model(str(write_model(settings=settings, texts=texts)))
    card.write(tmp_path / "again.json")
    assert replace(ModelCard.read(tmp_path / "again.json"), path=card.path) == card


def test_a_name_that_is_not_utf8_is_spelled_out_in_a_card(write_model, tmp_path):
    texts = {"Reproduce": ["--data lat" + chr(0xDCE9)]}
    card = find_model(str(write_model(texts=texts)))
    card.write(tmp_path / "again.json")
    told = ModelCard.read(tmp_path / "again.json").texts
    assert told == {"Reproduce": ("--data lat\\udce9",)}


@pytest.mark.not_on_windows
def test_a_model_behind_a_closed_folder_is_not_said_to_be_missing(monkeypatch):
    stat = Path.stat

    def closed(path, **named):
        if path.parts[0] == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **named)

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(InvalidModelError, match="cannot be looked at: Permission"):
        find_model("closed/ours.json")


def test_a_card_cannot_name_a_file_elsewhere(write_model):
    path = write_model()
    for name in ("../small.safetensors", "/etc/passwd", "a\\b", "", ".", ".."):
        card = content()
        card["weights"]["safetensors"]["source"] = [name]
        path.with_suffix(".json").write_text(json.dumps(card))
        with pytest.raises(InvalidModelError, match="beside the card"):
            load(path)


def test_weights_other_than_the_card_states_are_refused(write_model):
    path = write_model()
    card = content()
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    card["weights"]["safetensors"]["sha256"] = [right.upper()]
    path.with_suffix(".json").write_text(json.dumps(card))
    load(path)
    card["weights"]["safetensors"]["sha256"] = ["0" * 64]
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(InvalidModelError, match="SHA-256"):
        load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": ["M6", "M6", "B1"]},
        {"codes": ["M6", "ER4", "M99"]},
        {"codes": "M6"},
        {"codes": 5},
        {"codes": []},
        {"codes": ["M6", "ER4", "B1", "L2", "L4"]},
        {"kind": "oracle"},
        {"settings": [1]},
        {"size": 0},
        {"size": 7},
        {"size": 32.5},
        {"size": 10**30},
        {"settings": {"temperature": -1}},
        {"settings": {"n_views": "many"}},
        {"architecture": "ResNeXt"},
        {"mpp": float("inf")},
        {"mpp": None},
        {"texts": {"limits": 5}},
        {"learned_from": 3},
        {"arguments": [1]},
        {"arguments": {"n_outputs": 3, "widths": []}},
        {"arguments": {"n_outputs": "four"}},
        {"arguments": {"n_outputs": 10**30}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused_in_one_line(write_model, changes):
    with pytest.raises(InvalidModelError) as caught:
        load(write_model(**changes))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("temprature", 5, "no setting 'temprature': take temperature"),
        ("sharpness", 5, "no setting 'sharpness': take one of doubt, n_views,"),
        ("offset_M99", 5, "no setting 'offset_M99': take offset_M"),
        ("offset_B1", 1e9, "offset_B1 must lie from -50 to 50"),
        ("n_views", 2.7, "n_views must be a whole number, not 2.7"),
        ("temperature", True, "temperature must be a number, not 'True'"),
        ("temperature", "two", "temperature must be a number, not 'two'"),
        ("temperature", None, "temperature must be a number, not 'None'"),
    ],
)
def test_a_setting_that_is_none_is_refused(write_model, setting, value, told):
    with pytest.raises(InvalidModelError) as caught:
        load(write_model(settings={setting: value}))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.94, "doubt": 1.5, "n_views": 1.0, "offset_L4": -0.5},
        {"unidentified_below": 0.5, "offset_U4": -2.0, "n_views": 2},
        {"min_score": 0.25, "yolo": 8.0, "n_classes": 3, "ignore_class_12": 1.0},
        {"max_overlap": 0.7, "overlap_um": 30, "min_score": 0.4},
    ],
)
def test_settings_that_were_ever_written_are_read(write_model, settings):
    kind = "detector" if "min_score" in settings else "classifier"
    card = find_model(str(write_model(kind=kind, settings=settings)))
    assert dict(card.settings) == settings


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
    assert [line for line in lines if line.startswith("Input: ")] == [
        "Input: 32 px wide, channels in [0, 1] less 0.5 0.5 0.5, over 0.5 0.5 0.5, "
        "background brought to one white"
    ]
    assert "Activation: softmax" in lines
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
        path = write_model(settings=settings)
        classifier = TorchClassifier(find_model(str(path)), [Corner()], Compute())
        given = classifier.classify(picture, batch_size=1).classes[0]
        return given[[class_index(code) for code in CODES]]

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
