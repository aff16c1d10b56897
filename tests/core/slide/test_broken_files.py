"""Whatever the bytes: a slide that gives pixels, or one of our errors. No warnings."""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import (
    SlideNotFoundError,
    UnknownMppError,
    UnreadableRegionError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide import PixelGrid, open_slide, plausible_mpp, read_grid
from napari_deepheme.core.slide.tiff.check import has_sound_counts

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["svs", "ome", "strips", "raw", "png", "jpg", "webp"]
EXTREMES = [0, 1, 7, 255, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]


def use(path: Path) -> str:
    try:
        slide = open_slide(path)
    except UnreadableSlideError as error:
        return "refused" if str(error) else "silent"
    with slide:
        return "unreadable" if not all(reads(slide)) else "read"


def reads(slide: Any) -> list[bool]:
    done = []
    for index, level in enumerate(slide.levels):
        for part in (0, 0.5):
            at = Point(int(slide.size.width * part), int(slide.size.height * part))
            try:
                pixels = slide.read_region(at, index, Size(40, 30))
                done.append(pixels.shape == (30, 40, 3))
            except UnreadableRegionError as error:
                done.append(not str(error))
        assert level.downsample >= 1
    with suppress(UnknownMppError):
        plausible_mpp(slide)
    read_grid(slide, PixelGrid(0.9, 0.9), Region(-3, -3, 300, 300))
    return done


@pytest.fixture(scope="module")
def samples(tmp_path_factory: Any) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("samples")
    y, x = np.mgrid[:256, :384]
    pixels = np.stack([x % 256, y, (x * y) % 251], axis=-1).astype("u1")
    small: dict[str, Any] = {"photometric": "rgb", "tile": (128, 128)}
    text = "Aperio Image Library v12.0.15 \r\n384x256 [0,0 384x256] (128x128) JPEG/RGB"
    with tifffile.TiffWriter(folder / "svs") as tif:
        for level in (pixels, pixels[::2, ::2]):
            options = {"compression": "jpeg", "description": f"{text} Q=90|MPP = 0.25"}
            tif.write(level, metadata=None, **options, **small)
    with tifffile.TiffWriter(folder / "ome", ome=True) as tif:
        tif.write(pixels, subifds=1, compression="zlib", **small)
        tif.write(pixels[::2, ::2], subfiletype=1, compression="jpeg", **small)
    strips: dict[str, Any] = {"photometric": "rgb", "rowsperstrip": 16}
    tifffile.imwrite(folder / "strips", pixels, compression="lzw", **strips)
    tifffile.imwrite(folder / "raw", pixels, photometric="rgb")
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[274] = 6
    picture.save(folder / "png", "PNG")
    picture.save(folder / "jpg", "JPEG", exif=exif)
    picture.save(folder / "webp", "WEBP", exif=exif)
    return {name: (folder / name).read_bytes() for name in FORMATS}


@pytest.fixture(autouse=True)
def quiet(capfd: Any, caplog: Any) -> Any:
    yield
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_anywhere(kind: str, samples: Any, tmp_path: Path) -> None:
    data = samples[kind]
    path = tmp_path / f"cut.{kind}"
    ends = {*range(0, 40, 3), *np.linspace(41, len(data) - 1, 25).astype(int).tolist()}
    for end in sorted(ends):
        path.write_bytes(data[:end])
        use(path)
    path.write_bytes(data)
    assert use(path) == "read"


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_flipped_anywhere(kind: str, samples: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(FORMATS.index(kind))
    data = samples[kind]
    path = tmp_path / f"flipped.{kind}"
    for case in range(50):
        broken = bytearray(data)
        # The head, the tail, or anywhere.
        low, high = [(0, 2000), (len(data) - 2000, len(data)), (0, len(data))][case % 3]
        for at in random.integers(max(0, low), min(high, len(data)), 1 + case % 5):
            broken[at] = random.integers(0, 256)
        path.write_bytes(broken)
        use(path)


@pytest.mark.parametrize("kind", ["svs", "ome", "strips", "raw"])
def test_absurd_numbers_in_the_directory(
    kind: str, samples: Any, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    data = samples[kind]
    places = directory_entries(data)
    path = tmp_path / f"absurd.{kind}"
    for _ in range(60):
        broken = bytearray(data)
        entry = int(random.choice(places))
        field, form = [(2, "H"), (4, "I"), (8, "I")][random.integers(3)]
        value = int(random.choice(EXTREMES))
        struct.pack_into(f"<{form}", broken, entry + field, value & (1 << 16) - 1)
        if form == "I":
            struct.pack_into("<I", broken, entry + field, value)
        path.write_bytes(broken)
        use(path)


def directory_entries(data: bytes) -> list[int]:
    places: list[int] = []
    (offset,) = struct.unpack_from("<I", data, 4)
    while offset:
        (n,) = struct.unpack_from("<H", data, offset)
        places += range(offset + 2, offset + 2 + 12 * n, 12)
        (offset,) = struct.unpack_from("<I", data, offset + 2 + 12 * n)
    return places


@pytest.mark.parametrize("kind", ["svs", "ome", "strips"])
def test_pages_that_run_in_a_circle(kind: str, samples: Any, tmp_path: Path) -> None:
    broken = bytearray(samples[kind])
    last = max(directory_entries(broken)) + 12
    struct.pack_into("<I", broken, last, struct.unpack_from("<I", broken, 4)[0])
    path = tmp_path / "circle.tif"
    path.write_bytes(broken)
    assert use(path) in ("refused", "read")


def test_pages_without_end(tmp_path: Path, samples: Any) -> None:
    # 200 directories, the last of which leads back to the second.
    offsets = [8 + 6 * index for index in range(200)]
    parts = [struct.pack("<HI", 0, after) for after in [*offsets[1:], offsets[1]]]
    path = tmp_path / "endless.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(parts))
    with pytest.raises(UnreadableSlideError, match="circle"):
        open_slide(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"MPP = 0.25\n" * 40, "format is not known"),
        (b"PK\x03\x04" + bytes(200), "format is not known"),
        (b"%PDF-1.7\n" + bytes(200), "format is not known"),
        (b"II*\0", "as a slide"),
        (b"BM" + bytes(60), "as a slide"),
        (b"RIFF" + bytes(4) + b"WAVEfmt ", "format is not known"),
    ],
    ids=["empty", "text", "zip", "pdf", "head", "bmp", "sound"],
)
def test_other_files_named_svs(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "slide.svs"
    path.write_bytes(content)
    with pytest.raises(UnreadableSlideError, match=reason) as caught:
        open_slide(path)
    assert caught.value.slide == str(path)


def test_a_picture_named_svs_is_a_picture(tmp_path: Path, samples: Any) -> None:
    path = tmp_path / "slide.svs"
    path.write_bytes(samples["png"])
    assert use(path) == "read"


@pytest.mark.not_on_windows
def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "dangling.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "loop.svs").symlink_to(tmp_path / "loop.svs")
    (tmp_path / "chain.svs").symlink_to("dangling.svs")
    (tmp_path / "drive").symlink_to(tmp_path / "unmounted")
    for name, link, target in (
        ("dangling.svs", "it", "gone.svs"),
        ("chain.svs", "it", "gone.svs"),
        ("drive/a.svs", str(tmp_path / "drive"), "unmounted"),
    ):
        told = f"{link} is a link to {tmp_path / target}, which is gone"
        with pytest.raises(SlideNotFoundError, match=re.escape(f"{name} ({told}")):
            open_slide(tmp_path / name)
    with pytest.raises(SlideNotFoundError, match="name a file"):
        open_slide(tmp_path / "loop.svs")


@pytest.mark.not_on_windows
def test_a_link_that_leads_somewhere_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "slides")
    with pytest.raises(SlideNotFoundError, match="name a file"):
        open_slide(tmp_path / "link" / "none.svs")


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for name in ("none.svs", "file/x.svs", "n" * 300, "a\0b"):
        with pytest.raises(SlideNotFoundError):
            open_slide(tmp_path / name)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSlideError, match="folder without DICOM"):
        open_slide(str(tmp_path))
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(99))
    with pytest.raises(UnreadableSlideError):
        open_slide(tmp_path)


