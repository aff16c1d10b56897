"""Micrometres per pixel as a TIFF states them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.mpp import (
    aperio_mpps,
    one_mpp,
    stated_mpp,
    tagged_mpp,
)
from napari_deepheme.core.slide.tiff.ome_xml import is_of_size

if TYPE_CHECKING:
    from xml.etree import ElementTree

    import tifffile

    from napari_deepheme.core.geometry import Mpp

# Micrometres per unit of OME's PhysicalSize; its default is the first.
_OME_UNITS = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "in": 25_400.0,
}
_OME_SIZES = frozenset({"PhysicalSizeX", "PhysicalSizeY"})
_IMAGEJ_UNITS = {**_OME_UNITS, "microns": 1.0, "\\u00B5m": 1.0, "inch": 25_400.0}

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296


def tiff_mpp(
    tif: tifffile.TiffFile,
    page: tifffile.TiffPage,
    pixels: ElementTree.Element | None,
) -> Mpp | None:
    """Give micrometres per pixel as the file states them.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    page : tifffile.TiffPage
        Page of level 0.
    pixels : Element or None
        What the XML of an OME-TIFF says of its image.

    Returns
    -------
    Mpp or None
        From OME-XML, Aperio's description, ImageJ's unit, or the resolution tags, in
        this order. None if the XML or the description state what cannot be read, or
        contradict themselves, or the XML is of a picture of another size.
    """
    if pixels is not None and not _OME_SIZES.isdisjoint(pixels.attrib):
        return ome_mpp(pixels, Size(int(page.imagewidth), int(page.imagelength)))
    is_aperio = page.description.startswith("Aperio")
    by_aperio = aperio_mpps(page.description) if is_aperio else []
    if by_aperio:
        return one_mpp(by_aperio)
    return _imagej_mpp(tif, page) or _tag_mpp(page)


def ome_mpp(pixels: ElementTree.Element | None, size: Size) -> Mpp | None:
    """Give micrometres per pixel as the XML of an OME-TIFF states them of an image.

    Parameters
    ----------
    pixels : Element or None
        What it says of the image.
    size : Size
        Of the picture; None is given if the XML is of another one.
    """
    if pixels is None or not is_of_size(pixels, size):
        return None
    return stated_mpp(_ome_length(pixels, "X"), _ome_length(pixels, "Y"))


def _ome_length(pixels: ElementTree.Element, axis: str) -> float | None:
    unit = _OME_UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    stated = stated_mpp(pixels.get(f"PhysicalSize{axis}"), 1.0)
    return None if stated is None or unit is None else stated.x * unit


def _imagej_mpp(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> Mpp | None:
    metadata = tif.imagej_metadata or {}
    unit = _IMAGEJ_UNITS.get(str(metadata.get("unit", "")))
    return None if unit is None else _per_unit(page, unit)


def _tag_mpp(page: tifffile.TiffPage) -> Mpp | None:
    x, y = _rational(page, _X_RESOLUTION), _rational(page, _Y_RESOLUTION)
    return tagged_mpp(x, y, _tag(page, _RESOLUTION_UNIT))


def _per_unit(page: tifffile.TiffPage, unit: float) -> Mpp | None:
    x, y = _rational(page, _X_RESOLUTION), _rational(page, _Y_RESOLUTION)
    if x is None or y is None:
        return None
    return stated_mpp(unit / x, unit / y)


def _rational(page: tifffile.TiffPage, code: int) -> float | None:
    value = _tag(page, code)
    if not isinstance(value, tuple) or len(value) < 2 or not value[0] or not value[1]:
        return None
    return float(value[0]) / float(value[1])


def _tag(page: tifffile.TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value
