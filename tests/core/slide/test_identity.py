"""What tells a slide from others."""

import hashlib
import os
import struct

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import file_digest, slide_identity
from napari_deepheme.core.slide.slide_files import (
    dicom_files,
    refuse_slide_files,
    slide_files,
)

IMAGE = b"1.2.840.10008.5.1.4.1.1.77.1.6\0"
ANNOTATIONS = b"1.2.840.10008.5.1.4.1.1.91.1"


def value(group, element, kind, content):
    content += b" " * (len(content) % 2)
    return struct.pack("<HH2sH", group, element, kind, len(content)) + content


def dicom(content, series=b"1.2\0", *, kind=IMAGE, flavour=b"VOLUME"):
    values = (
        value(8, 8, b"CS", b"ORIGINAL\\PRIMARY\\" + flavour),
        value(8, 0x16, b"UI", kind),
        value(0x20, 0x0E, b"UI", series),
    )
    return bytes(128) + b"DICM" + b"".join(values) + content


@pytest.fixture
def folder(tmp_path):
    """A DICOM slide of two files, beside one of another slide."""
    (tmp_path / "slide").mkdir()
    for name, data in (
        ("1.dcm", dicom(b"level 0")),
        ("4.dcm", dicom(b"level 1")),
        ("other.dcm", dicom(b"level 0", b"1.3\0")),
    ):
        (tmp_path / "slide" / name).write_bytes(data)
    return tmp_path / "slide"


def test_the_hash_of_one_file_is_what_journals_of_earlier_versions_hold(tmp_path):
    data = bytes(range(256)) * 4096
    path = tmp_path / "slide.svs"
    path.write_bytes(data)
    quarter = 1 << 18
    parts = [data[:quarter], data[len(data) // 2 :][:quarter], data[-quarter:]]
    told = hashlib.sha256(b"%d" % len(data) + b"".join(parts)).hexdigest()
    assert file_digest(path) == told


@pytest.mark.parametrize("named", ["", "1.dcm", "4.dcm"])
def test_another_level_of_the_same_length_is_another_slide(folder, named):
    before = file_digest(folder / named)
    assert file_digest(folder / named) == before
    (folder / "1.dcm").write_bytes(dicom(b"LEVEL 0"))
    assert file_digest(folder / named) != before


def test_a_dicom_slide_is_one_whichever_file_of_it_is_named(folder):
    (folder / "label").write_bytes(dicom(b"label", flavour=b"LABEL"))
    (folder / "other.dcm").unlink()
    names = ["", "1.dcm", "4.dcm", "label"]
    files = [folder / name for name in names[1:]]
    assert [slide_files(folder / name) for name in names] == [files] * 4
    assert len({file_digest(folder / name) for name in names}) == 1


@pytest.mark.parametrize("named", ["", "1.dcm", "4.dcm"])
@pytest.mark.parametrize("series", [b"1.2\0", b"1.4\0"])
def test_what_is_written_of_a_dicom_slide_beside_it_makes_it_no_other(
    folder, named, series
):
    (folder / "other.dcm").unlink()
    before = file_digest(folder / named)
    cells = dicom(b"cells", series, kind=ANNOTATIONS)
    (folder / "0-cells.dcm").write_bytes(cells)
    (folder / "report.dcm").write_bytes(dicom(b"words", b"1.5\0", kind=b"1.2.9\0"))
    assert file_digest(folder / named) == before


@pytest.mark.parametrize("named", ["", "1.dcm", "4.dcm"])
def test_no_file_of_a_dicom_slide_is_written_over_and_what_is_of_it_may_be(
    folder, named
):
    (folder / "other.dcm").unlink()
    (folder / "label").write_bytes(dicom(b"label", flavour=b"LABEL"))
    (folder / "cells.dcm").write_bytes(dicom(b"", b"1.4\0", kind=ANNOTATIONS))
    for name in ("cells.dcm", "new.dcm"):
        refuse_slide_files(folder / name, folder / named)
    for name in ("1.dcm", "4.dcm", "label"):
        with pytest.raises(CannotWriteError, match="slide or picture that is read"):
            refuse_slide_files(folder / name, folder / named)
    refuse_slide_files(folder / "1.dcm", None)
    refuse_slide_files(folder / "1.dcm", folder / "gone.dcm")


@pytest.mark.not_on_windows
def test_a_pipe_is_no_slide_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe or a device"):
        slide_files(tmp_path / "pipe")
    assert dicom_files(tmp_path / "pipe") == []


def test_the_hash_of_a_dicom_folder_is_what_sittings_of_earlier_versions_hold(folder):
    (folder / "other.dcm").unlink()
    one, two = (dicom(content) for content in (b"level 0", b"level 1"))
    parts = [
        b"%d" % len(data) + data + data[len(data) // 2 :] + data for data in (one, two)
    ]
    told = hashlib.sha256(parts[0] + b"\n4.dcm\n" + parts[1]).hexdigest()
    assert file_digest(folder) == told


def test_a_slide_beside_a_dicom_file_is_none_of_it(folder):
    assert slide_files(folder / "4.dcm") == [folder / "1.dcm", folder / "4.dcm"]
    before = file_digest(folder / "4.dcm")
    (folder / "other.dcm").unlink()
    assert file_digest(folder / "4.dcm") == before


def test_a_dicom_slide_of_one_file_is_known_as_any_file_is(folder, tmp_path):
    copy = tmp_path / "slide.svs"
    copy.write_bytes((folder / "other.dcm").read_bytes())
    assert file_digest(folder / "other.dcm") == file_digest(copy)


def test_what_a_viewer_writes_to_a_mirax_slide_makes_it_no_other(tmp_path):
    path, data = tmp_path / "slide.mrxs", tmp_path / "slide" / "Data0000.dat"
    data.parent.mkdir()
    path.write_bytes(b"overview")
    before = file_digest(path)
    data.write_bytes(b"annotations")
    assert file_digest(path) == before
    assert slide_files(path) == [path, data]


@pytest.mark.parametrize("head", ["Virtual Microscope Specimen", "another list"])
def test_the_pictures_that_a_list_of_hamamatsu_names_are_of_the_slide(tmp_path, head):
    path, picture = tmp_path / "slide.vms", tmp_path / "slide.jpg"
    picture.write_bytes(b"pixels")
    path.write_text(f"[{head}]\nImageFile=slide.jpg\nMapFile=gone.jpg\nNoLayers=1\n")
    expected = [path, picture] if head.startswith("Virtual") else [path]
    assert slide_files(path) == expected


@pytest.mark.not_on_windows
def test_an_open_slide_stays_what_it_was_when_another_file_takes_its_place(tmp_path):
    path, other = tmp_path / "a.svs", tmp_path / "b.svs"
    for seed, file in enumerate((path, other)):
        write_phantom(file, Size(300, 300), seed)
    with open_slide(path) as slide:
        before = slide_identity(slide)
        other.replace(path)
        assert slide_identity(slide) == before
        with open_slide(path) as anew:
            assert slide_identity(anew) != before
