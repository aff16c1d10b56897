"""What the XML of an OME-TIFF says of its images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.pixel_types import NotRgbError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLOURS: Final = ({"red", "r"}, {"green", "g"}, {"blue", "b"})
"""Names of a channel, in the order of RGB."""

_PURE: Final = {0xFF0000: "red", 0x00FF00: "green", 0x0000FF: "blue"}

# Such as "C:0", "Channel 1" and "Channel:0:2", but not "488", which is a light.
_NUMBERED: Final = re.compile(r"(c|ch|channel)?[\s:_#-]*\d{1,2}(:\d{1,2})?")


class ElsewhereError(ValueError):
    """The pixels of a slide are in another file."""


@dataclass(frozen=True, slots=True)
class OmePage:
    """A page, by which its image is found.

    Attributes
    ----------
    file : str
        Name of its file, without a folder.
    index : int
        Which page of the file it is.
    size : Size
        Of its picture.
    """

    file: str
    index: int
    size: Size


def ome_pixels(xml: str | None, page: OmePage) -> ElementTree.Element | None:
    """Find the Pixels of the image that a page belongs to.

    Parameters
    ----------
    xml : str or None
        The description of the file.
    page : OmePage
        Its first page.

    Returns
    -------
    Element or None
        Of the first image that lists the page; where none does, of the only one of its
        size, or the only one. None, too, if the XML is broken.
    """
    root = _root(xml)
    if root is None:
        return None
    pixels = _all_pixels(root)
    own = root.get("UUID")
    for one in pixels:
        if any(_lists(data, page, own) for data in _children(one, "TiffData")):
            return one
    sized = [one for one in pixels if _size(one) == page.size]
    found = sized or pixels
    return found[0] if len(found) == 1 else None


def metadata_file(xml: str | None) -> str:
    """Name the file that tells what an OME-TIFF holds; "" if it is told in its own XML.

    Parameters
    ----------
    xml : str or None
        The description of the file.
    """
    root = _root(xml)
    told = () if root is None else _children(root, "BinaryOnly")
    return next((one.get("MetadataFile", "another file") for one in told), "")


def check_largest(
    xml: str | None, found: ElementTree.Element | None, size: Size
) -> None:
    """Refuse an image beside which the XML tells of a larger one.

    Parameters
    ----------
    xml : str or None
        The description of the file.
    found : Element or None
        The Pixels of its image with the largest picture in it.
    size : Size
        Of that picture.

    Raises
    ------
    ElsewhereError
        If another image, of which the file does not hold the pixels, is larger.
    """
    root = _root(xml)
    sizes = [] if root is None else [_size(one) for one in _all_pixels(root)]
    largest = max(sizes, key=lambda one: one.width * one.height, default=size)
    is_larger = largest.width * largest.height > size.width * size.height
    if is_larger and (found is None or _size(found) != largest):
        raise ElsewhereError(
            f"its largest image, of {largest.width} x {largest.height} px, is not in it"
        )


def is_of_size(pixels: ElementTree.Element, size: Size) -> bool:
    """Tell whether an image is as large as a picture, within a hundredth.

    Parameters
    ----------
    pixels : Element
        The Pixels of the image.
    size : Size
        Of the picture.
    """
    pairs = zip(_size(pixels), size, strict=True)
    return all(100 * abs(stated - real) <= real for stated, real in pairs)


def significant_bits(pixels: ElementTree.Element | None) -> int | None:
    """Give how many bits of a value count, None if that is not stated."""
    bits = 0 if pixels is None else _number(pixels.get("SignificantBits"), 0)
    return bits if bits > 0 else None


def rgb_order(pixels: ElementTree.Element | None) -> tuple[int, int, int]:
    """Give the order in which three channels of an image are red, green and blue.

    Parameters
    ----------
    pixels : Element or None
        The Pixels of the image.

    Returns
    -------
    tuple of int
        As their names say, or, where none has a name of its own, their colours; as they
        are stored, where neither says anything.

    Raises
    ------
    NotRgbError
        If their names, or three colours, are others than red, green and blue.
    """
    channels = [] if pixels is None else list(_children(pixels, "Channel"))
    stated = [one.get("Name", "").strip() for one in channels]
    names = [name.casefold() for name in stated]
    if all(not name or _NUMBERED.fullmatch(name) for name in names):
        colours = [_number(one.get("Color"), -1) & 0xFFFFFFFF for one in channels]
        stated = [f"coloured #{colour >> 8:06x}" for colour in colours]
        names = [_PURE.get(colour >> 8, "") for colour in colours]
        if len(set(colours)) < 3:
            return (0, 1, 2)
    found = [
        [at for at, name in enumerate(names) if name in colour] for colour in _COLOURS
    ]
    if len(names) != 3 or any(len(one) != 1 for one in found):
        raise NotRgbError(f"its channels are {', '.join(stated)}: no red, green, blue")
    red, green, blue = (one[0] for one in found)
    return (red, green, blue)


def _root(xml: str | None) -> ElementTree.Element | None:
    if not xml:
        return None
    try:
        return ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return None


def _all_pixels(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in root.iter() if _is_named(one, "Pixels")]


def _lists(data: ElementTree.Element, page: OmePage, own: str | None) -> bool:
    """Tell whether a TiffData is of a page; `own` is the UUID of the page's file."""
    for uuid in _children(data, "UUID"):
        is_named = uuid.get("FileName", "").casefold() == page.file.casefold()
        if not is_named and (own is None or uuid.text != own):
            return False
    first = _number(data.get("IFD"), 0)
    every = 1 if "IFD" in data.attrib else page.index + 1
    n = _number(data.get("PlaneCount", data.get("NumPlanes")), every)
    return first <= page.index < first + n


def _size(pixels: ElementTree.Element) -> Size:
    return Size(_number(pixels.get("SizeX"), 0), _number(pixels.get("SizeY"), 0))


def _number(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        return default


def _children(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (one for one in element if _is_named(one, name))


def _is_named(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name
