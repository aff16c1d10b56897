"""Micrometres per pixel: as stated, and whether they can be right."""

from __future__ import annotations

import re
from math import isclose, isfinite
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import OblongPixelsError, UnknownMppError
from napari_deepheme.core.geometry import Mpp

if TYPE_CHECKING:
    from napari_deepheme.core.slide.protocol import SlideReader

# From oil immersion under a camera of small pixels to a 10x scan, the coarsest at which
# a cell can still be told from another.
SMALLEST_MPP = 0.05
LARGEST_MPP = 1.2

# About up to here calls were compared with those on a fine scan: docs/limits.md.
_COARSEST_TRIED = 0.6

# As much as scanners of one kind differ among themselves.
_SAME_MPP = 0.02

_APERIO = re.compile(r"\bMPP\s*=([^|\r\n]*)")

# Micrometres per ResolutionUnit of a TIFF; without the tag, TIFF says inch.
_TAG_UNITS = {2: 25_400.0, 3: 10_000.0}

# Pixels are square; a stretched one is an error of the file.
_LARGEST_STRETCH = 1.5


def plausible_mpp(
    slide: SlideReader, *, mpp: float | tuple[float, float] | None = None
) -> Mpp:
    """Give the micrometres per pixel of a slide, if they can be right.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    mpp : float or tuple of float, optional
        What is said instead, for both axes or for each.

    Returns
    -------
    Mpp
        Micrometres per pixel of level 0, along x and along y.

    Raises
    ------
    UnknownMppError
        If none are stated, or they do not lie between 0.05 and 1.2.
    OblongPixelsError
        If those along x and y, which do, differ by more than half.
    """
    stated = slide.mpp if mpp is None else given_mpp(mpp, slide.name)
    if stated is None or not _shows_cells(stated):
        raise UnknownMppError(slide.name, stated)
    if not is_plausible(stated):
        raise OblongPixelsError(slide.name, stated, _LARGEST_STRETCH)
    return stated


def given_mpp(mpp: float | tuple[float, float] | None, slide: str) -> Mpp | None:
    """Give what a caller states, as one number or as one an axis.

    Raises
    ------
    UnknownMppError
        If it is not positive and finite.
    """
    if mpp is None:
        return None
    x, y = mpp if isinstance(mpp, tuple) else (mpp, mpp)
    stated = stated_mpp(x, y)
    if stated is None:
        raise UnknownMppError(slide, (float(x), float(y)))
    return stated


def stated_mpp(x: float | str | None, y: float | str | None) -> Mpp | None:
    """Give what a file states as a value, None if it is not two positive numbers.

    Examples
    --------
    >>> stated_mpp("0.25", 0.25), stated_mpp("0", "0"), stated_mpp("nan", None)
    (Mpp(x=0.25, y=0.25), None, None)
    """
    if x is None or y is None:
        return None
    try:
        mpp = Mpp(float(x), float(y))
    except ValueError:
        return None
    return mpp if all(isfinite(value) and value > 0 for value in mpp) else None


def tagged_mpp(x: float | None, y: float | None, unit: int | None) -> Mpp | None:
    """Give what the resolution tags of a TIFF state, None if they state nothing.

    Parameters
    ----------
    x, y : float or None
        XResolution and YResolution: pixels per unit.
    unit : int or None
        ResolutionUnit.

    Examples
    --------
    >>> tagged_mpp(101600.0, 101600.0, 2), tagged_mpp(40000.0, 20000.0, 3)
    (Mpp(x=0.25, y=0.25), Mpp(x=0.25, y=0.5))
    >>> tagged_mpp(1.0, 1.0, 1), tagged_mpp(0.0, 0.0, 2), tagged_mpp(None, None, None)
    (None, None, None)
    """
    length = _TAG_UNITS.get(2 if unit is None else int(unit))
    if length is None or not x or not y:
        return None
    return stated_mpp(length / x, length / y)


def aperio_mpps(description: str) -> list[str]:
    """Give what Aperio's description of a slide says of its pixels, each time it does.

    Examples
    --------
    >>> aperio_mpps("Aperio v12 |AppMag = 40|MPP = 0.2500|Left = 3")
    ['0.2500']
    """
    return [text.strip().replace(",", ".") for text in _APERIO.findall(description)]


def one_mpp(stated: list[str]) -> Mpp | None:
    """Give what is stated once, or more than once alike, for both axes.

    Examples
    --------
    >>> one_mpp(["0.25", "0.250"]), one_mpp(["0.25", "0.5"]), one_mpp(["0.25", "?"])
    (Mpp(x=0.25, y=0.25), None, None)
    """
    found = {stated_mpp(text, text) for text in stated}
    return found.pop() if len(found) == 1 else None


def coarse_doubt(mpp: Mpp) -> str:
    """Say what is to be thought of calls on a coarse scan; "" on any other.

    Examples
    --------
    >>> coarse_doubt(Mpp(0.25, 0.25)), coarse_doubt(Mpp(1.0, 1.0))[:29]
    ('', 'it was seen at 1 µm per pixel')
    """
    if max(mpp) <= _COARSEST_TRIED:
        return ""
    return (
        f"it was seen at {max(mpp):g} µm per pixel, coarser than {_COARSEST_TRIED:g}: "
        "calls change there (at 1 three in ten cells were named otherwise than at "
        "0.25)"
    )


def mpp_doubt(slide: SlideReader, *, mpp: float | None) -> str:
    """Say that a slide states another pixel size than is given; "" where none is."""
    stated = slide.mpp
    if mpp is None or not is_plausible(Mpp(mpp, mpp)):
        # One that cannot be right is refused.
        return ""
    if stated is None or not is_plausible(stated):
        return ""
    if all(isclose(one, mpp, rel_tol=_SAME_MPP) for one in stated):
        return ""
    one = f"{stated.x:.4g}" + (f" x {stated.y:.4g}" if stated.x != stated.y else "")
    return f"{slide.name} states {one} µm per pixel, {mpp:g} are taken, as given"


def is_plausible(mpp: Mpp) -> bool:
    """Tell whether a slide can have these micrometres per pixel."""
    return _shows_cells(mpp) and max(mpp) <= _LARGEST_STRETCH * min(mpp)


def _shows_cells(mpp: Mpp) -> bool:
    return all(SMALLEST_MPP <= value <= LARGEST_MPP for value in mpp)
