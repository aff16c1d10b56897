import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.registry import (
    find_model,
    load_classifier,
    load_exact_classifier,
)
from napari_deepheme.core.models.torch.weights import load_networks
from napari_deepheme.core.training.cells.named import name_cells
from napari_deepheme.core.training.evaluation.compare import compare_models
from napari_deepheme.core.training.evaluation.measures import measure
from napari_deepheme.core.training.own import classifier as own_classifier
from napari_deepheme.core.training.own import data as own_data
from napari_deepheme.core.training.own.card import _learned_from
from napari_deepheme.core.training.own.classifier import (
    OwnFit,
    held_out_cells,
    iter_classifier_training,
)
from napari_deepheme.core.training.own.run import RunFolder, sha256_of
from napari_deepheme.core.training.own.task import imprint, runner_of
from napari_deepheme.core.training.progress import FitProgress
from napari_deepheme.core.training.tensor_files import write_weights
from napari_deepheme.core.training.training_error import TrainingError

pytestmark = pytest.mark.usefixtures("torch_alone", "rendered_once")

SCRATCH = OwnFit(
    start_from=None,
    n_steps=60,
    batch_size=16,
    learning_rate=0.01,
    size_px=32,
    device="cpu",
    arguments={"widths": [4, 6, 8], "n_blocks": 1},
)


@pytest.fixture(autouse=True)
def one_thread():
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def train(cells, out, config, name="own", **options):
    told = list(iter_classifier_training(cells, out, name, config, **options))
    steps = [item for item in told if isinstance(item, FitProgress)]
    return ModelCard.read(out / f"{name}.json"), steps


def begin(run):
    """Go on to the first look at the held-out cells."""
    return next(item for item in run if isinstance(item, FitProgress))


def weights_of(card):
    return [load_file(file.path) for file in card.weights]


def test_a_classifier_from_scratch_learns_and_tells_its_progress(painted, tmp_path):
    cells = painted({"M3": 24, "L2": 24})
    card, told = train(cells, tmp_path, SCRATCH)
    assert card.class_codes == ("L2", "M3")
    assert card.license == "NOASSERTION"
    looks = [item for item in told if item.val_loss is not None]
    assert looks[-1].val_loss < looks[0].val_loss
    assert told[-1].step == 60 or "no better" in told[-1].message
    assert [item.step for item in told] == sorted(item.step for item in told)
    given = name_cells(load_classifier(str(card.path), device="cpu"), cells)
    assert np.allclose(given.sum(axis=1), 1, atol=1e-5)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_a_model_is_gone_on_from_and_keeps_licence_outputs_and_what_it_learned(
    painted, write_tiny_model, tmp_path
):
    outputs = {
        "class_code": ("L2", "M3", "M6"),
        "training_only": ("not-identifiable",),
        "mitotic_phase": ("prophase", "metaphase"),
    }
    base = write_tiny_model(
        outputs=outputs, license="CC-BY-NC-SA-4.0", learned_from={"L2": "rendered"}
    )
    cells = painted({"M3": 12, "M4": 12, "L2": 12})
    config = OwnFit(start_from=str(base.path), n_steps=6, batch_size=8, device="cpu")
    card, _ = train(cells, tmp_path, config, command="napari-deepheme train ...")
    assert card.license == "CC-BY-NC-SA-4.0"
    assert card.class_codes == ("L2", "M3", "M6", "M4")
    assert card.outputs["mitotic_phase"] == ("prophase", "metaphase")
    # A fifth of the 12 a class is held out.
    assert card.learned_from["L2"] in ("9 own, rendered", "10 own, rendered")
    assert card.learned_from["M4"] in ("9 own", "10 own")
    assert card.rendered_only == ()
    assert "tiny 1" in card.description
    assert card.texts["Reproduce"] == ("napari-deepheme train ...",)
    assert any("n 6" in text or "n 7" in text for text in card.texts["Figures"])
    assert card.weights[0].sha256
    given = name_cells(load_classifier(str(card.path), device="cpu"), cells)
    assert given.shape == (36, 23)


