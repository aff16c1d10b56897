"""A detector that is trained further on boxed pictures: what is learned and told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.training.cells.boxed import BoxedPicture
from napari_deepheme.core.training.own.detector import (
    OwnDetectorFit,
    iter_detector_training,
)

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
    assert len(first.learned_marks) == 8
    going_on = replace(QUICK, start_from=str(first.path))
    second = train(pictures, tmp_path, "second", going_on)
    assert len(second.learned_marks) == 16
    assert first.learned_marks < second.learned_marks
    assert not any("learned from" in text for text in second.texts["Limits"])


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
