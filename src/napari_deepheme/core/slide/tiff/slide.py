"""TIFF and OME-TIFF that OpenSlide cannot read, or not as a pyramid."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_deepheme.core.errors import (
    NotRgbSlideError,
    SeveralSlidesError,
    SlideElsewhereError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.cache import PixelCache
from napari_deepheme.core.slide.pixel_types import NotRgbError
from napari_deepheme.core.slide.protocol import Level
from napari_deepheme.core.slide.pyramid import (
    PyramidSlide,
    SlideFacts,
    nominal_downsample,
    reason_of,
)
from napari_deepheme.core.slide.same_picture import (
    Look,
    shows_other_picture,
    shows_same_picture,
)
from napari_deepheme.core.slide.tiff.check import (
    check_directories,
    check_tags,
    is_ndpi,
)
from napari_deepheme.core.slide.tiff.colour import (
    ColourError,
    TiffColour,
    tiff_colour,
)
from napari_deepheme.core.slide.tiff.layout import (
    SeveralAreasError,
    check_areas,
    check_stack,
    is_grey,
    main_series,
    pyramid_series,
    series_pages,
    series_size,
    unstated_pages,
)
from napari_deepheme.core.slide.tiff.mpp import ome_mpp, tiff_mpp
from napari_deepheme.core.slide.tiff.ome_xml import (
    ElsewhereError,
    OmePage,
    check_largest,
    metadata_file,
    ome_pixels,
    rgb_order,
    significant_bits,
)
from napari_deepheme.core.slide.tiff.peek import check_values
from napari_deepheme.core.slide.tiff.planes import TiffPlane
from napari_deepheme.core.slide.tiff.stated_planes import check_planes
from napari_deepheme.core.slide.tiff.stream import TiffStream
from napari_deepheme.core.slide.tiff.tile_index import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp

# What it says of odd files is for its developers, not for a user's terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_CACHE_BYTES = 64 << 20

# Pixels of the level whose floats are looked at before a slide is accepted.
_PEEK = 2048

# Of a stack, so many are compared.
_MOST_PAGES = 8

_REFUSALS = (
    (NotRgbError, NotRgbSlideError),
    (ElsewhereError, SlideElsewhereError),
    (SeveralAreasError, SeveralSlidesError),
)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A level: the pages that hold its channels, and what their values mean."""

    planes: list[TiffPlane]
    colour: TiffColour

    def values(self, window: Region) -> npt.NDArray[Any]:
        planes = [plane.read(window) for plane in self.planes]
        return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)

    def rgb(self, window: Region) -> npt.NDArray[np.uint8]:
        return self.colour.rgb(self.values(window))

    def look(self) -> Look:
        return Look(self.planes[0].size, self.planes[0].piece_size, self.rgb)