@pytest.fixture
def with_bfloat16(monkeypatch):
    """Let the processor be one that is faster in bfloat16."""
    able = {"amx_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)


@pytest.mark.usefixtures("with_bfloat16")
def test_outputs_are_judged_in_single_precision(painted, write_tiny_model):
    card = write_tiny_model()
    (network,) = load_networks(card)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    given = runner_of(network, card, "cpu").run(pixels, batch_size=4)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (card.mean, card.std))
    with torch.inference_mode():
        views = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
        wanted = network(views).numpy()
    assert given == pytest.approx(wanted, abs=1e-5)


@pytest.mark.usefixtures("with_bfloat16")
def test_figures_of_a_card_are_those_of_the_model_in_single_precision(
    painted, tmp_path
):
    cells = painted({"M3": 12, "L2": 12})
    config = replace(SCRATCH, n_steps=2)
    card, _ = train(cells, tmp_path, config)
    held_out = held_out_cells(cells, config)
    exact = load_exact_classifier(str(card.path), device="cpu")
    report = measure(name_cells(exact, held_out), [c.targets[0] for c in held_out])
    told = f"named right {report.accuracy}, calibration error {report.calibration}, n"
    assert told in card.texts["Figures"][0]
    assert "in single precision" in card.texts["Limits"][0]


def test_a_card_says_a_temperature_was_set_where_it_was(painted, tmp_path):
    quick = replace(SCRATCH, n_steps=2)
    few, _ = train(painted({"M3": 10, "L2": 10}), tmp_path, quick, "few")
    told = "The held-out cells also told when to stop: their figures flatter."
    assert told in few.texts["Limits"]
    assert few.settings["temperature"] == 1
    cells = painted({"M3": 60, "L2": 60})
    cells = [replace(c, split="val" if i % 2 else "train") for i, c in enumerate(cells)]
    many, _ = train(cells, tmp_path, quick, "many")
    told = "cells also told when to stop and set the temperature: their figures"
    assert any(told in text for text in many.texts["Limits"])
    assert many.settings["temperature"] != 1
    # Snapshots are taken whatever the held-out cells say.
    snapshots = replace(quick, n_snapshots=2)
    kept, _ = train(cells[50:70], tmp_path, snapshots, "kept")
    assert not any("The held-out cells also" in text for text in kept.texts["Limits"])


def test_what_was_said_of_the_start_is_told_as_said_of_it(
    painted, write_tiny_model, tmp_path
):
    said = {
        "Data": ("Rendered cells.",),
        "Limits": ("Lymphocytes were learned from rendered cells alone.",),
    }
    base = write_tiny_model(learned_from={"L2": "rendered"}, texts=said)
    cells = painted({"M3": 10, "L2": 10})
    going_on = OwnFit(start_from=str(base.path), n_steps=2, batch_size=8, device="cpu")
    first, _ = train(cells, tmp_path, going_on, "first")
    assert first.rendered_only == ()
    limit = "Of tiny 1: Lymphocytes were learned from rendered cells alone."
    assert first.texts["Limits"][-1] == limit
    assert first.texts["Data"][-1] == "Of tiny 1: Rendered cells."
    more = painted({"M3": 10, "L2": 10}, first=50)
    going_on = replace(going_on, start_from=str(first.path))
    second, _ = train(more, tmp_path, going_on, "second")
    assert second.texts["Limits"][-1] == limit
    assert "Of first 1: Figures are of own cells alone" in str(second.texts["Limits"])


