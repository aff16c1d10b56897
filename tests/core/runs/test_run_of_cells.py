"""Whether cells are of the run that the summary beside them tells of."""

import json

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.runs.run_of_cells import other_run_doubts

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
