"""Whether a slide is the file of the run that lies beside its cells."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.runs.slide_of_run import is_file_of_run, other_file_doubts
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.slide.identity import slide_identity


@pytest.fixture
def write_slide(tmp_path):
    def write(name, shade):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((40, 50, 3), shade, np.uint8)).save(path)
        return path

    return write


def note_run(folder, slide_path, *, is_finished=True, **changes):
    with open_slide(slide_path) as slide:
        asked = {"slide": {**slide_identity(slide), **changes}}
    with Journal(folder).begin(asked, {}) as journal:
        if is_finished:
            with journal.ending() as end:
                end({})


def doubts(folder, slide_path):
    with open_slide(slide_path) as slide:
        return list(other_file_doubts(folder, slide))


@pytest.mark.parametrize("is_finished", [True, False])
def test_another_file_of_the_same_name_and_size_is_told(
    write_slide, tmp_path, is_finished
):
    mine, other = write_slide("a/one.png", 200), write_slide("b/one.png", 90)
    note_run(tmp_path, mine, is_finished=is_finished)
    (told,) = doubts(tmp_path, other)
    assert "it is another file" in told
    assert "one.png" not in told


def test_the_same_file_elsewhere_and_one_of_another_name_are_left_alone(
    write_slide, tmp_path
):
    mine, same = write_slide("a/one.png", 200), write_slide("b/one.png", 200)
    assert doubts(tmp_path, mine) == []
    note_run(tmp_path, mine)
    assert doubts(tmp_path, mine) == doubts(tmp_path, same) == []
    assert doubts(tmp_path, write_slide("b/two.png", 90)) == []


def test_a_run_that_knew_a_mirax_slide_by_less_says_that_it_may_be_another(
    write_mirax, tmp_path
):
    path = tmp_path / "a.mrxs"
    write_mirax(path, np.zeros((256, 256, 3), np.uint8))
    note_run(tmp_path, path)
    assert doubts(tmp_path, path) == []
    note_run(tmp_path, path, sha256=hashlib.sha256(b"0").hexdigest())
    (told,) = doubts(tmp_path, path)
    assert "earlier version" in told


def test_what_a_journal_does_not_know_is_no_doubt(write_slide, tmp_path):
    mine = write_slide("a/one.png", 200)
    for slide in ({"name": "one.png"}, "one.png", None):
        with Journal(tmp_path).begin({"slide": slide}, {}):
            pass
        assert doubts(tmp_path, mine) == []


def test_a_renamed_file_is_that_of_the_run_and_another_is_not(write_slide, tmp_path):
    mine, same = write_slide("a/one.png", 200), write_slide("b/two.png", 200)

    def is_known(path, named="one.png"):
        with open_slide(path) as slide:
            return is_file_of_run(tmp_path, slide, named)

    assert not is_known(mine)
    note_run(tmp_path, mine)
    assert is_known(mine)
    assert is_known(same)
    assert not is_known(same, named="three.png")
    assert not is_known(write_slide("b/one.png", 90))


def test_slides_without_a_file_are_not_told_apart(tmp_path):
    slide = ArraySlide(np.zeros((40, 50, 3), np.uint8), name="one")
    with Journal(tmp_path).begin({"slide": slide_identity(slide)}, {}):
        pass
    assert not is_file_of_run(tmp_path, slide, "one")
