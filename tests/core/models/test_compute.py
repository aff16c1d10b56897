"""How networks are computed: alike by every backend, the fastest by default."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
import torch

from napari_deepheme.core.engine.pipeline import analyze_region
from napari_deepheme.core.engine.sizes import sizes_for
from napari_deepheme.core.errors import DeviceNotAvailableError, MissingExtraError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.cache_folder import CACHE_VARIABLE
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.memory import free_bytes
from napari_deepheme.core.models.openvino.runner import import_openvino
from napari_deepheme.core.models.postprocess import closeness
from napari_deepheme.core.models.registry import find_model, load_models
from napari_deepheme.core.models.torch import ready
from napari_deepheme.core.models.torch.ready import make_runner
from napari_deepheme.core.models.torch.runner import plain_compute, reduced_precision
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.slide import ArraySlide

CARD = find_model("litenet-marrow")
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def smear():
    pixels = Smear(Size(1600, 1400), 11).read(Region(0, 0, 1600, 1400))
    return ArraySlide(pixels, mpp=0.25, name="smear")


@pytest.fixture(scope="module")
def crops():
    return RNG.integers(0, 256, (45, 96, 96, 3), dtype=np.uint8)


def test_every_backend_finds_the_same_cells_within_the_stated_tolerance(smear):
    by_backend = {}
    for backend in ("torch", "openvino"):
        models = load_models(device="cpu", backend=backend)
        assert models.compute.backend == backend
        by_backend[backend] = analyze_region(smear, None, models).cells
    one, other = by_backend.values()
    assert len(one) > 60
    gaps = np.abs(one.centres[:, None] - other.centres[None]).max(axis=2)
    partner = gaps.argmin(axis=1)
    found = gaps.min(axis=1) <= 2
    assert found.mean() >= 0.985
    same = one.class_indices == other.class_indices[partner]
    assert same[found].mean() >= 0.985


def test_threads_are_as_many_as_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    models = load_models(device="cpu", backend="torch", n_threads=7)
    assert models.compute.n_threads == 7
    assert set(asked) == {7}


def test_threads_of_an_earlier_run_do_not_change_what_suits_the_machine():
    suits, now = plain_compute("cpu"), torch.get_num_threads()
    load_models(device="cpu", backend="torch", n_threads=suits.n_threads + 1)
    assert torch.get_num_threads() == suits.n_threads + 1
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(plain_compute, "cpu").result() == suits
        assert plain_compute("cpu") == suits
    finally:
        torch.set_num_threads(now)


def test_numbers_by_openvino_do_not_depend_on_the_batch(crops):
    classifier = load_models(device="cpu", backend="openvino").classifier
    whole = classifier.classify(crops, batch_size=32).classes
    turned = classifier.classify(crops[::-1], batch_size=16).classes[::-1]
    alone = classifier.classify(crops[:1], batch_size=32).classes
    assert np.array_equal(whole, turned)
    assert np.array_equal(whole[:1], alone)


def test_openvino_in_single_precision_is_torch_to_the_fifth_digit(crops):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.Flatten()
    )
    card = SimpleNamespace(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    given = [
        make_runner(network, card, Compute("cpu", backend, "float32")).run(
            crops, batch_size=20
        )
        for backend in ("torch", "openvino")
    ]
    assert given[0].shape == given[1].shape
    assert np.abs(given[0] - given[1]).max() < 1e-5


def test_openvino_is_imported_without_what_reports_on_its_use():
    import_openvino()
    assert sys.modules["openvino_telemetry"] is None


def test_openvino_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"napari-deepheme\[openvino\]"):
        load_models(device="cpu", backend="openvino")


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Say how long each way takes a cell; note which were measured."""
    seconds, asked = {"torch": 0.1, "openvino": 0.05}, []
    sure = np.tile([0.9, 0.1], (100, 1))
    calls = dict.fromkeys(("float32", "bfloat16", "float16", "int8"), sure)

    def taken(way):
        name = way.precision if way.precision in seconds else way.backend
        return seconds[name]

    def timed(loaded, cells):
        asked.extend(way.backend for way in loaded)
        return {way: taken(way) for way in loaded}

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(fastest, "_timed", timed)
    monkeypatch.setattr(
        fastest, "_named", lambda way, _, **__: (calls[way.precision], taken(way))
    )
    monkeypatch.setattr(fastest, "has_openvino", lambda: True)
    # Whatever this processor has.
    plain = Compute("cpu", "torch", "float32")
    monkeypatch.setattr(fastest, "plain_compute", lambda _: plain)
    return SimpleNamespace(seconds=seconds, asked=asked, calls=calls)


