from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from napari_deepheme.core.errors import OblongPixelsError, UnknownMppError
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.slide import ArraySlide, plausible_mpp
from napari_deepheme.core.slide.mpp import mpp_doubt

DARK = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("mpp", [0.05, 0.225, 1.2, (0.25, 0.3)])
def test_a_plausible_mpp_is_given(mpp: float | tuple[float, float]) -> None:
    slide = ArraySlide(DARK, mpp=mpp)
    assert plausible_mpp(slide) == slide.mpp


@pytest.mark.parametrize("mpp", [0.049, 1.21, 25_400.0, (0.25, 0.4)])
def test_an_absurd_mpp_is_refused(mpp: float | tuple[float, float]) -> None:
    slide = ArraySlide(DARK, mpp=mpp, name="a.svs")
    with pytest.raises(UnknownMppError) as caught:
        plausible_mpp(slide)
    assert caught.value.slide == "a.svs"
    assert caught.value.stated == slide.mpp


def test_pixels_that_are_not_square_are_refused_for_that() -> None:
    slide = ArraySlide(DARK, mpp=(0.25, 0.5), name="a.svs")
    with pytest.raises(OblongPixelsError, match=r"0.25 x 0.5 .* not square") as caught:
        plausible_mpp(slide)
    # What would squash the cells is not recommended.
    assert "--mpp" not in str(caught.value)
    assert plausible_mpp(slide, mpp=0.25) == Mpp(0.25, 0.25)
    with pytest.raises(UnknownMppError, match="seen at cell level"):
        plausible_mpp(ArraySlide(DARK, mpp=(0.25, 25_400.0)))


def test_a_slide_that_states_none_needs_one() -> None:
    slide = ArraySlide(DARK)
    with pytest.raises(UnknownMppError, match="states no pixel size"):
        plausible_mpp(slide)
    assert plausible_mpp(slide, mpp=0.5) == Mpp(0.5, 0.5)


@pytest.mark.parametrize("mpp", [0.0, -0.25, nan, inf, 3.0])
def test_an_override_is_judged_too(mpp: float) -> None:
    with pytest.raises(UnknownMppError):
        plausible_mpp(ArraySlide(DARK, mpp=0.25), mpp=mpp)


@pytest.mark.parametrize("mpp", [0.0, -0.25, nan, inf, (0.25, nan)])
def test_an_override_that_is_no_length_is_refused_at_once(
    mpp: float | tuple[float, float],
) -> None:
    with pytest.raises(UnknownMppError):
        ArraySlide(DARK, mpp=mpp)


def test_another_pixel_size_than_the_slide_states_is_told_with_both() -> None:
    slide = ArraySlide(DARK, mpp=0.25, name="a.svs")
    told = "a.svs states 0.25 µm per pixel, 0.5 are taken, as given"
    assert mpp_doubt(slide, mpp=0.5) == told
    assert mpp_doubt(slide, mpp=None) == mpp_doubt(slide, mpp=0.2501) == ""
    for wrong in (None, 25_400.0):
        assert mpp_doubt(ArraySlide(DARK, mpp=wrong), mpp=0.25) == ""
