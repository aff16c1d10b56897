import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_deepheme.core.errors import (
    DeviceNotAvailableError,
    InvalidModelError,
    ModelNotFoundError,
    OutOfMemoryError,
)
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.networks.residual import CropNet, PeakNet
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
    find_model,
    find_of_kind,
    list_models,
    load_classifier,
    load_exact_classifier,
    load_models,
    models_identity,
)
from napari_deepheme.core.models.torch.classifier import TorchClassifier
from napari_deepheme.core.models.torch.detector import read_peaks
from napari_deepheme.core.models.torch.runner import (
    TorchRunner,
    choose_device,
    reduced_precision,
)
from napari_deepheme.core.models.torch.weights import load_networks
from napari_deepheme.core.phantom import Smear

pytestmark = pytest.mark.usefixtures("torch_alone")

CARD = find_model(DEFAULT_CLASSIFIER)
WEIGHTS = CARD.weights[0].path
RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def models():
    return load_models(device="cpu")


@pytest.fixture
def copy(tmp_path):
    """Give a copy of the bundled classifier, to be spoiled."""
    shutil.copy(WEIGHTS, tmp_path)
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    # Else the hash alone would refuse what is spoiled.
    del card["weights"]["safetensors"]["sha256"]
    (tmp_path / WEIGHTS.name).with_suffix(".json").write_text(json.dumps(card))
    return tmp_path / WEIGHTS.name


def test_the_bundled_models_are_small_and_have_a_card_each():
    cards = list_models()
    assert {c.kind for c in cards} == {"detector", "classifier"}
    assert sum(w.path.stat().st_size for c in cards for w in c.weights) < 20e6
    assert all(len(w.sha256) == 64 for c in cards for w in c.weights)
    for card in cards:
        assert "Research use only" in card.describe()
        assert card.license in card.describe()
    assert "U4" in CARD.rendered_only
    sources = {
        "E1": "20 own that are E1 or E4, rendered",
        "E4": "3 own, 20 own that are E1 or E4, rendered",
        "L2": "20 own that are L2 or L4",
        "B1": "rendered",
    }
    assert replace(CARD, learned_from=sources).rendered_only == ("E1", "B1")
    assert set(CARD.learned_from) == set(CARD.class_codes)


def test_what_the_bundled_models_learned_from_is_in_their_cards_and_not_shown():
    for name, n in ((DEFAULT_CLASSIFIER, 11_453), (DEFAULT_DETECTOR, 2_708)):
        card = find_model(name)
        assert len(card.learned_marks) == n
        assert not any(mark in card.describe() for mark in card.learned_marks)


