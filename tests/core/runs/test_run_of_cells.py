"""Whether cells are of the run that the summary beside them tells of."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.deidentify import nameless_cells
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import NO_SHIFT
from napari_deepheme.core.export.summary import RunFacts, export_run
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.runs.run_of_cells import (
    other_run_doubts,
    uncounted_in,
    uncounted_words,
)

SUMMARY = {"n_cells": 2, "mpp": [0.25, 0.25], "model": "net 1", "complete": True}
ASKED = {"mpp": 0.25, "model": {"name": "net 1"}}


@pytest.fixture
def doubts(tmp_path):
    def of(n, *said, name="cells.csv", asked=None, end=True, **summary):
        (tmp_path / "summary.json").write_text(json.dumps({**SUMMARY, **summary}))
        if asked is not None:
            with Journal(tmp_path).begin(asked, {}) as journal:
                if end:
                    with journal.ending() as end:
                        end({})
        boxes = [[30 * i, 0, 9, 9] for i in range(n)]
        shares = [0.5] * n
        words = {name: np.array(values) for name, values in said}
        cells = CellTable.from_arrays(boxes, shares, [13] * n, shares, words)
        return list(other_run_doubts(tmp_path / name, cells))

    return of


def test_another_number_of_cells_than_the_summary_tells_of_is_told(doubts):
    (told,) = doubts(3)
    assert told == (
        "The summary tells of 2 cells, and there are 3: cells and summary may be of "
        "different runs."
    )
    assert doubts(2) == []
    # QuPath takes cells away without leaving a trace.
    assert doubts(3, name="cells.geojson") == []


def test_what_a_reader_added_or_took_away_is_no_doubt(doubts):
    added, taken = ("added", ["", "", "yes"]), ("reader_class", ["", "deleted", ""])
    assert doubts(3, added) == doubts(3, taken) == doubts(3, added, taken) == []
    assert len(doubts(3, taken, n_cells=5)) == 1


def test_a_last_run_that_did_not_end_is_told_beside_a_summary_that_is_not_its_own(
    doubts,
):
    assert doubts(2, asked=ASKED) == []
    (told,) = doubts(2, asked=ASKED, end=False)
    assert told.startswith("The last run in the folder of the cells did not end")
    # That a run was stopped its own summary says.
    assert doubts(2, asked=ASKED, end=False, complete=False) == []
    for other in ({"mpp": 0.4}, {"model": {"name": "net 2"}}):
        asked = {**ASKED, **other}
        assert len(doubts(2, asked=asked, end=False, complete=False)) == 1


@pytest.mark.parametrize("content", ["", "[]", "5", "{}", '{"n_cells": "two"}'])
def test_a_summary_that_is_none_tells_nothing(doubts, tmp_path, content):
    doubts(2)
    (tmp_path / "summary.json").write_text(content)
    assert list(other_run_doubts(tmp_path / "cells.csv", CellTable.empty())) == []


CODES = ("M6", "M6", "M2", "ER4", "L4", "U4", "U4")

REMEDY = "open the slide and this table in napari, and export them into its folder"


@pytest.fixture
def found(make_table):
    """Seven cells, of which the model doubts the third and knows one figure's phase."""
    boxes = ((100 * i + 50, 90, 40, 40, code) for i, code in enumerate(CODES))
    further = {
        "identified": np.array(["yes", "yes", "no", *["yes"] * 4]),
        "mitotic_phase": np.array(["", "", "", "", "", "metaphase", ""]),
        "mitotic_lineage": np.array(["", "", "", "", "", "erythroid", ""]),
    }
    return replace(make_table(*boxes), further=further)


@pytest.fixture
def folder(found, tmp_path):
    """Results of a run over which a reader went, who named two cells."""
    named = CorrectedCells(found).correct([0, 1], "L4").cells

    def of(reviewed=named):
        # The region ends before the last cell.
        region, mpp = Region(0, 0, 600, 800), Mpp(0.25, 0.25)
        result = RegionResult(region, mpp, reviewed, (), True, 1.0)
        facts = RunFacts("a.svs", "net 1", "f 1", Compute(), bounds_origin=NO_SHIFT)
        export_run(result, facts, tmp_path)
        return tmp_path

    return of


def told_of(folder, cells):
    """Return what is told of a table that took the place of a folder's own."""
    write_csv(cells, folder / "cells.csv")
    read = read_csv(folder / "cells.csv")
    words = uncounted_words(folder / "cells.csv", read)
    assert uncounted_in(folder) == words
    return words


