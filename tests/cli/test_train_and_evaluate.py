import csv
import json
import logging
import shutil
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.cli import run
from napari_deepheme.cli import train as train_command
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.training.evaluation import by_group
from napari_deepheme.core.training.own import classifier as own_classifier
from napari_deepheme.core.training.own.registering import register_model

pytestmark = pytest.mark.usefixtures("torch_alone", "rendered_once")

COLOURS = {"M3": (150, 60, 120), "L2": (60, 40, 130)}


@pytest.fixture
def cells(tmp_path):
    """Write a folder by class: pictures of 24 px."""
    folder = tmp_path / "cells"
    rng = np.random.default_rng(0)
    for code, colour in COLOURS.items():
        (folder / code).mkdir(parents=True)
        for i in range(6):
            pixels = np.full((24, 24, 3), 235.0)
            pixels[6:18, 6:18] = colour
            pixels += rng.normal(0, 8, pixels.shape)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / code / f"{i}.png")
    return folder


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "mine"))


@pytest.fixture(autouse=True)
def few_views(monkeypatch):
    """Let a step learn from 8 views."""
    few = partial(own_classifier.OwnFit, batch_size=8)
    monkeypatch.setattr(own_classifier, "OwnFit", few)


def train(*words):
    start = ["train", "classifier", "--data", "cells", "--out", "out", "--mpp", "0.9"]
    return run([*start, "--device", "cpu", "--steps", "2", *words])


def test_a_card_tells_the_command_without_the_folders_before_those_it_names():
    options = Namespace(
        model="classifier",
        data=Path("/home/ann/Doe 1961/cells"),
        out=Path("/home/ann/models"),
        mpp=0.25,
        start_from="/home/ann/base.json",
        epochs=None,
        steps=2,
        folds=1,
        snapshots=1,
        patience=8,
        seed=0,
    )
    assert train_command._command(options, "ours") == (
        "napari-deepheme train classifier --data cells --out models --name ours --mpp "
        "0.25 --from base.json --steps 2 --folds 1 --snapshots 1 --patience 8 --seed 0"
    )


def test_a_trained_classifier_is_registered_and_judged(cells, tmp_path, capfd):
    assert train("--name", "ours", "--register") == 0
    told = capfd.readouterr()
    assert "registered: --model ours" in told.out
    assert "held out: loss" in told.err
    card = find_model("ours")
    assert card.license == "CC-BY-NC-SA-4.0"
    assert "--steps 2" in card.texts["Reproduce"][0]
    words = ["evaluate", "--cells", "cells", "--mpp", "0.9", "--out", "report"]
    models = ["--model", "ours", "--model", "litenet-marrow", "--device", "cpu"]
    assert run([*words, *models]) == 0
    told = capfd.readouterr()
    assert "ours 1: macro F1" in told.out
    assert "ours 1 learned from 10 of these 12 cells: the figures are of" in told.err
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {
        "calibration.csv",
        "confusion.csv",
        "figures.csv",
        "predictions.csv",
        "report.html",
    }
    with (tmp_path / "report" / "predictions.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 24


def test_a_stopped_run_says_how_to_go_on(cells, tmp_path, monkeypatch, capfd):
    follow = train_command._follow

    def stop_at_once(told):
        next(item for item in told if not isinstance(item, str))
        told.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "_follow", stop_at_once)
    assert train() == 130
    assert "the same command goes on from here" in capfd.readouterr().err
    assert (tmp_path / "out" / "own-classifier.fold1.pt").exists()
    monkeypatch.setattr(train_command, "_follow", follow)
    assert train("--seed", "1") == 1
    assert "--overwrite" in capfd.readouterr().err
    assert train() == 0
    card = json.loads((tmp_path / "out" / "own-classifier.json").read_text())
    assert card["name"] == "own-classifier"


@pytest.mark.parametrize("name", ["ours", "OURS", "litenet-marrow"])
def test_a_name_that_is_taken_is_refused_before_the_training(
    cells, tmp_path, refused, name
):
    card = find_model("litenet-marrow")
    register_model(replace(card, name="ours"))
    before = sorted((tmp_path / "mine").iterdir())
    words = ["train", "classifier", "--data", "cells", "--mpp", "0.9", "--steps", "2"]
    told = refused([*words, "--out", "out", "--name", name, "--register"])
    remedy = "has that name (choose another name)"
    assert (remedy if name == card.name else "or give --overwrite") in told
    assert not (tmp_path / "out").exists()
    assert sorted((tmp_path / "mine").iterdir()) == before