def test_a_copy_of_a_model_is_found_by_the_path_of_card_or_weights(copy):
    crops = RNG.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    wanted = load_classifier(device="cpu").classify(crops, batch_size=8).classes
    for path in (copy, copy.with_suffix(".json")):
        classifier = load_classifier(str(path), device="cpu")
        given = classifier.classify(crops, batch_size=8).classes
        assert np.array_equal(given, wanted)


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        ({"mpp": 0.4}, True),
        ({"size_px": 64}, True),
        ({"whitened": not CARD.whitened}, True),
        ({"mean": (0.2, 0.9, 0.1)}, True),
        ({"std": (0.2, 0.2, 0.2)}, True),
        ({"activation": "sigmoid"}, True),
        ({"arguments": {**CARD.arguments, "drop": 0.1}}, True),
        ({"outputs": dict(reversed(CARD.outputs.items()))}, True),
        ({"settings": {**CARD.settings, "temperature": 2.0}}, True),
        ({"texts": {"Data": ("told otherwise",)}, "license": "MIT"}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_all_that_numbers_depend_on_tells_a_model_from_another(
    copy, change, is_another
):
    before = models_identity(str(copy), None)
    replace(ModelCard.read(copy.with_suffix(".json")), **change).write(
        copy.with_suffix(".json")
    )
    after = models_identity(str(copy), None)
    assert (after["model"] != before["model"]) == is_another
    assert after["detector"] == before["detector"]


def test_an_unknown_name_is_told_with_those_that_there_are():
    with pytest.raises(ModelNotFoundError, match=DEFAULT_CLASSIFIER):
        find_model("nobody")


@pytest.mark.parametrize(
    ("kind", "known"),
    [("classifier", "litenet-marrow"), ("detector", "peaknet-marrow")],
)
def test_where_one_of_a_kind_is_needed_only_such_are_offered(kind, known, own_folder):
    with pytest.raises(ModelNotFoundError) as told:
        find_of_kind("nobody", kind)
    assert str(told.value) == f"no {kind} 'nobody': choose one of {known}, or a file"


def spoil_card(copy, place, value):
    """Put a value at a place of the card, such as "outputs.0.id"."""
    path = copy.with_suffix(".json")
    card = inner = json.loads(path.read_text())
    *way, last = [int(s) if s.isdecimal() else s for s in place.split(".")]
    for step in way:
        inner = inner[step]
    inner[last] = value
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("config.napari_deepheme.kind", "oracle"),
        ("config.napari_deepheme.kind", "detector"),
        ("outputs.0.axes.1.channel_names", ["M2", "M99"]),
        ("outputs.0.axes.1.channel_names", ["M2", "M3"]),
        ("inputs.0.axes.2.scale", "fine"),
        ("inputs.0.axes.2.scale", -1),
        ("inputs.0.axes.2.scale", 0.3),
        ("inputs.0.axes.2.unit", "inch"),
        ("weights.safetensors.architecture.kwargs", {"n_outputs": 5}),
        ("weights.safetensors.architecture.kwargs", {"depth": 3}),
        ("weights.safetensors.architecture.callable", "ResNeXt"),
        ("weights.safetensors.architecture.callable", "PeakNet"),
        ("weights.safetensors.source", []),
        ("weights", {"pickle": {"source": ["a.pth"]}}),
    ],
)
def test_a_card_that_does_not_fit_is_refused(copy, place, value):
    spoil_card(copy, place, value)
    with pytest.raises(InvalidModelError) as error:
        load_classifier(str(copy), device="cpu")
    assert len(str(error.value).splitlines()) == 1


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


@pytest.mark.parametrize(
    "content",
    [b"", b"no weights", WEIGHTS.read_bytes()[:5000], pickle.dumps(Bomb())],
    ids=["empty", "text", "truncated", "pickle"],
)
def test_weights_that_are_none_are_refused_and_never_executed(copy, content):
    copy.write_bytes(content)
    with pytest.raises(InvalidModelError):
        load_classifier(str(copy), device="cpu")


def test_weights_without_a_card_are_refused(copy):
    copy.with_suffix(".json").unlink()
    with pytest.raises(InvalidModelError, match="card"):
        load_classifier(str(copy), device="cpu")


def test_a_card_that_is_no_json_is_refused(copy):
    copy.with_suffix(".json").write_text("{")
    with pytest.raises(InvalidModelError):
        ModelCard.read(copy.with_suffix(".json"))


