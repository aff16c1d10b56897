"""Files that one process at a time can have."""

import errno
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from napari_deepheme.core import locks
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.locks import (
    held_lock,
    lock_file,
    open_locked,
    remove_locked,
)


def test_a_locked_file_is_refused_until_it_is_closed(tmp_path):
    path = tmp_path / "lock"
    with path.open("wb") as one, path.open("ab") as other:
        assert lock_file(one)
        assert not lock_file(other)
        one.close()
        assert lock_file(other)


def test_what_a_lock_guards_is_done_by_one_at_a_time_and_the_lock_goes(tmp_path):
    at_it, most = [], []

    def work(_):
        with held_lock(tmp_path / "lock"):
            at_it.append(1)
            most.append(len(at_it))
            time.sleep(0.02)
            at_it.pop()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(12)))
    assert most == [1] * 12
    assert not list(tmp_path.iterdir())


def test_a_lock_that_others_do_not_give_up_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_LOCK_SECONDS", 0.1)
    with (
        held_lock(tmp_path / "lock"),
        pytest.raises(CannotWriteError, match="other commands"),
        held_lock(tmp_path / "lock"),
    ):
        raise AssertionError("it was opened")
    with pytest.raises(CannotWriteError), held_lock(tmp_path / "nowhere" / "lock"):
        raise AssertionError("it was opened")


@pytest.mark.parametrize(
    ("number", "is_locked"), [(errno.EACCES, False), (errno.ENOLCK, True)]
)
def test_a_file_system_without_locks_does_without(
    tmp_path, monkeypatch, number, is_locked
):
    def refuse(*_):
        raise OSError(number, "no")

    stand_in = SimpleNamespace(flock=refuse, LOCK_EX=2, LOCK_NB=4)
    monkeypatch.setitem(sys.modules, "fcntl", stand_in)
    monkeypatch.setattr(sys, "platform", "linux")
    with (tmp_path / "lock").open("wb") as stream:
        assert lock_file(stream) == is_locked


def test_a_file_that_another_has_is_not_given(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(FileNotFoundError):
        open_locked(path)
    with open_locked(path, os.O_CREAT) as one:
        assert open_locked(path) is None
        one.write(b"his")
    with open_locked(path) as other:
        assert other.read() == b"his"


def replaced(path):
    path.with_name("new").write_bytes(b"new")
    path.with_name("new").replace(path)


def removed(path):
    path.unlink()


@pytest.mark.not_on_windows
@pytest.mark.parametrize("end", [replaced, removed], ids=lambda end: end.__name__)
def test_a_file_that_gave_way_just_before_it_was_locked_is_not_given(
    end, tmp_path, monkeypatch
):
    path = tmp_path / "lock"
    path.write_bytes(b"old")

    def late(stream):
        end(path)
        return lock_file(stream)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "lock_file", late)
        assert open_locked(path) is None
    assert not path.exists() or path.read_bytes() == b"new"


@pytest.mark.not_on_windows
def test_a_locked_file_is_removed_before_another_can_have_it(tmp_path, monkeypatch):
    path, unlink, given = tmp_path / "lock", type(tmp_path).unlink, []

    def watched(self, **options):
        given.append(open_locked(path))
        unlink(self, **options)

    monkeypatch.setattr(type(tmp_path), "unlink", watched)
    remove_locked(path, open_locked(path, os.O_CREAT))
    assert given == [None]
    assert not path.exists()


def test_a_locked_file_that_cannot_be_removed_is_let_go_of(tmp_path):
    path = tmp_path / "lock"
    stream = open_locked(path, os.O_CREAT)
    with pytest.raises(OSError, match=r"."):
        remove_locked(tmp_path, stream)
    with open_locked(path) as other:
        assert not other.closed
