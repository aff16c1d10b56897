"""What words of the command line are understood as."""

import argparse

import pytest

from napari_deepheme.cli.arguments import mpp


@pytest.mark.parametrize("text", ["0.25", "0,25", ".25", ",25"])
def test_a_pixel_size_has_a_point_or_a_comma_before_its_decimals(text):
    assert mpp(text) == 0.25


@pytest.mark.parametrize(
    "text", ["0,2,5", "1,000.25", "0.2,5", "0,2,", ",", "wide", ""]
)
def test_a_pixel_size_that_is_not_one_number_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="number of micrometres"):
        mpp(text)