def test_a_classifier_computes_in_single_precision_where_that_is_asked(monkeypatch):
    able = {"amx_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    crops = RNG.integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    exact = load_exact_classifier("litenet-marrow", device="cpu")
    assert (exact.compute.precision, exact.compute.close_call) == ("float32", 1)
    given = exact.classify(crops, batch_size=2).classes
    single = TorchClassifier(CARD, load_networks(CARD), Compute("cpu"))
    wanted = single.classify(crops, batch_size=2).classes
    assert given == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(InvalidModelError, match="a classifier is needed"):
        load_exact_classifier("peaknet-marrow")


def test_devices_are_chosen_or_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(DeviceNotAvailableError, match="cuda"):
        choose_device("cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert reduced_precision("cuda") is torch.float16
    assert reduced_precision("mps") is None


class Mean(nn.Module):
    """Gives each picture's mean; runs out of memory above a batch size."""

    def __init__(self, largest):
        super().__init__()
        self.largest = largest
        self.batches = []

    def forward(self, x):
        if len(x) > self.largest:
            raise torch.OutOfMemoryError
        self.batches.append(len(x))
        return x.mean(dim=(1, 2, 3))[:, None]


def test_out_of_memory_halves_the_batch_and_goes_on():
    pixels = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    wanted = pixels.mean(axis=(1, 2, 3)) / 127.5 - 1
    network = Mean(largest=5)
    runner = TorchRunner(network, "cpu")
    output = runner.run(pixels, batch_size=16)
    assert output[:, 0] == pytest.approx(wanted, abs=1e-5)
    assert max(network.batches) == 4
    n_before = len(network.batches)
    runner.run(pixels, batch_size=16)
    assert set(network.batches[n_before:]) == {4}


def test_a_single_picture_that_does_not_fit_is_an_error():
    with pytest.raises(OutOfMemoryError):
        TorchRunner(Mean(largest=0), "cpu").run(
            np.zeros((2, 8, 8, 3), np.uint8), batch_size=2
        )


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(models):
    crops = RNG.integers(0, 256, (37, 96, 96, 3), dtype=np.uint8)
    at_once = models.classifier.classify(crops, batch_size=64).classes
    assert at_once.shape == (37, 23)
    assert at_once.sum(axis=1) == pytest.approx(1, abs=1e-5)
    in_parts = models.classifier.classify(crops, batch_size=5).classes
    assert np.abs(at_once - in_parts).max() < 0.02
    assert models.classifier.classify(crops[:0], batch_size=5).classes.shape == (0, 23)


def test_a_class_that_a_model_was_not_trained_for_has_probability_0(copy):
    *codes, last = CARD.class_codes
    assert last == "U4"
    unused = ["unused", *CARD.outputs["training_only"]]
    spoil_card(copy, "outputs.0.axes.1.channel_names", codes)
    spoil_card(copy, "outputs.1.axes.1.channel_names", unused)
    classifier = load_classifier(str(copy), device="cpu")
    crops = RNG.integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
    probabilities = classifier.classify(crops, batch_size=4).classes
    assert (probabilities[:, -1] == 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"dilations": (1, 1, 1), "n_fine": 32}],
    ids=["fine body", "coarse body"],
)
def test_the_detectors_field_of_view_is_not_wider_than_it_says(arguments):
    torch.manual_seed(0)
    network = PeakNet(**arguments).eval()
    for module in network.modules():
        # Blocks start as shortcuts; here all of them take part.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    radius = network.receptive_radius_px
    picture = torch.rand(1, 3, 320, 320)
    with torch.inference_mode():
        before = network(picture)
        picture[..., 160, 160] += 5
        change = (network(picture) - before).abs().amax(dim=(0, 1))
    touched = torch.nonzero(change > 0) * PeakNet.STRIDE + PeakNet.STRIDE / 2
    distances = (touched - 160.5).abs().max(dim=1).values
    assert radius / 2 < float(distances.max()) <= radius


def test_what_is_found_does_not_depend_on_an_aligned_window(models):
    detector = models.detector
    radius = int(detector.spec.halo_um / detector.spec.mpp)
    pixels = Smear(Size(1000, 1000), 9).read(Region(0, 0, 1000, 1000))[::2, ::2]
    pixels = np.ascontiguousarray(pixels[:480, :480])
    step = 10 * detector.spec.alignment_px
    whole, whole_scores = detector.detect(pixels)
    part, part_scores = detector.detect(pixels[step:, step:])
    part = part + np.float32([step, step, 0, 0])

    def inner(boxes, scores):
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        inside = ((centres > step + radius) & (centres < 480 - radius)).all(axis=1)
        order = np.lexsort(boxes[inside].round(1).T)
        return boxes[inside][order], scores[inside][order]

    a, b = inner(whole, whole_scores), inner(part, part_scores)
    assert len(a[0]) > 5
    assert np.abs(a[0] - b[0]).max() < 0.01
    assert np.abs(a[1] - b[1]).max() < 1e-4


def test_a_painted_peak_is_read_as_its_box():
    maps = np.full((5, 20, 30), -9, np.float32)
    maps[:, 7, 11] = 3, np.log(24), np.log(16), 0.25, -0.5
    boxes, scores = read_peaks(maps, stride=4, min_score=0.5)
    assert boxes == pytest.approx(np.array([[47 - 12, 28 - 8, 24, 16]]))
    assert scores == pytest.approx([1 / (1 + np.exp(-3))])


def test_the_networks_have_the_shapes_that_their_cards_say():
    assert CropNet(26)(torch.zeros(2, 3, 96, 96)).shape == (2, 26)
    assert PeakNet()(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 16, 24)
