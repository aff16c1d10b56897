import argparse
import json
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from napari_deepheme.core.errors import CannotWriteError, InvalidModelError
from napari_deepheme.core.models.bringing import importing
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.layouts import recognise
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.bringing.weight_files import read_weights
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
    find_model,
    list_models,
    load_card,
    load_classifier,
)
from napari_deepheme.core.taxonomy import CLASS_CODES

pytestmark = pytest.mark.usefixtures("torch_alone")

CROPS = np.random.default_rng(3).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)


def files_in(folder):
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def untried(monkeypatch):
    """Leave out the trial run and most weights: the test is about something else."""

    def save_last(state):
        last = list(state)[-1]
        return save({last: state[last]})

    monkeypatch.setattr(importing, "_try", lambda *_: None)
    monkeypatch.setattr(importing, "_saved", save_last)


def test_the_paper_s_weights_become_a_model_that_runs(make_state, tmp_path, own_folder):
    content = {"model_state_dict": make_state(wrap="module."), "epoch": 4}
    torch.save(
        {**content, "optimizer_state_dict": {"state": {}}}, tmp_path / "best.pth"
    )
    card = import_model(tmp_path / "best.pth")
    assert card == find_model("best")
    assert [c.name for c in list_models()][2:] == ["best"]
    assert files_in(own_folder) == sorted([card.weights[0].path.name, "best.json"])
    assert (card.mpp, card.size_px, card.whitened) == (0.2298, 96, False)
    assert card.mean == (0.5594, 0.4984, 0.6937)
    assert card.std == (0.2701, 0.2835, 0.2176)
    assert (card.activation, card.license) == ("sigmoid", "unknown")
    assert card.learned_from == {}
    assert "None measured here." in card.describe()
    weights = load_file(card.weights[0].path)
    assert weights["head.2.bias"].dtype is torch.half
    given = load_classifier("best", device="cpu").classify(CROPS, batch_size=2)
    # The same numbers everywhere make the same features of any cell: what is left of
    # the logits is the bias, their sigmoids over the sum of these.
    biased = given.classes[0] - given.classes[0].min()
    assert given.classes.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.diff(biased) >= 0).all()


@pytest.mark.usefixtures("own_folder")
def test_the_order_of_classes_that_a_checkpoint_states_is_obeyed(make_state, tmp_path):
    order = CLASS_CODES[::-1]
    beside = {"classes": order, "class_to_idx": {c: i for i, c in enumerate(order)}}
    state = make_state("retrained")
    torch.save({"state_dict": state, **beside}, tmp_path / "best.pth")
    card = import_model(tmp_path / "best.pth")
    assert find_model("best").class_codes == order
    assert "classes in the order that it states" in card.texts["Source"][0]
    given = load_card(card, "cpu").classify(CROPS, batch_size=2)
    # The bias rises from the first output to the last, which is B1 here.
    assert (np.diff(given.classes[0]) < 0).all()


@pytest.mark.usefixtures("untried", "own_folder")
def test_an_order_of_classes_that_cannot_be_obeyed_is_refused(make_state, tmp_path):
    state = make_state("retrained")
    few = {"state_dict": state, "hyper_parameters": {"class_names": CLASS_CODES[1:]}}
    torch.save(few, tmp_path / "few.pth")
    with pytest.raises(InvalidModelError, match="its entry class_names lacks B1"):
        import_model(tmp_path / "few.pth")
    header = {"classes": ",".join(CLASS_CODES[::-1])}
    state = {name: value.clone() for name, value in state.items()}
    save_file(state, tmp_path / "turned.safetensors", metadata=header)
    assert import_model(tmp_path / "turned.safetensors").class_codes[0] == "U4"
    torch.save(make_state("retrained", mark=2), tmp_path / "plain.pt")
    files = [tmp_path / "plain.pt", tmp_path / "turned.safetensors"]
    with pytest.raises(InvalidModelError, match=r"turned.* have their classes in diff"):
        import_model(files, name="both")