class TiffSlide(PyramidSlide):
    """A TIFF, read tile by tile or strip by strip.

    Pyramids are found as levels of an OME-TIFF, as reduced pages, and as further pages
    that show the same, in a size that is that of the first over a whole number. Of a
    stack the first plane is taken; three channels in a page each are red, green and
    blue, in this order or as an OME-TIFF names or colours them. Grey and palettes
    become RGB. Values are scaled by the range of their bits, of which the file may say
    that fewer count. Transparent pixels lie on white; what a scanner left out is white.
    A picture that is to be turned is left as it is stored.

    Parameters
    ----------
    path : Path
        The file.
    mpp : Mpp, optional
        Micrometres per pixel to state in place of the file's own.

    Raises
    ------
    UnreadableSlideError
        If it is not a TIFF, it is broken, or its colours are made RGB by others.
    NotRgbSlideError
        If nothing makes RGB of its channels, their type or their colours.
    SlideElsewhereError
        If it is an OME-TIFF whose largest image is in another file.
    SeveralSlidesError
        If it holds several areas, of which one alone would be read.
    """

    def __init__(self, path: Path, *, mpp: Mpp | None = None) -> None:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise UnreadableSlideError(str(path), reason_of(error)) from error
        self._stream = TiffStream(stream)
        self._cache: PixelCache[npt.NDArray[Any]] = PixelCache(_CACHE_BYTES)
        # A broken file raises anything out of the parser.
        try:
            check_directories(stream)
            check_sizes(stream)
            # By itself, tifffile would go by the name.
            by_hamamatsu = is_ndpi(stream)
            stream.seek(0)
            with tifffile.TiffFile(stream, is_ndpi=by_hamamatsu) as tif:
                facts = self._read_facts(tif, path, mpp)
            super().__init__(facts)
            self._check_values()
        except Exception as error:
            self._stream.close()
            refusals = (one for kind, one in _REFUSALS if isinstance(error, kind))
            refusal = next(refusals, UnreadableSlideError)
            raise refusal(str(path), reason_of(error)) from error

    def _read_facts(
        self, tif: tifffile.TiffFile, path: Path, mpp: Mpp | None
    ) -> SlideFacts:
        check_planes(tif)
        main = main_series(tif)
        check_stack(tif, main)
        told_in = metadata_file(tif.ome_metadata)
        if told_in and is_grey(main):
            raise NotRgbError(
                f"it is grey, and which channel it is, is told in {told_in} alone"
            )
        first = series_pages(main)[0]
        self._ome = ome_pixels(
            tif.ome_metadata, OmePage(path.name, first.index, series_size(main))
        )
        check_largest(tif.ome_metadata, self._ome, series_size(main))
        full = self._picture_of(main, tif)
        agree = partial(self._agree, tif)
        check_areas(tif, main, agree, partial(_own_mpp, tif, path.name))
        self._check_pages(unstated_pages(main, _MOST_PAGES), full)
        pyramid = pyramid_series(tif, agree)
        self._pictures = [full, *self._smaller(pyramid[1:], tif)]
        return SlideFacts(
            name=path.name,
            path=path,
            levels=_levels([picture.planes for picture in self._pictures]),
            mpp=mpp or tiff_mpp(tif, first.keyframe, self._ome),
            properties=_properties(tif, main.keyframe),
        )

    def _check_pages(self, pages: list[Any], first: _Picture) -> None:
        """Refuse pages of one size that show other areas than the first of them."""
        others = []
        for page in pages[1:]:
            # What is wrong with another page is no failure of the slide.
            with suppress(ValueError):
                plane = TiffPlane(page, self._stream, self._cache)
                others.append(_Picture([plane], first.colour))
        for other in others:
            if shows_other_picture(first.look(), other.look()):
                raise SeveralAreasError(
                    "its pages, of one size, show different areas, and one alone would "
                    "be read"
                )

    def _smaller(
        self, pyramid: list[tifffile.TiffPageSeries], tif: tifffile.TiffFile
    ) -> Iterator[_Picture]:
        for series in pyramid:
            # A level whose values nothing makes RGB costs speed alone.
            with suppress(NotRgbError, ColourError):
                yield self._picture_of(series, tif)

    def _picture_of(
        self, series: tifffile.TiffPageSeries, tif: tifffile.TiffFile
    ) -> _Picture:
        pages = series_pages(series)
        files = {page.parent.filename for page in pages}
        if len(files) > 1:
            raise NotRgbError("its channels are in files of their own")
        if files != {tif.filename}:
            raise ElsewhereError("the pixels of its largest image are in other files")
        if len(pages) == 3:
            pages = [pages[at] for at in rgb_order(self._ome)]
        key = series.keyframe
        check_tags(tif.filehandle, int(key.offset), key.tags.keys())
        planes = [TiffPlane(page, self._stream, self._cache) for page in pages]
        n_samples = sum(plane.n_samples for plane in planes)
        bits = significant_bits(self._ome)
        return _Picture(planes, tiff_colour(key, n_samples, bits=bits))

    def _agree(
        self,
        tif: tifffile.TiffFile,
        larger: tifffile.TiffPageSeries,
        other: tifffile.TiffPageSeries,
        *,
        is_said: bool,
    ) -> bool:
        large, small = (self._picture_of(one, tif).look() for one in (larger, other))
        if is_said:
            return not shows_other_picture(large, small)
        return shows_same_picture(large, small)

    def _read_level(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        return self._pictures[level].rgb(window)

    def _check_values(self) -> None:
        last = len(self.levels) - 1
        size, picture = self.levels[last].size, self._pictures[last]
        dtype = picture.planes[0].dtype
        # So that floats of another range are refused when the slide is opened.
        if dtype.kind == "f":
            peek = Region(0, 0, min(size.width, _PEEK), min(size.height, _PEEK))
            self._read_level(last, peek)
        check_values(size, picture.values, picture.colour, dtype)

    def _release(self) -> None:
        self._stream.close()


def _own_mpp(
    tif: tifffile.TiffFile, name: str, series: tifffile.TiffPageSeries
) -> Mpp | None:
    """Give micrometres per pixel of an image of an OME-TIFF, None of other series."""
    size = series_size(series)
    page = OmePage(name, series.keyframe.index, size)
    return ome_mpp(ome_pixels(tif.ome_metadata, page), size)


def _levels(planes: list[list[TiffPlane]]) -> tuple[Level, ...]:
    full = planes[0][0]
    for level in planes:
        if any(plane.size != level[0].size for plane in level):
            raise NotRgbError("its channels differ in size")
    return tuple(_level(full.size, level[0]) for level in planes)


def _level(full: Size, plane: TiffPlane) -> Level:
    return Level(
        plane.size,
        nominal_downsample(full.width, plane.size.width),
        nominal_downsample(full.height, plane.size.height),
        plane.segment_size,
    )


def _properties(tif: tifffile.TiffFile, key: tifffile.TiffPage) -> Any:
    tags = {
        f"tiff.{name}": str(tag.value)
        for name in ("ImageDescription", "Make", "Model", "Software", "DateTime")
        if (tag := key.tags.get(name)) is not None
    }
    normal = {"vendor": "ome" if tif.is_ome else "tiff"}
    for name, tag in (("comment", "ImageDescription"), ("scanner", "Model")):
        if tags.get(f"tiff.{tag}"):
            normal[name] = tags[f"tiff.{tag}"]
    return MappingProxyType(normal | tags)
