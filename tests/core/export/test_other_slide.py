"""What speaks against a slide being that of the cells."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.export.other_slide import slide_doubts
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.slide import ArraySlide

PIXELS = np.zeros((50, 60, 3), np.uint8)


def doubts(stated, measured):
    slide = ArraySlide(PIXELS, mpp=stated, name="a.svs")
    return list(slide_doubts(CellTable.empty(), slide, "a.svs", measured))


def test_a_slide_of_another_pixel_size_is_told():
    assert doubts(0.5, Mpp(0.25, 0.25)) == [
        "The cells are measured at 0.25 µm per pixel; the slide here states 0.5 µm "
        "per pixel."
    ]


@pytest.mark.parametrize(
    ("stated", "measured"),
    [
        (0.25, Mpp(0.25, 0.25)),
        (0.2503, Mpp(0.25, 0.25)),
        (None, Mpp(0.25, 0.25)),
        (352.8, Mpp(0.25, 0.25)),
        (0.25, None),
    ],
    ids=["same", "rounded", "not stated", "cannot be right", "not measured"],
)
def test_a_pixel_size_that_is_the_same_or_not_known_is_no_doubt(stated, measured):
    assert doubts(stated, measured) == []


def test_a_slide_is_known_by_its_pseudonym_and_another_is_not():
    slide = ArraySlide(PIXELS, name="a.svs")
    other = ArraySlide(PIXELS, name="b.svs")
    pseudonym = nameless(slide).name
    for here in (slide, nameless(slide)):
        assert list(slide_doubts(CellTable.empty(), here, pseudonym, None)) == []
    (doubt,) = slide_doubts(CellTable.empty(), other, pseudonym, None)
    assert (
        doubt == f"The run was of a slide named {pseudonym}; the slide here is b.svs."
    )


def test_a_nameless_slide_of_another_name_is_told_without_a_second_pseudonym():
    here = nameless(ArraySlide(PIXELS, name="b.svs"))
    other = Pseudonyms.of_this_user().of_name("slide", "a.svs")
    assert list(slide_doubts(CellTable.empty(), here, other, None)) == [
        "The run was of a slide of another name than the one here."
    ]
