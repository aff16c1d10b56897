"""Rows of a cohort, as several commands leave them."""

import pytest

from napari_deepheme.core.errors import OtherNamesError
from napari_deepheme.core.export.cohort import (
    NOT_BEGUN,
    add_to_cohort,
    failed_row,
    merge_cohort,
    read_cohort,
)


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
