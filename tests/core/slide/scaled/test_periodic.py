from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.torch.resampling import resize
from napari_deepheme.core.slide import ArraySlide, PixelGrid, read_grid
from napari_deepheme.core.slide.scaled.periodic import PERIOD, PeriodicResampler
from napari_deepheme.core.slide.scaled.resample import resample, source_of

RESAMPLER = PeriodicResampler(resize)
NOISE = np.random.default_rng(3).integers(0, 256, (420, 500, 3), dtype=np.uint8)
WHOLE = Region(0, 0, 500, 420)
RATIOS = st.sampled_from([(2.0, 2.0), (63 / 32, 2.0), (29 / 32, 1.0), (5.25, 70 / 32)])
WINDOWS = st.builds(
    Region,
    st.integers(-30, 80),
    st.integers(-30, 80),
    st.integers(1, 150),
    st.integers(1, 150),
)


def slide() -> ArraySlide:
    return ArraySlide(NOISE, mpp=Mpp(0.25, 0.25), name="noise")


def through(window: Region, ratio: tuple[float, float]) -> np.ndarray:
    return read_grid(slide(), PixelGrid(*ratio), window, resampler=RESAMPLER).pixels


@settings(max_examples=60, deadline=None)
@given(ratio=RATIOS, one=WINDOWS, other=WINDOWS)
def test_a_pixel_is_the_same_whichever_window_it_is_resampled_through(
    ratio: tuple[float, float], one: Region, other: Region
) -> None:
    shared = one.intersection(other)
    first, second = (
        through(window, ratio)[
            shared.y - window.y : shared.bottom - window.y,
            shared.x - window.x : shared.right - window.x,
        ]
        for window in (one, other)
    )
    np.testing.assert_array_equal(first, second)


@settings(max_examples=40, deadline=None)
@given(ratio=RATIOS, window=WINDOWS)
def test_it_is_the_filter_of_pillow_but_for_rounding(
    ratio: tuple[float, float], window: Region
) -> None:
    slow = read_grid(slide(), PixelGrid(*ratio), window).pixels.astype(int)
    np.testing.assert_allclose(through(window, ratio), slow, atol=2)


def test_where_pixels_do_not_repeat_pillow_does_it() -> None:
    window, ratio = Region(10, 20, 90, 70), (1.977, 2.0)
    source = source_of(window, ratio).intersection(WHOLE)
    pixels = NOISE[source.y : source.bottom, source.x : source.right]
    np.testing.assert_array_equal(
        RESAMPLER(pixels, source, window, ratio),
        resample(pixels, source, window, ratio),
    )


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.977, 2.2, 4.0001, 0.001])
def test_a_periodic_grid_is_near_the_one_it_is_made_of(scale: float) -> None:
    made = PixelGrid(scale, 2 * scale).periodic(PERIOD)
    assert (made.scale_x * PERIOD).is_integer()
    assert made.scale_x > 0
    if scale > 0.1:
        assert abs(made.scale_x - scale) <= 1 / (2 * PERIOD)
        assert abs(made.scale_y - 2 * scale) <= 1 / (2 * PERIOD)
