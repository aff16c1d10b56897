"""A detector that is trained further on boxed pictures: what is learned and told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_model
from napari_deepheme.core.training.cells.boxed import BoxedPicture
from napari_deepheme.core.training.own.detector import (
    OwnDetectorFit,
    iter_detector_training,
)
from napari_deepheme.core.training.training_error import TrainingError

QUICK = OwnDetectorFit(n_steps=1, batch_size=2, canvas_px=32, device="cpu")


@pytest.fixture(autouse=True)
def one_thread():
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@pytest.fixture
def pictures(tmp_path):
    """Write 20 pictures of 64 px with a dark cell of 12 micrometres in each."""
    rng = np.random.default_rng(1)
    given = []
    for i in range(20):
        x, y = (int(v) for v in rng.integers(5, 35, 2))
        pixels = np.full((64, 64, 3), 235, np.uint8)
        pixels[y : y + 24, x : x + 24] = (110, 50, 140)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        boxes = np.array([(x, y, 24, 24)], np.float32)
        given.append(BoxedPicture(tmp_path / f"{i}.png", boxes, 0.5))
    return given


def train(pictures, out, name="own", config=QUICK):
    list(iter_detector_training(pictures, out, name, config))
    return ModelCard.read(out / f"{name}.json")


def test_a_second_training_holds_out_pictures_that_the_first_did_not_learn_from(
    pictures, tmp_path
):
    first = train(pictures[:10], tmp_path, "first")
    bundled = find_model(DEFAULT_DETECTOR).learned_marks
    assert len(first.learned_marks - bundled) == 8
    assert "; 8 own boxes, from peaknet-marrow" in first.description
    going_on = replace(QUICK, start_from=str(first.path))
    second = train(pictures, tmp_path, "second", going_on)
    assert len(second.learned_marks - bundled) == 16
    assert first.learned_marks < second.learned_marks
    assert not any("learned from" in text for text in second.texts["Limits"])
    assert second.texts["Data"][1].startswith("Of first 1: 10 own pictures: ")
    limits = second.texts["Limits"]
    assert "Of first 1: The held-out pictures also told when to stop" in str(limits)
    assert "Of peaknet-marrow" in limits[-1]


def test_a_card_says_that_held_out_pictures_were_learned_from_before(
    pictures, tmp_path
):
    first = train(pictures[:10], tmp_path, "first")
    going_on = replace(QUICK, start_from=str(first.path))
    swapped = [replace(p, split="train") for p in pictures[10:]]
    swapped += [replace(p, split="val") for p in pictures[:10]]
    second = train(swapped, tmp_path, "second", going_on)
    told = "8 held-out pictures of 10 are such as first 1 learned from"
    assert any(told in text for text in second.texts["Limits"])


@pytest.mark.parametrize(
    ("bare", "told"),
    [("train", "learned from"), ("val", "watched"), ("test", "judged")],
)
def test_a_side_without_a_box_is_refused(pictures, tmp_path, bare, told):
    nothing = np.empty((0, 4), np.float32)
    splits = ("train", "train", "val", "val", "test", "test")
    given = [
        replace(p, split=s, boxes=nothing if s == bare else p.boxes)
        for p, s in zip(pictures[:6], splits, strict=True)
    ]
    with pytest.raises(TrainingError, match=f"2 pictures that would be {told}"):
        next(iter_detector_training(given, tmp_path / "out", "own", QUICK))
    assert not (tmp_path / "out").exists()


def test_a_card_says_whose_pictures_stand_on_both_sides(pictures, tmp_path):
    words = ["train"] * 4 + ["val"] * 2
    given = [
        replace(p, split=word, patient=f"p{i % 3}")
        for i, (p, word) in enumerate(zip(pictures[:6], words, strict=True))
    ]
    card = train(given, tmp_path)
    told = "Pictures of 2 patients stand on both sides: the figures flatter."
    assert told in card.texts["Limits"]
    card = train(pictures[:6], tmp_path, "nameless")
    assert any("Patients are not told apart" in t for t in card.texts["Limits"])
