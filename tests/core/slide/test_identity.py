"""What tells a slide from others."""

import hashlib
import os
import shutil
import struct

import numpy as np
import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.sittings.sitting import SlideMark
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


@pytest.fixture
def mirax(tmp_path, write_mirax):
    """Write MIRAX slides whose overviews and numbers are all blank."""

    def write(name, seed, **options):
        shades = np.random.default_rng(seed).integers(60, 240, (256, 256, 3))
        write_mirax(tmp_path / name, shades.astype(np.uint8), **options)
        return tmp_path / name

    return write


def test_mirax_slides_with_blank_overviews_and_numbers_are_told_apart(mirax, tmp_path):
    one, other = mirax("one.mrxs", 1), mirax("other.mrxs", 2)
    assert one.read_bytes() == other.read_bytes()
    assert file_digest(one) != file_digest(other)
    with open_slide(one) as slide, open_slide(other) as another:
        assert slide_identity(slide)["size"] == slide_identity(another)["size"]
        key = Pseudonyms(bytes(32))
        assert key.of_slide(slide) == key.of_path(one) != key.of_slide(another)
        assert not SlideMark.of(slide).is_of(another)
    # Another picture of the same number, or the same picture of another.
    assert file_digest(mirax("anew.mrxs", 1, number="1" * 32)) != file_digest(one)


def test_what_is_written_to_a_mirax_slide_makes_it_no_other(mirax):
    path = mirax("slide.mrxs", 1, overview=b"label with a name")
    folder, before = path.with_suffix(""), file_digest(path)
    path.write_bytes(b"")
    (folder / "Data0001.dat").write_bytes(b"annotations")
    for name in ("Data0000.dat", "Index.dat"):
        with (folder / name).open("ab") as stream:
            stream.write(b"annotations")
    text = (folder / "Slidedat.ini").read_text()
    text = text.replace("FILE_COUNT = 1", "FILE_COUNT = 2\nFILE_1 = Data0001.dat")
    (folder / "Slidedat.ini").write_text(text.replace("\n", " \r\n"), newline="")
    assert file_digest(path) == before
    copy = path.with_name("copy.mrxs")
    shutil.copytree(folder, copy.with_suffix(""))
    copy.write_bytes(b"")
    assert file_digest(copy) == before
    names = ["Data0000.dat", "Data0001.dat", "Index.dat", "Slidedat.ini"]
    assert slide_files(path) == [path, *(folder / name for name in names)]


@pytest.mark.parametrize(
    ("file", "at", "content"),
    [
        ("Index.dat", 20, b""),
        ("Index.dat", 37, struct.pack("<i", -9)),
        ("Index.dat", 37, struct.pack("<i", 1 << 30)),
        # Of the only tile of the smaller level.
        ("Index.dat", 141, struct.pack("<i", 2)),
        ("Index.dat", 157, struct.pack("<i", -1)),
        ("Index.dat", 161, struct.pack("<i", 7)),
        ("Slidedat.ini", 0, b"[X]\n"),
    ],
)
def test_an_index_of_mirax_that_makes_no_sense_tells_no_slide_from_others(
    mirax, file, at, content
):
    path = mirax("slide.mrxs", 1)
    whole = (path.with_suffix("") / file).read_bytes()
    rest = whole[at + len(content) :] if content and at else b""
    (path.with_suffix("") / file).write_bytes(whole[:at] + content + rest)
    with pytest.raises(OSError, match="index in its folder makes no sense"):
        file_digest(path)


def test_pages_of_a_mirax_index_in_a_circle_end(mirax):
    path = mirax("slide.mrxs", 1)
    before = file_digest(path)
    with (path.with_suffix("") / "Index.dat").open("r+b") as stream:
        stream.seek(141)
        # One tile, and the page itself as the next one.
        assert struct.unpack("<2i", stream.read(8)) == (1, 0)
        stream.seek(145)
        stream.write(struct.pack("<i", 141))
    assert file_digest(path) == before


def test_mirax_overviews_without_their_folders_are_told_apart_by_their_places(tmp_path):
    one, other = tmp_path / "one.mrxs", tmp_path / "other.mrxs"
    for path in (one, other):
        path.write_bytes(b"")
        with pytest.raises(FileNotFoundError, match="folder"):
            file_digest(path)
    key = Pseudonyms(bytes(32))
    assert key.of_path(one) != key.of_path(other)


def test_another_slide_is_none_of_mirax_whatever_it_is_called(phantom_svs, tmp_path):
    named = tmp_path / "slide.mrxs"
    shutil.copy(phantom_svs, named)
    assert file_digest(named) == file_digest(phantom_svs)


@pytest.mark.parametrize("before", ["", "\n", "# note\n", "\ufeff", "[Of]\na=.\n"])
@pytest.mark.parametrize("head", ["Virtual Microscope Specimen", "another list"])
@pytest.mark.parametrize("name", ["slide.jpg", "müller.jpg", "part/1.jpg"])
def test_the_pictures_that_a_list_of_hamamatsu_names_are_of_the_slide(
    tmp_path, head, before, name
):
    path, picture = tmp_path / "slide.vms", tmp_path / name
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(b"pixels")
    lines = f"{before}[{head}]\nImageFile={name}\nMapFile=gone.jpg\nNoLayers=1\n"
    path.write_text(lines, "utf-8")
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
