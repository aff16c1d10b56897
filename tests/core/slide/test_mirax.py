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
CameraImageDivisionsPerSide = 4
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
HIER_0_COUNT = 9
INDEXFILE = Index.dat
[DATAFILE]
FILE_COUNT = 24
[LAYER_0_LEVEL_0_SECTION]
OVERLAP_X = 44.5
OVERLAP_Y = -3
DIGITIZER_WIDTH = 1024
DIGITIZER_HEIGHT = 1024
[LAYER_0_LEVEL_1_SECTION]
OVERLAP_X = 0
OVERLAP_Y = 0
DIGITIZER_WIDTH = 1024
DIGITIZER_HEIGHT = 1024
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
        "CameraImageDivisionsPerSide = 4",
        "DIGITIZER_WIDTH = 1024",
        "OVERLAP_X = 44.5",
        "OVERLAP_Y = -3",
    ],
)
@pytest.mark.parametrize(
    "number", [-1_000_000_000, 2_000_000, "+2000000000", "\v+2000000", "4x", 10**30]
)
def test_a_number_that_cannot_be_is_refused_before_openslide_dies_of_it(
    line, number, slide
):
    name = line.split(" =")[0]
    path = slide(LIST.replace(line, f"{name} = {number}"))
    with pytest.raises(UnreadableSlideError, match=name):
        open_slide(path)


@pytest.mark.parametrize("overlap", ["nan", "inf", "-inf", "1e300", "0x1p40", "4096"])
def test_an_overlap_that_cannot_be_is_refused(overlap, slide):
    path = slide(LIST.replace("OVERLAP_X = 44.5", f"OVERLAP_X = {overlap}"))
    with pytest.raises(UnreadableSlideError, match="OVERLAP_X"):
        open_slide(path)


def test_a_photograph_has_no_more_tiles_than_the_slide(slide):
    path = slide(LIST.replace("IMAGENUMBER_X = 400", "IMAGENUMBER_X = 3"))
    with pytest.raises(UnreadableSlideError, match="PerSide = 4"):
        open_slide(path)


def test_signs_and_blanks_are_read_as_openslide_reads_them(slide):
    check_mirax(slide(LIST.replace("= ", "=\t+").replace("+-", "-")))


def test_many_tiles_on_both_sides_are_refused(slide):
    path = slide(LIST.replace("= 400", "= 50000").replace("= 800", "= 50000"))
    with pytest.raises(UnreadableSlideError, match="2500000000 tiles"):
        open_slide(path)


def test_the_overview_is_not_taken_for_a_slide_that_cannot_be_read(slide):
    with pytest.raises(UnreadableSlideError):
        open_slide(slide(LIST), mpp=0.25)
