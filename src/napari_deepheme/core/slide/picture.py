"""Single pictures, as from a camera on the eyepiece."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from napari_deepheme.core.errors import NotRgbSlideError, UnreadableSlideError
from napari_deepheme.core.slide.array_slide import ArraySlide
from napari_deepheme.core.slide.jpeg_whole import is_doubtful, is_whole
from napari_deepheme.core.slide.mpp import aperio_mpps, one_mpp, tagged_mpp
from napari_deepheme.core.slide.pixel_types import NotRgbError, check_reach, to_rgb
from napari_deepheme.core.slide.pyramid import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp

# What it says of broken files is said by the error instead.
logging.getLogger("PIL").addHandler(logging.NullHandler())

PICTURE_SUFFIXES: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
)
"""What names of pictures end in, for those who look for them in a folder."""

LARGEST_PICTURE = 400_000_000

# Bytes of a decoded picture that do no harm, and those for one of the file beyond which
# a larger one is empty, and made to fill the memory.
_HARMLESS = 1 << 28
_LARGEST_RATIO = 100

# The plug-ins are called one by one rather than through Image.open, which guards
# against large pictures by a limit, and warnings, that belong to the whole process.
_READERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"II*\x00": TiffImagePlugin.TiffImageFile,
    b"MM\x00*": TiffImagePlugin.TiffImageFile,
    b"RIFFWEBP": WebPImagePlugin.WebPImageFile,
}

# Where a PNG says how many bits a value has.
_PNG_BITS_AT = 24

_RESOLUTIONS = (TiffImagePlugin.X_RESOLUTION, TiffImagePlugin.Y_RESOLUTION)

# What of a TIFF is left to Pillow: colours other than grey and RGB.
_PRINT = frozenset({"CMYK", "YCbCr", "LAB"})

_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})

# What Pillow raises on a broken EXIF block.
_BROKEN_EXIF = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
)

# Rows that are converted at once.
_ROWS = 512

_WARNINGS = threading.Lock()


def open_picture(path: Path, *, mpp: Mpp | None = None) -> ArraySlide:
    """Open a PNG, JPEG, BMP, WebP or CMYK TIFF as a slide of one level, held in memory.

    Parameters
    ----------
    path : Path
        The file. A picture turned by its EXIF block is set upright.
    mpp : Mpp, optional
        Micrometres per pixel, in place of what a TIFF states. The dots per inch of
        other pictures say nothing of them.

    Raises
    ------
    UnreadableSlideError
        If it is none of these, it is broken, or has more than 400 million pixels.
    NotRgbSlideError
        If its values are of 16 bits, and all below a quarter of the range.
    """
    # A broken file raises anything out of the decoders.
    try:
        pixels, stated = _read_picture(path)
    except UnreadableSlideError:
        raise
    except NotRgbError as error:
        raise NotRgbSlideError(str(path), str(error)) from error
    except Exception as error:
        raise UnreadableSlideError(str(path), reason_of(error)) from error
    return ArraySlide(pixels, mpp=mpp or stated, name=path.name, path=path)


def is_picture(start: bytes) -> bool:
    """Tell by its first bytes whether a file may be one."""
    return _reader(start) is not None


def _reader(start: bytes) -> Callable[[BinaryIO], Any] | None:
    # The length of the file stands between the two words by which a WebP is known.
    start = start[:4] + start[8:] if start.startswith(b"RIFF") else start
    found = (reader for magic, reader in _READERS.items() if start.startswith(magic))
    return next(found, None)


def _read_picture(path: Path) -> tuple[npt.NDArray[np.uint8], Mpp | None]:
    with path.open("rb") as stream, _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = _reader(stream.read(16))
        if reader is None:
            raise ValueError("it is no picture")
        stream.seek(0)
        with reader(stream) as image:
            _check_size(image, path)
            _check_kind(image)
            image.load()
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                _check_whole(image, stream)
            _check_reach(image, stream)
            stated = _stated_mpp(image)
            return _upright_pixels(image), stated


def _check_size(image: Image.Image, path: Path) -> None:
    if image.width * image.height > LARGEST_PICTURE:
        reason = f"{image.width} x {image.height} px are too many for a plain picture"
        remedy = "save it as a tiled TIFF"
        raise UnreadableSlideError(str(path), reason, remedy)
    n_bytes = path.stat().st_size
    decoded = image.width * image.height * max(3, len(image.getbands()))
    if decoded > max(_HARMLESS, _LARGEST_RATIO * n_bytes):
        raise ValueError(
            f"{image.width} x {image.height} px in {n_bytes} bytes are no picture of "
            "cells"
        )


def _stated_mpp(image: Image.Image) -> Mpp | None:
    """Give what a TIFF states of its pixels, by the rule of those in RGB."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    tags = image.tag_v2
    description = str(tags.get(TiffImagePlugin.IMAGEDESCRIPTION, ""))
    if "<OME" in description:
        # Which picture it speaks of is looked up for slides alone.
        return None
    by_aperio = aperio_mpps(description) if description.startswith("Aperio") else []
    if by_aperio:
        return one_mpp(by_aperio)
    x, y = (tags.get(tag) for tag in _RESOLUTIONS)
    unit = tags.get(TiffImagePlugin.RESOLUTION_UNIT)
    return tagged_mpp(x and float(x), y and float(y), unit)


