import math
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from napari_deepheme.core.errors import OutOfMemoryError
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.training.own.loop import LoopConfig, Task, iter_loop
from napari_deepheme.core.training.own.losses import (
    absent_loss,
    distance_loss,
    forgetting_loss,
    naming_loss,
)
from napari_deepheme.core.training.own.network import start_from, target_rows
from napari_deepheme.core.training.training_error import TrainingError

SLOPE = 3.0


def task(look=None, largest=None):
    def draw(rng):
        x = torch.from_numpy(rng.normal(size=(8, 1))).float()
        return x, SLOPE * x

    def loss(network, batch):
        x, y = batch
        if largest is not None and len(x) > largest:
            raise torch.cuda.OutOfMemoryError("pretended")
        return ((network(x) - y) ** 2).mean()

    def away(network):
        return abs(float(network.weight.detach()) - SLOPE), None

    return Task(draw, loss, look or away, lambda network: network.train())


def line():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    return network


def run(tmp_path, config, digest="", **options):
    told = []
    loop = iter_loop(
        line(),
        task(**options),
        config,
        checkpoint=tmp_path / "state.pt",
        digest=digest,
    )
    while True:
        try:
            told.append(next(loop))
        except StopIteration as end:
            return end.value, told


@pytest.fixture(autouse=True)
def in_single_precision(monkeypatch):
    monkeypatch.setattr(
        "napari_deepheme.core.training.own.loop.reduced_precision", lambda _: None
    )


def test_a_loop_ends_at_the_best_weights_that_it_has_seen(tmp_path):
    values = iter([5.0, 2.0, 1.0, 4.0, 4.0, 4.0])
    config = LoopConfig(100, 0.1, look_every=2, patience=3)
    (best,), told = run(tmp_path, config, look=lambda _: (next(values), 0.5))
    looks = [item for item in told if item.val_loss is not None]
    assert [item.step for item in looks] == [0, 2, 4, 6, 8, 10]
    assert "no better since step 4" in looks[-1].message
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["finished"]
    assert not torch.equal(best["weight"], state["network"]["weight"])


def test_the_weights_at_the_start_are_kept_where_nothing_is_better(tmp_path):
    values = iter([1.0, 2.0, 3.0])
    config = LoopConfig(100, 0.1, look_every=2, patience=2)
    (best,), _ = run(tmp_path, config, look=lambda _: (next(values), None))
    assert float(best["weight"]) == 0


def test_snapshots_are_taken_at_the_end_of_each_cycle(tmp_path):
    members, told = run(tmp_path, LoopConfig(60, 0.2, n_cycles=3, look_every=7))
    assert len(members) == 3
    assert told[-1].step == 60
    assert float(members[-1]["weight"]) == pytest.approx(SLOPE, abs=0.3)
    assert len({float(m["weight"]) for m in members}) == 3


def test_each_step_is_told_so_that_a_fit_can_be_stopped_there(tmp_path):
    _, told = run(tmp_path, LoopConfig(60, 0.1, look_every=30, patience=9))
    assert [item.step for item in told] == list(range(61))


def test_a_checkpoint_of_another_training_is_not_gone_on_from(tmp_path):
    config = LoopConfig(20, 0.1, look_every=5)
    (whole,), _ = run(tmp_path, config, "ours")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    _, again = run(tmp_path, config, "ours")
    assert again == []
    (anew,), told = run(tmp_path, config, "another's")
    assert told[0].step == 0
    assert torch.equal(anew["weight"], whole["weight"])
    # As an earlier version left it.
    del saved["digest"]
    torch.save(saved, tmp_path / "state.pt")
    _, again = run(tmp_path, config, "ours")
    assert again == []


def test_short_memory_halves_the_batch_and_ends_alike(tmp_path):
    config = LoopConfig(20, 0.1, look_every=5)
    (whole,), _ = run(tmp_path, config)
    (tmp_path / "state.pt").unlink()
    (parts,), _ = run(tmp_path, config, largest=2)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["largest_batch"] == 2
    assert float(parts["weight"]) == pytest.approx(float(whole["weight"]), abs=1e-4)
    (tmp_path / "state.pt").unlink()
    with pytest.raises(OutOfMemoryError):
        run(tmp_path, config, largest=0)


@pytest.fixture
def card(write_tiny_model):
    return write_tiny_model(
        outputs={
            "class_code": ("L2", "M3", "M6"),
            "training_only": ("not-identifiable",),
            "mitotic_phase": ("prophase", "anaphase"),
        }
    )


