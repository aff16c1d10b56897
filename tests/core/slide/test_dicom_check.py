"""DICOM files on which OpenSlide would crash."""

import struct

import pytest

from napari_deepheme.core.slide.dicom_check import check_dicom

PLACES = b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff"
SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6\0\0"
SEGMENTS = b"1.2.840.10008.5.1.4.1.1.66.4"


def value(group, element, kind, content, length=None):
    size = len(content) if length is None else length
    form = "<HH2sHI" if kind in (b"OB", b"SQ", b"UN") else "<HH2sH"
    words = (0, size) if form.endswith("I") else (size,)
    return struct.pack(form, group, element, kind, *words) + content


def organized(kind, media=SLIDE):
    return HEAD + value(2, 2, b"UI", media) + value(0x20, 0x9311, b"CS", kind)


HEAD = bytes(128) + b"DICM"
SPARSE = organized(b"TILED_SPARSE")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        HEAD,
        organized(b"TILED_FULL"),
        organized(b"TILED_FULL\\3D "),
        organized(b"3D", SEGMENTS),
        SPARSE + PLACES,
        organized(b"3D") + PLACES,
        SPARSE + value(0x28, 0x2000, b"OB", bytes(1 << 20)) + PLACES,
        b"TILED_SPARSE",
    ],
)
def test_what_openslide_can_stand_is_let_through(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    check_dicom(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", [b"TILED_SPARSE", b"3D", b"3D\\TILED_FULL "])
def test_tiles_without_a_place_are_refused_also_of_a_neighbour(tmp_path, kind):
    for name, content in (("a.dcm", HEAD), ("b", organized(kind))):
        (tmp_path / name).write_bytes(content)
        (tmp_path / "folder").mkdir(exist_ok=True)
    for name in ("a.dcm", "b"):
        with pytest.raises(ValueError, match="b does not say where"):
            check_dicom(tmp_path / name)


START = HEAD + value(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
FRAMES = value(0x7FE0, 0x10, b"OB", ITEM + bytes(40), 0xFFFFFFFF)
INSIDE = value(0x5200, 0x9229, b"SQ", ITEM + value(0x28, 0x30, b"DS", b"0.00025 "), 0)


@pytest.mark.parametrize(
    "content",
    [
        START + FRAMES,
        START + INSIDE + FRAMES,
        START + value(0x28, 0x2000, b"OB", bytes(3000)) + FRAMES,
        START[:-7],
        START + bytes(90),
    ],
)
def test_values_that_fit_into_the_file_are_let_through(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    check_dicom(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    "content",
    [
        START + value(0x28, 0x2000, b"OB", bytes(30), 0xFFFFFF00) + FRAMES,
        START + value(0x28, 0x2000, b"UN", bytes(30), 1 << 30) + FRAMES,
        START + INSIDE[:-16] + value(0x28, 0x30, b"OB", b"", 1 << 31) + FRAMES,
        START + struct.pack("<HHI", 8, 0x16, 1 << 30) + FRAMES,
        START + value(0x7FE0, 0x10, b"OB", bytes(30), 1 << 30),
    ],
    ids=["bytes", "unknown", "in a sequence", "without kinds", "pixels"],
)
def test_a_value_longer_than_the_file_is_refused(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(ValueError, match=r"a.dcm states a value longer"):
        check_dicom(tmp_path / "a.dcm")
