"""Pictures of a report."""

import io

import numpy as np
from PIL import Image

from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.report_file.pictures import read_thumbnail
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.thumbnails import cut_thumbnail

QUARTER = Mpp(0.25, 0.25)


def test_a_megakaryocyte_is_seen_whole_as_in_the_gallery():
    pixels = np.full((800, 800, 3), 230, np.uint8)
    y, x = np.mgrid[:800, :800]
    pixels[np.hypot(x - 400, y - 400) < 150] = (150, 80, 150)
    slide = ArraySlide(pixels, mpp=QUARTER)
    box = np.array([250, 250, 300, 300], np.int32)
    picture = np.asarray(
        Image.open(io.BytesIO(read_thumbnail(slide, box, QUARTER).jpeg)), np.int16
    )
    assert np.abs(picture[[0, -1]] - 230).max() < 12
    assert np.abs(picture[:, [0, -1]] - 230).max() < 12
    shown = cut_thumbnail(slide, box, QUARTER, side_px=72)
    assert np.abs(picture - shown).mean() < 3
