"""Folders of DICOM files: of one slide, of several, and of grey ones."""

from __future__ import annotations

import os
import struct
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.dicom_header import (
    colours_of,
    first_frame_of,
    slide_series_of,
)
from napari_deepheme.core.slide.dicom_slide import _contradicts_frames, open_dicom

if TYPE_CHECKING:
    from pathlib import Path

SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6\0"
REPORT = b"1.2.840.10008.5.1.4.1.1.88.34\0"
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ENDS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


def value(group: int, element: int, kind: bytes, content: bytes) -> bytes:
    content += b" " * (len(content) % 2)
    return struct.pack("<HH2sH", group, element, kind, len(content)) + content


def encapsulated(*items: bytes) -> bytes:
    found = [struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one for one in items]
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    return head + b"".join(found)


def sequence(group: int, element: int, content: bytes) -> bytes:
    head = struct.pack("<HH2sHI", group, element, b"SQ", 0, 0xFFFFFFFF)
    return head + ITEM + content + ENDS


def dicom(
    series: bytes,
    flavour: bytes = b"VOLUME",
    kind: bytes = SLIDE,
    colours: bytes = b"YBR_FULL_422",
    pyramid: bytes = b"",
) -> bytes:
    return b"".join(
        [
            bytes(128) + b"DICM",
            value(2, 0x10, b"UI", b"1.2.840.10008.1.2.4.50"),
            value(8, 8, b"CS", b"ORIGINAL\\PRIMARY\\" + flavour + b"\\NONE"),
            value(8, 0x16, b"UI", kind),
            value(8, 0x19, b"UI", pyramid) if pyramid else b"",
            sequence(8, 0x1115, value(0x20, 0xE, b"UI", b"9.9.9")),
            value(0x20, 0xE, b"UI", series),
            value(0x28, 4, b"CS", colours),
        ]
    )


def test_the_first_frame_is_found_behind_open_sequences(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    inside = sequence(0x5200, 0x9229, value(0x28, 0x30, b"DS", b"0.00025"))
    frames = encapsulated(bytes(4), b"\xff\xd8\xff\xe0")
    path.write_bytes(dicom(b"1.2") + inside + frames)
    assert first_frame_of(path, 3) == b"\xff\xd8\xff"
    path.write_bytes(dicom(b"1.2") + inside)
    assert first_frame_of(path, 3) == b""


def test_a_folder_of_two_slides_is_refused_and_names_a_file_of_each(
    tmp_path: Path,
) -> None:
    for name, series in (("a1", b"1.2"), ("a2", b"1.2"), ("b1", b"1.3")):
        (tmp_path / f"{name}.dcm").write_bytes(dicom(series))
    with pytest.raises(UnreadableSlideError) as caught:
        open_slide(tmp_path)
    assert caught.value.reason == "it holds 2 DICOM slides"
    assert caught.value.remedy.endswith("as a1.dcm, b1.dcm")


def _open(path: Path) -> None:
    # The head of a file alone is no DICOM for OpenSlide.
    (open_slide(path) if path.is_dir() else open_dicom(path, path, None)).close()


@pytest.mark.parametrize("name", ["", "a1.dcm", "b1.dcm", "label.dcm"])
def test_two_pyramids_of_one_series_are_refused_whatever_is_named(
    tmp_path: Path, name: str
) -> None:
    for stem, pyramid in (("a1", b"1.9.1"), ("a2", b"1.9.1"), ("b1", b"1.9.2")):
        (tmp_path / f"{stem}.dcm").write_bytes(dicom(b"1.2", pyramid=pyramid))
    (tmp_path / "label.dcm").write_bytes(dicom(b"1.2", b"LABEL"))
    with pytest.raises(UnreadableSlideError) as caught:
        _open(tmp_path / name)
    assert ("2 pyramids" if name else "2 DICOM slides") in caught.value.reason
    assert caught.value.remedy.endswith("a folder of its own: those of a1.dcm, b1.dcm")


@pytest.mark.parametrize("pyramids", [(b"", b""), (b"1.9.1", b""), (b"1.9", b"1.9")])
def test_levels_of_one_pyramid_are_one_slide_stated_or_not(
    tmp_path: Path, pyramids: tuple[bytes, bytes]
) -> None:
    for stem, pyramid in zip("ab", pyramids, strict=True):
        (tmp_path / f"{stem}.dcm").write_bytes(dicom(b"1.2", pyramid=pyramid))
    (tmp_path / "label.dcm").write_bytes(dicom(b"1.2", b"LABEL", pyramid=b"1.7"))
    for path in (tmp_path, tmp_path / "b.dcm"):
        # It goes on to OpenSlide, which misses the pixels.
        with pytest.raises(UnreadableSlideError, match="copy it again") as caught:
            _open(path)
        assert "pyramids" not in caught.value.reason


@pytest.mark.not_on_windows
def test_a_pipe_beside_a_slide_is_named_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom(b"1.2.3"))
    os.mkfifo(tmp_path / "feed")
    with pytest.raises(UnreadableSlideError, match="feed beside it is a pipe") as told:
        open_slide(tmp_path, read_timeout=1)
    assert "take that out of its folder" in str(told.value)


def test_labels_and_reports_are_no_further_slides(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom(b"1.2"))
    (tmp_path / "b.dcm").write_bytes(dicom(b"1.3", b"LABEL"))
    (tmp_path / "c.dcm").write_bytes(dicom(b"1.4", b"OVERVIEW"))
    (tmp_path / "d.dcm").write_bytes(dicom(b"1.5", kind=REPORT))
    (tmp_path / "e.dcm").write_bytes(b"no DICOM")
    found = [slide_series_of(tmp_path / f"{name}.dcm") for name in "abcde"]
    assert found == [b"1.2", None, None, None, None]
    # It goes on to OpenSlide, which misses the pixels.
    with pytest.raises(UnreadableSlideError) as caught:
        open_slide(tmp_path)
    assert "DICOM slides" not in caught.value.reason


def test_a_grey_slide_is_refused_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "grey.dcm"
    path.write_bytes(dicom(b"1.2", colours=b"MONOCHROME2"))
    assert colours_of(path) == "MONOCHROME2"
    with pytest.raises(UnreadableSlideError, match="only colours are read"):
        open_slide(tmp_path)


@pytest.mark.parametrize("is_rgb", [True, False])
@pytest.mark.parametrize("colours", [b"RGB", b"YBR_FULL_422"])
def test_frames_of_other_colours_than_the_file_states_are_told(
    tmp_path: Path, is_rgb: bool, colours: bytes
) -> None:
    stream = BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG", keep_rgb=is_rgb)
    path = tmp_path / "a.dcm"
    frames = encapsulated(b"", stream.getvalue())
    path.write_bytes(dicom(b"1.2", colours=colours) + frames)
    assert _contradicts_frames(path) == (is_rgb != (colours == b"RGB"))