def test_five_folds_are_averaged(make_state, tmp_path, own_folder):
    shift = {}
    for fold in (1, 2):
        state = make_state("retrained", wrap="model.", mark=fold * (-1) ** fold)
        torch.save({"state_dict": state}, tmp_path / f"fold{fold}.ckpt")
        card = import_model(tmp_path / f"fold{fold}.ckpt")
        assert card.activation == "softmax"
        shift[fold] = load_card(card, "cpu").classify(CROPS, batch_size=2).classes
    (tmp_path / "notes.txt").write_text("not weights")
    both = import_model(sorted(tmp_path.glob("*.ckpt")), name="both")
    assert len(both.weights) == 2
    assert "2 averaged" in both.describe()
    given = load_card(both, "cpu").classify(CROPS, batch_size=2).classes
    assert given == pytest.approx((shift[1] + shift[2]) / 2, abs=2e-3)
    assert np.abs(shift[1] - shift[2]).max() > 0.01


@pytest.mark.usefixtures("untried", "own_folder")
@pytest.mark.parametrize("kind", ["list", "dict", "numbered", "folder"])
def test_members_come_in_one_file_or_a_folder(make_state, tmp_path, kind):
    members = [make_state("retrained", mark=mark) for mark in (1, 2, 3)]
    path = tmp_path / "my folds" / "all.pt"
    path.parent.mkdir()
    if kind == "folder":
        for number, member in enumerate(members):
            torch.save(member, path.with_name(f"{number}.pt"))
        path = path.parent
    elif kind == "numbered":
        flat = {
            f"models.{n}.model.{name}": value
            for n, member in enumerate(members)
            for name, value in member.items()
        }
        torch.save(flat, path)
    elif kind == "dict":
        torch.save(
            {f"fold_{n}": {"state_dict": m} for n, m in enumerate(members)}, path
        )
    else:
        torch.save(members, path)
    card = import_model(path)
    assert len(card.weights) == 3
    assert card.name == ("my-folds" if kind == "folder" else "all")
    biases = [load_file(file.path)["fc.bias"][1].item() for file in card.weights]
    assert biases == pytest.approx([0.1, 0.2, 0.3], abs=1e-3)


@pytest.mark.usefixtures("untried")
def test_what_is_asked_for_stands_over_the_layout(make_state, tmp_path, own_folder):
    torch.save(make_state(), tmp_path / "w.pt")
    options = ImportOptions(
        mpp=0.25,
        normalisation="training",
        std=(0.1, 0.2, 0.3),
        activation="softmax",
        size_px=112,
        whitened=True,
        license="CC-BY-4.0",
        version="2024-05",
        description="the laboratory's",
    )
    import_model(tmp_path / "w.pt", options, name="lab.v2")
    card = find_model("lab.v2")
    assert (card.mpp, card.size_px, card.whitened) == (0.25, 112, True)
    assert card.mean == (0.5642, 0.5026, 0.6960)
    assert card.std == (0.1, 0.2, 0.3)
    assert (card.activation, card.license) == ("softmax", "CC-BY-4.0")
    assert (card.title, card.description) == ("lab.v2 2024-05", "the laboratory's")


@pytest.mark.parametrize(
    "options",
    [
        {"mpp": 50},
        {"mpp": float("nan")},
        {"std": (1, 1, 0)},
        {"mean": (1, 1)},
        {"size_px": 5},
        {"activation": "relu"},
        {"normalisation": "imagenet"},
        {"normalisation": "none", "mean": (0.5, 0.5, 0.5)},
        {"normalisation": "none", "std": (0.2, 0.2, 0.2)},
        {"kind": "detector"},
        {"settings": (("temperature", -1),)},
    ],
)
@pytest.mark.usefixtures("untried")
def test_what_cannot_be_is_refused(make_state, tmp_path, own_folder, options):
    torch.save(make_state(), tmp_path / "w.pt")
    with pytest.raises(InvalidModelError) as caught:
        import_model(tmp_path / "w.pt", ImportOptions(**options))
    assert len(str(caught.value).splitlines()) == 1
    assert not files_in(own_folder)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mean": (142, 127, 177)}, "mean must be of channels in .*divide"),
        ({"std": (68, 72, 55)}, "std must be of channels in .*not 72: divide"),
        ({"std": (0, 0, 0)}, "std must be above 0"),
        ({"settings": (("yolo", 8), ("min_score", 0.9))}, "yolo can be set"),
        ({"settings": (("min_score", 0.9),)}, "for a detector only"),
        ({"settings": (("ignore_class_1", 1),)}, "for a YOLO only"),
    ],
)
@pytest.mark.usefixtures("untried", "own_folder")
def test_what_belongs_to_another_model_is_told(make_state, tmp_path, options, told):
    torch.save(make_state(), tmp_path / "w.pt")
    with pytest.raises(InvalidModelError, match=told):
        import_model(tmp_path / "w.pt", ImportOptions(**options))


