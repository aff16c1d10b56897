"""DICOM files on which OpenSlide would crash."""

import pytest

from napari_deepheme.core.slide.dicom_check import check_dicom

HEAD = bytes(128) + b"DICM" + bytes(900)
SPARSE = HEAD + b"\x20\x00\x11\x93CS\x0c\x00TILED_SPARSE"
PLACES = b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        HEAD,
        HEAD + b"TILED_FULL",
        SPARSE + PLACES,
        SPARSE + bytes(1 << 20) + PLACES,
        b"TILED_SPARSE",
    ],
)
def test_what_openslide_can_stand_is_let_through(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    check_dicom(tmp_path / "a.dcm")


def test_tiles_without_a_place_are_refused_also_of_a_neighbour(tmp_path):
    for name, content in (("a.dcm", HEAD), ("b", SPARSE)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / "folder").mkdir(exist_ok=True)
    for name in ("a.dcm", "b"):
        with pytest.raises(ValueError, match="b does not say where"):
            check_dicom(tmp_path / name)
