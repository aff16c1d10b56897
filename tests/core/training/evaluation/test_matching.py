import numpy as np

from napari_deepheme.core.training.evaluation.matching import match_centres


def test_a_detection_serves_one_mark_only():
    found = np.array([[0.0, 0.0]])
    truth = np.array([[1.0, 0.0], [-2.0, 0.0]])
    assert match_centres(found, truth, np.array([5.0, 5.0])).tolist() == [0, -1]
    assert match_centres(found, truth, np.array([0.5, 0.5])).tolist() == [-1, -1]
