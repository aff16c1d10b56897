"""How many planes the XML of a TIFF states, before a parser makes room for them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from napari_deepheme.core.slide.tiff.ome_xml import ElsewhereError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tifffile

_MOST_PLANES: Final = 1 << 20
"""In all. A stack of many depths and times, in many files, has some ten thousand."""


def check_planes(tif: tifffile.TiffFile) -> None:
    """Refuse a TIFF whose XML states more planes than any stack has.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file, of which the series are not asked for yet.

    Raises
    ------
    ElsewhereError
        If it is an OME-TIFF: its planes cannot be in it.
    ValueError
        If it has the XML of Leica.
    """
    try:
        root = ElementTree.fromstring(tif.pages.first.description or "")
    except (ElementTree.ParseError, ValueError):
        return
    if tif.is_ome:
        n_planes = sum(map(abs, _of_ome(root)))
        if n_planes > _MOST_PLANES:
            raise ElsewhereError(f"its XML states {n_planes} planes, which cannot be")
    if tif.is_scn:
        n_planes = _of_leica(_named(root, "dimension"))
        if n_planes > _MOST_PLANES:
            raise ValueError(f"its XML states {n_planes} planes, which cannot be")


def _of_ome(root: ElementTree.Element) -> Iterator[int]:
    """Give how many planes each part of the XML states."""
    for pixels in _named(root, "Pixels"):
        yield prod(_number(pixels, f"Size{axis}", 1) for axis in "CZT")
    for data in _named(root, "TiffData"):
        yield _number(data, "NumPlanes", 0)
        yield _number(data, "PlaneCount", 0)
    for axis in "CZT":
        yield from map(_steps, _named(root, f"ModuloAlong{axis}"))


def _steps(along: ElementTree.Element) -> int:
    """Give how many steps an axis has along which something else changes, too."""
    start, end, step = (along.get(name) for name in ("Start", "End", "Step"))
    try:
        return int((float(end or 0) - float(start or 0)) / float(step or 1))
    except (ValueError, ArithmeticError):
        return 0


def _of_leica(levels: list[ElementTree.Element]) -> int:
    n_channels = max((_number(one, "c", 0) for one in levels), default=0) + 1
    n_depths = max((_number(one, "z", 0) for one in levels), default=0) + 1
    return len(levels) * n_channels * n_depths


def _named(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in root.iter() if one.tag.rpartition("}")[2] == name]


def _number(element: ElementTree.Element, name: str, default: int) -> int:
    try:
        return int(element.get(name, default))
    except ValueError:
        return default