@pytest.mark.usefixtures("own_folder")
def test_a_detector_has_no_activation(tmp_path):
    path = copy_bundled(DEFAULT_DETECTOR, tmp_path / "lab")
    with pytest.raises(InvalidModelError, match="for a classifier only"):
        import_model(path, ImportOptions(activation="sigmoid"), name="mine")


@pytest.mark.usefixtures("untried", "own_folder")
def test_safetensors_in_a_layout_are_recognised(make_state, tmp_path):
    state = {k: v.clone() for k, v in make_state("retrained", wrap="model.").items()}
    save_file(state, tmp_path / "w.safetensors")
    card = import_model(tmp_path / "w.safetensors")
    assert (card.name, card.activation) == ("w", "softmax")


@pytest.mark.usefixtures("untried", "own_folder")
def test_json_of_another_program_is_no_card(make_state, tmp_path):
    state = {k: v.clone() for k, v in make_state().items()}
    save_file(state, tmp_path / "w.safetensors")
    for number, text in enumerate(("{}", "[1]", '{"config": {"lr": 0.1}}')):
        (tmp_path / "w.json").write_text(text)
        assert import_model(tmp_path / "w.safetensors", name=f"w{number}").name


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


class SystemBomb:
    def __reduce__(self):
        return os.system, ("exit 1",)


def as_zip(path, names, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in names:
            archive.writestr(name, b"a" * 200)


def write_torchscript(path, _):
    as_zip(path, ["w/constants.pkl", "w/code/__torch__.py", "w/data.pkl"])


def write_truncated(path, state):
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-3000])


def write_cut_pickle(path, state):
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:3000])


