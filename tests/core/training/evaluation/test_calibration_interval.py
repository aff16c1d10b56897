"""The interval of a calibration error, as often right as it says."""

import numpy as np
import pytest

from napari_deepheme.core.training.evaluation.calibration_interval import (
    N_BINS,
    calibration_interval,
    confidence_bins,
)
from napari_deepheme.core.training.evaluation.scores import calibration_error

TIMES = 80

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


@pytest.mark.parametrize("model", MODELS)
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


def test_a_classifier_that_is_sure_and_always_right_has_no_error():
    sure = np.ones(50, np.float32)
    assert calibration_interval(sure, np.ones(50, bool)) == (0, 0)
