import numpy as np
import pytest

from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.core.training.evaluation.scores import (
    area_under_curve,
    calibration_error,
    macro_f1,
)


def test_any_code_of_a_set_hits_it():
    probabilities = np.zeros((2, 23), np.float32)
    probabilities[0, class_index("E1")] = 1
    probabilities[1, class_index("E4")] = 1
    assert macro_f1(probabilities, ["E1|E4", "E1|E4"]) == 1


def test_the_area_under_a_curve_counts_pairs_and_half_of_the_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(6, size=40).astype(np.float32)
    own = rng.random(40) < 0.4
    pairs = [(a, b) for a in scores[own] for b in scores[~own]]
    wins = sum(a > b for a, b in pairs) + sum(a == b for a, b in pairs) / 2
    assert area_under_curve(scores, own, ~own) == pytest.approx(wins / len(pairs))


def test_calibration_error_is_the_gap_between_confidence_and_truth():
    confidence = np.full(10, 0.9, np.float32)
    right = np.array([True] * 6 + [False] * 4)
    assert calibration_error(confidence, right) == pytest.approx(0.3)