@pytest.mark.parametrize(
    "activation", ["softmax", pytest.param("sigmoid", marks=pytest.mark.slow)]
)
def test_fine_tuning_betters_the_own_classes_and_spares_the_others(
    painted, tmp_path, activation
):
    learned = painted({"M3": 40, "M6": 40, "L2": 40, "ER4": 40})
    long = replace(SCRATCH, n_steps=150, patience=99, stain=0.05)
    base, _ = train(learned, tmp_path, long, name="base")
    base = replace(base, activation=activation)
    base.write(base.path)
    going_on = OwnFit(
        start_from=str(base.path),
        n_steps=80,
        batch_size=32,
        learning_rate=0.01,
        patience=99,
        stain=0.05,
        device="cpu",
    )
    own = painted({"M4": 40}, first=100) + painted({"M3": 40}, first=100)
    new, _ = train(own, tmp_path, going_on, name="new")
    test = painted({"M3": 20, "M4": 20, "M6": 20, "L2": 20, "ER4": 20}, first=300)
    models = [load_classifier(str(c.path), device="cpu") for c in (base, new)]
    result = compare_models(*models, test)
    by_class = {c.target: c for c in result.classes}
    assert by_class["M4"].old_recall == 0
    assert by_class["M4"].new_recall > 0.7
    assert by_class["M3"].new_recall >= by_class["M3"].old_recall
    assert result.new_accuracy > result.old_accuracy
    assert result.n_only_new - result.n_only_old == round(
        result.n * (result.new_accuracy - result.old_accuracy)
    )
    # Sigmoids of a softmax's logits are no model to be spared.
    spared = ("M6", "L2", "ER4") if activation == "softmax" else ("L2",)
    for code in spared:
        assert by_class[code].new_recall > by_class[code].old_recall - 0.3


def test_folds_and_snapshots_are_members_of_one_ensemble(painted, tmp_path):
    cells = painted({"M3": 12, "L2": 12}, patients=6)
    config = replace(SCRATCH, n_steps=8, n_folds=3, n_snapshots=2)
    card, told = train(cells, tmp_path, config)
    assert [file.path.name for file in card.weights] == [
        f"own-{i}.safetensors" for i in range(1, 7)
    ]
    assert {item.fold for item in told} == {0, 1, 2}
    assert told[-1].n_folds == 3
    assert any("by patient, 6 of them: 3 folds" in t for t in card.texts["Data"])
    assert any("n 24" in text for text in card.texts["Figures"])
    first, second = weights_of(card)[:2]
    assert not torch.equal(first["head.weight"], second["head.weight"])


@pytest.fixture
def averaged(write_tiny_model):
    """Give a model of three networks, averaged."""
    card, files = write_tiny_model(), []
    for seed in range(3):
        (file,) = write_tiny_model(seed=seed).weights
        # Beside the card.
        path = card.path.with_name(f"tiny-{seed}.safetensors")
        files.append(replace(file, path=shutil.copy(file.path, path)))
    replace(card, weights=tuple(files)).write(card.path)
    return ModelCard.read(card.path)


def test_each_network_of_an_averaged_model_is_the_one_to_beat(
    painted, averaged, tmp_path
):
    cells = painted({"M3": 12, "L2": 12})
    said = []
    config = OwnFit(start_from=str(averaged.path), n_steps=4, device="cpu")
    # So high a rate betters nothing: the whole model stays as it was.
    wild = replace(config, learning_rate=1e4, batch_size=8)
    card, told = train(cells, tmp_path, wild, tell=said.append)
    for old, new in zip(weights_of(averaged), weights_of(card), strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)
    assert {item.fold for item in told} == {0, 1, 2}
    assert {item.n_folds for item in told} == {3}
    assert told[-1].message.startswith("network 3 of 3, step ")
    assert said == ["Gone on from each of the 3 networks of tiny 1."]
    assert said[0] in card.texts["Data"]


def test_networks_that_folds_do_not_go_on_from_are_told(painted, averaged, tmp_path):
    cells = painted({"M3": 12, "L2": 12})
    said = []
    config = OwnFit(start_from=str(averaged.path), n_steps=2, n_folds=2, device="cpu")
    config = replace(config, batch_size=8)
    card, _ = train(cells, tmp_path, config, tell=said.append)
    assert len(card.weights) == 2
    assert said == [
        "Gone on from 2 of the 3 networks of tiny 1, one a fold: a single split, or 3 "
        "folds, take all."
    ]
    assert said[0] in card.texts["Data"]