REFUSED = {
    "empty": (lambda path, _: path.write_bytes(b""), "empty"),
    "jpeg": (lambda path, _: path.write_bytes(b"\xff\xd8\xff\xe0JFIF"), "JPEG"),
    "web page": (lambda path, _: path.write_bytes(b"<!DOCTYPE html>"), "web page"),
    "text": (lambda path, _: path.write_bytes(b"weights"), "something else"),
    "lfs": (lambda path, _: path.write_text("version https://git-lfs.x"), "Git LFS"),
    "pickle": (
        lambda path, _: path.write_bytes(pickle.dumps(Bomb())),
        "which can be code and is never loaded or run",
    ),
    "bomb": (lambda path, _: torch.save({"a": Bomb()}, path), "re-save the state dict"),
    "module": (
        lambda path, _: torch.save(torch.nn.Linear(2, 2), path),
        "pickled code or objects (torch.nn.modules.linear.Linear)",
    ),
    "hyper-parameters": (
        lambda path, state: torch.save(
            {"state_dict": state, "hyper_parameters": argparse.Namespace(lr=1)}, path
        ),
        'torch.save(checkpoint["state_dict"], "weights.pt")',
    ),
    "torchscript": (write_torchscript, "TorchScript"),
    "zip": (lambda path, _: as_zip(path, ["a.txt"]), "another zip archive"),
    "compressed": (
        lambda path, _: as_zip(path, ["w/data.pkl"], zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "truncated": (write_truncated, "damaged or incomplete"),
    "cut": (write_cut_pickle, "expected a state dict"),
    "numbers": (lambda path, _: torch.save([1, 2], path), "no tensors"),
    "nothing": (lambda path, _: torch.save({}, path), "no tensors"),
    "tensor": (
        lambda path, _: torch.save(torch.ones(3), path),
        "expected a state dict saved by torch.save, two tensors or more by their "
        "names; found 1 tensor of no state dict",
    ),
    "one tensor": (
        lambda path, _: torch.save({"w": torch.zeros(3)}, path),
        "found 1 tensor of no state dict",
    ),
    "tensors without names": (
        lambda path, _: torch.save([torch.ones(3), torch.ones(3)], path),
        "found 2 tensors of no state dict",
    ),
    "an optimiser alone": (
        lambda path, state: torch.save(
            {"optimizer": {"state": {0: state}, "param_groups": []}}, path
        ),
        "no tensors of weights",
    ),
    "average beside": (
        lambda path, state: torch.save(
            {"model": state, "ema": state, "opt": {"state": {0: state}}, "epoch": 2},
            path,
        ),
        "found model, ema: save the one",
    ),
    "average in a second entry": (
        lambda path, state: torch.save(
            {"state_dict": state, "ema_state_dict": state, "epoch": 2}, path
        ),
        "found state_dict, ema_state_dict: save the one",
    ),
    "average without names": (
        lambda path, state: torch.save(
            {"state_dict": state, "ema": {"shadow_params": list(state.values())}}, path
        ),
        "found state_dict, ema: save the one",
    ),
    "harm": (
        lambda path, _: torch.save({"a": SystemBomb()}, path),
        "it holds pickled code or objects (posix.system), which are never loaded or",
    ),
    "plain layers": (
        lambda path, _: torch.save(
            {f"net.{n}.weight": torch.ones(3, 3) for n in (0, 2)}, path
        ),
        "found 2 tensors, such as 'net.0.weight'",
    ),
    "other": (
        lambda path, _: torch.save(
            {"features.0.weight": torch.ones(3), "b": torch.ones(3)}, path
        ),
        "found 2 tensors, such as 'features.0.weight'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_state_dict_is_refused_in_one_line_and_never_run(
    make_state, tmp_path, own_folder, what
):
    write, hint = REFUSED[what]
    write(tmp_path / "w.pth", make_state())
    with pytest.raises(InvalidModelError) as caught:
        import_model(tmp_path / "w.pth")
    message = str(caught.value)
    assert message.startswith("w.pth is not a usable model: expected")
    assert message.count("is not a usable model") == 1
    assert hint in message
    assert len(message.splitlines()) == 1
    assert not files_in(own_folder)


@pytest.mark.parametrize(
    "before", ["models.{}.", "{}.", "models.{}.module.", "module.models.{}."]
)
@pytest.mark.parametrize("layout", ["original", "retrained"])
def test_members_that_are_numbered_in_one_state_dict_are_told_apart(
    make_state, tmp_path, before, layout
):
    members = [make_state(layout, mark=mark) for mark in (1, 2)]
    flat = {
        before.format(n) + name: value
        for n, member in enumerate(members)
        for name, value in member.items()
    }
    torch.save(flat, tmp_path / "w.pt")
    states = read_weights(tmp_path / "w.pt").states
    found = [recognise("w", state)[1] for state in states]
    last = list(found[0])[-1]
    assert [state[last][1].item() for state in found] == pytest.approx([0.1, 0.2], 1e-3)


@pytest.mark.parametrize("name", ["n_averaged", "module.n_averaged"])
def test_what_averaged_model_counts_is_no_weight(make_state, tmp_path, name):
    state = make_state(wrap="module.")
    torch.save({name: torch.tensor(3), **state}, tmp_path / "w.pt")
    (found,) = read_weights(tmp_path / "w.pt").states
    assert found.keys() == state.keys()


def test_numbers_beside_a_state_dict_are_no_second_network(make_state, tmp_path):
    beside = {"class_weights": torch.ones(23, 2), "metrics": {"f1": torch.ones(2, 2)}}
    torch.save({"state_dict": make_state(), **beside}, tmp_path / "w.pt")
    (found,) = read_weights(tmp_path / "w.pt").states
    assert found.keys() == make_state().keys()


@pytest.mark.parametrize("name", ["opt", "opt_state", "optimizer", "lr_scheduler"])
def test_what_serves_to_go_on_training_is_passed_over(make_state, tmp_path, name):
    state = {0: {"step": torch.ones(1), "exp_avg": torch.ones(3)}}
    torch.save({"model": make_state(), name: {"state": state}}, tmp_path / "w.pth")
    (found,) = read_weights(tmp_path / "w.pth").states
    assert found.keys() == make_state().keys()


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_damage_at_any_place_is_refused_or_harmless(tmp_path, ending):
    whole = {f"layer.{n}": torch.rand(3) for n in range(3)}
    path = tmp_path / f"w{ending}"
    if ending == ".pt":
        torch.save(whole, path, _use_new_zipfile_serialization=False)
    else:
        save_file(whole, path)
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        spoiled = bytearray(content)
        spoiled[place] ^= 0x5B
        path.write_bytes(spoiled)
        try:
            read_weights(path)
        except InvalidModelError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}',
    ],
)
def test_sizes_that_a_header_makes_up_are_refused(tmp_path, own_folder, header):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(InvalidModelError, match="complete safetensors"):
        import_model(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + header)
    with pytest.raises(InvalidModelError, match="complete safetensors"):
        import_model(path)
    assert not files_in(own_folder)