def choose(card=CARD, **words):
    return fastest.choose_compute(card, lambda _, way: way, **words)


def test_the_fastest_way_is_measured_once_and_remembered(measured):
    assert choose().backend == "openvino"
    assert measured.asked == ["torch", "openvino", "openvino"]
    measured.seconds["openvino"] = 1.0
    assert choose().backend == "openvino"
    assert len(measured.asked) == 3


def test_what_is_not_remembered_is_told_before_it_is_measured(measured, caplog):
    caplog.set_level(logging.INFO, "napari_deepheme.core.models.fastest.begun")
    choose()
    told = "measuring the fastest way to compute litenet-marrow, once on this machine"
    assert caplog.messages == [told]
    choose()
    choose(backend="torch")
    assert caplog.messages == [told]


def test_an_ensemble_is_timed_by_a_member_and_named_by_all(measured, monkeypatch):
    (weights,) = CARD.weights
    card = replace(CARD, weights=(weights,) * 5)
    measured.seconds.update(torch=0.05, openvino=0.06, int8=0.04)
    # Of all five, 0.2 + 0.3 * 0.06 seconds are less than 0.25.
    measured.calls["int8"] = named_otherwise(30, sure=False)
    loaded = []
    chosen = fastest.choose_compute(
        card, lambda card, way: loaded.append((len(card.weights), way.precision)) or way
    )
    assert chosen.precision == "int8"
    assert chosen.close_call == 0.9
    assert loaded == [
        *((1, precision) for precision in ("float32", "float32", "int8")),
        *((5, precision) for precision in ("float32", "int8")),
    ]


@pytest.fixture
def clock(monkeypatch):
    """Stand in for what tells the time: classifiers take as long as they say."""
    now = SimpleNamespace(seconds=0.0)
    clock = SimpleNamespace(perf_counter=lambda: now.seconds)
    monkeypatch.setattr(fastest, "time", clock)

    def classifier(crops_a_second):
        given = []

        def classify(crops, *, batch_size):
            now.seconds += len(crops) / crops_a_second
            given.append(len(crops))
            return SimpleNamespace(classes=np.zeros((len(crops), 23)))

        return SimpleNamespace(classify=classify, given=given)

    return classifier


@pytest.mark.parametrize(
    ("speed", "batches"),
    [(2000, [32, 32, *[64] * 13]), (40, [32, 32, 32]), (10, [32])],
    ids=["quick", "slow", "very slow"],
)
def test_a_slow_network_is_measured_by_fewer_crops(clock, speed, batches):
    classifier = clock(speed)
    timed = fastest._timed({"way": classifier}, np.zeros((576, 1)))
    assert timed == {"way": pytest.approx(1 / speed)}
    assert classifier.given == batches


def test_a_first_batch_that_is_compiled_for_makes_no_network_slow(clock):
    classifier = clock(2000)
    classify, waited = classifier.classify, clock(32)

    def compiled_first(crops, *, batch_size):
        if not classifier.given:
            waited.classify(crops, batch_size=batch_size)
        return classify(crops, batch_size=batch_size)

    classifier.classify = compiled_first
    timed = fastest._timed({"way": classifier}, np.zeros((576, 1)))
    assert timed == {"way": pytest.approx(1 / 2000)}
    assert classifier.given == [32, 32, *[64] * 13]


def test_all_measuring_cells_are_named_unless_that_takes_long(clock):
    cells = np.zeros((576, 1))
    for speed, n in ((2000, 576), (20, 576), (19, 288), (2, 288)):
        classes, seconds = fastest._named(clock(speed), cells, longest=30)
        assert len(classes) == n
        assert seconds == pytest.approx(1 / speed)
        assert len(fastest._named(clock(speed), cells)[0]) == 576


def test_a_model_with_another_input_is_measured_anew(measured):
    choose()
    choose(replace(CARD, mean=(0.2, 0.9, 0.1)))
    assert len(measured.asked) == 6


def named_otherwise(n, *, sure):
    """Return probabilities of 100 cells, n of which are named otherwise."""
    given = np.tile([0.9, 0.1], (100, 1))
    given[:n] = [0.1, 0.9] if sure else [0.48, 0.52]
    return given


def test_a_reduced_precision_that_names_cells_otherwise_is_not_taken(
    measured, monkeypatch
):
    way = Compute("cpu", "torch", "bfloat16")
    monkeypatch.setattr(fastest, "plain_compute", lambda _: way)
    assert choose().precision == "bfloat16"
    measured.calls["bfloat16"] = named_otherwise(3, sure=True)
    measured.calls["int8"] = named_otherwise(3, sure=True)
    monkeypatch.setattr(fastest, "_remembered", dict)
    assert choose() == Compute("cpu", "openvino", "float32")


