"""A sitting is kept whole, step by step, and found again with its slide."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidSittingError,
    SittingChangedError,
    SittingElsewhereError,
    SittingSlideNotFoundError,
    SittingSlideReplacedError,
    SittingSlideUncertainError,
    UnreadableSlideError,
)
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.further_columns import READER_CLASSES
from napari_deepheme.core.geometry import Mpp, Point, Polygon, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.corrections import (
    is_unidentified,
    judged_classes,
    written_rows,
)
from napari_deepheme.core.sittings import sitting_file
from napari_deepheme.core.sittings.sitting import (
    DrawnShape,
    Sitting,
    SlideMark,
    result_from_json,
    result_to_json,
)
from napari_deepheme.core.sittings.sitting_file import (
    SittingFile,
    create_sitting,
    read_mark_and_change,
    read_searched_px,
    read_sitting,
)
from napari_deepheme.core.slide import ArraySlide, open_slide

N = 8
AT = "2026-01-02T03:04:05Z"


def model_says():
    boxes = [(30 * i, 5, 20, 21) for i in range(N)]
    further = {
        "identified": np.array(["no", *["yes"] * (N - 1)]),
        "mitotic_phase": np.full(N, ""),
    }
    scores = np.linspace(0.1, 0.9, N)
    return CellTable.from_arrays(boxes, scores, [13] * N, scores, further)


def a_sitting(corrected=None):
    if corrected is None:
        corrected = CorrectedCells(model_says())
    result = RegionResult(
        Region(1, 2, 300, 400),
        Mpp(0.25, 0.26),
        corrected.base,
        (Region(0, 0, 256, 256),),
        complete=False,
        seconds=1.5,
        counted_areas=(Region(1, 2, 30, 40),),
        drawn_areas=(Polygon(((1.5, 2.0), (31.25, 2.0), (1.5, 42.0))),),
        searched_areas=(Region(1, 2, 30, 20),),
    )
    compute = Compute("cpu", "openvino", "bfloat16", 2)
    facts = RunFacts(
        "é.svs",
        "namer 2",
        "finder 1",
        compute,
        ("U4",),
        bounds_origin=Point(3, 4),
        unidentified_below=0.5,
    )
    shape = DrawnShape("mine", Polygon(((0.0, 0.0), (9.5, 0.0), (0.0, 9.0))))
    mark = SlideMark("é.svs", "/somewhere/é.svs", {"size": [9, 9], "sha256": "ab"})
    return Sitting(mark, facts, result, corrected, (shape,), {"hidden": ["U1"]})


def same(one, other):
    assert one.slide == other.slide
    assert one.facts == other.facts
    assert one.corrected.cells == other.corrected.cells
    assert one.corrected.threshold == other.corrected.threshold
    assert one.shapes == other.shapes
    assert one.view == other.view
    for field in fields(RegionResult):
        if field.name != "cells":
            ours, theirs = (getattr(s.result, field.name) for s in (one, other))
            assert ours == theirs


def test_a_result_of_an_earlier_version_says_nothing_of_what_was_drawn_or_seen():
    stored = result_to_json(a_sitting().result)
    del stored["drawn_areas"], stored["searched_areas"]
    result = result_from_json(stored, model_says())
    assert (result.drawn_areas, result.searched_areas) == ((), None)


def test_cells_come_back_with_the_numbers_of_their_table(tmp_path):
    base = replace(model_says(), numbers=10 * np.arange(N, 0, -1))
    corrected = CorrectedCells(base).correct([1], "M3", reader="AB", at=AT)
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = corrected.add(cell, "M1", reader="AB", at=AT)
    create_sitting(tmp_path / "a.deepheme", a_sitting(corrected))
    cells = read_sitting(tmp_path / "a.deepheme").corrected.cells
    assert cells.cell_ids.tolist() == [*(10 * np.arange(N, 0, -1)), 10 * N + 1]
    assert cells.further.keys() == corrected.cells.further.keys()
    assert cells == corrected.cells


ALIKE = (
    *("Note", "note", "NOTE", "note_2", "X", "Table_Cell_ID", "table_cell_id"),
    *("Reader_Class", "reader_class", "counted_class", "no\0te", "", "Ä", "ä", 'a "q"'),
)


@pytest.mark.parametrize("numbers", [None, 10 * np.arange(N, 0, -1)])
def test_columns_whose_names_are_one_to_sqlite_come_back_beside_each_other(
    tmp_path, numbers
):
    texts = {
        name: np.array([f"{i}{n}" for n in range(N)]) for i, name in enumerate(ALIKE)
    }
    texts["reader_class"] = np.array(["M3", "deleted", *[""] * (N - 2)])
    base = replace(model_says(), further=texts, numbers=numbers)
    corrected = CorrectedCells(base).correct([2], "L2", reader="AB", at=AT)
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting(corrected))
    again = read_sitting(path).corrected
    assert again.base.further.keys() == texts.keys()
    assert again.cells == corrected.cells
    assert counted_in(path) == counted_of(corrected)
    cell = CellTable.from_arrays(
        [(300, 40, 20, 20)], [0], [13], [0.4], {"ORT": ["a"], "nOTe": ["b"]}
    )
    longer = again.add(cell, "M1", reader="AB", at=AT)
    SittingFile(path, again).sync(longer)
    assert read_sitting(path).corrected.cells == longer.cells
    assert counted_in(path) == counted_of(longer)


def test_a_sitting_of_before_columns_bore_other_names_comes_back_and_goes_on(tmp_path):
    path = tmp_path / "a.deepheme"
    corrected = CorrectedCells(model_says())
    create_sitting(path, a_sitting(corrected))
    with closing(sqlite3.connect(path)) as database, database:
        names = {row[0] for row in database.execute("SELECT key FROM meta")}
        database.execute("ALTER TABLE cells ADD COLUMN note_2 TEXT")
        database.execute("UPDATE cells SET note_2 = 'a'")
    assert "columns" not in names
    again = read_sitting(path).corrected
    assert again.base.further["note_2"].tolist() == ["a"] * N
    further = {"Note_2": ["b"]}
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4], further)
    longer = again.add(cell, "M1")
    SittingFile(path, again).sync(longer)
    assert read_sitting(path).corrected.cells == longer.cells


def test_a_sitting_comes_back_with_words_that_mean_nothing(
    tmp_path,
):
    words = np.array(["a word", *[""] * (N - 1)])
    base = replace(model_says(), further={"reader_phase": words})
    create_sitting(tmp_path / "a.deepheme", a_sitting(CorrectedCells(base)))
    cells = read_sitting(tmp_path / "a.deepheme").corrected.base
    assert cells.further["reader_phase"].tolist() == words.tolist()


def test_a_sitting_comes_back_as_it_was(tmp_path):
    corrected = CorrectedCells(model_says()).correct([1, 2], "M3", reader="AB", at=AT)
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = corrected.add(cell, "M1", reader="AB", at=AT).with_threshold(0.3)
    sitting = a_sitting(corrected)
    create_sitting(tmp_path / "a.deepheme", sitting)
    again = read_sitting(tmp_path / "a.deepheme")
    same(again, sitting)
    # The upper part of a triangle.
    assert read_searched_px(tmp_path / "a.deepheme") == pytest.approx(446, abs=1)
    assert judged_classes(again.corrected.undo().cells)[-1] == "deleted"


def counted_in(path):
    """Read the view of what counts: cell and class."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT cell_id, counted_class FROM counted").fetchall()


