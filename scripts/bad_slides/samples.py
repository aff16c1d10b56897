"""Sound slides, small enough to be broken by the hundred."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]

WIDTH, HEIGHT = 768, 640
MPP: Final = 0.25

_GLASS: Final = (238, 232, 240)
_COLOURS: Final = ((120, 30, 60), (30, 60, 120), (30, 110, 40))


@cache
def cells(width: int = WIDTH, height: int = HEIGHT, seed: int = 3) -> Pixels:
    """Paint discs on glass, about one in 100 px squared."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), _GLASS, np.uint8)
    pixels += rng.integers(0, 12, pixels.shape, np.uint8)
    for top in range(10, height - 60, 100):
        for left in range(10, width - 60, 100):
            radius = int(rng.integers(12, 24))
            y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
            disc = x * x + y * y <= radius * radius
            row, column = top + int(rng.integers(10)), left + int(rng.integers(10))
            part = pixels[row : row + len(disc), column : column + len(disc)]
            part[disc] = _COLOURS[int(rng.integers(3))]
    pixels.flags.writeable = False
    return pixels


def reduced(pixels: Pixels, factor: int) -> Pixels:
    """Take every so manieth pixel."""
    return np.ascontiguousarray(pixels[::factor, ::factor])


def aperio(width: int, height: int, mpp: object = MPP, **others: object) -> str:
    """Word the description of an Aperio file."""
    facts = "".join(f"|{name} = {value}" for name, value in others.items())
    size = f"{width}x{height} [0,0 {width}x{height}] (128x128) JPEG/RGB Q=90"
    return f"Aperio Image Library v12.0.15 \r\n{size}|AppMag = 40|MPP = {mpp}{facts}"


def svs(
    pixels: Pixels | None = None, *, mpp: object = MPP, factors: Any = (4,), **how: Any
) -> bytes:
    """Write an Aperio pyramid."""
    pixels = cells() if pixels is None else pixels
    options = {"tile": (128, 128), "compression": "jpeg", "photometric": "rgb"}
    options |= {"metadata": None, "description": aperio(*pixels.shape[1::-1], mpp)}
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tif:
        for factor in (1, *factors):
            tif.write(reduced(pixels, factor), **(options | how))
    return stream.getvalue()


def ome(pixels: Pixels | None = None, *, factors: Any = (2, 4), **how: Any) -> bytes:
    """Write an OME-TIFF with its levels as sub-IFDs."""
    pixels = cells() if pixels is None else pixels
    metadata = {"PhysicalSizeX": MPP, "PhysicalSizeY": MPP} | how.pop("metadata", {})
    options = {"tile": (128, 128), "compression": "zlib", "photometric": "rgb"} | how
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=True) as tif:
        tif.write(pixels, subifds=len(factors), metadata=metadata, **options)
        for factor in factors:
            tif.write(reduced(pixels, factor), subfiletype=1, **options)
    return stream.getvalue()


def tiff(pixels: Pixels | None = None, *, mpp: float | None = MPP, **how: Any) -> bytes:
    """Write a plain TIFF of one page."""
    pixels = cells() if pixels is None else pixels
    options: dict[str, Any] = {"metadata": None}
    if mpp is not None:
        options |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": 3}
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **(options | how))
    return stream.getvalue()


def picture(form: str, pixels: Pixels | None = None, **how: Any) -> bytes:
    """Write a PNG, JPEG or BMP."""
    stream = io.BytesIO()
    image = Image.fromarray(cells() if pixels is None else pixels)
    image.save(stream, form, **how)
    return stream.getvalue()


@cache
def sound() -> dict[str, bytes]:
    """Return one of each form, by the ending of its name."""
    rgb = {"photometric": "rgb"}
    return {
        "svs": svs(),
        "ome.tif": ome(),
        "tif": tiff(compression="lzw", rowsperstrip=32, **rgb),
        "raw.tif": tiff(**rgb),
        "deflate.tif": tiff(compression="zlib", tile=(128, 128), **rgb),
        "png": picture("PNG"),
        "jpg": picture("JPEG", quality=90),
        "bmp": picture("BMP"),
    }


@cache
def many_tiles(form: str) -> bytes:
    """Return a slide of 12 tiles of a run."""
    pixels = cells(3600, 2300, 4)
    if form == "svs":
        return svs(pixels)
    if form == "png":
        return picture("PNG", pixels)
    return ome(pixels, factors=(4,))
