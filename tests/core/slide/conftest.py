"""Slides with known pixels and a true mpp, in every form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.slide import ArraySlide, SlideReader, open_slide

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).parents[3].parent / "shared"
MPP = 0.25
TILE = (128, 128)


def paint(width: int = 768, height: int = 640) -> np.ndarray[Any, Any]:
    """Smooth colours without a period, so that no two windows are alike."""
    y, x = np.mgrid[:height, :width].astype(float)
    waves = [
        np.sin(x / 31 + y / 53) + np.cos(x * y / 9000),
        np.cos(x / 17 - y / 41) + np.sin(x / 101),
        np.sin(x / 23) * np.cos(y / 19) + np.sin((x + y) / 77),
    ]
    return np.stack([np.rint(128 + 60 * wave) for wave in waves], axis=-1).astype("u1")


def quartered(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    height, width, _ = pixels.shape
    blocks = pixels.reshape(height // 4, 4, width // 4, 4, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype("u1")


def write_svs(path: Path, pixels: np.ndarray[Any, Any], *, codec: str = "jpeg") -> Path:
    height, width, _ = pixels.shape
    text = (
        f"Aperio Image Library v12.0.15 \r\n{width}x{height} [0,0 {width}x{height}] "
        f"(128x128) JPEG/RGB Q=90|AppMag = 40|ScanScope ID = SS1|MPP = {MPP}"
    )
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": TILE,
        "compression": codec,
        "description": text,
        "metadata": None,
    }
    with tifffile.TiffWriter(path) as tif:
        tif.write(pixels, **options)
        tif.write(quartered(pixels), **options)
    return path


def write_ome(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    metadata = {"PhysicalSizeX": 250.0, "PhysicalSizeY": 250.0}
    metadata |= {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}  # type: ignore[dict-item]
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": TILE,
        "compression": "zlib",
    }
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(pixels, subifds=1, metadata=metadata, **options)
        tif.write(quartered(pixels), subfiletype=1, **options)
    return path


def write_plain(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        compression="lzw",
        rowsperstrip=50,
        resolution=(1e4 / MPP, 1e4 / MPP),
        resolutionunit="CENTIMETER",
    )
    return path


def write_png(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def painted() -> np.ndarray[Any, Any]:
    return paint()


def _array(folder: Path, pixels: np.ndarray[Any, Any]) -> SlideReader:
    return ArraySlide([pixels, quartered(pixels)], mpp=MPP, name="slide.array")


OPENERS: dict[str, Callable[[Path, np.ndarray[Any, Any]], SlideReader]] = {
    "openslide": lambda folder, pixels: open_slide(
        write_svs(folder / "slide.svs", pixels, codec="zlib")
    ),
    "tifffile-ome-subifd": lambda folder, pixels: open_slide(
        write_ome(folder / "slide.ome.tif", pixels)
    ),
    "tifffile-plain": lambda folder, pixels: open_slide(
        write_plain(folder / "slide.tif", pixels)
    ),
    "array": _array,
    "png": lambda folder, pixels: open_slide(
        write_png(folder / "slide.png", pixels), mpp=MPP
    ),
}


@pytest.fixture(params=list(OPENERS))
def slide(request: pytest.FixtureRequest, tmp_path: Path, painted: Any) -> Any:
    with OPENERS[request.param](tmp_path, painted) as opened:
        yield opened


@pytest.fixture
def svs(tmp_path: Path, painted: Any) -> Path:
    return write_svs(tmp_path / "slide.svs", painted)


@pytest.fixture
def ome(tmp_path: Path, painted: Any) -> Path:
    return write_ome(tmp_path / "slide.ome.tif", painted)


@pytest.fixture
def write_tiff(tmp_path: Path) -> Any:
    def write(pixels: Any, **options: Any) -> Path:
        path = tmp_path / options.pop("name", "picture.tif")
        tifffile.imwrite(path, pixels, **options)
        return path

    return write


@pytest.fixture
def break_tile() -> Any:
    """Zero one tile of a page of a TIFF."""

    def wreck(path: Path, index: int, page: int = 0) -> None:
        with tifffile.TiffFile(path) as tif:
            offset = tif.pages[page].dataoffsets[index]
            count = tif.pages[page].databytecounts[index]
        with path.open("r+b") as stream:
            stream.seek(offset)
            stream.write(bytes(count))

    return wreck


@pytest.fixture
def real_slides() -> Path:
    slides = SHARED / "slides"
    if not slides.is_dir():
        pytest.skip("the slides of the project are not beside the repository")
    return slides