def counted_of(corrected):
    """Tell the same of the cells themselves."""
    cells = corrected.cells
    words = judged_classes(cells)
    words[is_unidentified(cells)] = "unidentified"
    rows = written_rows(cells)
    return list(zip((rows + 1).tolist(), words[rows].tolist(), strict=True))


def test_an_empty_sitting_comes_back(tmp_path):
    sitting = a_sitting(CorrectedCells(CellTable.empty()))
    create_sitting(tmp_path / "a.deepheme", sitting)
    assert len(read_sitting(tmp_path / "a.deepheme").corrected) == 0


rows = st.sets(st.integers(0, N - 1), min_size=1)
step = st.one_of(
    st.tuples(st.just("correct"), rows, st.sampled_from((*READER_CLASSES, ""))),
    st.sampled_from(
        [("undo",), ("redo",), ("add",), ("sync",), ("threshold", 0.5), ("open",)]
    ),
)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=40,
)
@given(st.lists(step, max_size=12))
@example([("correct", {0}, "B1"), ("sync",), ("add",), ("undo",)])
@example([("add",), ("correct", {0}, "deleted"), ("threshold", 0.5)])
def test_whatever_the_reader_did_comes_back(tmp_path, steps):
    path = tmp_path / "b.deepheme"
    corrected = CorrectedCells(model_says())
    file = create_sitting(path, a_sitting(corrected))
    for i, (what, *how) in enumerate(steps):
        if what == "correct":
            corrected = corrected.correct(*how, reader="AB", at=f"t{i}")
        elif what == "add":
            cell = CellTable.from_arrays([(i, 40, 20, 20)], [0], [13], [0.4])
            corrected = corrected.add(cell, "M1")
        elif what == "threshold":
            corrected = corrected.with_threshold(how[0])
        elif what == "sync":
            file.sync(corrected)
        elif what == "open":
            file.sync(corrected)
            corrected = read_sitting(path).corrected
            file = SittingFile(path, corrected)
        else:
            corrected = getattr(corrected, what)()
    file.sync(corrected)
    again = read_sitting(path).corrected
    assert again.cells == corrected.cells
    assert again.steps == corrected.steps
    assert counted_in(path) == counted_of(corrected)
    assert not file.sync(corrected)