@pytest.mark.not_on_windows
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "a.dcm")
    with pytest.raises(UnreadableSlideError, match="folder without DICOM"):
        open_slide(tmp_path / "pipes", read_timeout=5)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableSlideError, match="not a file"):
        open_slide(tmp_path / "pipe")


@pytest.mark.not_on_windows
def test_a_file_that_may_not_be_read_is_refused(svs: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    svs.chmod(0)
    with pytest.raises(UnreadableSlideError, match="denied"):
        open_slide(svs)


def test_a_vast_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    chunk = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    crc = b"\x00\x00\x00\x00"
    path = tmp_path / "bomb.png"
    path.write_bytes(head + chunk + crc + b"\x00\x00\x00\x00IDAT" + crc)
    with pytest.raises(UnreadableSlideError):
        open_slide(path)
    flat = tmp_path / "flat.png"
    Image.new("1", (21_000, 21_000)).save(flat)
    with pytest.raises(UnreadableSlideError, match="too many"):
        open_slide(flat)


def test_a_webp_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_deepheme.core.slide.picture._HARMLESS", 1 << 20)
    path = tmp_path / "flat.webp"
    Image.new("RGB", (2000, 2000)).save(path, lossless=True)
    with pytest.raises(UnreadableSlideError, match="no picture of cells"):
        open_slide(path)


@pytest.mark.parametrize("kind", ["svs", "ome", "strips"])
def test_tiles_longer_than_the_file_are_never_given_to_openslide(
    kind: str, samples: Any, tmp_path: Path
) -> None:
    # OpenSlide would make room for 4 GB, and end the process where there is none.
    broken = bytearray(samples[kind])
    counts = [
        entry
        for entry in directory_entries(broken)
        if struct.unpack_from("<H", broken, entry)[0] in (279, 325)
    ]
    _, form, count, at = struct.unpack_from("<HHII", broken, counts[0])
    size = {3: 2, 4: 4}[form]
    at = at if count * size > 4 else counts[0] + 8
    broken[at : at + size] = b"\xff" * size
    path = tmp_path / f"long.{kind}"
    path.write_bytes(broken)
    with path.open("rb") as stream:
        is_sound = has_sound_counts(stream)
    assert is_sound == (size == 2 and len(broken) > 0xFFFF)
    with open_slide(path) as slide:
        assert is_sound or type(slide).__name__ == "TiffSlide"
        reads(slide)
    path.write_bytes(samples[kind])
    with path.open("rb") as stream:
        assert has_sound_counts(stream)


def test_a_vast_size_without_an_index_is_refused(tmp_path: Path, samples: Any) -> None:
    broken = bytearray(samples["raw"])
    for entry in directory_entries(broken):
        if struct.unpack_from("<H", broken, entry)[0] == 256:
            struct.pack_into("<HII", broken, entry + 2, 4, 1, (1 << 31) - 1)
    path = tmp_path / "vast.tif"
    path.write_bytes(broken)
    with pytest.raises(UnreadableSlideError, match="next to none"):
        open_slide(path)


def test_an_empty_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    Image.new("1", (10_000, 10_000)).save(path)
    with pytest.raises(UnreadableSlideError, match="no picture of cells"):
        open_slide(path)
    Image.new("1", (5_000, 5_000)).save(path)
    assert open_slide(path).size == (5_000, 5_000)