def test_a_name_that_was_taken_during_the_training_says_how_to_go_on(tmp_path, capfd):
    card = find_model("litenet-marrow")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ours.json").write_text("{}")
    with pytest.raises(CannotWriteError, match="already"):
        train_command._register(replace(card, name="ours"), overwrite=False)
    assert f"models import {card.path}" in capfd.readouterr().err
    train_command._register(replace(card, name="ours"), overwrite=True)
    assert "registered: --model ours" in capfd.readouterr().out


TRAIN = ("train", "classifier", "--out", "o")
DETECTOR = ("train", "detector", "--out", "o")
EVALUATE = ("evaluate", "--out", "o")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*TRAIN, "--data", "nowhere"), "nowhere"),
        ((*TRAIN, "--data", "cells"), "--mpp"),
        ((*DETECTOR, "--data", "nowhere"), "nowhere"),
        (EVALUATE, "--cells"),
        ((*EVALUATE, "--cells", "cells"), "--mpp"),
        (
            (*EVALUATE, "--cells", "cells", "--mpp", "0.9", "--split", "test"),
            "no cell of cells is of split test",
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(cells, refused, words, told):
    assert told in refused(words)


def test_epochs_and_steps_exclude_each_other(refused):
    words = ["train", "classifier", "--data", "d", "--out", "o"]
    assert "--steps" in refused([*words, "--epochs", "1", "--steps", "1"], status=2)


def test_a_detector_goes_on_from_the_bundled_one(tmp_path, capfd):
    rng = np.random.default_rng(1)
    rows = [("file", "class", "x", "y", "width", "height")]
    for i in range(5):
        pixels = np.full((96, 96, 3), 235, np.uint8)
        x, y = (int(v) for v in rng.integers(5, 60, 2))
        pixels[y : y + 24, x : x + 24] = (110, 50, 140)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows += [(f"{i}.png", "WBC", x, y, 24, 24), (f"{i}.png", "RBC", 1, 1, 9, 9)]
    with (tmp_path / "boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    words = ["train", "detector", "--data", ".", "--mpp", "0.5", "--out", "out"]
    assert run([*words, "--device", "cpu", "--steps", "2"]) == 0
    assert "of the cells found, n 1" in capfd.readouterr().out
    card = find_model(str(tmp_path / "out" / "own-detector.json"))
    assert card.kind == "detector"
    assert "4 own boxes" in card.description
    assert logging.getLogger("napari_deepheme").handlers


@pytest.mark.usefixtures("cells")
def test_a_folder_that_cannot_be_made_is_told_before_a_model_is_judged(
    refused, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        by_group, "evaluate_classifier", lambda *_, **__: pytest.fail("judged")
    )
    (tmp_path / "taken").write_text("mine")
    words = ["evaluate", "--cells", "cells", "--mpp", "0.9", "--out"]
    assert "it is there, and no folder" in refused([*words, "taken"])
    assert "cannot write" in refused([*words, "taken/report"])


@pytest.mark.usefixtures("cells")
def test_models_of_one_name_are_told_apart_by_where_they_lie(tmp_path, capfd):
    assert train("--name", "ours", "--out", "one") == 0
    shutil.copytree("one", "two")
    models = [f"{folder}/ours.json" for folder in ("one", "two")]
    words = ["evaluate", "--cells", "cells", "--mpp", "0.9", "--out", "report"]
    for model in (*models, models[0]):
        words += ["--model", model]
    assert run([*words, "--device", "cpu"]) == 0
    names = [f"ours 1 ({model})" for model in models]
    told = capfd.readouterr().out
    assert all(f"{name}: macro F1" in told for name in names)
    with (tmp_path / "report" / "predictions.csv").open() as stream:
        told = [row["model"] for row in csv.DictReader(stream)]
    assert told == [name for name in names for _ in range(12)]


@pytest.mark.usefixtures("cells")
def test_pictures_that_are_named_twice_or_bear_no_class_are_told(tmp_path, capfd):
    rows = ["file,classes", *["cells/M3/0.png,M3"] * 3, "cells/L2/0.png,L2"]
    rows += ["cells/L2/1.png,macrophage", "cells/L2/2.png,unnamed"]
    rows += ["cells/L2/3.png,macrophage", "cells/L2/4.png,unidentified"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    words = ["evaluate", "--cells", "t.csv", "--mpp", "0.9", "--out", "report"]
    assert run([*words, "--device", "cpu"]) == 0
    told = capfd.readouterr()
    assert "t.csv: 2 rows are left out" in told.err
    # What shows none of the classes is judged by whether it is doubted.
    assert "3 cells are left out, of none of the classes: " in told.err
    assert "2 macrophage" in told.err
    assert "1 unnamed" in told.err
    assert "n 2" in told.out
