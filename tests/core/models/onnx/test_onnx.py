import shutil
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from scipy.special import expit, softmax

from napari_deepheme.core.errors import (
    DeviceNotAvailableError,
    InvalidModelError,
    MissingExtraError,
    UnfitBackendError,
)
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.onnx.classifier import OnnxClassifier
from napari_deepheme.core.models.onnx.joined import join_weights
from napari_deepheme.core.models.onnx.runner import OnnxRunner, names_beside
from napari_deepheme.core.models.registry import find_model, load_classifier
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index

RNG = np.random.default_rng(5)
EYE = np.eye(3)
CODES = ("M2", "B1", "L4")


def crops(n=5, side=96):
    return RNG.integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def card_for(*paths, **changes):
    fields = {
        "name": "lab",
        "version": "1",
        "kind": "classifier",
        "description": "names three",
        "license": "CC0-1.0",
        "weights_format": "onnx",
        "weights": tuple(WeightsFile(path) for path in paths),
        "architecture": "",
        "arguments": {},
        "mpp": 0.25,
        "size_px": 96,
        "whitened": False,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.1, 0.2, 0.3),
        "activation": "softmax",
        "outputs": {"class_code": CODES},
        "settings": {},
    }
    return ModelCard(**{**fields, **changes})


def expected(pixels, card, matrix=EYE):
    means = pixels.reshape(len(pixels), -1, 3).mean(axis=1) / 255
    logits = (means - card.mean) / card.std @ matrix
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    given = np.zeros((len(pixels), 23))
    given[:, [class_index(code) for code in CODES]] = shares / shares.sum(
        axis=1, keepdims=True
    )
    return given


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_a_classifier_gives_the_same_however_its_input_is_declared(
    save_classifier, tmp_path, batch, channels_last, dtype
):
    path = save_classifier(
        tmp_path / "m.onnx", EYE, batch=batch, channels_last=channels_last, dtype=dtype
    )
    card = card_for(path)
    pixels = crops()
    classifier = OnnxClassifier(card, "cpu")
    for batch_size in (1, 2, 64):
        given = classifier.classify(pixels, batch_size=batch_size).classes
        assert given == pytest.approx(expected(pixels, card), abs=3e-3)
    assert len(classifier.classify(pixels[:0], batch_size=2)) == 0
    assert classifier.spec.crop_px == 96


def test_bytes_are_given_as_they_are(save_classifier, tmp_path):
    path = save_classifier(tmp_path / "m.onnx", EYE, dtype=TensorProto.UINT8)
    pixels = crops(3)
    given = OnnxRunner("m", path.read_bytes(), "cpu").run(pixels, batch_size=2)
    assert given[0] == pytest.approx(pixels.mean(axis=(1, 2)), rel=1e-4)


def test_members_are_averaged(save_classifier, tmp_path):
    paths = [
        save_classifier(tmp_path / f"{n}.onnx", matrix, side="s")
        for n, matrix in enumerate([EYE, -EYE])
    ]
    card = card_for(*paths, size_px=32)
    pixels = crops(side=32)
    wanted = (expected(pixels, card) + expected(pixels, card, -EYE)) / 2
    given = OnnxClassifier(card, "cpu").classify(pixels, batch_size=3)
    assert given.classes == pytest.approx(wanted, abs=1e-4)


def test_no_cuda_falls_back_to_the_cpu(save_classifier, tmp_path):
    card = card_for(save_classifier(tmp_path / "m.onnx", EYE))
    given = OnnxClassifier(card, "cuda").classify(crops(), batch_size=8)
    assert given.classes.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"size_px": 112},
        {"outputs": {"class_code": (*CODES, "M1")}},
        {"weights": (WeightsFile("nowhere.onnx"),)},
    ],
)
def test_a_card_that_does_not_fit_is_refused(save_classifier, tmp_path, changes):
    path = save_classifier(tmp_path / "m.onnx", EYE)
    if "weights" in changes:
        changes = {"weights": (WeightsFile(tmp_path / "nowhere.onnx"),)}
    with pytest.raises(InvalidModelError) as caught:
        OnnxClassifier(card_for(path, **changes), "cpu")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x08" * 50])
def test_a_file_that_is_no_onnx_is_refused_in_one_line(tmp_path, content, capfd):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InvalidModelError, match="expected") as caught:
        import_model(
            tmp_path / "m.onnx",
            ImportOptions(kind="classifier", mpp=0.25),
            folder=tmp_path / "own",
        )
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "own").exists()