def test_any_code_of_a_set_is_right(card):
    rows = target_rows(card, [("L2", "M3"), ("not-identifiable",), ("B1",)])
    assert rows.int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    logits = torch.tensor([[0.0, 20.0, 0, 0, 0, 0], [0, 0, 0, 20.0, 0, 0]])
    assert float(naming_loss(logits, rows[:2], card, smoothing=0.0)) < 1e-6
    wrong = torch.tensor([[0.0, 0, 20.0, 0, 0, 0], [20.0, 0, 0, 0, 0, 0]])
    bounded = naming_loss(wrong, rows[:2], card, smoothing=0.02)
    assert float(bounded) == pytest.approx(-math.log(0.02), abs=1e-3)


def test_with_sigmoids_the_other_members_of_a_set_are_left_in_peace(card):
    card = replace(card, activation="sigmoid")
    targets = target_rows(card, [("L2", "M3")])
    low, high = (
        torch.tensor([[9.0, -9, -9, -9, 0, 0]]),
        torch.tensor([[9.0, 8.9, -9, -9, 0, 0]]),
    )
    for logits in (low, high):
        assert float(naming_loss(logits, targets, card, smoothing=0.0)) < 0.01
    neither = torch.tensor([[-9.0, -9, 9, -9, 0, 0]])
    assert float(naming_loss(neither, targets, card, smoothing=0.0)) > 17


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_class_without_cells_is_not_unlearned_for_want_of_them(card, activation):
    card = replace(card, activation=activation)
    targets = target_rows(card, [("M3",)])
    prior = torch.tensor([1e-3, 1.0, 1e-3, 1e-3, 1e-3, 1e-3])

    def pull(prior):
        logits = torch.zeros(1, 6, requires_grad=True)
        naming_loss(logits, targets, card, smoothing=0.0, prior=prior).backward()
        return float(logits.grad[0, 2])

    assert pull(prior) < pull(None) / 50
    assert pull(prior) >= 0


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_what_stays_as_it_was_costs_no_more_than_before(card, activation):
    card = replace(card, activation=activation)
    before = torch.tensor([[1.0, 0.5, -1, 0, 2, 0]])
    same = float(forgetting_loss(before, before, card))
    for column in (0, 3, 4):
        moved = before.clone()
        moved[0, column] += 2
        assert float(forgetting_loss(moved, before, card)) > same + 0.05


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_classes_with_cells_may_change_places_among_themselves(card, activation):
    card = replace(card, activation=activation)
    absent = torch.tensor([False, False, True, True, False, False])
    before = torch.tensor([[1.0, 0.5, -1, 0, 2, 0]])
    swapped = before[:, [1, 0, 2, 3, 4, 5]]
    same = float(absent_loss(before, before, absent, card))
    assert float(absent_loss(swapped, before, absent, card)) == pytest.approx(same)
    moved = before + torch.tensor([[0, 0, 3.0, 0, 0, 0]])
    assert float(absent_loss(moved, before, absent, card)) > same + 0.05


def test_the_distance_of_weights_is_squared():
    network = line()
    start = {"weight": torch.full((1, 1), 2.0)}
    assert float(distance_loss(network, start).detach()) == 4


def test_new_classes_get_rows_and_the_others_say_what_they_said(card):
    start = start_from(str(card.path), {("M4",), ("L2",), ("platelet",)})
    assert start.card.outputs == {
        "class_code": ("L2", "M3", "M6", "M4"),
        "training_only": ("not-identifiable", "platelet"),
        "mitotic_phase": ("prophase", "anaphase"),
    }
    assert start.known.tolist() == [True, True, True, False, True, False, True, True]
    x = torch.randn(2, 3, 32, 32)
    plain = start_from(str(card.path), {("L2",)})
    assert plain.card == plain.base
    with torch.no_grad():
        wide = start.network(0, 0).eval()(x)
        old = plain.network(0, 0).eval()(x)
    assert torch.allclose(wide[:, start.known], old, atol=1e-6)
    assert (wide[:, 3] <= start.networks[0].head.bias.max()).all()


def test_a_set_that_the_model_knows_in_part_needs_no_new_row(card):
    start = start_from(str(card.path), {("M3", "M4")})
    assert start.card == ModelCard.read(card.path)


def test_a_refusal_survives_pickling():
    error = TrainingError("two  words")
    assert str(pickle.loads(pickle.dumps(error))) == "two words"
