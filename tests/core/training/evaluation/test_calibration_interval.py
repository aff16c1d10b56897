"""The interval of a calibration error, as often right as it says."""

import numpy as np
import pytest
from scipy.stats import binom

from napari_deepheme.core.training.evaluation.calibration_interval import (
    N_BINS,
    calibration_interval,
    confidence_bins,
)
from napari_deepheme.core.training.evaluation.scores import calibration_error

TIMES = 40

MODELS = {
    "calibrated": lambda confidence: confidence,
    "too sure": lambda confidence: np.clip(confidence - 0.1, 0, 1),
    "now too sure, now not": lambda c: np.clip(c + 0.12 * np.sin(9 * c), 0, 1),
}


def drawn(rng, n, accuracy_of):
    confidence = rng.beta(4, 1.3, n)
    return confidence.astype(np.float32), accuracy_of(confidence)


def true_error(accuracy_of):
    confidence, accuracy = drawn(np.random.default_rng(0), 500_000, accuracy_of)
    gaps = np.bincount(confidence_bins(confidence), confidence - accuracy, N_BINS)
    return np.abs(gaps).sum() / len(confidence)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        "calibrated",
        pytest.param("too sure", marks=pytest.mark.slow),
        pytest.param("now too sure, now not", marks=pytest.mark.slow),
    ],
)
def test_the_interval_holds_the_true_error_19_times_of_20(model):
    n, rng, hits = 150, np.random.default_rng(1), 0
    truth = true_error(MODELS[model])
    for _ in range(TIMES):
        confidence, accuracy = drawn(rng, n, MODELS[model])
        low, high = calibration_interval(confidence, rng.random(n) < accuracy)
        hits += low <= truth + 1e-6 and truth <= high
    assert hits / TIMES >= 0.9


def test_the_interval_holds_what_was_measured():
    rng = np.random.default_rng(3)
    for n in (1, 2, 30, 300):
        for _ in range(5):
            confidence, accuracy = drawn(rng, n, MODELS["calibrated"])
            right = rng.random(n) < accuracy
            low, high = calibration_interval(confidence, right)
            error = calibration_error(confidence, right)
            assert 0 <= low <= error + 1e-6
            assert error - 1e-6 <= high <= 1


@pytest.mark.parametrize(
    ("n", "confidence", "accuracy"),
    [(5, 0.99, 0.9), (10, 0.99, 0.9), (10, 0.95, 0.85), (50, 0.99, 0.97)],
)
def test_it_holds_the_true_error_where_few_cells_are_mostly_right(
    n, confidence, accuracy
):
    rng, hits = np.random.default_rng(5), 0
    sure = np.full(n, confidence, np.float32)
    for _ in range(TIMES):
        low, high = calibration_interval(sure, rng.random(n) < accuracy)
        hits += low - 1e-6 <= confidence - accuracy <= high + 1e-6
    assert hits / TIMES >= 0.93


@pytest.mark.parametrize(("n", "least"), [(1, 0.9), (9, 0.3), (50, 0.05)])
def test_cells_that_are_all_right_leave_open_what_chance_can_have_done(n, least):
    for confidence in (0.99, 1.0):
        sure = np.full(n, confidence, np.float32)
        low, high = calibration_interval(sure, np.ones(n, bool))
        assert low == 0
        # So often wrong, all n are right once in 40 times.
        assert high == pytest.approx(1 - 0.025 ** (1 / n), abs=0.03)
        assert high > least


def test_cells_as_often_right_as_is_said_leave_an_error_open():
    right = np.arange(20) > 0
    low, high = calibration_interval(np.full(20, 0.95, np.float32), right)
    assert low == 0
    assert 0.1 < high < 0.3


@pytest.mark.parametrize(
    ("n", "confidence", "n_right", "error"), [(9, 0.094, 0, 0.106), (9, 0.9, 9, 0.15)]
)
def test_a_gap_that_cannot_be_larger_can_be_on_the_other_side(
    n, confidence, n_right, error
):
    alike = np.full(n, confidence, np.float32)
    low, high = calibration_interval(alike, np.arange(n) < n_right)
    assert low < error < high < 0.5


@pytest.mark.parametrize("confidence", [0.094, 0.25, 0.65, 0.9])
@pytest.mark.parametrize("n", [1, 3, 9])
def test_whatever_the_accuracy_the_interval_of_few_cells_holds_the_true_error(
    n, confidence
):
    alike, n_right = np.full(n, confidence, np.float32), np.arange(n + 1)
    found = [calibration_interval(alike, np.arange(n) < k) for k in n_right]
    low, high = np.array(found).T
    for accuracy in (0.01, *np.arange(0.05, 1, 0.05), 0.99):
        error = abs(alike[0] - accuracy)
        is_held = (low - 1e-6 <= error) & (error <= high + 1e-6)
        assert binom.pmf(n_right, n, accuracy)[is_held].sum() >= 0.95


def test_the_interval_of_two_bins_holds_the_true_error():
    confidence = np.repeat(np.array([0.55, 0.95], np.float32), [6, 12])
    found = {
        (i, j): calibration_interval(
            confidence, np.concatenate([np.arange(6) < i, np.arange(12) < j])
        )
        for i in range(6 + 1)
        for j in range(12 + 1)
    }
    for at_low, at_high in ((0.8, 0.02), (0.8, 0.65), (0.2, 0.65)):
        error = (6 * abs(0.55 - at_low) + 12 * abs(0.95 - at_high)) / 18
        held = sum(
            binom.pmf(i, 6, at_low) * binom.pmf(j, 12, at_high)
            for (i, j), (low, high) in found.items()
            if low - 1e-6 <= error <= high + 1e-6
        )
        assert held >= 0.95
