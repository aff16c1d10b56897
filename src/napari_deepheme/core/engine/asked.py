"""What a caller in Python asks for, looked at before anything is read."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import RegionOutOfBoundsError
from napari_deepheme.core.geometry import Region

if TYPE_CHECKING:
    from napari_deepheme.core.slide import SlideReader


def check_asked(slide: object, region: object, mpp: object) -> None:
    """Refuse what can be no open slide, no region or no pixel size.

    Parameters
    ----------
    slide : object
        Must be a SlideReader.
    region : object
        Must be a Region with an area, or None.
    mpp : object
        Must be one number, or None.

    Raises
    ------
    TypeError, ValueError
        If it is not; says what was expected.
    """
    if not hasattr(slide, "read_region"):
        raise no_slide(slide, "an open slide, as open_slide gives it")
    if region is not None:
        _check_region(region)
    if mpp is not None and not isinstance(mpp, Real):
        raise TypeError(
            f"mpp is one number of micrometres, not {mpp!r}: open_slide takes one an "
            "axis"
        )


def no_slide(given: object, expected: str) -> TypeError:
    """Make the error of what is no slide, which tells how pixels in memory become one.

    Examples
    --------
    >>> str(no_slide(b"", "a slide"))
    'expected a slide, not bytes; ArraySlide makes a slide of pixels in memory'
    """
    return TypeError(
        f"expected {expected}, not {type(given).__name__}; ArraySlide makes a slide of "
        "pixels in memory"
    )


def region_on(slide: SlideReader, region: Region | None) -> Region:
    """Return the region that is asked for, all of the slide if None.

    Raises
    ------
    RegionOutOfBoundsError
        If it leaves the slide.
    """
    bounds = Region(0, 0, *slide.size)
    if region is None:
        return bounds
    if not bounds.contains(region):
        raise RegionOutOfBoundsError(region, bounds)
    return region


def _check_region(region: object) -> None:
    if not isinstance(region, Region):
        raise TypeError(f"expected Region(x, y, width, height), not {region!r}")
    if not region.area:
        raise ValueError(f"{region} has no area")
