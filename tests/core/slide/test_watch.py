"""A slide that changes or vanishes while it is read."""

import os
import struct

import numpy as np
import pytest

from napari_deepheme.core.errors import (
    SlideChangedError,
    SlideGoneError,
    UnreadableSlideError,
)
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.slide.patience import NoAnswerError, Patience
from napari_deepheme.core.slide.watch import SlideWatch


def grow(path):
    with path.open("ab") as stream:
        stream.write(b"x")


def touch(path):
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**9))


IMAGE = b"1.2.840.10008.5.1.4.1.1.77.1.6\0"
ANNOTATIONS = b"1.2.840.10008.5.1.4.1.1.91.1"


def dicom(series=b"1.2\0", kind=IMAGE):
    """Return a level of a series, which itself refers to another one."""
    inner = value(0x20, 0x0E, b"UI", b"1.9")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    open_ended = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 0xFFFFFFFF) + item + end
    closed = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, len(item)) + item
    flavour = value(8, 8, b"CS", b"ORIGINAL\\PRIMARY\\VOLUME ")
    head = bytes(128) + b"DICM" + flavour + value(8, 0x16, b"UI", kind)
    return head + open_ended + closed + value(0x20, 0x0E, b"UI", series)


def value(group, element, kind, content):
    return struct.pack("<HH2sH", group, element, kind, len(content)) + content


def test_a_slide_that_stays_is_what_it_was(svs):
    with open_slide(svs) as slide:
        watch = SlideWatch(slide)
        watch.check(is_whole=False)
        assert not watch.has_changed


@pytest.mark.parametrize("change", [grow, touch])
def test_a_slide_that_something_writes_to_is_refused(svs, change):
    with open_slide(svs) as slide:
        watch = SlideWatch(slide)
        change(svs)
        with pytest.raises(SlideChangedError, match="changed while it was read"):
            watch.check(is_whole=True)
        assert watch.has_changed


def test_a_slide_that_vanished_is_missed_only_where_it_was_not_read(svs):
    with open_slide(svs) as slide:
        watch = SlideWatch(slide)
        svs.unlink()
        watch.check(is_whole=True)
        assert not watch.has_changed
        with pytest.raises(SlideGoneError, match="bring it back"):
            watch.check(is_whole=False)


def test_the_folder_beside_a_mirax_file_is_watched_with_it(svs):
    mrxs = svs.rename(svs.with_suffix(".mrxs"))
    data = mrxs.with_suffix("") / "Data0000.dat"
    data.parent.mkdir()
    data.write_bytes(b"pixels")
    with open_slide(mrxs) as slide:
        watch = SlideWatch(slide)
        grow(data)
        assert watch.has_changed


def test_a_dicom_file_is_watched_with_the_others_of_its_series(svs, monkeypatch):
    with open_slide(svs) as slide:
        named, level, other = (svs.with_name(name) for name in ("a", "b.dcm", "c.dcm"))
        for path, series in ((named, b"1.2"), (level, b"1.2\0"), (other, b"1.3\0")):
            path.write_bytes(dicom(series))
        monkeypatch.setattr(type(slide), "path", named, raising=False)
        watch = SlideWatch(slide)
        grow(other)
        assert not watch.has_changed
        grow(level)
        assert watch.has_changed


def test_what_is_in_memory_cannot_change(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    slide = ArraySlide(np.zeros((4, 4, 3), np.uint8), path=path)
    watch = SlideWatch(slide)
    grow(path)
    assert not watch.has_changed


def test_a_drive_that_answers_no_more_is_told_and_changes_nothing(svs, monkeypatch):
    with open_slide(svs) as slide:
        watch = SlideWatch(slide)

        def hang(*_):
            raise NoAnswerError(3)

        monkeypatch.setattr(Patience, "call", hang)
        with pytest.raises(UnreadableSlideError, match="within 3 s") as told:
            watch.check(is_whole=True)
        assert str(svs) in str(told.value)
        assert not watch.has_changed


def test_a_folder_is_watched_with_all_files_of_its_dicom_slide(svs, monkeypatch):
    with open_slide(svs) as slide:
        folder = svs.parent / "dicom"
        folder.mkdir()
        (folder / "a.dcm").write_bytes(dicom())
        monkeypatch.setattr(type(slide), "path", folder, raising=False)
        watch = SlideWatch(slide)
        assert not watch.has_changed
        (folder / "Thumbs.db").write_bytes(b"a view of the folder")
        (folder / "0.dcm").write_bytes(dicom(b"1.7\0", ANNOTATIONS))
        assert not watch.has_changed
        (folder / "b").write_bytes(dicom())
        assert watch.has_changed


def test_a_drive_that_answers_no_more_when_the_watch_begins_is_told(svs, monkeypatch):
    def hang(*_):
        raise NoAnswerError(3)

    with open_slide(svs) as slide:
        monkeypatch.setattr(Patience, "call", hang)
        with pytest.raises(UnreadableSlideError, match="within 3 s"):
            SlideWatch(slide)
        monkeypatch.undo()
