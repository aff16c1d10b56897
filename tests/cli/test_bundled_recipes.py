"""`train` and `evaluate` with `--recipe bundled`: what they ask for, and tell."""

import csv

import pytest

from napari_deepheme.cli import evaluate, run
from napari_deepheme.core.training import bundled
from napari_deepheme.core.training.evaluation import card_figures as figures
from napari_deepheme.core.training.evaluation.figure import Figure

TRAIN = ("train", "--recipe", "bundled", "--data", "data", "--out", "out")


@pytest.fixture
def asked(monkeypatch):
    """Note what is asked of the fits, which would take hours."""
    found = []

    def noted(name):
        return lambda data, out, **words: found.append((name, data.folder, out, words))

    monkeypatch.setattr(bundled, "train_classifier", noted("classifier"))
    monkeypatch.setattr(bundled, "train_detector", noted("detector"))
    return found


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (("classifier",), {"n_steps": 5600, "seed": 0, "without": ""}),
        (("detector",), {"n_steps": 7000, "seed": 0}),
        (("detector", "--steps", "3", "--seed", "4"), {"n_steps": 3, "seed": 4}),
        # As they are by default.
        (("detector", "--folds", "1", "--patience", "8"), {"n_steps": 7000, "seed": 0}),
        (
            ("classifier", "--steps", "9", "--without", "pbc"),
            {"n_steps": 9, "seed": 0, "without": "pbc"},
        ),
    ],
)
def test_the_recipe_of_the_model_asked_for_is_run(asked, capfd, words, settings):
    assert run([*TRAIN, *words]) == 0
    ((name, data, out, given),) = asked
    assert (name, str(data), str(out), given) == (words[0], "data", "out", settings)
    assert capfd.readouterr().out == "weights written to out\n"


@pytest.mark.parametrize("model", ["classifier", "detector"])
def test_data_that_is_not_there_is_named(refused, model):
    told = refused([*TRAIN, model])
    assert "manifest.csv" in told


def test_figures_are_told_and_written(monkeypatch, tmp_path, capfd):
    asked, nan = [], float("nan")

    def given(name, *told):
        def figures_of(models, *folders):
            asked.append((models, name, *map(str, folders)))
            yield from told

        monkeypatch.setattr(figures, name, figures_of)

    given("real_figures", Figure("lab", "F1 M3", 0.5, nan, nan, 8))
    given("grid_figures", Figure("grid", "found", 0.75, 0.4, 0.9, 4))
    given("rendered_figures", Figure("phantoms", "cells found", 1.0, 0.6, 1.0, 6))
    monkeypatch.setattr(evaluate, "load_models", lambda name, **_: f"models {name}")
    words = ["evaluate", "--recipe", "bundled", "--out", "out"]
    assert run(words) == 0
    assert asked == [("models None", "rendered_figures")]
    assert (
        capfd.readouterr().out == "phantoms: cells found 1.000 (0.600 to 1.000), n 6\n"
    )
    asked.clear()
    assert run([*words, "--data", "d", "--slides", "s", "--model", "ours"]) == 0
    names = ["real_figures", "grid_figures", "rendered_figures"]
    assert [(models, name) for models, name, *_ in asked] == [
        ("models ours", name) for name in names
    ]
    assert asked[0][2:] == ("d",)
    assert asked[1][2].endswith("bma-cells.svs")
    assert capfd.readouterr().out.splitlines()[0] == "lab: F1 M3 0.500, n 8"
    with (tmp_path / "out" / "figures.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["source"] for row in rows] == ["lab", "grid", "phantoms"]
    assert rows[1] == {
        **{"source": "grid", "what": "found", "value": "0.7500"},
        **{"low": "0.4000", "high": "0.9000", "n": "4"},
    }
