"""`napari-deepheme models import`, `download` and `remove`."""

import pytest
import torch

from napari_deepheme.cli import run
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_model


def bundled_weights():
    return str(find_model(DEFAULT_DETECTOR).weights[0].path)


def test_a_model_is_imported_listed_and_removed(tmp_path, capfd):
    words = ["models", "import", bundled_weights(), "--name", "mine"]
    assert run([*words, "--version", "7", "--min-score", "0.5"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("imported mine 7 (detector)")
    assert err == ""
    assert run(["models", "list"]) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("mine 7 detector: ")
    assert run(["models", "info", "mine"]) == 0
    assert "min_score 0.5" in capfd.readouterr().out
    assert run(["models", "remove", "mine"]) == 0
    assert capfd.readouterr().out == "removed mine 7\n"
    assert list((tmp_path / "own").iterdir()) == []


def test_a_damaged_card_is_told_and_can_be_taken_out(tmp_path, capfd, refused):
    words = ["models", "import", bundled_weights(), "--name", "mine"]
    assert run(words) == 0
    card = tmp_path / "own" / "mine.json"
    card.write_text("{")
    capfd.readouterr()
    assert run(["models", "list"]) == 0
    told = capfd.readouterr().err
    assert told.startswith("napari-deepheme: left out: mine is not a usable model: ")
    assert f"its card {card} is damaged: Expecting" in told
    assert "models remove mine" in told
    assert len(told.splitlines()) == 1
    assert "mine.json is damaged" in refused(["models", "info", "mine"])
    assert run(["models", "remove", "mine"]) == 0
    assert "removed mine, whose card was damaged" in capfd.readouterr().out
    assert not card.exists()
    assert run(words) == 0


@pytest.mark.not_on_windows
def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path, capfd, monkeypatch):
    folder = tmp_path / ("x" * 300)
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(folder))
    assert run(["models", "list"]) == 0
    out, told = capfd.readouterr()
    assert len(out.splitlines()) == 2
    assert told.startswith(f"napari-deepheme: left out: the models in {folder}: ")


def test_options_reach_the_import(monkeypatch):
    given = {}

    def import_model(files, options, **others):
        given.update(files=files, options=options, **others)
        return find_model(DEFAULT_DETECTOR)

    monkeypatch.setattr("napari_deepheme.cli.models_import.import_model", import_model)
    words = "models import a.pt b.pt --name n --kind classifier --mpp 0.25 --overwrite"
    words += " --mean 0.1,0.2,0.3 --activation none --size 112 --whitened"
    words += " --normalisation training --version 2 --license MIT --description d"
    words += " --min-score 0.3 --yolo 5 --ignore-class 1,2"
    assert run(words.split()) == 0
    assert [str(path) for path in given["files"]] == ["a.pt", "b.pt"]
    assert (given["name"], given["overwrite"]) == ("n", True)
    assert given["options"] == ImportOptions(
        kind="classifier",
        mpp=0.25,
        normalisation="training",
        mean=(0.1, 0.2, 0.3),
        activation="none",
        size_px=112,
        whitened=True,
        license="MIT",
        version="2",
        description="d",
        settings=(
            ("min_score", 0.3),
            ("yolo", 5.0),
            ("ignore_class_1", 1.0),
            ("ignore_class_2", 1.0),
        ),
    )
    assert run(["models", "import", "a.pt", "--std", "1,2,3"]) == 0
    assert given["options"] == ImportOptions(std=(1, 2, 3))


@pytest.mark.parametrize(
    "words",
    [
        "import",
        "import a.pt --mean 1,2",
        "import a.pt --std a,b,c",
        "import a.pt --mean nan,0,0",
        "import a.pt --activation relu",
        "import a.pt --kind oracle",
        "import a.pt --size 0",
        "import a.pt --min-score 2",
        "import a.pt --yolo 6",
        "import a.pt --ignore-class x",
        "download",
        "remove",
    ],
)
def test_wrong_usage_ends_with_2(words, refused):
    refused(["models", *words.split()], status=2)


def test_foreseen_failures_are_told_in_one_line(tmp_path, refused, monkeypatch):
    monkeypatch.delenv("NAPARI_DEEPHEME_INDEX", raising=False)
    (tmp_path / "photo.pth").write_bytes(b"\xff\xd8\xff\xe0")
    torch.save({"a.weight": torch.ones(2), "a.bias": torch.ones(2)}, "other.pt")
    torch.save(torch.nn.Linear(2, 2), "module.pt")
    for words, hint in (
        ("import gone.pth", "o such file"),
        ("import photo.pth", "JPEG"),
        ("import other.pt", "expected a DeepHeme state dict"),
        ("import module.pt", "never loaded"),
        (f"import {bundled_weights()}", "bundled"),
        (f"import {bundled_weights()} --name a/b", "expected a name"),
        (f"import {bundled_weights()} --name m --mpp 99", "cannot be right"),
        ("remove nobody", "nobody"),
        ("remove peaknet-marrow", "belongs to the plugin"),
        ("download nobody", "no public one yet"),
        ("download nobody --index http://example.org/i.json", "only https"),
        ("download nobody --index gone.json", "gone.json"),
    ):
        assert hint in refused(["models", *words.split()])
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("action", ["import", "download", "remove"])
def test_each_help_shows_an_example(action, capfd):
    assert run(["models", action, "--help"]) == 0
    assert f"example: napari-deepheme models {action}" in capfd.readouterr().out