def test_a_new_class_begins_from_cells_that_its_network_learns_from(
    painted, write_tiny_model, tmp_path, monkeypatch
):
    seen = []

    def spy(network, start, data, rows, device):
        seen.append(set(rows.tolist()))
        imprint(network, start, data, rows, device)

    monkeypatch.setattr(own_classifier, "imprint", spy)
    cells = painted({"M4": 12, "L2": 12})
    base = write_tiny_model(codes=("L2", "M3"))
    config = OwnFit(start_from=str(base.path), n_steps=2, n_folds=3, batch_size=8)
    card, _ = train(cells, tmp_path, replace(config, device="cpu"))
    assert card.class_codes == ("L2", "M3", "M4")
    held_out = [set(range(len(cells))) - rows for rows in seen]
    assert [len(rows) for rows in held_out] == [8, 8, 8]
    assert set.union(*held_out) == set(range(len(cells)))


def test_cells_that_sigmoids_have_no_output_for_are_told_by_word(
    painted, write_tiny_model, tmp_path
):
    cells = painted({"M3": 15, "L2": 12})
    words = ["platelet"] * 2 + ["not-identifiable"]
    cells[:3] = [
        replace(cell, targets=(word,))
        for cell, word in zip(cells[:3], words, strict=True)
    ]
    base = write_tiny_model(activation="sigmoid")
    said = []
    config = OwnFit(start_from=str(base.path), n_steps=2, batch_size=8, device="cpu")
    card, _ = train(cells, tmp_path, config, tell=said.append)
    assert said == [
        "Left out: 1 cell of not-identifiable, 2 cells of platelet; a model with "
        "sigmoid outputs has none for what is none of the classes."
    ]
    assert said[0] in card.texts["Data"]
    soft = write_tiny_model(activation="softmax")
    said.clear()
    config = replace(config, start_from=str(soft.path))
    train(cells, tmp_path / "soft", config, tell=said.append)
    assert said == []


