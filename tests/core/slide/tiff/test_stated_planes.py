"""TIFF whose XML states more planes than there can be."""

import time

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import SlideElsewhereError, UnreadableSlideError
from napari_deepheme.core.geometry import Mpp, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.slide import TiffSlide

OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
    'SizeX="64" SizeY="64" SizeC="3" SizeZ="1" SizeT="1" PhysicalSizeX="0.25" '
    'PhysicalSizeY="0.25"><Channel ID="Channel:0" SamplesPerPixel="3"/><TiffData/>'
    "</Pixels></Image></OME>"
)
STEPS = '<ModuloAlongT Type="phase" Start="0" End="1e12" Step="1"/>'
ANNOTATED = (
    '<StructuredAnnotations><XMLAnnotation ID="A:0" '
    'Namespace="openmicroscopy.org/omero/dimension/modulo">'
    f"<Value><Modulo>{STEPS}</Modulo></Value></XMLAnnotation>"
    "</StructuredAnnotations></OME>"
)
LEICA = (
    '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
    '<collection><image><pixels><dimension ifd="0" z="100000000" r="0"/></pixels>'
    "</image></collection></scn>"
)


def write(path, description, *, tile=(64, 64)):
    pixels = np.full((64, 64, 3), 200, np.uint8)
    options = {"photometric": "rgb", "metadata": None, "tile": tile}
    tifffile.imwrite(path, pixels, description=description.encode(), **options)
    return path


@pytest.mark.parametrize("tile", [(64, 64), None], ids=["tiles", "strips"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('SizeT="1"', 'SizeT="300000000"'),
        ('SizeZ="1"', f'SizeZ="-{10**9}"'),
        ('SizeC="3"', f'SizeC="{3 * 10**9}"'),
        ("<TiffData/>", f'<TiffData IFD="0" PlaneCount="{10**9}"/>'),
        ("<TiffData/>", f'<TiffData IFD="0" NumPlanes="{10**9}"/>'),
        ("<TiffData/>", '<TiffData IFD="0" PlaneCount="500000"/>' * 3),
        ("</OME>", ANNOTATED),
    ],
)
def test_planes_that_cannot_be_are_refused_before_room_is_made_for_them(
    tmp_path, old, new, tile
):
    path = write(tmp_path / "a.ome.tif", OME.replace(old, new), tile=tile)
    started = time.monotonic()
    with pytest.raises(SlideElsewhereError, match=r"its XML states \d+ planes, which"):
        open_slide(path)
    assert time.monotonic() - started < 5


def test_a_stack_of_many_times_that_lie_in_other_files_is_opened(tmp_path):
    path = write(tmp_path / "a.ome.tif", OME.replace('SizeT="1"', 'SizeT="20000"'))
    with open_slide(path) as slide:
        assert (slide.size, slide.mpp) == (Size(64, 64), Mpp(0.25, 0.25))


def test_depths_that_cannot_be_are_refused_in_the_words_of_leica_too(tmp_path):
    path = write(tmp_path / "a.scn", LEICA)
    with pytest.raises(UnreadableSlideError, match="states 100000001 planes"):
        TiffSlide(path)
