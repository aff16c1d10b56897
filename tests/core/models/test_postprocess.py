from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from napari_deepheme.core.models.cards.card import CLASSES, PHASES, TRAINING_ONLY
from napari_deepheme.core.models.postprocess import (
    mean_probabilities,
    mirrored_views,
    probabilities_of,
)
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_model
from napari_deepheme.core.taxonomy import class_index

CODES = ("M6", "ER4", "U4")


def card(outputs=None, activation="softmax", **settings):
    return replace(
        find_model(DEFAULT_CLASSIFIER),
        outputs=outputs or {CLASSES: CODES},
        activation=activation,
        settings=settings,
    )


def classes(logits, model):
    given = probabilities_of(np.array(logits, np.float32), model)[0]
    assert given.sum(axis=1) == pytest.approx(1)
    return given[:, [class_index(code) for code in CODES]]


def test_softmax_takes_a_temperature():
    logits = [[1.0, 2.0, -1.0]]
    assert classes(logits, card()) == pytest.approx(softmax(logits, axis=1))
    warm = softmax(np.array(logits) / 2, axis=1)
    assert classes(logits, card(temperature=2.0)) == pytest.approx(warm)


def test_sigmoids_are_divided_by_their_sum():
    logits = np.array([[1.0, 2.0, -1.0]])
    wanted = expit(logits) / expit(logits).sum()
    assert classes(logits, card(activation="sigmoid")) == pytest.approx(wanted)


def test_probabilities_of_a_network_itself_are_taken_as_they_are():
    given = [[0.5, 0.25, 0.25], [0.0, 0.0, 0.0]]
    taken = classes(given, card(activation="none"))
    assert taken == pytest.approx(np.array([[0.5, 0.25, 0.25], [1 / 3] * 3]))


def test_an_offset_makes_a_class_rarer():
    logits = [[1.0, 0.0, 1.0]]
    plain, offset = classes(logits, card()), classes(logits, card(offset_U4=-2.0))
    assert offset[0, 2] < plain[0, 2]
    assert offset[0, 0] / offset[0, 1] == pytest.approx(plain[0, 0] / plain[0, 1])


def test_doubt_flattens_what_a_network_cannot_identify():
    outputs = {CLASSES: CODES, TRAINING_ONLY: ("platelet", "not-identifiable")}
    model = card(outputs, doubt=2.0)
    sure, unsure = classes(
        [[3.0, 0.0, 0.0, 9.0, -9.0], [3.0, 0.0, 0.0, -9.0, 9.0]], model
    )
    # Doubt about identity counts, a likeness to platelets does not.
    assert sure == pytest.approx(softmax([3.0, 0.0, 0.0]), abs=1e-3)
    assert unsure == pytest.approx(softmax(np.array([3.0, 0, 0]) / np.exp(2)), abs=1e-3)


def test_phases_are_told_apart_by_their_own_outputs():
    outputs = {CLASSES: CODES, PHASES: ("metaphase", "prophase")}
    logits = np.array([[0.0, 0.0, 5.0, 2.0, 0.0]], np.float32)
    _, phases, lineages = probabilities_of(logits, card(outputs))
    p = softmax([2.0, 0.0])
    # The taxonomy's order is prophase, metaphase, anaphase, telophase.
    assert phases == pytest.approx(np.array([[p[1], p[0], 0, 0]]))
    assert (lineages == 0).all()


def test_members_and_views_are_averaged():
    crops = np.zeros((1, 4, 4, 3), np.uint8)
    crops[0, 0, 0] = 255

    def corner(value):
        def network(pixels):
            lit = float(pixels[0, 0, 0, 0] > 0)
            return np.array([[value * lit, 0.0, 0.0]], np.float32)

        return network

    given = mean_probabilities([corner(2.0), corner(4.0)], crops, card(n_views=2))
    parts = [softmax([v, 0, 0])[0] for v in (2.0, 4.0, 0.0, 0.0)]
    assert given.classes[0, class_index("M6")] == pytest.approx(np.mean(parts))


def test_the_eight_views_are_those_of_the_square():
    crop = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1).repeat(3, axis=3)
    views = mirrored_views(crop, 8)
    assert len({view.tobytes() for view in views}) == 8
    assert np.array_equal(views[0], crop)
    assert all(view[0, 1, 1, 0] == 4 for view in views)