def _check_kind(image: Image.Image) -> None:
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode not in _PRINT:
        raise ValueError("it is a TIFF, but not a plain picture")


def _check_whole(image: Image.Image, stream: BinaryIO) -> None:
    # Pillow itself tells of one that is shorter than it should be, and of nothing else.
    last: Any = image.getpixel((image.width - 1, image.height - 1))
    stream.seek(0)
    data = stream.read()
    if not is_doubtful(data, np.atleast_1d(last).tolist()):
        return

    def decode(changed: bytes) -> npt.NDArray[Any]:
        with JpegImagePlugin.JpegImageFile(BytesIO(changed)) as other:
            return np.atleast_3d(np.asarray(other))

    if not is_whole(data, np.atleast_3d(np.asarray(image)), decode):
        raise ValueError("it is cut off, or a part of it is lost")


def _check_reach(image: Image.Image, stream: BinaryIO) -> None:
    if isinstance(image, PngImagePlugin.PngImageFile):
        stream.seek(_PNG_BITS_AT)
        if stream.read(1) == b"\x10":
            check_reach(_highest(image))


def _highest(image: Image.Image) -> int:
    extrema: Any = image.getextrema()
    if image.mode.startswith("I"):
        return int(extrema[1])
    # Of colours, Pillow keeps the upper 8 bits; what the lower ones hold is not known.
    bands = zip(image.getbands(), extrema, strict=True)
    upper: int = max(high for band, (_, high) in bands if band != "A")
    return (upper << 8) | 0xFF


def _upright_pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    upright = image
    # In place, and row by row below: each further copy of a large picture is felt.
    with suppress(*_BROKEN_EXIF):
        ImageOps.exif_transpose(upright, in_place=True)
    if upright.mode.startswith("I"):
        # Made RGBA, as below, all but the darkest of 16 bits would be white.
        values = np.asarray(upright).clip(0, 65535).astype(np.uint16)
        grey = to_rgb(values)
        grey[values == upright.info.get("transparency", -1)] = 255
        return grey
    if upright.mode in _TRANSPARENT or "transparency" in upright.info:
        rgba = np.asarray(upright.convert("RGBA"))
        if not rgba[..., 3].any():
            raise ValueError("it is transparent throughout: there is nothing to see")
        return to_rgb(rgba)
    if upright.mode == "F":
        return to_rgb(np.asarray(upright))
    pixels = np.empty((upright.height, upright.width, 3), np.uint8)
    for top in range(0, upright.height, _ROWS):
        part = upright.crop((0, top, upright.width, min(top + _ROWS, upright.height)))
        pixels[top : top + _ROWS] = np.asarray(part.convert("RGB"))
    return pixels