def test_the_only_way_there_is_has_to_name_cells_alike_too(measured, monkeypatch):
    way = Compute("cpu", "torch", "bfloat16")
    monkeypatch.setattr(fastest, "plain_compute", lambda _: way)
    measured.calls["bfloat16"] = named_otherwise(3, sure=True)
    measured.calls["int8"] = named_otherwise(3, sure=True)
    for backend in ("torch", "openvino"):
        assert choose(backend=backend).precision == "float32"


def test_eight_bits_are_taken_where_they_are_quickest_with_what_they_cost(
    measured, monkeypatch
):
    monkeypatch.setattr(fastest, "_remembered", dict)
    exact = Compute("cpu", "openvino", "float32")
    whole = replace(exact, precision="int8")
    measured.seconds["int8"] = 0.03
    assert choose() == whole
    # Three cells in a hundred twice: 0.03 + 0.03 * 0.05 seconds.
    measured.calls["int8"] = named_otherwise(3, sure=False)
    assert choose() == replace(whole, close_call=0.9)
    # Thirty in a hundred: 0.04 + 0.3 * 0.05 seconds are more than 0.05.
    measured.calls["int8"] = named_otherwise(30, sure=False)
    measured.seconds["int8"] = 0.04
    assert choose() == exact
    measured.seconds["int8"] = 0.06
    measured.calls["int8"] = named_otherwise(0, sure=False)
    assert choose() == exact


def test_close_calls_are_left_to_single_precision_where_that_mends_them(
    measured, monkeypatch
):
    way = Compute("cpu", "torch", "bfloat16")
    monkeypatch.setattr(fastest, "plain_compute", lambda _: way)
    measured.seconds["int8"] = 0.2
    measured.calls["bfloat16"] = named_otherwise(3, sure=False)
    # 0.48 is 0.92 of 0.52.
    assert choose() == Compute("cpu", "openvino", "bfloat16", close_call=0.9)
    # It is remembered.
    measured.calls["bfloat16"] = named_otherwise(3, sure=True)
    assert choose().close_call == 0.9
    # Where half of the cells would be computed twice, all are computed once.
    monkeypatch.setattr(fastest, "_remembered", dict)
    measured.calls["bfloat16"] = named_otherwise(50, sure=False)
    measured.calls["int8"] = named_otherwise(50, sure=False)
    assert choose() == Compute("cpu", "openvino", "float32")


@pytest.mark.skipif(
    reduced_precision("cpu") is None, reason="this processor has no bfloat16"
)
def test_close_calls_are_those_of_single_precision():
    crops = measuring_cells(CARD.size_px)[:60]
    way = Compute("cpu", "openvino", "bfloat16", close_call=0.2)
    mixed, reduced, exact = (
        load_models(compute=compute).classifier.classify(crops, batch_size=16)
        for compute in (way, replace(way, close_call=1.0), way.exact)
    )
    close = closeness(reduced.classes) > way.close_call
    assert 0 < close.sum() < len(crops)
    for name in ("classes", "phases", "lineages"):
        given = getattr(mixed, name)
        assert np.array_equal(given[close], getattr(exact, name)[close])
        assert np.array_equal(given[~close], getattr(reduced, name)[~close])
        assert not np.array_equal(given, getattr(reduced, name))


def test_how_close_a_call_is_compares_the_two_likeliest():
    given = closeness(np.array([[0.5, 0.5, 0], [0.2, 0.2, 0.6], [1, 0, 0]], np.float32))
    assert given == pytest.approx([1, 1 / 3, 0])


def test_what_is_remembered_but_not_understood_is_measured_again(measured, tmp_path):
    choose()
    path = tmp_path / "cache" / "fastest.json"
    for content in (b"{torn", b"[]", orjson.dumps({"some": "other"})):
        path.write_bytes(content)
        assert choose().backend == "openvino"
    assert len(measured.asked) == 12


def test_a_backend_asked_for_by_name_is_the_only_one_measured(measured):
    assert choose(backend="torch").backend == "torch"
    assert measured.asked == []
    measured.seconds["torch"] = 0.01
    assert choose(backend="openvino").backend == "openvino"
    assert measured.asked == ["openvino", "openvino"]


