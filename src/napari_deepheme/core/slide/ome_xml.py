"""What the XML of an OME-TIFF says of its images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from napari_deepheme.core.slide.pixel_types import NotRgbError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS: Final = ({"red", "r"}, {"green", "g"}, {"blue", "b"})
"""Names of a channel, in the order of RGB."""

# Such as "C:0", "Channel 1" and "Channel:0:2", but not "488", which is a light.
_NUMBERED: Final = re.compile(r"(c|ch|channel)?[\s:_#-]*\d{1,2}(:\d{1,2})?")


def ome_pixels(xml: str | None, index: int) -> ElementTree.Element | None:
    """Find the Pixels of an image.

    Parameters
    ----------
    xml : str or None
        The description of the file.
    index : int
        Which of its images.

    Returns
    -------
    Element or None
        None if the XML is broken or has no such image.
    """
    if not xml:
        return None
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return None
    pixels = [one for one in root.iter() if _is_named(one, "Pixels")]
    return pixels[index] if 0 <= index < len(pixels) else None


def rgb_order(xml: str | None, index: int) -> tuple[int, int, int]:
    """Give the order in which three channels of an image are red, green and blue.

    Parameters
    ----------
    xml : str or None
        The description of the file.
    index : int
        Which of its images.

    Returns
    -------
    tuple of int
        As their names say; as they are stored, where none has a name of its own.

    Raises
    ------
    NotRgbError
        If they are named, but not red, green and blue.
    """
    stated = _channel_names(xml, index)
    names = [name.casefold() for name in stated]
    if all(not name or _NUMBERED.fullmatch(name) for name in names):
        return (0, 1, 2)
    found = [
        [at for at, name in enumerate(names) if name in colour] for colour in _COLOURS
    ]
    if len(names) != 3 or any(len(one) != 1 for one in found):
        raise NotRgbError(f"its channels are {', '.join(stated)}: no red, green, blue")
    red, green, blue = (one[0] for one in found)
    return (red, green, blue)


def _channel_names(xml: str | None, index: int) -> Sequence[str]:
    pixels = ome_pixels(xml, index)
    if pixels is None:
        return ()
    channels = [one for one in pixels if _is_named(one, "Channel")]
    return [one.get("Name", "").strip() for one in channels]


def _is_named(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name
