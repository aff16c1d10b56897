"""What is read is never written over, and what is no file is left alone."""

import os

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.files import (
    atomic_file,
    make_folder,
    refuse_existing,
    refuse_sources,
)


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.svs"
    path.write_bytes(b"slide")
    return path


def test_a_slide_is_refused_as_a_target(slide):
    with pytest.raises(CannotWriteError, match=r"is read \(choose another name"):
        refuse_sources(slide, None, slide)


@pytest.mark.not_on_windows
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_a_slide_is_refused_as_a_target(slide, tmp_path, link):
    link(slide, tmp_path / "cells.csv")
    with pytest.raises(CannotWriteError):
        refuse_sources(tmp_path / "cells.csv", slide)


def test_another_file_and_a_new_one_are_fine_as_targets(slide, tmp_path):
    (tmp_path / "cells.csv").touch()
    refuse_sources(tmp_path / "cells.csv", slide, tmp_path / "missing.svs")
    refuse_sources(tmp_path / "new.csv", slide)


@pytest.mark.not_on_windows
def test_what_has_the_name_is_refused_where_nothing_may_have_it(slide, tmp_path):
    refuse_existing(tmp_path / "new.svs")
    (tmp_path / "dangling.svs").symlink_to(tmp_path / "nowhere")
    for name in ("slide.svs", "dangling.svs"):
        with pytest.raises(CannotWriteError, match="--overwrite"):
            refuse_existing(tmp_path / name)


@pytest.mark.not_on_windows
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(CannotWriteError, match="a pipe or a device"),
        atomic_file(tmp_path / "pipe"),
    ):
        raise AssertionError("it was opened")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.not_on_windows
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, is_there):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "real.csv"
    if is_there:
        target.write_bytes(b"old")
    (tmp_path / "link.csv").symlink_to(target)
    with atomic_file(tmp_path / "link.csv") as stream:
        stream.write(b"new")
    assert (tmp_path / "link.csv").is_symlink()
    assert target.read_bytes() == b"new"
    assert [p.name for p in target.parent.iterdir()] == ["real.csv"]


@pytest.mark.not_on_windows
def test_links_that_lead_nowhere_are_told_in_clear_words(tmp_path):
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "deep")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(CannotWriteError, match="a link that leads nowhere"):
        make_folder(tmp_path / "nowhere")
    for name, told in (("nowhere", "a folder that is not there"), ("loop", "link")):
        with (
            pytest.raises(CannotWriteError, match=told),
            atomic_file(tmp_path / name),
        ):
            raise AssertionError("it was opened")


def test_a_file_in_the_place_of_a_folder_is_told_in_clear_words(slide):
    with pytest.raises(CannotWriteError, match="there, and no folder"):
        make_folder(slide)
