"""Pictures that lie in a data set under several names."""

from dataclasses import replace

import pytest

from napari_deepheme.core.training.cells.copies import without_copies
from napari_deepheme.core.training.cells.known import (
    mark_of,
    picture_mark,
    picture_marks,
)
from napari_deepheme.core.training.cells.manifest import LabelledCell


@pytest.fixture
def cell(tmp_path):
    """Make a cell whose picture is as given."""

    def made(name, content, **changes):
        path = tmp_path / name
        path.write_bytes(content)
        return replace(LabelledCell(path, "lab", "M2", ("M2",), "", 0.2), **changes)

    return made


def test_of_copies_in_several_splits_the_held_out_one_is_kept(cell):
    cells = [
        cell("a", b"1", split="train"),
        cell("b", b"2", split="val"),
        cell("c", b"1", split="val"),
        cell("d", b"2", split="test"),
        cell("e", b"3"),
        cell("f", b"3", split="train"),
    ]
    kept, told = without_copies(cells)
    assert [(c.path.name, c.split) for c in kept] == [
        ("c", "val"),
        ("d", "test"),
        ("f", "train"),
    ]
    assert told == [
        "3 pictures are left out, the same as others under another name (the held-out "
        "one is kept of 3 pictures in two splits)"
    ]


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (
            {"targets": ("M2", "M3")},
            {"targets": ("L2",)},
            "called M2|M3 and L2",
        ),
        ({"patient": "P1"}, {"patient": "P2"}, "of patient P1 and P2"),
        ({"mpp": 0.2}, {"mpp": 0.25}, "of mpp 0.2 and 0.25"),
    ],
)
def test_copies_that_contradict_each_other_are_all_left_out(cell, one, other, reason):
    folder = cell("a", b"1").path.parent.name
    cells = [cell("a", b"1", **one), cell("b", b"2"), cell("c", b"1", **other)]
    kept, told = without_copies(cells)
    assert [c.path.name for c in kept] == ["b"]
    assert told == [
        "2 pictures are left out, one and the same under several names that contradict "
        f"each other ({folder}/a, {folder}/c: {reason})"
    ]


def test_of_many_that_contradict_each_other_some_are_named(cell):
    words = {False: ("M2",), True: ("L2",)}
    cells = [
        cell(f"{n}{copy}", f"{n}".encode(), targets=words[copy])
        for n in range(5)
        for copy in (False, True)
    ]
    kept, (told,) = without_copies(cells)
    assert kept == []
    assert told.startswith("10 pictures are left out")
    assert told.endswith("/2True: called M2 and L2; and 2 more)")


def test_what_is_kept_has_the_classes_that_all_copies_allow(cell):
    cells = [
        cell("a", b"1", targets=(), label=""),
        cell("b", b"1", targets=("M2", "M3"), label="M2+M3"),
        cell("c", b"1", targets=("M3", "M4"), label="M3+M4", patient="P1"),
    ]
    (kept,), _ = without_copies(cells)
    assert (kept.path.name, kept.targets, kept.label) == ("a", ("M3",), "M2+M3")
    assert (kept.patient, kept.mark) == ("P1", picture_mark(cells[0].path))


def test_pictures_that_cannot_be_read_are_left_to_who_opens_them(cell, tmp_path):
    gone = [replace(cell("a", b"1"), path=tmp_path / name) for name in ("x", "y")]
    assert without_copies(gone) == (gone, [])


def test_a_picture_that_cannot_be_read_has_no_mark(tmp_path):
    cell = LabelledCell(tmp_path / "gone.png", "s", "M2", ("M2",), "", 0.2)
    assert mark_of(cell) == ""
    assert picture_marks([cell]) == frozenset()