def test_a_side_of_cells_that_sigmoids_have_no_output_for_is_refused(
    painted, write_tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(own_data, "N_RENDERED", 1)
    cells = painted({"M3": 8, "L2": 8})
    nobody_s = [replace(cell, targets=("not-identifiable",)) for cell in cells[:6]]
    base = write_tiny_model(activation="sigmoid")
    config = OwnFit(start_from=str(base.path), n_steps=2, batch_size=8, device="cpu")
    for split, other, told in (("val", "train", "watch"), ("train", "val", "learn")):
        stated = [replace(cell, split=other) for cell in cells]
        stated += [replace(cell, split=split) for cell in nobody_s]
        match = f"nothing to {told} .*6 cells of not-identifiable"
        with pytest.raises(TrainingError, match=match):
            begin(iter_classifier_training(stated, tmp_path / "out", "own", config))
        assert not list((tmp_path / "out").glob("*"))


def test_a_card_says_whose_cells_stand_on_both_sides(painted, tmp_path):
    cells = painted({"M3": 12, "L2": 12}, patients=3)
    cells = [
        replace(c, split="val" if i == 0 else "train") for i, c in enumerate(cells)
    ]
    card, _ = train(cells, tmp_path, replace(SCRATCH, n_steps=2))
    assert "Split as the table states it: 23 to learn" in card.texts["Data"][1]
    told = "Cells of 1 patient stand on both sides: the figures flatter."
    assert told in card.texts["Limits"]


def test_a_run_that_was_closed_goes_on_and_ends_as_one_that_was_not(painted, tmp_path):
    cells = painted({"M3": 10, "L2": 10})
    config = replace(SCRATCH, n_steps=20)
    whole, _ = train(cells, tmp_path / "whole", config)
    run = iter_classifier_training(cells, tmp_path / "parts", "own", config)
    for item in run:
        if isinstance(item, FitProgress) and item.step == 7:
            break
    run.close()
    assert (tmp_path / "parts" / "own.fold1.pt").exists()
    resumed, rest = train(cells, tmp_path / "parts", config)
    assert rest[0].step > 7
    for a, b in zip(
        weights_of(whole)[0].values(), weights_of(resumed)[0].values(), strict=True
    ):
        assert torch.equal(a, b)
    assert whole.settings == resumed.settings
    assert whole.texts["Figures"] == resumed.texts["Figures"]


def test_an_unfinished_run_is_not_mixed_with_other_settings_or_cells(painted, tmp_path):
    cells = painted({"M3": 10, "L2": 10})
    run = iter_classifier_training(cells, tmp_path, "own", SCRATCH)
    begin(run)
    run.close()
    other = replace(SCRATCH, learning_rate=0.02)
    with pytest.raises(TrainingError, match="--overwrite"):
        begin(iter_classifier_training(cells, tmp_path, "own", other))
    with pytest.raises(TrainingError, match="other settings or cells"):
        begin(iter_classifier_training(cells[:-1], tmp_path, "own", SCRATCH))
    again = iter_classifier_training(cells, tmp_path, "own", other, overwrite=True)
    assert begin(again).step == 0
    again.close()


def test_an_unfinished_run_is_not_mixed_with_another_input_of_its_start(
    painted, write_tiny_model, tmp_path
):
    card = write_tiny_model()
    cells = painted({"M3": 10, "L2": 10})
    config = OwnFit(start_from=str(card.path), n_steps=4, device="cpu")
    run = iter_classifier_training(cells, tmp_path, "own", config)
    begin(run)
    run.close()
    replace(card, mean=(0.2, 0.9, 0.1)).write(card.path)
    with pytest.raises(TrainingError, match="other settings"):
        begin(iter_classifier_training(cells, tmp_path, "own", config))


def weights_file(path, number):
    write_weights(path, {"weight": torch.tensor([number])})
    return WeightsFile(path, sha256_of([path.read_bytes()]))


def test_no_file_of_another_model_in_the_folder_is_touched(write_tiny_model, tmp_path):
    card = write_tiny_model()
    other = weights_file(tmp_path / "ours-1.safetensors", 1.0)
    replace(card, name="ours-1", weights=(other,)).write(tmp_path / "ours-1.json")
    (tmp_path / "ours.fold1.fold1.pt").touch()
    run, members = RunFolder(tmp_path, "ours"), [{"weight": torch.ones(1)}] * 2
    run.begin({}, overwrite=False)
    run.checkpoint(0).touch()
    weights = run.write_weights(members)
    assert [w.path.name for w in weights] == [
        "ours-1_2.safetensors",
        "ours-2.safetensors",
    ]
    run.finish(replace(card, name="ours", weights=(*weights, other)))
    run.begin({"again": 1}, overwrite=True)
    run.finish(replace(card, name="ours", weights=run.write_weights(members[:1])))
    assert {path.name for path in tmp_path.iterdir()} == {
        "ours.json",
        "ours.safetensors",
        "ours-1.json",
        "ours-1.safetensors",
        "ours.fold1.fold1.pt",
    }
    assert sha256_of([other.path.read_bytes()]) == other.sha256


def test_a_finished_model_is_not_written_over_unasked(write_tiny_model, tmp_path):
    run = RunFolder(tmp_path, "ours")
    run.begin({}, overwrite=False)
    run.finish(write_tiny_model())
    with pytest.raises(TrainingError, match=r"ours\.json is there .* --overwrite"):
        run.begin({}, overwrite=False)
    run.begin({"again": 1}, overwrite=True)
    run.begin({"again": 1}, overwrite=False)


def test_a_second_training_in_the_folder_of_a_running_one_is_refused(painted, tmp_path):
    cells, config = painted({"M3": 10, "L2": 10}), replace(SCRATCH, n_steps=20)
    running = iter_classifier_training(cells, tmp_path, "own", config)
    begin(running)
    other = replace(config, seed=1)
    with pytest.raises(TrainingError, match="a training of own goes on in"):
        train(cells, tmp_path, other, overwrite=True)
    train(cells, tmp_path, other, "beside")
    for _ in running:
        pass
    whole, _ = train(cells, tmp_path / "whole", config)
    card = ModelCard.read(tmp_path / "own.json")
    assert [w.sha256 for w in card.weights] == [w.sha256 for w in whole.weights]


@pytest.mark.not_on_windows
def test_a_run_killed_by_force_and_resumed_ends_bit_for_bit_as_another(
    painted, tmp_path
):
    cells = painted({"M3": 10, "L2": 10})
    config = replace(SCRATCH, n_steps=200)
    process = start_process(cells, tmp_path / "killed", config)
    checkpoint = tmp_path / "killed" / "own.fold1.pt"
    state = wait_for(checkpoint, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < state < 200
    resumed, _ = train(cells, tmp_path / "killed", config)
    whole, _ = train(cells, tmp_path / "whole", config)
    for a, b in zip(
        weights_of(whole)[0].values(), weights_of(resumed)[0].values(), strict=True
    ):
        assert torch.equal(a, b)


SCRIPT = """
import pickle, sys
from pathlib import Path
import torch
from napari_deepheme.core.training.own.classifier import iter_classifier_training

torch.set_num_threads(1)
cells, out, config = pickle.loads(Path(sys.argv[1]).read_bytes())
for _ in iter_classifier_training(cells, out, "own", config):
    pass
"""


def start_process(cells, out, config):
    import pickle

    out.mkdir()
    job = out.parent / "job.pickle"
    job.write_bytes(pickle.dumps((cells, out, config)))
    words = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(job)]
    return subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"})


def wait_for(checkpoint, process):
    """Return the step of the first checkpoint that is under way."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None
        if checkpoint.exists():
            step = torch.load(checkpoint, weights_only=True)["step"]
            if step:
                return step
        time.sleep(0.02)
    raise AssertionError("no checkpoint was written")


def test_what_cannot_be_trained_is_told(painted, write_tiny_model, tmp_path):
    cells = painted({"M3": 4, "L2": 4})

    def refuse(cells, config, match, name="own"):
        with pytest.raises(TrainingError, match=match):
            begin(iter_classifier_training(cells, tmp_path, name, config))

    going_on = OwnFit(start_from=str(write_tiny_model().path), device="cpu")
    refuse([], SCRATCH, "two classes")
    refuse(painted({"M3": 4}), SCRATCH, "two classes")
    refuse(painted({"M3": 1, "L2": 1})[:1] * 2, SCRATCH, "two classes")
    refuse(painted({"M3": 12}), going_on, "two classes at least, these are of M3:")
    nameless = [replace(c, targets=("not-identifiable",)) for c in cells]
    refuse(nameless, going_on, "these are of none:")
    refuse([*nameless, *cells[:4]], going_on, "these are of M3:")
    few_steps = replace(SCRATCH, n_steps=2, n_snapshots=5)
    refuse(cells, few_steps, "2 steps end no 5 cycles")
    few_epochs = replace(few_steps, n_steps=None, n_epochs=1)
    refuse(cells, few_epochs, "1 steps end no 5 cycles")
    assert not list(tmp_path.iterdir())
    refuse(cells, SCRATCH, "cannot be a model's name", name="../up")
    given = write_tiny_model(activation="none")
    refuse(cells, OwnFit(start_from=str(given.path), device="cpu"), "itself")
    with pytest.raises(ValueError, match="four pictures"):
        OwnFit(batch_size=1)


def test_the_cells_held_out_are_those_that_the_fit_does_not_draw(painted):
    cells = painted({"M3": 20, "L2": 20})
    held = held_out_cells(cells, SCRATCH)
    assert len(held) == 8
    marked = [replace(c, split="test" if i < 3 else "") for i, c in enumerate(cells)]
    assert held_out_cells(marked, SCRATCH) == marked[:3]
    assert held_out_cells(cells, replace(SCRATCH, n_folds=4)) == []


def test_a_second_training_is_judged_by_cells_that_the_first_did_not_learn_from(
    painted, tmp_path
):
    cells = painted({"M3": 20, "L2": 15})
    quick = replace(SCRATCH, n_steps=2)
    first, _ = train(cells, tmp_path, quick, name="first")
    held = held_out_cells(cells, quick)
    learned = {cell.path for cell in cells} - {cell.path for cell in held}
    assert len(first.learned_marks) == len(learned)
    more = cells + painted({"M3": 8, "L2": 8}, first=50)
    going_on = OwnFit(start_from=str(first.path), n_steps=2, batch_size=8, device="cpu")
    judged = held_out_cells(more, going_on)
    assert len(judged) in (9, 10)
    assert not learned & {cell.path for cell in judged}
    second, _ = train(more, tmp_path, going_on, name="second")
    assert len(second.learned_marks) == len(more) - len(judged)
    assert not any("learned from" in text for text in second.texts["Limits"])
    # Nothing is counted twice, by the base's card and anew.
    numbers = [
        sum(int(n) for n in re.findall(r"(\d+) own", card.learned_from[code]))
        for card in (first, second)
        for code in ("M3", "L2")
    ]
    assert sum(numbers[:2]) == len(first.learned_marks)
    assert sum(numbers[2:]) == len(second.learned_marks)


def test_cells_of_a_set_leave_a_class_among_those_learned_from_rendered_cells(painted):
    cells = [replace(c, targets=("E1", "E4")) for c in painted({"M3": 3})]
    base = find_model("litenet-marrow")
    sources = _learned_from(base, cells, base)
    assert sources["E1"] == "3 own that are E1 or E4, rendered"
    assert sources["E4"].startswith("3 own that are E1 or E4, real")
    assert replace(base, learned_from=sources).rendered_only == base.rendered_only


def test_a_known_cell_that_is_now_of_another_class_is_counted_there(painted, tmp_path):
    cells = painted({"M3": 10, "L2": 10})
    first, _ = train(cells, tmp_path, replace(SCRATCH, n_steps=2, n_folds=2), "first")
    before = {"M3": "10 own, rendered", "L2": "10 own", "B1": "rendered"}
    replace(first, learned_from=before).write(first.path)
    corrected = [
        replace(c, targets=("B1",)) if i < 4 else c for i, c in enumerate(cells)
    ]
    going_on = OwnFit(
        start_from=str(first.path), n_steps=2, n_folds=2, batch_size=8, device="cpu"
    )
    second, _ = train(corrected, tmp_path, going_on, "second")
    assert second.learned_from == {**before, "B1": "4 own, rendered"}


def test_a_card_says_how_many_held_out_cells_its_start_learned_from(painted, tmp_path):
    cells = painted({"M3": 10, "L2": 10})
    first, _ = train(cells, tmp_path, replace(SCRATCH, n_steps=2, n_folds=2), "first")
    going_on = OwnFit(start_from=str(first.path), n_steps=2, batch_size=8, device="cpu")
    second, _ = train(cells, tmp_path, going_on, "second")
    told = (
        "4 held-out cells of 4 are such as first 1 learned from: the figures flatter."
    )
    assert told in second.texts["Limits"]
    models = [load_classifier(str(c.path), device="cpu") for c in (first, second)]
    judged = held_out_cells(cells, going_on)
    assert compare_models(*models, judged, base=first).n_known == 4
    assert compare_models(*models, judged).n_known == 0
    unmarked = replace(first, learned_marks=frozenset())
    assert compare_models(*models, judged, base=unmarked).n_known is None
    unmarked.write(first.path)
    third, _ = train(cells, tmp_path, going_on, "third")
    told = "Which cells first 1 learned from is not known"
    assert any(told in text for text in third.texts["Limits"])