def test_without_onnxruntime_the_extra_is_named(save_classifier, tmp_path, monkeypatch):
    path = save_classifier(tmp_path / "m.onnx", EYE)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"napari-deepheme\[onnx\]"):
        OnnxClassifier(card_for(path), "cpu")


def test_an_onnx_classifier_with_its_card_is_imported(
    save_classifier, tmp_path, own_folder
):
    path = save_classifier(tmp_path / "m.onnx", EYE)
    card_for(path).write(tmp_path / "m.json")
    card = import_model(path, name="mine")
    assert card == find_model("mine")
    assert card.weights[0].path.parent == own_folder
    pixels = crops()
    given = load_classifier("mine", device="cpu").classify(pixels, batch_size=4)
    assert given.classes == pytest.approx(expected(pixels, card), abs=1e-4)
    for backend in ("torch", "openvino"):
        with pytest.raises(UnfitBackendError, match=f"{backend} does not compute"):
            load_classifier("mine", device="cpu", backend=backend)


def with_weights_beside(path, location):
    """Save a network again as a graph whose weights lie in a second file."""
    model = onnx.load(path)
    path.unlink()
    options = {"save_as_external_data": True, "size_threshold": 0}
    onnx.save(model, path, location=location, **options)
    return path


@pytest.mark.parametrize("has_card", [True, False])
@pytest.mark.parametrize("name", ["m.onnx", "m" * 130 + ".onnx"])
def test_weights_in_a_second_file_are_joined(
    save_classifier, tmp_path, own_folder, has_card, name
):
    matrix = RNG.normal(size=(3, 23)) * 4
    path = with_weights_beside(save_classifier(tmp_path / name, matrix), f"{name}.data")
    if has_card:
        card_for(path, outputs={"class_code": CLASS_CODES}).write(
            path.with_suffix(".json")
        )
    options = ImportOptions(kind="classifier", mpp=0.25, normalisation="none")
    card = import_model(path, options, name="mine")
    path.with_name(f"{name}.data").unlink()
    assert len(list(own_folder.iterdir())) == 2
    pixels = crops()
    logits = pixels.mean(axis=(1, 2)) / 255 @ matrix
    given = load_classifier("mine", device="cpu").classify(pixels, batch_size=4)
    assert given.classes == pytest.approx(softmax(logits, axis=1), abs=1e-4)
    assert card.weights[0].sha256


def test_weights_that_do_not_lie_beside_are_refused_with_a_remedy(
    save_classifier, tmp_path, own_folder
):
    options = ImportOptions(kind="classifier", mpp=0.25)
    path = save_classifier(tmp_path / "m.onnx", RNG.normal(size=(3, 23)))
    whole = path.read_bytes()
    data = tmp_path / "m.data"
    with_weights_beside(path, data.name)
    with pytest.raises(InvalidModelError, match=r"second file, m\.data: models import"):
        OnnxRunner("m", path.read_bytes(), "cpu")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(InvalidModelError, match=r"m\.data does not hold the weights"):
        import_model(path, options)
    data.unlink()
    with pytest.raises(InvalidModelError, match=r"external_data=False"):
        import_model(path, options)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "m.onnx").write_bytes(whole)
    inner = with_weights_beside(tmp_path / "lab" / "m.onnx", "m.data")
    shutil.move(tmp_path / "lab" / "m.data", data)
    content = inner.read_bytes()
    outside = content.replace(b"\x06m.data", b"\x09../m.data")
    assert names_beside(content) == {"m.data"}
    assert names_beside(outside) == {"../m.data"}
    with pytest.raises(InvalidModelError, match=r"'m\.data', which is no file beside"):
        import_model(inner, options)
    with pytest.raises(InvalidModelError, match=r"'\.\./m\.data', which is no file"):
        join_weights(inner, outside, tmp_path / "joined.onnx")
    assert not own_folder.exists()


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("end", ["", "Softmax", "Sigmoid"])
def test_an_onnx_classifier_of_23_classes_needs_no_card(save_classifier, tmp_path, end):
    matrix = RNG.normal(size=(3, 23)) * 4
    path = save_classifier(tmp_path / "m.onnx", matrix, end=end)
    card = import_model(path, ImportOptions(kind="classifier", mpp=0.25))
    assert card.class_codes == CLASS_CODES
    assert card.activation == ("none" if end else "softmax")
    assert (card.size_px, card.mean, card.std) == (96, (0, 0, 0), (1, 1, 1))
    pixels = crops()
    logits = pixels.mean(axis=(1, 2)) / 255 @ matrix
    values = expit(logits) if end == "Sigmoid" else np.exp(logits)
    shares = values / values.sum(axis=1, keepdims=True)
    given = load_classifier("m", device="cpu").classify(pixels, batch_size=4)
    assert given.classes == pytest.approx(shares, abs=1e-4)