def test_what_was_taken_back_stays_in_the_file_as_a_trace(tmp_path):
    corrected = CorrectedCells(model_says())
    file = create_sitting(tmp_path / "a.deepheme", a_sitting(corrected))
    corrected = corrected.correct([4], "L4", reader="AB", at=AT)
    file.sync(corrected)
    file.sync(corrected.undo().correct([4], "L2", reader="CD", at=AT))
    with sqlite3.connect(tmp_path / "a.deepheme") as database:
        found = pd.read_sql("SELECT * FROM corrections", database)
        counted = pd.read_sql("SELECT * FROM counted", database)
    database.close()
    assert found.values.tolist() == [
        [1, 5, "", "L4", "AB", AT, 1],
        [2, 5, "", "L2", "CD", AT, 0],
    ]
    words = ["unidentified", *["M2"] * 3, "L2", *["M2"] * 3]
    assert counted["counted_class"].tolist() == words


def test_what_was_taken_back_is_known_of_each_file(tmp_path):
    corrected = CorrectedCells(model_says()).correct([4], "L4", reader="AB", at=AT)
    corrected = corrected.undo().correct([5], "L2", at=AT).correct([6], "L2", at=AT)
    corrected = corrected.tell_mitosis([1], "reader_phase", "anaphase", at=AT)
    corrected = corrected.undo()
    path = tmp_path / "a.deepheme"
    file = create_sitting(path, a_sitting(corrected))
    again = read_sitting(path).corrected
    assert again.steps == corrected.steps
    assert again.dropped == (*corrected.dropped, *corrected.undone)
    assert again.cells == corrected.cells
    # It goes on behind them.
    corrected = corrected.correct([4], "M1", at=AT)
    file.sync(corrected)
    again = read_sitting(path).corrected
    assert (again.steps, again.dropped) == (corrected.steps, corrected.dropped)


def test_to_open_a_sitting_is_no_change(tmp_path):
    path = tmp_path / "a.deepheme"
    sitting = a_sitting(CorrectedCells(model_says()).correct([4], "L4", at=AT))
    create_sitting(path, replace(sitting, view={"hidden": ["U1"]}))
    tell(path, "changed", AT)
    opened = read_sitting(path)
    file = SittingFile(path, opened.corrected)
    assert not file.sync(opened.corrected, opened.shapes, opened.view)
    assert read_mark_and_change(path) == (sitting.slide, AT)
    file.sync(opened.corrected, opened.shapes, {"hidden": []})
    assert read_mark_and_change(path)[1] > AT