def test_a_backend_that_does_not_compute_on_a_device_is_refused(monkeypatch):
    monkeypatch.setattr(fastest, "available_devices", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(fastest, "choose_device", lambda device: device)
    with pytest.raises(DeviceNotAvailableError, match="cuda for openvino"):
        fastest.candidates("cuda", "openvino")


def test_a_gpu_is_a_candidate_in_half_precision(monkeypatch):
    # Stands in for a device: what computes on it cannot be tried here.
    monkeypatch.setattr(fastest, "available_devices", lambda: ("cuda", "cpu"))
    ways = fastest.candidates("auto", "torch")
    assert (ways[0].device, ways[0].precision) == ("cuda", "float16")


def test_a_way_to_compute_survives_json_and_nothing_else_does():
    way = Compute("cpu", "openvino", "bfloat16", 2, 0.7)
    assert Compute.from_json(orjson.loads(orjson.dumps(way.to_json()))) == way
    for wrong in (
        {},
        {"device": 1},
        {"speed": 3},
        {"device": "cpu", "n_threads": "2"},
        {"close_call": "0.5"},
    ):
        if wrong:
            with pytest.raises(ValueError, match="no compute"):
                Compute.from_json(wrong)


def test_sizes_follow_the_area_and_the_memory_of_the_device(monkeypatch):
    cpu, gpu = Compute(), Compute("cuda", "torch", "float16")
    assert free_bytes("cpu") > 0
    small, large = sizes_for(1920 * 1080, cpu), sizes_for(10**9, cpu)
    assert small.tile.tile_size < large.tile.tile_size
    free = {"cuda": 16 << 30, "cpu": 8 << 30}
    monkeypatch.setattr("napari_deepheme.core.engine.sizes.free_bytes", free.get)
    assert sizes_for(10**9, gpu).classify.batch_size == 512
    free["cuda"] = 100 << 20
    assert sizes_for(10**9, gpu).classify.batch_size == 32
    free["cpu"] = 300 << 20
    assert sizes_for(10**9, cpu).tile.tiles_ahead < large.tile.tiles_ahead


def test_a_converted_network_is_kept_and_made_anew_where_it_is_spoilt(
    crops, monkeypatch, tmp_path
):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    card = SimpleNamespace(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())

    def given(network):
        runner = make_runner(network, card, Compute("cpu", "openvino", "float32"))
        return runner.run(crops[:3], batch_size=3)

    first = given(network)
    (kept,) = (tmp_path / "openvino").iterdir()
    assert np.array_equal(given(network), first)
    weights = kept / "model.bin"
    content = bytearray(weights.read_bytes())
    content[0] ^= 64
    weights.write_bytes(content)
    assert np.array_equal(given(network), first)
    assert weights.read_bytes() != content
    # Other weights are another network.
    with torch.no_grad():
        network[0].weight += 1
    assert not np.array_equal(given(network), first)
    assert len(list((tmp_path / "openvino").iterdir())) == 2


def test_eight_bits_are_kept_for_the_pictures_that_gave_their_ranges(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(ready, "_RANGED", slice(0, 2))
    cells = measuring_cells(32)[:8]
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 2, 3))
    plain = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size_px": 32}

    def given(cache, **changes):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / cache))
        card = SimpleNamespace(**{**plain, **changes})
        runner = make_runner(network, card, Compute("cpu", "openvino", "int8", 1))
        return runner.run(cells, batch_size=8)

    other = {"mean": (0.0,) * 3}
    alone, _ = given("alone", **other), given("shared")
    assert np.array_equal(given("shared", **other), alone)
    for changes in ({}, other, {"std": (0.2,) * 3}, {"size_px": 64}):
        given("shared", **changes)
    assert len(list((tmp_path / "shared" / "openvino").iterdir())) == 4


@pytest.mark.parametrize(
    "precision", [pytest.param("bfloat16", marks=pytest.mark.slow), "int8"]
)
def test_the_bundled_classifier_names_the_measuring_cells_alike(precision):
    cells = measuring_cells(CARD.size_px)
    assert cells.shape == (576, 96, 96, 3)
    calls = [
        load_models(compute=Compute("cpu", "openvino", numbers))
        .classifier.classify(cells, batch_size=32)
        .classes.argmax(axis=1)
        for numbers in ("float32", precision)
    ]
    assert (calls[0] == calls[1]).mean() >= 0.985
    # They are cells of many kinds.
    assert len(np.unique(calls[0])) > 12


def test_the_detector_computes_in_floating_point_beside_a_classifier_in_eight_bits(
    smear,
):
    pixels = np.asarray(smear.read_region(Point(0, 0), 0, Size(576, 576)))
    plain = load_models(device="cpu", backend="torch").compute.precision
    boxes = [
        load_models(compute=Compute("cpu", "openvino", precision)).detector.detect(
            pixels
        )[0]
        for precision in (plain, "int8")
    ]
    assert len(boxes[0]) > 10
    assert np.array_equal(*boxes)
