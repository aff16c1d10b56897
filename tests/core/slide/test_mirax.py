"""A MIRAX slide that states more than any has, or whose pixels cannot be read."""

import pytest
from PIL import Image

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.mirax_check import check_mirax

LIST = """[GENERAL]
SLIDE_VERSION = 01.02
SLIDE_ID = 0123456789
IMAGENUMBER_X = 400
IMAGENUMBER_Y = 800
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
HIER_0_COUNT = 9
INDEXFILE = Index.dat
[DATAFILE]
FILE_COUNT = 24
"""


@pytest.fixture
def slide(tmp_path):
    """Path of a slide whose list can be changed, and whose pixels are none."""
    Image.new("RGB", (300, 200)).save(tmp_path / "a.mrxs", "JPEG")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Index.dat").write_bytes(b"01.020123456789" + bytes(99))

    def write(text):
        (tmp_path / "a" / "Slidedat.ini").write_text(text)
        return tmp_path / "a.mrxs"

    return write


def test_the_numbers_of_a_real_slide_are_accepted(slide):
    check_mirax(slide(LIST))


@pytest.mark.parametrize(
    "line",
    [
        "IMAGENUMBER_X = 400",
        "IMAGENUMBER_Y = 800",
        "FILE_COUNT = 24",
        "HIER_0_COUNT = 9",
        "NONHIER_COUNT = 0",
    ],
)
@pytest.mark.parametrize("number", [-1, 2_000_000, 2_000_000_000, 10**30])
def test_a_number_that_cannot_be_is_refused_before_openslide_dies_of_it(
    line, number, slide
):
    name = line.split(" =")[0]
    path = slide(LIST.replace(line, f"{name} = {number}"))
    with pytest.raises(UnreadableSlideError, match=name):
        open_slide(path)


def test_many_tiles_on_both_sides_are_refused(slide):
    path = slide(LIST.replace("= 400", "= 50000").replace("= 800", "= 50000"))
    with pytest.raises(UnreadableSlideError, match="2500000000 tiles"):
        open_slide(path)


def test_the_overview_is_not_taken_for_a_slide_that_cannot_be_read(slide):
    with pytest.raises(UnreadableSlideError):
        open_slide(slide(LIST), mpp=0.25)