@pytest.mark.parametrize("since", [AT, ""])
def test_when_words_without_a_time_were_brought_in_does_not_move(tmp_path, since):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting(CorrectedCells(model_says(), since=since)))
    assert read_sitting(path).corrected.since == since


def test_a_sitting_of_an_earlier_version_was_changed_when_its_file_was(tmp_path):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    tell(path, "changed", None)
    tell(path, "since", None)
    os.utime(path, (1_772_357_400, 1_772_357_400))
    told = "2026-03-01T09:30:00Z"
    assert read_mark_and_change(path)[1] == told
    assert read_sitting(path).corrected.since == told
    SittingFile(path, read_sitting(path).corrected)
    assert read_mark_and_change(path)[1] == told


def tell(path, key, word):
    """Have a sitting say something else of itself, or nothing."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM meta WHERE key = ?", (key,))
        if word is not None:
            row = (key, json.dumps(word))
            database.execute("INSERT INTO meta VALUES (?, ?)", row)


def test_a_window_from_which_the_sitting_was_taken_over_is_refused(tmp_path):
    path = tmp_path / "a.deepheme"
    first = create_sitting(path, a_sitting())
    corrected = read_sitting(path).corrected
    second = SittingFile(path, corrected)
    with pytest.raises(SittingElsewhereError, match="another window"):
        first.sync(corrected.correct([1], "M3"))
    assert second.sync(corrected.correct([1], "M4"))
    assert judged_classes(read_sitting(path).corrected.cells)[1] == "M4"


def undone(corrected):
    return corrected.undo(), ()


def one_more(corrected):
    return corrected.correct([2], "L2", at=AT), ()


def one_other(corrected):
    return corrected.undo().correct([2], "L2", at=AT), ()


def added_and_taken_back(corrected):
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    return corrected.add(cell, "M1").undo(), ()


def another_threshold(corrected):
    return corrected.with_threshold(0.25), ()


def a_shape(corrected):
    return corrected, (DrawnShape("Shapes", Polygon(((1, 2), (30, 4), (5, 60)))),)


@pytest.mark.parametrize(
    "change",
    [undone, one_more, one_other, added_and_taken_back, another_threshold, a_shape],
)
def test_a_sitting_that_was_saved_since_it_was_read_is_not_taken_over(tmp_path, change):
    path = tmp_path / "a.deepheme"
    said = CorrectedCells(model_says()).correct([1], "M3", at=AT)
    first = create_sitting(path, a_sitting(said))
    read = read_sitting(path)
    first.sync(*change(said))
    with pytest.raises(SittingChangedError, match="another window"):
        SittingFile(path, read.corrected, read.shapes)
    # It is left to the window that saves it.
    assert first.sync(said.correct([3], "E4", at=AT))
    read = read_sitting(path)
    corrected = read.corrected.correct([4], "L4", at=AT)
    SittingFile(path, read.corrected, read.shapes).sync(corrected)
    assert read_sitting(path).corrected.steps == corrected.steps


def test_a_file_that_is_gone_or_cannot_be_made_is_told(tmp_path):
    path = tmp_path / "a.deepheme"
    file = create_sitting(path, a_sitting())
    path.unlink()
    with pytest.raises(CannotWriteError, match="bring it back"):
        file.sync(CorrectedCells(model_says()).correct([1], "M3"))
    assert not path.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError):
        create_sitting(tmp_path / "file" / "a.deepheme", a_sitting())


@pytest.mark.parametrize("step", ["put_cells", "put_shapes"])
def test_a_failed_write_leaves_the_sitting_that_was_there(tmp_path, monkeypatch, step):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    before = path.read_bytes()

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sitting_file, step, full)
    with pytest.raises(CannotWriteError, match="full") as failed:
        create_sitting(path, a_sitting())
    assert failed.value.path == str(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.deepheme"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("UPDATE meta SET value = '2' WHERE key = 'version'", "newer"),
        ("UPDATE meta SET value = '\"x\"' WHERE key = 'format'", "another program"),
        ("UPDATE cells SET class_code = 'M9' WHERE cell_id = 2", "M9"),
        ("UPDATE cells SET width = 0 WHERE cell_id = 2", "width must be"),
        ("UPDATE cells SET width = 1 << 32 WHERE cell_id = 2", "width .* too large"),
        ("UPDATE cells SET x = 3e9 WHERE cell_id = 2", "x holds .* too large"),
        ("UPDATE cells SET y = -1e300 WHERE cell_id = 2", "y holds .* too large"),
        ("UPDATE cells SET score = 'x' WHERE cell_id = 2", "score holds .* no number"),
        ("UPDATE cells SET score = 1e300 WHERE cell_id = 2", "score must lie"),
        ("UPDATE meta SET value = '1e999' WHERE key = 'version'", "too large"),
        ("UPDATE meta SET value = '[]' WHERE key = 'format'", "another program"),
        ("DELETE FROM cells WHERE cell_id = 2", "missing"),
        ("UPDATE corrections SET cell_id = 99", "no cell"),
        ("UPDATE corrections SET class_after = 'blast'", "blast"),
        ("DROP TABLE shapes", "shapes"),
        ("UPDATE meta SET value = '{' WHERE key = 'facts'", "Expecting"),
        ("UPDATE meta SET value = '[]' WHERE key = 'result'", "list"),
        ("DELETE FROM meta WHERE key = 'slide'", "slide"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_in_one_line(tmp_path, change, word):
    path = tmp_path / "a.deepheme"
    corrected = CorrectedCells(model_says()).correct([1], "M3")
    create_sitting(path, a_sitting(corrected))
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()
    with pytest.raises(InvalidSittingError, match=word) as refused:
        read_sitting(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "name", "value", "word"),
    [
        *(
            ("threshold", None, value, "the threshold is no probability")
            for value in ("-3", "1.01", "NaN", "1e400", "true", '"x"', "[]", "9" * 400)
        ),
        *(
            ("result", "mpp", value, "no pixel size|too large")
            for value in (
                "[NaN, NaN]",
                "[-1e400, 0.25]",
                "[0.25, -0.25]",
                "[0, 0]",
                f"[0.25, {'9' * 400}]",
            )
        ),
        *(
            ("facts", "unidentified_below", value, "unidentified_below is no prob")
            for value in ("-0.1", "2", "NaN", "1e400")
        ),
        *(
            ("view", "hidden", value, "the view hides")
            for value in ("5", "null", '"U1"', "[1]", "{}")
        ),
    ],
)
def test_settings_that_cannot_be_right_are_refused_in_one_line(
    tmp_path, key, name, value, word
):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    with closing(sqlite3.connect(path)) as database, database:
        stored = dict(database.execute("SELECT key, value FROM meta"))
        if name is not None:
            given = {**json.loads(stored[key]), name: "here"}
            value = json.dumps(given).replace('"here"', value)
        database.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
    with pytest.raises(InvalidSittingError, match=word) as refused:
        read_sitting(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("threshold", [None, 0, 0.35, 1, 1.0])
def test_a_threshold_comes_back_as_it_was(tmp_path, threshold):
    path = tmp_path / "a.deepheme"
    corrected = CorrectedCells(model_says()).with_threshold(threshold)
    create_sitting(path, a_sitting(corrected))
    assert read_sitting(path).corrected.threshold == threshold


@given(st.integers(0, 40_000), st.integers(0, 255))
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=60,
)
def test_a_damaged_file_opens_or_is_refused(tmp_path, place, value):
    path = tmp_path / "c.deepheme"
    if not path.exists():
        create_sitting(path, a_sitting(CorrectedCells(model_says()).correct([1], "L2")))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    damaged = tmp_path / "d.deepheme"
    for part in (content, content[:place]):
        damaged.write_bytes(part)
        try:
            read_sitting(damaged)
        except InvalidSittingError as error:
            assert "\n" not in str(error)


def test_no_file_and_another_file_are_refused(tmp_path):
    for path in (tmp_path / "none.deepheme", tmp_path):
        with pytest.raises(InvalidSittingError):
            read_sitting(path)
    (tmp_path / "text.deepheme").write_text("cells")
    with pytest.raises(InvalidSittingError, match="SQLite"):
        read_sitting(tmp_path / "text.deepheme")


@pytest.mark.not_on_windows
def test_what_was_written_survives_a_kill_between_any_two_steps(tmp_path):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    code = f"""
        from pathlib import Path
        from napari_deepheme.core.sittings.sitting_file import SittingFile, read_sitting
        path = Path({str(path)!r})
        corrected = read_sitting(path).corrected
        file = SittingFile(path, corrected)
        n = 0
        while True:
            corrected = corrected.correct([n % {N}], ("M3", "L2")[n % 2], at=str(n))
            file.sync(corrected)
            n += 1
            print(n, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    told = 0
    while told < 25:
        told = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate()
    told = int((rest.split() or [str(told)])[-1])
    steps = read_sitting(path).corrected.steps
    assert told <= len(steps) <= told + 1
    assert [s.at for s in steps] == [str(n) for n in range(len(steps))]


def test_what_was_said_of_mitoses_comes_back_and_leaves_a_trace(tmp_path):
    path = tmp_path / "m.deepheme"
    corrected = CorrectedCells(model_says())
    file = create_sitting(path, a_sitting(corrected))
    corrected = corrected.tell_mitosis([1], "reader_phase", "anaphase", reader="AB")
    corrected = corrected.correct([1], "U4", reader="AB", at=AT)
    corrected = corrected.tell_mitosis([2], "reader_lineage", "neutrophil")
    file.sync(corrected)
    again = read_sitting(path).corrected
    assert again.steps == corrected.steps
    assert again.cells == corrected.cells
    file.sync(corrected.undo())
    again = read_sitting(path).corrected
    assert again.cells == corrected.undo().cells
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT * FROM mitosis_corrections").fetchall()
        counted = database.execute("SELECT counted_class FROM counted").fetchall()
    database.close()
    assert found == [
        (1, 2, "reader_phase", "", "anaphase", "AB", "", 0),
        (3, 3, "reader_lineage", "", "neutrophil", "", "", 1),
    ]
    assert counted[1] == ("U4",)


def test_a_sitting_from_before_there_were_such_words_goes_on(tmp_path):
    path = tmp_path / "m.deepheme"
    corrected = CorrectedCells(model_says()).correct([0], "L2")
    create_sitting(path, a_sitting(corrected))
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE mitosis_corrections")
    database.close()
    again = read_sitting(path).corrected
    file = SittingFile(path, again)
    said = again.tell_mitosis([1], "reader_phase", "anaphase")
    file.sync(said)
    assert read_sitting(path).corrected.cells == said.cells


def test_a_sitting_has_the_name_of_its_slide_now_and_a_run_of_another_keeps_its_own():
    slide = SimpleNamespace(name="renamed.svs", path=None, bounds_origin=Point(3, 4))
    sitting = a_sitting()
    again = sitting.on(slide)
    assert again.facts.slide == again.slide.name == "renamed.svs"
    assert again.slide.identity == sitting.slide.identity
    other = replace(sitting, facts=replace(sitting.facts, slide="other.svs"))
    assert other.on(slide).facts.slide == "other.svs"


OLD_VIEW = """
CREATE VIEW counted AS SELECT cells.*, COALESCE(
    (SELECT NULLIF(class_after, '') FROM corrections AS c
     WHERE c.cell_id = cells.cell_id AND NOT undone ORDER BY step DESC LIMIT 1),
    class_code) AS counted_class FROM cells;
"""


def test_a_sitting_whose_view_is_of_before_counts_right_once_it_goes_on(tmp_path):
    path = tmp_path / "v.deepheme"
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = CorrectedCells(model_says()).add(cell, "M1")
    create_sitting(path, a_sitting(corrected)).sync(corrected.undo())
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"DROP VIEW counted; {OLD_VIEW}")
    assert len(counted_in(path)) == N + 1
    again = read_sitting(path).corrected
    SittingFile(path, again)
    assert counted_in(path) == counted_of(again)
    assert len(counted_in(path)) == N


