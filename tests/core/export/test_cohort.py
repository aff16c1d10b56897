"""Rows of a cohort, as several commands leave them."""

import copy
import json

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidCohortError,
    OtherNamesError,
)
from napari_deepheme.core.export import cohort
from napari_deepheme.core.export.cohort import (
    COHORT_FILES,
    NOT_BEGUN,
    add_to_cohort,
    done_row,
    failed_row,
    merge_cohort,
    read_cohort,
    write_cohort,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

COUNTED = [c.code for c in CELL_CLASSES if c.in_ndc]

SUMMARY = {
    "complete": True,
    "model": "namer 2",
    "detector": "finder 1",
    "n_cells": 23,
    "counts": dict.fromkeys(CLASS_CODES, 1),
    "differential": {
        "n": len(COUNTED),
        "counts": dict.fromkeys(COUNTED, 1),
        "percent": dict.fromkeys(COUNTED, 100 / len(COUNTED)),
    },
    "me_ratio": None,
    "mitotic_figures": 1,
    "mitotic_index": 2.5,
    "unidentified": 0,
    "unidentified_below": 0.5,
    "corrected": 0,
    "failed_tiles": 0,
}


def row(folder, status="done", n_cells=1):
    return {"folder": folder, "status": status, "n_cells": n_cells}


@pytest.mark.parametrize(
    ("command", "folders"),
    [
        ("cab", "cab"),  # all of the table, in the order of the command
        ("dcab", "dcab"),
        ("ca", "abc"),  # some of it: they stay where they are
        ("dc", "abcd"),
    ],
)
def test_rows_have_the_order_of_a_command_that_names_all_slides(command, folders):
    before = [row(folder) for folder in "abc"]
    new = [row(folder, n_cells=2) for folder in command]
    merged = merge_cohort(before, new)
    assert [r["folder"] for r in merged] == list(folders)
    assert {r["folder"] for r in merged if r["n_cells"] == 2} == set(command)


def test_a_slide_that_was_not_begun_leaves_its_row():
    before = [row("a", n_cells=5)]
    merged = merge_cohort(before, [row("a", NOT_BEGUN), row("b", NOT_BEGUN)])
    assert merged == [row("a", n_cells=5), row("b", NOT_BEGUN)]


@pytest.mark.parametrize(
    ("there", "deidentify"),
    [("Jane Doe.svs", True), ("slide-1c9e31ab8fcff18f", False)],
)
def test_names_and_pseudonyms_do_not_stand_in_one_table(there, deidentify, tmp_path):
    add_to_cohort([failed_row(there, "a", "")], tmp_path, deidentify=not deidentify)
    before = (tmp_path / "cohort.csv").read_bytes()
    with pytest.raises(OtherNamesError, match="give another --out"):
        read_cohort(tmp_path, deidentify=deidentify)
    with pytest.raises(OtherNamesError):
        add_to_cohort([failed_row("b", "b", "")], tmp_path, deidentify=deidentify)
    assert (tmp_path / "cohort.csv").read_bytes() == before


DAMAGED = [
    (["n_cells"], 1e30, "n_cells is no whole number from 0 on: 1e"),
    (["n_cells"], -5, "n_cells is no whole number from 0 on: -5"),
    (["n_cells"], True, "n_cells is no whole number"),
    (["n_cells"], None, "n_cells is no whole number"),
    (["n_cells"], 1 << 63, "n_cells is no whole number"),
    (["corrected"], "many", "corrected is no whole number from 0 on: many"),
    (["model"], 7, "model is no text: 7"),
    (["me_ratio"], "x", "me_ratio is no number from 0 on: x"),
    (["mitotic_index"], float("nan"), "mitotic_index is no number"),
    (["unidentified_below"], -0.5, "unidentified_below is no number"),
    (["counts", "M1"], "x", "n_M1 is no whole number"),
    (["counts", "ZZ"], 4, "it counts ZZ, which is no class"),
    (["differential", "n"], 0.5, "differential_n is no whole number"),
    (["differential", "counts", "M1"], -1, "counted_M1 is no whole number"),
    (["differential", "percent", "M1"], float("inf"), "percent_M1 is no number"),
]


@pytest.mark.parametrize(("keys", "value", "told"), DAMAGED)
def test_a_summary_with_what_no_run_finds_gives_no_row(keys, value, told):
    summary = copy.deepcopy(SUMMARY)
    assert done_row("a.svs", "a", summary)["n_cells"] == 23
    *above, last = keys
    part = summary
    for key in above:
        part = part[key]
    part[last] = value
    with pytest.raises(ValueError, match=told):
        done_row("a.svs", "a", summary)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_cells", "1,234"),
        ("n_cells", -5),
        ("n_M1", 2.5),
        ("percent_M1", float("inf")),
        ("me_ratio", "x"),
        ("model", 7),
        ("folder", None),
        ("slide", 3),
    ],
)
def test_a_table_with_what_its_column_cannot_hold_is_refused(name, value, tmp_path):
    row = {**done_row("a.svs", "a", SUMMARY), name: value}
    table = pyarrow.table({key: [field] for key, field in row.items()})
    pyarrow.parquet.write_table(table, tmp_path / "cohort.parquet")
    with pytest.raises(InvalidCohortError, match=f"{name} is no ") as refused:
        read_cohort(tmp_path, deidentify=False)
    assert "\n" not in str(refused.value)


def test_a_table_that_pandas_wrote_is_read_as_it_was(tmp_path):
    rows = [done_row("a.svs", "a", SUMMARY), failed_row("b.svs", "b", "it is empty")]
    write_cohort(rows, tmp_path)
    path = tmp_path / "cohort.parquet"
    frame = pd.read_parquet(path)
    assert frame["n_cells"].dtype == float
    frame.to_parquet(path)
    again = read_cohort(tmp_path, deidentify=False)
    assert json.dumps(again) == json.dumps(rows)


def test_a_row_that_was_taken_out_with_pandas_is_in_neither_table(tmp_path):
    rows = [failed_row("*.svs", "*", "no such slide"), done_row("a", "a", SUMMARY)]
    add_to_cohort(rows, tmp_path, deidentify=False)
    frame = pd.read_parquet(tmp_path / "cohort.parquet")
    frame[frame.folder != "*"].to_parquet(tmp_path / "cohort.parquet")
    add_to_cohort([done_row("b", "b", SUMMARY)], tmp_path, deidentify=False)
    assert pd.read_csv(tmp_path / "cohort.csv").folder.tolist() == ["a", "b"]
    assert pd.read_parquet(tmp_path / "cohort.parquet").folder.tolist() == ["a", "b"]


def test_both_tables_are_written_or_neither(tmp_path, monkeypatch):
    add_to_cohort([done_row("a.svs", "a", SUMMARY)], tmp_path, deidentify=False)
    before = {name: (tmp_path / name).read_bytes() for name in COHORT_FILES}
    odd = {**done_row("b.svs", "b", SUMMARY), "n_cells": "many"}
    with pytest.raises(pyarrow.ArrowInvalid):
        add_to_cohort([odd], tmp_path, deidentify=False)
    n_written, real = [], cohort.atomic_file

    def full(path):
        n_written.append(path)
        if len(n_written) == 2:
            raise CannotWriteError(str(path), "No space left on device")
        return real(path)

    monkeypatch.setattr(cohort, "atomic_file", full)
    with pytest.raises(CannotWriteError, match=r"cohort\.csv"):
        add_to_cohort([failed_row("b.svs", "b", "")], tmp_path, deidentify=False)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("cohort.*")} == before
