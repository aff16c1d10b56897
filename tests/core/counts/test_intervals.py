import math

import pytest

from napari_deepheme.core.counts.intervals import wilson


def test_wilson_interval_of_the_textbook():
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-3)
    assert all(math.isnan(v) for v in wilson(0, 0))