def test_what_a_table_said_of_earlier_readers_counts_in_the_view(tmp_path):
    path = tmp_path / "v.deepheme"
    said = {"reader_class": np.array(["M3", "deleted", *[""] * (N - 2)])}
    table = CorrectedCells(model_says()).base
    table = replace(table, further={**table.further, **said})
    corrected = CorrectedCells(table).correct([0], "").correct([2], "not-a-cell")
    create_sitting(path, a_sitting(corrected))
    assert counted_in(path) == counted_of(corrected)
    assert counted_in(path)[:3] == [
        (1, "unidentified"),
        (2, "deleted"),
        (3, "not-a-cell"),
    ]


def test_pictures_without_a_file_are_told_apart_by_name():
    pixels = np.zeros((9, 9, 3), np.uint8)
    one, other = (SlideMark.of(ArraySlide(pixels, name=name)) for name in "ab")
    assert one.is_of(ArraySlide(pixels, name="a"))
    assert not one.is_same(other)


@pytest.mark.parametrize("beside", ["a.deepheme", "sittings/a.deepheme"])
def test_a_slide_that_was_moved_is_found_beside_its_sitting_or_above(
    phantom_svs, tmp_path, beside
):
    moved = tmp_path / "moved" / phantom_svs.name
    moved.parent.mkdir()
    moved.write_bytes(phantom_svs.read_bytes())
    with open_slide(moved) as slide:
        mark = replace(SlideMark.of(slide), path=str(tmp_path / "gone.svs"))
    assert mark.find(moved.parent / beside) == moved
    # Of its name, but another slide.
    moved.write_bytes(phantom_svs.read_bytes() + b" ")
    with pytest.raises(SittingSlideReplacedError, match="moved"):
        mark.find(moved.parent / beside)
    moved.write_bytes(b"no slide")
    with pytest.raises(UnreadableSlideError, match="moved"):
        mark.find(moved.parent / beside)
    moved.unlink()
    with pytest.raises(SittingSlideNotFoundError, match="neither where it was"):
        mark.find(moved.parent / beside)


