import csv
import errno
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.engine.crops import pictures_in
from napari_deepheme.core.errors import InvalidTableError, UnknownMppError
from napari_deepheme.core.slide import PICTURE_SUFFIXES
from napari_deepheme.core.training.cells.known import picture_mark
from napari_deepheme.core.training.cells.manifest import (
    LabelledCell,
    load_crops,
    read_manifest,
)
from napari_deepheme.core.training.cells.named import load_own_crops, read_own_cells
from napari_deepheme.core.training.cells.picture_labels import parse_classes
from napari_deepheme.core.training.cells.splits import (
    is_by_patient,
    limits_of_split,
    split_cells,
    torn_patients,
)
from napari_deepheme.core.training.training_error import TrainingError


def save(path, colour=None, size=(20, 20)):
    """Save a picture of one colour, by default one of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = tuple(hashlib.sha256(str(path).encode()).digest()[:3])
    Image.new("RGB", size, colour or own).save(path)
    return path


def write_table(path, *rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize(
    ("word", "codes"),
    [
        ("M2", ("M2",)),
        ("promyelocyte", ("M2",)),
        ("Plasma_Cell", ("L4",)),
        ("segmented-neutrophil", ("M6",)),
        ("E1+E4", ("E1", "E4")),
        ("E1|E4", ("E1", "E4")),
        ("E4 | E1|E4", ("E1", "E4")),
        ("platelet+PL3", ("PL3", "platelet")),
        ("unidentified", ("not-identifiable",)),
        ("not-a-cell", ()),
        ("unnamed", ()),
        ("", ()),
    ],
)
def test_a_class_is_known_by_code_name_or_set(word, codes):
    assert parse_classes(word) == codes


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_pictures_of_each_kind_are_found_to_learn_from_and_to_name(tmp_path, suffix):
    picture = save(tmp_path / "M2" / f"a{suffix}")
    (cell,) = read_own_cells(tmp_path, mpp=0.25)
    assert cell.path == picture
    assert pictures_in(tmp_path) == [picture]
    assert load_crops([cell], size_px=8, mpp=0.25).shape == (1, 8, 8, 3)


def test_a_folder_by_class_is_read_in_order_of_path(tmp_path):
    folder = tmp_path / "our cells"
    for name in ("M2", "Plasma cell", "E1+E4", "not-a-cell", "unnamed", ".hidden"):
        save(folder / name / "a.png")
    save(folder / "M2" / "deeper" / "b.TIF")
    (folder / "M2" / "notes.txt").write_text("no picture")
    (folder / "M2" / "._a.png").write_bytes(b"what another system keeps of it")
    cells = read_own_cells(folder, mpp=0.25)
    assert [(c.path.name, c.targets, c.label) for c in cells] == [
        ("a.png", ("E1", "E4"), "E1+E4"),
        ("a.png", ("M2",), "M2"),
        ("b.TIF", ("M2",), "M2"),
        ("a.png", ("L4",), "Plasma cell"),
        ("a.png", (), "unnamed"),
    ]
    assert {(c.source, c.mpp, c.split) for c in cells} == {("our cells", 0.25, "")}


def test_folders_of_splits_hold_folders_by_class(tmp_path):
    for split in ("Train", "val"):
        save(tmp_path / split / "M2" / "a.png")
    cells = read_own_cells(tmp_path, mpp=0.25)
    assert [(c.split, c.targets) for c in cells] == [
        ("train", ("M2",)),
        ("val", ("M2",)),
    ]
    assert {c.source for c in cells} == {tmp_path.name}


def test_what_is_no_folder_of_cells_is_told(tmp_path):
    with pytest.raises(InvalidTableError, match=r"neither manifest\.csv nor folders"):
        read_own_cells(tmp_path, mpp=0.25)
    save(tmp_path / "M9" / "a.png")
    with pytest.raises(InvalidTableError, match="'M9' is no class"):
        read_own_cells(tmp_path, mpp=0.25)
    with pytest.raises(InvalidTableError):
        read_own_cells(tmp_path / "nowhere.csv")


def test_pictures_state_their_pixel_size_or_the_user_does(tmp_path):
    save(tmp_path / "M2" / "a.png")
    with pytest.raises(UnknownMppError, match="--mpp"):
        read_own_cells(tmp_path)
    with pytest.raises(UnknownMppError):
        read_own_cells(tmp_path, mpp=7.0)
    (tmp_path / "M2" / "a.png").unlink()
    picture = Image.new("RGB", (20, 20), (9, 9, 9))
    dots_an_inch = 25_400 / 0.25
    picture.save(tmp_path / "M2" / "b.tif", dpi=(dots_an_inch, dots_an_inch))
    (cell,) = read_own_cells(tmp_path)
    assert cell.mpp == pytest.approx(0.25)


def test_a_table_needs_only_file_and_classes(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    header = ("file", "classes", "patient", "background")
    path = write_table(
        tmp_path / "manifest.csv",
        header,
        ("a.png", "m2", "P7", "200 210 220"),
        ("a.png", "not-a-cell", "P7", ""),
        ("b.png", "unnamed", "P7", ""),
    )
    named, unnamed = read_own_cells(tmp_path, mpp=0.3)
    assert named == LabelledCell(
        tmp_path / "a.png",
        tmp_path.name,
        "m2",
        ("M2",),
        "",
        0.3,
        "P7",
        (200.0, 210.0, 220.0),
    )
    assert unnamed.targets == ()
    assert read_manifest(path, mpp=0.3) == [named]


def test_a_table_with_semicolons_and_a_mark_at_its_start_is_read(tmp_path):
    save(tmp_path / "a.png")
    path = tmp_path / "cells.csv"
    path.write_text("\ufefffile;classes;mpp\na.png;E1|E4;0.2\n", encoding="utf-8")
    (cell,) = read_own_cells(path)
    assert (cell.targets, cell.mpp) == (("E1", "E4"), 0.2)


def test_a_table_with_decimal_commas_is_read_where_they_do_not_separate(tmp_path):
    save(tmp_path / "a.png")
    path = tmp_path / "cells.csv"
    rows = ["file;classes;mpp;background", "a.png;M2;0,2;230,5 231 240"]
    path.write_text("\n".join(rows), encoding="utf-8")
    (cell,) = read_own_cells(path)
    assert (cell.mpp, cell.background) == (0.2, (230.5, 231, 240))
    path.write_text("file,classes,mpp\na.png,M2,0,2\n", encoding="utf-8")
    with pytest.raises(InvalidTableError, match="line 2 has 4 values for 3 columns"):
        read_own_cells(path)


def test_a_table_in_other_letters_is_told_what_to_save_it_as(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_bytes("file,classes,patient\na.png,M2,Zürich\n".encode("latin-1"))
    with pytest.raises(InvalidTableError, match="save it as CSV UTF-8"):
        read_own_cells(path)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("a.png", "M2", "dev", "0.2"), "line 3: split is 'dev'"),
        (("b.png", "M2", "val", "0.2"), r"line 3: there is no picture b\.png"),
        (("a.png", "Q2", "val", "0.2"), "line 3: 'Q2' is no class"),
        (("a.png", "M2", "val", "wide"), "line 3: mpp is 'wide': give a number"),
        (("", "M2", "val", "0.2"), "line 3: it names no file"),
        (
            ("a.png", "M2", "val", "0.2", "1 2 x"),
            "line 3: background is '1 2 x': give three numbers",
        ),
    ],
)
def test_a_row_that_cannot_be_understood_is_named_by_its_line(tmp_path, row, told):
    save(tmp_path / "a.png")
    header = ("file", "classes", "split", "mpp", "background")
    good = ("a.png", "M2", "val", "0.2")
    path = write_table(tmp_path / "manifest.csv", header, good, row)
    with pytest.raises(InvalidTableError, match=told) as refused:
        read_own_cells(path)
    assert str(path) in str(refused.value)


def test_a_table_without_a_needed_column_says_which(tmp_path):
    path = write_table(tmp_path / "cells.csv", ("file", "label"), ("a.png", "x"))
    with pytest.raises(InvalidTableError, match="lacks the column classes"):
        read_own_cells(path)


def test_the_background_of_the_slide_goes_before_that_of_the_picture(tmp_path):
    path = save(tmp_path / "a.png", colour=(120, 120, 120))
    cell = LabelledCell(path, "lab", "M2", ("M2",), "", 0.25)
    options = {"size_px": 16, "mpp": 0.25}
    assert (load_own_crops([cell], whitened=False, **options) == 120).all()
    assert (load_own_crops([cell], whitened=True, **options) == 240).all()
    stated = replace(cell, background=(240.0, 240.0, 240.0))
    assert (load_own_crops([stated], whitened=True, **options) == 120).all()


def cells_of(counts, patients=0, **changes):
    cells = []
    for code, n in counts.items():
        for i in range(n):
            patient = f"p{i % patients}" if patients else ""
            path = f"{code}{i}"
            cells.append(
                LabelledCell(path, "lab", code, (code,), "", 0.2, patient, **changes)
            )
    return cells


def test_a_single_split_holds_out_a_fifth_of_each_class():
    cells = cells_of({"M3": 50, "L2": 20, "B1": 3})
    (split,) = split_cells(cells, seed=3)
    held = [cells[i].label for i in split.val]
    assert {code: held.count(code) for code in ("M3", "L2", "B1")} == {
        "M3": 10,
        "L2": 4,
        "B1": 0,
    }
    assert sorted([*split.train, *split.val]) == list(range(73))
    (again,) = split_cells(cells, seed=3)
    assert (again.val == split.val).all()
    (other,) = split_cells(cells, seed=4)
    assert (other.val != split.val).any()


@pytest.mark.parametrize("patients", [0, 8])
def test_what_the_start_learned_from_is_not_held_out_when_cells_are_added(patients):
    cells = cells_of({"M3": 40, "L2": 16, "B1": 4}, patients)
    (before,) = split_cells(cells)
    more = cells + [
        replace(c, path=f"{c.path}+", patient=c.patient and f"q{i % 3}")
        for i, c in enumerate(cells_of({"M3": 20, "L2": 9}, patients))
    ]
    known = np.zeros(len(more), bool)
    known[before.train] = True
    (split,) = split_cells(more, known=known)
    assert not known[split.val].any()
    assert sorted([*split.train, *split.val]) == list(range(len(more)))
    held = [more[i].label for i in split.val]
    assert 8 <= held.count("M3") <= 21
    assert 2 <= held.count("L2") <= 9
    # Who comes new of a patient that is learned from is learned from, too.
    whose = [{more[i].patient for i in rows} for rows in (split.train, split.val)]
    assert not patients or not whose[0] & whose[1]


def test_few_new_cells_beside_learned_ones_are_held_out_all_the_same():
    cells = cells_of({"M3": 6, "L2": 2})
    known = np.array([True] * 6 + [False] * 2)
    (split,) = split_cells(cells, known=known)
    assert len(split.val)
    assert not known[split.val].any()
    (as_ever,) = split_cells(cells, known=np.ones(8, bool))
    assert as_ever.val.tolist() == split_cells(cells)[0].val.tolist()


@pytest.mark.parametrize("n_folds", [1, 3, 4])
def test_no_patient_is_on_both_sides(n_folds):
    cells = cells_of({"M3": 40, "L2": 33}, patients=7)
    cells += cells_of({"M6": 5})
    assert is_by_patient(cells)
    splits = split_cells(cells, n_folds=n_folds, seed=1)
    for split in splits:
        sides = [{cells[i].patient for i in rows} for rows in (split.train, split.val)]
        assert not sides[0] & sides[1]
    assert torn_patients(cells, splits) == (0, False)
    if n_folds > 1:
        held = np.concatenate([split.val for split in splits])
        assert sorted(held) == list(range(len(cells)))


def test_more_folds_than_patients_are_refused():
    with pytest.raises(TrainingError, match="3 folds need as many patients"):
        split_cells(cells_of({"M3": 10}, patients=2), n_folds=3)


def test_one_patient_alone_is_parted_by_cell():
    (split,) = split_cells(cells_of({"M3": 10, "L2": 10}, patients=1))
    assert len(split.val) == 4


def test_it_is_said_that_one_patient_alone_stands_on_both_sides():
    cells = cells_of({"M3": 10, "L2": 10}, patients=1)
    one = "Cells of 1 patient stand on both sides: the figures flatter."
    assert limits_of_split(cells, split_cells(cells), what="Cells") == [one]
    cells += cells_of({"M3": 10})
    told = limits_of_split(cells, split_cells(cells), what="Cells")
    unnamed = "Cells without a patient stand on both sides: one patient may be on both."
    assert told == [one, unnamed]
    cells = cells_of({"M3": 10})
    (told,) = limits_of_split(cells, split_cells(cells), what="Cells")
    assert told.startswith("Patients are not told apart")


def test_a_stated_split_is_kept_and_test_cells_are_in_no_fold():
    cells = cells_of({"M3": 12})
    words = ["train"] * 6 + ["val"] * 2 + ["test"] * 3 + [""]
    cells = [replace(c, split=word) for c, word in zip(cells, words, strict=True)]
    (split,) = split_cells(cells)
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5, 11]
    assert split.val.tolist() == [6, 7]
    assert split.test.tolist() == [8, 9, 10]
    for fold in split_cells(cells, n_folds=3):
        assert fold.test.tolist() == [8, 9, 10]
        assert not {8, 9, 10} & {*fold.train.tolist(), *fold.val.tolist()}


def test_patients_that_a_stated_split_tears_apart_are_counted():
    cells = cells_of({"M3": 12}, patients=4)
    cells = [
        replace(c, split="val" if i in (0, 4, 5) else "train")
        for i, c in enumerate(cells)
    ]
    # Of the first, all cells but one are watched, of the second one.
    assert torn_patients(cells, split_cells(cells)) == (2, False)
    cells = [*cells, *cells_of({"M6": 2})]
    cells[-1] = replace(cells[-1], split="test")
    assert torn_patients(cells, split_cells(cells)) == (2, True)
    cells[-1] = replace(cells[-1], source="elsewhere")
    assert torn_patients(cells, split_cells(cells)) == (2, False)


@pytest.mark.parametrize("patients", [0, 5])
def test_pictures_of_one_mark_stay_together(patients):
    cells = cells_of({"M3": 20}, patients)
    marks = ["same" if i in (0, 6, 12) else f"{i}" for i in range(20)]
    cells = [replace(c, mark=mark) for c, mark in zip(cells, marks, strict=True)]
    for fold in split_cells(cells, n_folds=3):
        assert len({0, 6, 12} & set(fold.val.tolist())) in (0, 3)


def test_few_cells_of_each_class_are_held_out_all_the_same():
    (split,) = split_cells(cells_of({"M3": 4, "L2": 3, "M6": 3}))
    assert len(split.val)
    assert len(split.train) > len(split.val)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_cells_to_part_are_refused(n):
    with pytest.raises(TrainingError, match="name more cells"):
        split_cells(cells_of({"M3": n}))


def test_too_few_pictures_to_part_are_told_as_pictures():
    with pytest.raises(TrainingError, match=r"^1 picture leaves .*: box more pictures"):
        split_cells(cells_of({"M3": 1}), what="picture")


def test_a_picture_that_is_named_twice_counts_once_and_is_told(tmp_path, caplog):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    rows = [("a.png", "M1"), ("b.png", "L2|L4"), ("./a.png", "M1"), ("b.png", "L4")]
    table = write_table(tmp_path / "t.csv", ("file", "classes"), *rows, ("a.png", ""))
    cells = read_own_cells(table, mpp=0.25)
    assert [(c.path.name, c.targets) for c in cells] == [
        ("a.png", ("M1",)),
        ("b.png", ("L4",)),
    ]
    assert "3 rows are left out" in caplog.text


def test_a_picture_under_two_names_counts_once_and_is_told(tmp_path, caplog):
    for name in ("a.png", "b.png"):
        save(tmp_path / "M1" / name, (9, 9, 9))
    save(tmp_path / "M1" / "c.png")
    cells = read_own_cells(tmp_path, mpp=0.25)
    assert [cell.path.name for cell in cells] == ["a.png", "c.png"]
    assert cells[0].mark == picture_mark(cells[0].path)
    assert "1 picture is left out, the same as others under another" in caplog.text


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("a.png", "M1", ""), ("a.png", "L2|L4", "")], r"a\.png is called M1 and L2"),
        ([("a.png", "M1", "train"), ("a.png", "M1", "test")], "train and of test"),
        ([("a.png", "M1", "train"), ("a.png", "M1", "")], "train and of none"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path, rows, told):
    save(tmp_path / "a.png")
    table = write_table(tmp_path / "t.csv", ("file", "classes", "split"), *rows)
    with pytest.raises(InvalidTableError, match=told):
        read_own_cells(table, mpp=0.25)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("P1", "0.2"), ("P2", "0.2")], "is of patient P1 and of P2: leave one"),
        ([("P1", "0.2"), ("P1", "0.3")], r"is of mpp 0\.2 and of 0\.3: leave one"),
    ],
)
def test_a_file_is_of_one_patient_and_one_pixel_size(tmp_path, rows, told):
    save(tmp_path / "a.png")
    header = ("file", "classes", "patient", "mpp")
    table = write_table(
        tmp_path / "t.csv", header, *(("a.png", "M1", *row) for row in rows)
    )
    with pytest.raises(InvalidTableError, match=told) as refused:
        read_own_cells(table)
    assert "a.png" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("classes", ["M1", ""])
@pytest.mark.parametrize("patients", [("P1", ""), ("", "P1")])
def test_a_picture_is_of_the_patient_that_any_of_its_rows_names(
    tmp_path, patients, classes
):
    shutil.copy(save(tmp_path / "a.png"), tmp_path / "copy.png")
    first, second = patients
    rows = [("a.png", "M1", first), ("copy.png", classes, second)]
    table = write_table(tmp_path / "t.csv", ("file", "classes", "patient"), *rows)
    for _ in range(2):
        (cell,) = read_own_cells(table, mpp=0.25)
        assert (cell.targets, cell.patient) == (("M1",), "P1")
        table = write_table(table, ("file", "classes", "patient"), *rows[::-1])


@pytest.mark.not_on_windows
def test_a_table_that_is_a_link_to_nowhere_is_not_passed_over(tmp_path):
    save(tmp_path / "M2" / "a.png")
    (tmp_path / "manifest.csv").symlink_to(tmp_path / "unmounted" / "manifest.csv")
    with pytest.raises(InvalidTableError, match=r"there is no .*manifest\.csv"):
        read_own_cells(tmp_path, mpp=0.2)


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path, monkeypatch):
    def closed(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InvalidTableError, match=os.strerror(errno.EACCES)):
        read_own_cells(tmp_path, mpp=0.2)