@pytest.mark.parametrize(
    "paths", [[], ["nowhere.pt"], ["x" * 5000], ["a\0b.pt"], ["."]]
)
def test_what_is_not_there_is_told(tmp_path, monkeypatch, own_folder, paths):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidModelError) as caught:
        import_model(paths)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("own_folder")
def test_members_must_differ_and_be_of_one_layout(make_state, tmp_path):
    torch.save(make_state(), tmp_path / "1.pt")
    torch.save(make_state("retrained"), tmp_path / "2.pt")
    with pytest.raises(InvalidModelError, match="same weights"):
        import_model([tmp_path / "1.pt", tmp_path / "1.pt"])
    with pytest.raises(InvalidModelError, match="one layout"):
        import_model([tmp_path / "1.pt", tmp_path / "2.pt"])


@pytest.mark.usefixtures("own_folder")
def test_the_same_onnx_file_is_no_second_member(save_classifier, tmp_path):
    path = save_classifier(tmp_path / "1.onnx", np.eye(3, 23))
    shutil.copy(path, tmp_path / "2.onnx")
    options = ImportOptions(kind="classifier", mpp=0.25)
    for other in (path, tmp_path / "2.onnx"):
        with pytest.raises(InvalidModelError, match="two hold the same weights"):
            import_model([path, other], options)


def copy_bundled(name, folder):
    card = find_model(name)
    folder.mkdir(exist_ok=True)
    shutil.copy(card.path, folder)
    shutil.copy(card.weights[0].path, folder)
    return folder / card.weights[0].path.name


@pytest.mark.parametrize("second", ["same", "copy"])
def test_a_card_does_not_name_the_same_weights_twice(tmp_path, own_folder, second):
    path = copy_bundled(DEFAULT_CLASSIFIER, tmp_path)
    other = shutil.copy(path, tmp_path / "copy.safetensors")
    card_path = path.with_suffix(".json")
    content = json.loads(card_path.read_text(encoding="utf-8"))
    weights = content["weights"]["safetensors"]
    weights["source"] = [path.name, path.name if second == "same" else other.name]
    weights["sha256"] *= 2
    card_path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InvalidModelError, match="two hold the same weights"):
        import_model(card_path, name="mine")
    assert files_in(own_folder) == []


@pytest.mark.parametrize("name", [DEFAULT_CLASSIFIER, DEFAULT_DETECTOR])
@pytest.mark.parametrize("given", ["weights", "card", "folder"])
def test_safetensors_come_with_their_card(tmp_path, own_folder, name, given):
    path = copy_bundled(name, tmp_path / "lab")
    given = {"weights": path, "card": path.with_suffix(".json"), "folder": path.parent}[
        given
    ]
    card = import_model(given, ImportOptions(version="9"), name="mine")
    bundled = find_model(name)
    assert find_model("mine") == card
    assert card.version == "9"
    assert card.weights[0].sha256 == bundled.weights[0].sha256
    assert (card.texts, card.settings) == (bundled.texts, bundled.settings)
    assert load_card(card, "cpu").spec.name == "mine 9"


def test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path, own_folder):
    path = copy_bundled(DEFAULT_DETECTOR, tmp_path / "lab")
    weights = load_file(path)
    key = next(k for k in weights if k.endswith("weight"))
    weights[key].view(-1)[0] = torch.nan
    save_file(weights, path)
    with pytest.raises(InvalidModelError, match="SHA-256"):
        import_model(path, name="mine")
    card = json.loads(path.with_suffix(".json").read_text())
    del card["weights"]["safetensors"]["sha256"]
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(InvalidModelError, match="NaN"):
        import_model(path, name="mine")
    card["weights"]["safetensors"]["source"] = ["other.safetensors"]
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(InvalidModelError, match="its card names other"):
        import_model(path, name="mine")
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InvalidModelError, match="its card"):
        import_model(path, name="mine")
    path.with_suffix(".json").unlink()
    with pytest.raises(InvalidModelError, match="expected a DeepHeme state dict"):
        import_model(path, name="mine")
    assert not files_in(own_folder)


def write_card(path, name, *, version, files=None):
    """Write another card of weights beside them."""
    content = json.loads(find_model(DEFAULT_DETECTOR).path.read_text())
    content["version"] = version
    entry = content["weights"]["safetensors"]
    if files:
        del entry["sha256"]
        entry["source"] = files
    (path.parent / name).write_text(json.dumps(content))
    return path.parent / name