def test_a_sitting_that_knew_a_mirax_slide_by_less_is_refused_and_says_so(
    write_mirax, tmp_path
):
    write_mirax(tmp_path / "a.mrxs", np.zeros((256, 256, 3), np.uint8))
    with open_slide(tmp_path / "a.mrxs") as slide:
        mark = SlideMark.of(slide)
    assert mark.find(tmp_path / "a.deepheme") == tmp_path / "a.mrxs"
    # Of nothing but the .mrxs file, which is empty: its length and three samples.
    blank = {**mark.identity, "sha256": hashlib.sha256(b"0").hexdigest()}
    with pytest.raises(SittingSlideUncertainError, match="classify it anew"):
        replace(mark, identity=blank).find(tmp_path / "a.deepheme")
    for other in ({**blank, "size": [9, 9]}, {**blank, "sha256": "ab"}):
        with pytest.raises(SittingSlideReplacedError):
            replace(mark, identity=other).find(tmp_path / "a.deepheme")


def test_a_slide_is_found_beside_its_sitting_where_its_old_place_may_not_be_seen(
    phantom_svs, tmp_path, monkeypatch
):
    locked = tmp_path / "locked" / phantom_svs.name
    stat = Path.stat

    def refuses(path, **options):
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    with open_slide(phantom_svs) as slide:
        mark = replace(SlideMark.of(slide), path=str(locked))
    monkeypatch.setattr(Path, "stat", refuses)
    assert mark.find(phantom_svs.with_name("a.deepheme")) == phantom_svs