def test_the_device_of_an_onnx_model_is_where_onnxruntime_computes(
    save_classifier, tmp_path, own_folder, monkeypatch
):
    path = save_classifier(tmp_path / "m.onnx", RNG.normal(size=(3, 23)))
    import_model(path, ImportOptions(kind="classifier", mpp=0.25))
    # A machine whose torch has CUDA, and whose onnxruntime is the one for the CPU.
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    card = find_model("m")
    assert fastest.choose_compute(card, lambda *_: None).device == "cpu"
    with pytest.raises(DeviceNotAvailableError, match="cuda for onnxruntime"):
        fastest.choose_compute(card, lambda *_: None, device="cuda")
    has = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: has)
    assert fastest.choose_compute(card, lambda *_: None).device == "cuda"


@pytest.mark.parametrize(
    "asked", [{"mean": (0.5, 0.5, 0.5)}, {"normalisation": "imagenet"}]
)
def test_a_normalisation_without_an_effect_is_refused(
    save_classifier, tmp_path, own_folder, asked
):
    matrix = RNG.normal(size=(3, 23))
    path = save_classifier(tmp_path / "m.onnx", matrix, dtype=TensorProto.UINT8)
    with pytest.raises(InvalidModelError, match="normalises itself"):
        import_model(path, ImportOptions(kind="classifier", mpp=0.25, **asked))
    assert not own_folder.exists()


@pytest.mark.usefixtures("own_folder")
def test_the_order_of_classes_that_an_onnx_file_states_is_obeyed(
    save_classifier, tmp_path
):
    matrix = RNG.normal(size=(3, 23)) * 4
    path = save_classifier(tmp_path / "m.onnx", matrix)
    model = onnx.load(path)
    names = str(dict(enumerate(CLASS_CODES[::-1])))
    onnx.helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    card = import_model(path, ImportOptions(kind="classifier", mpp=0.25))
    assert card.class_codes == CLASS_CODES[::-1]
    pixels = crops()
    logits = pixels.mean(axis=(1, 2)) / 255 @ matrix
    given = load_classifier("m", device="cpu").classify(pixels, batch_size=4)
    assert given.classes[:, ::-1] == pytest.approx(softmax(logits, axis=1), abs=1e-4)


def test_members_that_differ_are_refused_by_name(save_classifier, tmp_path, own_folder):
    one, two = (RNG.normal(size=(3, 23)) * 4 for _ in range(2))
    raw = save_classifier(tmp_path / "raw.onnx", one)
    shares = save_classifier(tmp_path / "shares.onnx", two, end="Softmax")
    small = save_classifier(tmp_path / "small.onnx", two, side=64)
    options = ImportOptions(kind="classifier", mpp=0.25)

    def refused(*paths):
        with pytest.raises(InvalidModelError) as caught:
            import_model(paths, options, name="folds")
        return str(caught.value)

    told = "found outputs before the softmax in raw.onnx and probabilities in shares"
    assert told in refused(raw, shares)
    assert "probabilities in shares.onnx and outputs before" in refused(shares, raw)
    assert "96 px in raw.onnx and an input of 64 px in small" in refused(raw, small)
    for folder, path in (("a", raw), ("b", shares)):
        (tmp_path / folder).mkdir()
        shutil.copy(path, tmp_path / folder / "best.onnx")
    told = refused(tmp_path / "a" / "best.onnx", tmp_path / "b" / "best.onnx")
    assert f"in {tmp_path / 'a' / 'best.onnx'} and" in told
    assert not own_folder.exists()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "--kind"),
        ({"kind": "classifier"}, "--mpp"),
        ({"kind": "classifier", "mpp": 0.25, "size_px": 64}, "is 96 px wide, not 64"),
        ({"kind": "classifier", "mpp": 0.25}, "expected 23 outputs"),
        ({"kind": "detector", "mpp": 0.25}, "an output of YOLO"),
    ],
)
def test_an_onnx_file_without_a_card_needs_what_it_does_not_tell(
    save_classifier, tmp_path, own_folder, options, hint
):
    path = save_classifier(tmp_path / "m.onnx", EYE)
    with pytest.raises(InvalidModelError, match=hint):
        import_model(path, ImportOptions(**options))
    open_size = save_classifier(tmp_path / "o.onnx", EYE, side="s")
    with pytest.raises(InvalidModelError, match="size"):
        import_model(open_size, ImportOptions(kind="classifier", mpp=0.25))
    assert not own_folder.exists()