def test_the_card_that_is_given_is_the_one_that_is_taken(tmp_path, own_folder):
    path = copy_bundled(DEFAULT_DETECTOR, tmp_path / "lab")
    named_so = write_card(path, path.with_suffix(".json").name, version="1")
    other = write_card(path, "a stricter one.json", version="2")
    for given, version in (
        (named_so, "1"),
        (other, "2"),
        ([path, other], "2"),
        ([other, path], "2"),
        # The one of their name is theirs.
        (path, "1"),
        (path.parent, "1"),
    ):
        card = import_model(given, name="mine", overwrite=True)
        assert (card.version, len(card.weights)) == (version, 1)
    with pytest.raises(InvalidModelError, match=f"found {named_so.name}, a stricter"):
        import_model([named_so, other], name="both")
    shutil.copy(path, path.parent / "more.safetensors")
    with pytest.raises(InvalidModelError, match=r"does not name more\.safetensors"):
        import_model([other, path.parent / "more.safetensors"], name="both")


def test_of_several_cards_of_weights_the_one_meant_is_asked_for(tmp_path, own_folder):
    path = copy_bundled(DEFAULT_DETECTOR, tmp_path / "lab")
    path.with_suffix(".json").unlink()
    write_card(path, "b.json", version="2")
    assert import_model(path, name="one").version == "2"
    write_card(path, "a.json", version="1")
    write_card(path, "another.json", version="3", files=["other.safetensors"])
    for given in (path, path.parent):
        with pytest.raises(InvalidModelError, match=r"cards, a\.json, b\.json: give"):
            import_model(given, name="mine")
    # A card of their name that is of other files stands in no one's way.
    write_card(
        path, path.with_suffix(".json").name, version="4", files=["other.safetensors"]
    )
    (path.parent / "a.json").unlink()
    assert import_model(path, name="mine").version == "2"
    (path.parent / "b.json").unlink()
    with pytest.raises(InvalidModelError, match="its card names other"):
        import_model(path, name="more")


@pytest.mark.usefixtures("untried")
def test_a_taken_name_is_refused_unless_it_may_be_replaced(
    make_state, tmp_path, own_folder
):
    for mark in (1, 2):
        torch.save(make_state(mark=mark), tmp_path / f"{mark}.pt")
    first = import_model(tmp_path / "1.pt", name="mine")
    before = files_in(own_folder)
    for name in ("mine", "MINE"):
        with pytest.raises(CannotWriteError, match="there already"):
            import_model(tmp_path / "2.pt", name=name)
    assert files_in(own_folder) == before
    second = import_model(tmp_path / "2.pt", name="mine", overwrite=True)
    assert files_in(own_folder) == sorted(["mine.json", second.weights[0].path.name])
    assert second.weights != first.weights
    again = import_model(tmp_path / "2.pt", name="mine", overwrite=True)
    assert again == second == find_model("mine")
    with pytest.raises(CannotWriteError, match="bundled"):
        import_model(tmp_path / "2.pt", name=DEFAULT_CLASSIFIER, overwrite=True)


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "..", "a\\b", ".a", "con", "nul.x", "a.", "é", "x" * 61, "a b", "a\n"],
)
@pytest.mark.usefixtures("untried")
def test_a_name_that_cannot_be_a_file_is_refused(make_state, tmp_path, name):
    torch.save(make_state(), tmp_path / "w.pt")
    with pytest.raises(InvalidModelError, match="expected a name"):
        import_model(tmp_path / "w.pt", name=name, folder=tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_checkpoint_may_hold_numbers_of_numpy(make_state, tmp_path):
    path = tmp_path / "epoch=3.ckpt"
    state = make_state()
    content = {"state_dict": state, "best": np.float64(0.9), "epoch": np.int64(3)}
    torch.save(content, path)
    (found,) = read_weights(path).states
    assert found.keys() == state.keys()


def test_a_checkpoint_with_an_array_of_numpy_is_refused(make_state, tmp_path):
    path = tmp_path / "epoch=3.ckpt"
    torch.save({"state_dict": make_state(), "curve": np.ones(3)}, path)
    with pytest.raises(InvalidModelError, match="re-save the state dict alone"):
        read_weights(path)