def test_another_class_of_a_cell_that_was_named_before_is_told(found, folder):
    there = folder()
    words = told_of(there, CorrectedCells(found).correct([0, 1], "M2").cells)
    assert words == (
        f"{there / 'cells.csv'} gives other counts than summary.json beside it (L4: 1 "
        f"instead of 3; M2: 3 instead of 1): {REMEDY}"
    )


def test_that_fewer_or_more_cells_are_named_is_told_truly_both_ways(found, folder):
    there = folder()
    assert "(named by a reader: 0 instead of 2; " in told_of(there, found)
    named = CorrectedCells(found).correct([0, 1, 4, 3], "L4").cells
    words = told_of(there, named)
    assert "(named by a reader: 4 instead of 2; ER4: 0 instead of 1; L4: 4 " in words


def test_phase_and_lineage_that_a_reader_said_later_are_told(found, folder):
    review = CorrectedCells(found).correct([0, 1], "L4")
    there = folder(review.cells)
    phase = replace(
        review.cells,
        further={
            **review.cells.further,
            "reader_phase": np.array(["", "", "", "", "", "anaphase", ""]),
            "reader_lineage": np.array(["", "", "", "", "", "unknown", ""]),
        },
    )
    words = told_of(there, phase)
    assert (
        "(figures in metaphase: 0 instead of 1; figures in anaphase: 1 instead of 0; "
        "erythroid figures: 0 instead of 1)" in words
    )


def test_what_is_called_otherwise_and_no_class_is_told(found, folder):
    there = folder(CorrectedCells(found).correct([0, 1], "not-a-cell").cells)
    review = CorrectedCells(found)
    assert "(unidentified: 3 instead of 1)" in told_of(
        there, review.correct([0, 1], "unidentified").cells
    )
    assert "(cells: 5 instead of 7)" in told_of(
        there, review.correct([0, 1], "deleted").cells
    )


def test_of_many_differences_some_are_told_and_the_rest_counted(found, folder):
    there = folder()
    review = CorrectedCells(found)
    for row, code in enumerate(("M3", "M4", "M5", "E1", "B1", "L2", "L4")):
        review = review.correct([row], code)
    words = told_of(there, review.cells)
    assert words.count(" instead of ") == 4
    assert " more differ)" in words


def test_the_table_of_a_summary_is_no_doubt(found, folder):
    review = CorrectedCells(found)
    reviews = (
        review,
        review.correct([0, 1], "L4"),
        review.correct([2], "M2"),
        review.correct([0], "deleted").correct([1, 5], "unidentified"),
        review.correct([3], "not-a-cell").with_threshold(0.97),
    )
    for there, cells in ((folder(r.cells), r.cells) for r in reviews):
        assert told_of(there, cells) == ""
    assert told_of(there, nameless_cells(cells)) == ""


def test_cells_that_a_reader_added_or_withdrew_are_no_doubt(found, folder):
    added = np.array(["", "", "", "", "", "yes", "yes"])
    named = np.array(["", "", "", "", "", "L4", "deleted"])
    further = {**found.further, "added": added, "reader_class": named}
    cells = replace(found, further=further)
    assert told_of(folder(cells), cells) == ""


@pytest.mark.parametrize(
    "lost",
    [
        ("corrected",),
        ("counts", "n_cells"),
        # Then figures that the model doubts were among those with a phase.
        ("differential",),
    ],
    ids=str,
)
def test_what_a_summary_of_an_earlier_version_lacks_is_no_doubt(found, folder, lost):
    cells = CorrectedCells(found).correct([0, 1], "L4").cells
    path = folder(cells) / "summary.json"
    summary = json.loads(path.read_text())
    if lost == ("differential",):
        summary |= {"differential": {"n": 3}, "mitotic_phases": {"metaphase": 5}}
    else:
        summary = {key: value for key, value in summary.items() if key not in lost}
    path.write_text(json.dumps(summary))
    assert told_of(path.parent, cells) == ""


@pytest.mark.parametrize(
    "content",
    ["", "[]", "5", "{}", '{"counts": 3}', '{"counts": {"L4": "two", "M2": null}}'],
)
def test_a_summary_that_is_none_counts_nothing(found, folder, content):
    (there := folder()).joinpath("summary.json").write_text(content)
    assert told_of(there, found) == ""


def test_a_table_is_read_where_a_reader_said_something_alone(
    found, folder, monkeypatch
):
    there = folder(found)
    reads = "napari_deepheme.core.runs.run_of_cells.read_csv"
    monkeypatch.setattr(reads, None)
    assert uncounted_in(there) == ""
    monkeypatch.undo()
    (there / "cells.csv").write_text("no table")
    with pytest.raises(InvalidTableError):
        uncounted_in(there)
    (there / "cells.csv").unlink()
    assert uncounted_in(there) == ""
