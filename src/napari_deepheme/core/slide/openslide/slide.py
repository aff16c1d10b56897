"""Slides of the scanners' own formats, read by OpenSlide."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import openslide
from PIL import Image

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.openslide.direct_tiles import (
    DirectTiles,
    open_direct_tiles,
)
from napari_deepheme.core.slide.openslide.facts import piece_size, slide_facts
from napari_deepheme.core.slide.openslide.ndpi_scans import NdpiScans
from napari_deepheme.core.slide.openslide.raw_tiles import RawTiles
from napari_deepheme.core.slide.pyramid import (
    WHITE,
    AssociatedImages,
    PyramidSlide,
    paste_pixels,
    reason_of,
    white_pixels,
)
from napari_deepheme.core.slide.same_picture import Look, shows_other_picture
from napari_deepheme.core.slide.tiff.planes import BrokenTileError
from napari_deepheme.core.slide.tiff.tile_index import LostTiles, level_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide.dicom_frames import DicomFrames
    from napari_deepheme.core.slide.tiff.tile_index import LevelTiles

_T = TypeVar("_T")

_APERIO, _HAMAMATSU, _LEICA = "aperio", "hamamatsu", "leica"

_SIDES = ("x", "y", "width", "height")

# Side of the blocks, in pixels of the level, in which a level is read whose downsample
# is not a whole number.
_BLOCK = 512

# Pixels of a label or macro image beyond which the file is taken to be wrong.
_LARGEST_ASSOCIATED = 200_000_000


class OpenSlideSlide(PyramidSlide):
    """A slide that OpenSlide can read.

    Parameters
    ----------
    file : Path
        The file to hand to OpenSlide; for DICOM, one of the files.
    path : Path, optional
        What the user named, if it is not the file: the folder of a DICOM slide.
    mpp : Mpp, optional
        Micrometres per pixel to state in place of the file's own.
    frames : DicomFrames, optional
        Of DICOM: what tells of frames that OpenSlide reads, though a part is lost.

    Raises
    ------
    UnreadableSlideError
        If OpenSlide cannot open it, or what it opens makes no sense.

    Notes
    -----
    One tile that cannot be decoded makes an OpenSlide handle refuse all later reads,
    also those of other threads. A read that fails with a handle that others use is
    therefore tried once more with one of its own, with which the slide goes on.

    JPEG tiles of Aperio files are decoded directly (`direct_tiles`); OpenSlide takes
    over where that fails.

    OpenSlide shifts and blurs a level by up to half a level-0 pixel when the location
    is not a multiple of its downsample, which is the mean over x and y and seldom
    whole. Such a level is read in blocks on a fixed grid, so that a pixel has one value
    whichever window it is read through.

    A level that clearly shows something else than the next larger one is left out.

    A tile of which a TIFF has lost the length, which OpenSlide takes for glass, is one
    that cannot be read; so is a tile, or a frame of DICOM, of which a part is lost.
    """

    def __init__(
        self,
        file: Path,
        *,
        path: Path | None = None,
        mpp: Mpp | None = None,
        frames: DicomFrames | None = None,
    ) -> None:
        self._file = file
        self._frames = frames
        self._lock = threading.Lock()
        handle = _open_handle(file)
        try:
            facts, self._indices = slide_facts(handle, path or file, mpp)
            self._downsamples = handle.level_downsamples
            raw = dict(handle.properties)
            self._associated = _associated_sizes(handle)
        except Exception as error:
            raise UnreadableSlideError(str(path or file), reason_of(error)) from error
        self._handle: openslide.OpenSlide | None = handle
        super().__init__(facts)
        self._leave_out_others(raw)
        is_aperio = raw.get(openslide.PROPERTY_NAME_VENDOR) == _APERIO
        tiles = _stored_tiles(file, self._places(raw))
        # OpenSlide makes a tile that Aperio's file lacks of the level before.
        self._lost = LostTiles(tiles, filled=is_aperio)
        self._raw = RawTiles(file, tiles)
        is_by_hamamatsu = raw.get(openslide.PROPERTY_NAME_VENDOR) == _HAMAMATSU
        self._scans = NdpiScans.of(file) if is_by_hamamatsu else None
        self._direct = self._open_direct() if is_aperio else None

    @property
    def associated_images(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """Label, macro and thumbnail, where the file has them."""
        decoders = {
            name: self._associated_decoder(name, size)
            for name, size in self._associated.items()
        }
        return AssociatedImages(decoders, self.name)

    def _leave_out_others(self, raw: Mapping[str, str]) -> None:
        """Leave out levels that clearly show something else than the larger ones."""
        looks = [
            Look(level.size, piece_size(raw, index), partial(self._read, at))
            for at, (level, index) in enumerate(
                zip(self.levels, self._indices, strict=True)
            )
        ]
        kept = [0]
        for at in range(1, len(looks)):
            if not shows_other_picture(looks[kept[-1]], looks[at]):
                kept.append(at)
        self._indices = tuple(self._indices[at] for at in kept)
        levels = tuple(self.levels[at] for at in kept)
        self._facts = replace(self._facts, levels=levels)

    def _places(self, raw: Mapping[str, str]) -> Iterator[tuple[int, Region]]:
        """Give what pages cover of each level: all of it, or one of several areas."""
        areas = _areas(raw)
        for at, level in enumerate(self.levels):
            if not areas:
                yield at, Region(0, 0, *level.size)
            for area in areas:
                yield at, Region(*(round(side / level.downsample) for side in area))

    def _open_direct(self) -> DirectTiles | None:
        """Decode tiles directly on levels where OpenSlide neither shifts nor blurs."""
        sizes = [
            level.size
            if float(self._downsamples[self._indices[index]]).is_integer()
            else Size(0, 0)
            for index, level in enumerate(self.levels)
        ]
        return open_direct_tiles(self._file, sizes, self._read)

    def _read_level(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        if self._lost.touch(level, window):
            raise BrokenTileError("the length of a tile is lost from its index")
        if self._frames is not None:
            self._frames.check(self.levels[level].size, window)
        if self._direct is not None:
            pixels = self._direct.read(level, window)
            if pixels is not None:
                return pixels
        self._raw.check(level, window)
        if self._scans is not None:
            self._scans.check(self.levels[level].size, window)
        downsample = self._downsamples[self._indices[level]]
        if float(downsample).is_integer():
            return self._read(level, window)
        pixels = white_pixels(window.size)
        for block in _blocks(window, self.levels[level].size):
            paste_pixels(self._read(level, block), block, pixels, window)
        return pixels

    def _read(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        index = self._indices[level]
        downsample = self._downsamples[index]
        # OpenSlide takes the location in level 0 and the size in the level.
        location = (round(window.x * downsample), round(window.y * downsample))
        return self._call(
            lambda handle: _rgb(handle.read_region(location, index, tuple(window.size)))
        )

    def _associated_decoder(
        self, name: str, size: Size
    ) -> Callable[[], npt.NDArray[np.uint8]]:
        def decode() -> npt.NDArray[np.uint8]:
            if size.width * size.height > _LARGEST_ASSOCIATED:
                raise ValueError(f"{size.width} x {size.height} px are too many")
            return self._patiently(
                lambda: self._call(lambda own: _rgb(own.associated_images[name]))
            )

        return decode

    def _call(self, read: Callable[[openslide.OpenSlide], _T]) -> _T:
        handle = self._current()
        if handle is not None:
            try:
                return read(handle)
            except openslide.OpenSlideError:
                self._drop(handle)
        # The handle may have been spoilt by another thread: try once more, alone. Not
        # under the lock: a file that hangs would keep the slide from being closed.
        own = _open_handle(self._file)
        result = read(own)
        self._offer(own)
        return result

    def _current(self) -> openslide.OpenSlide | None:
        with self._lock:
            if self._closed:
                raise ValueError("the slide is closed")
            return self._handle

    def _drop(self, handle: openslide.OpenSlide) -> None:
        # Not closed here: other threads may be reading. The handle closes itself when
        # the last of them lets go of it.
        with self._lock:
            if self._handle is handle:
                self._handle = None

    def _offer(self, handle: openslide.OpenSlide) -> None:
        with self._lock:
            if self._handle is None and not self._closed:
                self._handle = handle

    def _release(self) -> None:
        if self._direct is not None:
            self._direct.close()
        with self._lock:
            self._handle = None


def _open_handle(file: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(file)
    except Exception as error:
        raise UnreadableSlideError(str(file), reason_of(error)) from error


def _areas(raw: Mapping[str, str]) -> list[list[int]]:
    """Find the scanned areas (x, y, width, height) of a Leica slide, in its pixels."""
    areas: list[list[int]] = []
    if raw.get(openslide.PROPERTY_NAME_VENDOR) == _LEICA:
        while f"openslide.region[{len(areas)}].x" in raw:
            prefix = f"openslide.region[{len(areas)}]."
            areas.append([int(raw[prefix + side]) for side in _SIDES])
    return areas


def _stored_tiles(file: Path, places: Iterable[tuple[int, Region]]) -> list[LevelTiles]:
    """Find the tiles of levels in a TIFF."""
    try:
        with file.open("rb") as stream:
            return level_tiles(stream, places)
    except (OSError, ValueError, KeyError):
        # It is no TIFF, or what OpenSlide makes of it is no failure.
        return []


def _associated_sizes(handle: openslide.OpenSlide) -> dict[str, Size]:
    sizes = {}
    for name in handle.associated_images:
        prefix = f"openslide.associated.{name}"
        width = int(handle.properties[f"{prefix}.width"])
        sizes[name] = Size(width, int(handle.properties[f"{prefix}.height"]))
    return sizes


def _rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return np.array(image.convert("RGB"))
    opaque = Image.new("RGB", image.size, (WHITE, WHITE, WHITE))
    opaque.paste(image, mask=alpha)
    return np.array(opaque)


def _blocks(window: Region, size: Size) -> list[Region]:
    level = Region(0, 0, *size)
    return [
        Region(x, y, _BLOCK, _BLOCK).intersection(level)
        for y in range(window.y // _BLOCK * _BLOCK, window.bottom, _BLOCK)
        for x in range(window.x // _BLOCK * _BLOCK, window.right, _BLOCK)
    ]
