"""What OpenSlide tells of a slide, put into this package's words."""

from __future__ import annotations

from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_deepheme.core.geometry import Mpp, Point, Size
from napari_deepheme.core.slide.mpp import aperio_mpps, one_mpp, stated_mpp
from napari_deepheme.core.slide.protocol import Level
from napari_deepheme.core.slide.pyramid import (
    LARGEST_TILE,
    SlideFacts,
    nominal_downsample,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import openslide

_USUAL_PIECE = Size(256, 256)

_MICROMETRES = {"inch": 25_400.0, "centimeter": 10_000.0}

# The resolution tag often holds that of a printer; outside this range it does.
_RESOLUTION_TAG_RANGE = (0.05, 5.0)

_APERIO = "aperio"

# Formats whose tiles neither overlap nor leave gaps, nor start beside the origin.
_REGULAR_VENDORS = frozenset({"aperio", "dicom", "generic-tiff", "philips"})

_NORMALISED = {
    "vendor": ("openslide.vendor",),
    "objective_power": ("openslide.objective-power",),
    "comment": ("openslide.comment", "tiff.ImageDescription"),
    "scanner": (
        "aperio.ScanScope ID",
        "hamamatsu.Product",
        "tiff.Model",
        "leica.device-model",
        "ventana.ScannerModel",
        "mirax.GENERAL.SLIDE_TYPE",
        "dicom.ManufacturerModelName",
    ),
}


def slide_facts(
    handle: openslide.OpenSlide, path: Path, mpp: Mpp | None
) -> tuple[SlideFacts, tuple[int, ...]]:
    """Gather what is known of a slide.

    Parameters
    ----------
    handle : openslide.OpenSlide
        The open slide.
    path : Path
        What the user named.
    mpp : Mpp or None
        Micrometres per pixel to state in place of the file's own.

    Returns
    -------
    facts : SlideFacts
        The facts; levels that disagree with level 0 are left out.
    indices : tuple of int
        OpenSlide's index of each level.

    Raises
    ------
    ValueError
        If the slide has no pixels, or tiles of an absurd size.
    """
    raw = dict(handle.properties)
    indices = _sane_levels(handle)
    levels = tuple(_level(handle, raw, index) for index in indices)
    facts = SlideFacts(
        name=path.name,
        path=path,
        levels=levels,
        mpp=mpp or _stated_mpp(raw),
        properties=MappingProxyType(_normalised(raw) | raw),
        bounds_origin=_bounds_origin(raw),
    )
    return facts, indices


def _sane_levels(handle: openslide.OpenSlide) -> tuple[int, ...]:
    sizes = handle.level_dimensions
    if not sizes or min(sizes[0]) < 1:
        raise ValueError("it holds no pixels")
    full = sizes[0]
    return tuple(
        index
        for index, (size, downsample) in enumerate(
            zip(sizes, handle.level_downsamples, strict=True)
        )
        if min(size) >= 1 and isfinite(downsample) and _agrees(full, size, downsample)
    )


def _agrees(full: tuple[int, int], size: tuple[int, int], downsample: float) -> bool:
    # Some formats crop a level or pad it to whole tiles, but never by a lot.
    return downsample >= 1 and all(
        abs(whole / downsample - part) <= max(2.0, 0.05 * part)
        for whole, part in zip(full, size, strict=True)
    )


def _level(handle: openslide.OpenSlide, raw: Mapping[str, str], index: int) -> Level:
    size = Size(*handle.level_dimensions[index])
    downsample = float(handle.level_downsamples[index])
    tile = _tile_size(raw, index)
    if downsample.is_integer():
        return Level(size, downsample, downsample, tile)
    full = Size(*handle.level_dimensions[0])
    return Level(
        size,
        nominal_downsample(full.width, size.width),
        nominal_downsample(full.height, size.height),
        tile,
    )


def piece_size(raw: Mapping[str, str], index: int) -> Size:
    """Give what OpenSlide decodes at once of a level, about where it does not say.

    Parameters
    ----------
    raw : mapping
        OpenSlide's properties of the slide.
    index : int
        OpenSlide's index of the level.
    """
    tile = _stated_tile(raw, index)
    return _USUAL_PIECE if tile is None or min(tile) < 1 else tile


def _stated_tile(raw: Mapping[str, str], index: int) -> Size | None:
    prefix = f"openslide.level[{index}].tile"
    width, height = raw.get(f"{prefix}-width"), raw.get(f"{prefix}-height")
    if width is None or height is None:
        return None
    return Size(int(width), int(height))


def _tile_size(raw: Mapping[str, str], index: int) -> Size | None:
    tile = _stated_tile(raw, index)
    if tile is None:
        return None
    if tile.width * tile.height > LARGEST_TILE:
        raise ValueError(f"its tiles of {tile.width} x {tile.height} px are too large")
    regular = raw.get("openslide.vendor") in _REGULAR_VENDORS
    return tile if regular and min(tile) > 0 else None


def _stated_mpp(raw: Mapping[str, str]) -> Mpp | None:
    if raw.get("openslide.vendor") == _APERIO:
        # Of several, OpenSlide takes the last.
        stated_by_aperio = aperio_mpps(raw.get("tiff.ImageDescription", ""))
        if stated_by_aperio:
            return one_mpp(stated_by_aperio)
    x = raw.get("openslide.mpp-x")
    stated = stated_mpp(x, raw.get("openslide.mpp-y", x))
    return stated or _resolution_tag(raw)


def _resolution_tag(raw: Mapping[str, str]) -> Mpp | None:
    unit = _MICROMETRES.get(raw.get("tiff.ResolutionUnit", ""))
    x = stated_mpp(raw.get("tiff.XResolution"), raw.get("tiff.YResolution"))
    if unit is None or x is None:
        return None
    mpp = Mpp(unit / x.x, unit / x.y)
    low, high = _RESOLUTION_TAG_RANGE
    return mpp if all(low <= value <= high for value in mpp) else None


def _normalised(raw: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, keys in _NORMALISED.items():
        value = next((raw[key] for key in keys if raw.get(key)), None)
        if value is not None:
            found[name] = value
    return found


def _bounds_origin(raw: Mapping[str, str]) -> Point:
    try:
        return Point(int(raw["openslide.bounds-x"]), int(raw["openslide.bounds-y"]))
    except (KeyError, ValueError):
        return Point(0, 0)
