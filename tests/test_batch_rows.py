"""What a batch says of a slide that was not done."""

from pathlib import Path

from napari_deepheme.batch_rows import Failure
from napari_deepheme.core.errors import OblongPixelsError, UnknownMppError
from napari_deepheme.core.runs.result_folders import AskedSlide

ASKED = AskedSlide(Path("there/a.tif"), Path("cohort/a"), "a.tif")


def test_a_slide_without_a_pixel_size_is_given_one_for_itself_alone():
    failure = Failure.of(UnknownMppError("a.tif", None), ASKED)
    command = f"batch {ASKED.path} --mpp 0.25 --out cohort"
    assert failure.words == (
        "a.tif states no pixel size that can be right: give it for this slide alone, "
        f"for example {command}"
    )
    assert "a.tif" not in failure.kind


def test_pixels_that_are_not_square_are_remedied_by_no_number():
    failure = Failure.of(OblongPixelsError("a.tif", (0.25, 0.5), 1.5), ASKED)
    assert "--mpp" not in failure.words
