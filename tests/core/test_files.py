"""Files are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.files import (
    atomic_file,
    atomic_files,
    atomic_folder,
    atomic_path,
    is_there,
    make_folder,
    need_temporary_files,
    temporary_folder,
)


def write(path, content=b"new"):
    with atomic_file(path) as stream:
        stream.write(content)


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_takes_its_place_when_the_block_ends(tmp_path):
    path = tmp_path / "a.csv"
    with atomic_file(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_mode_that_any_other_new_file_has(tmp_path):
    write(tmp_path / "a.csv")
    (tmp_path / "b.csv").touch()
    modes = {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def fail():
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "name"), [(os, "fsync"), (Path, "replace"), (Path, "chmod")]
)
def test_a_disk_that_fails_is_one_line_and_leaves_the_old_file(
    tmp_path, monkeypatch, place, name
):
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    monkeypatch.setattr(place, name, full_disk)
    with pytest.raises(CannotWriteError, match="No space left") as caught:
        write(path)
    assert caught.value.path == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def write_together(*paths):
    with atomic_files(*paths) as partials:
        for partial in partials:
            write(partial)


@pytest.fixture
def three(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(b"old")
    return paths


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kth", range(6))
def test_files_take_their_places_together_or_the_last_is_taken_away(
    kth, three, tmp_path, monkeypatch
):
    replace, moved = Path.replace, []

    def fail(path, target):
        moved.append(target)
        if len(moved) == kth + 1:
            full_disk()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(CannotWriteError) as caught:
        write_together(*three)
    # Each is written first, and then they take their places.
    assert caught.value.path == str(three[kth % 3])
    left = contents(tmp_path)
    if kth < 4:
        assert left == {"a": b"old", "b": b"old", "c": b"old"}
    else:
        assert left == {"a": b"new", "b": b"old" if kth == 4 else b"new"}
    write_together(*three)
    assert contents(tmp_path) == {"a": b"new", "b": b"new", "c": b"new"}


def test_a_missing_folder_or_a_file_in_its_place_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("missing", "file"):
        with pytest.raises(CannotWriteError):
            write(tmp_path / folder / "a.csv")
    with pytest.raises(CannotWriteError):
        make_folder(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_the_same_name_is_not_replaced(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(CannotWriteError):
        write(tmp_path / "a.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_failure_to_read_something_else_is_not_taken_for_one_to_write(tmp_path):
    def copy():
        with atomic_path(tmp_path / "a.csv"):
            (tmp_path / "source").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        copy()
    assert not isinstance(caught.value, CannotWriteError)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_with_its_parents_and_may_be_there_already(tmp_path):
    folder = make_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert make_folder(folder) == folder


def test_a_folder_gets_its_name_when_the_block_ends(tmp_path):
    for name in ("new", "empty"):
        if name == "empty":
            (tmp_path / name).mkdir()
        with atomic_folder(tmp_path / name) as partial:
            (partial / "a.txt").write_text("a")
            assert not (tmp_path / name / "a.txt").exists()
        assert [p.name for p in (tmp_path / name).iterdir()] == ["a.txt"]
    (tmp_path / "plain").mkdir()
    modes = {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_no_folder(tmp_path, error):
    def fill():
        with atomic_folder(tmp_path / "new") as partial:
            (partial / "a.txt").write_text("a")
            raise error

    with pytest.raises(error):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_full_and_one_that_is_a_file_stay_as_they_are(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    why = {"full": "not an empty folder", "file": "no folder", "nowhere/new": "No such"}
    for name, reason in why.items():
        with (
            pytest.raises(CannotWriteError, match=reason),
            atomic_folder(tmp_path / name),
        ):
            raise AssertionError("it was opened")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine"]


def test_what_no_file_can_be_called_is_not_there(tmp_path):
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "none")
    assert not is_there(tmp_path / ("a" * 300))


def test_a_system_without_room_for_temporary_files_is_told(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(CannotWriteError, match=r"temporary files: .* \(have TMPDIR"):
        need_temporary_files()
    with pytest.raises(CannotWriteError), temporary_folder():
        pass


def test_a_temporary_folder_lasts_as_long_as_its_block():
    with temporary_folder() as folder:
        (folder / "a").write_text("x")
    assert not folder.exists()
