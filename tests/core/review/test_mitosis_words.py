"""Phase and lineage that a reader gives to mitotic figures."""

from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.counts.mitoses import mitotic_indices
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.further_columns import READER_LINEAGE, READER_PHASE
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.correction import Correction
from napari_deepheme.core.review.corrections import judged_mitosis
from napari_deepheme.core.review.remembered import remember
from napari_deepheme.core.review.retold import retell


@pytest.fixture
def cells(make_table):
    made = make_table(
        (0, 0, 9, 9, "U4"),
        (20, 0, 9, 9, "U4"),
        (40, 0, 9, 9, "ER3"),
        (60, 0, 9, 9, "M3"),
    )
    told = {
        "mitotic_phase": np.array(["metaphase", "", "", ""]),
        "mitotic_lineage": np.array(["erythroid", "", "", ""]),
    }
    return CorrectedCells(replace(made, further=told))


def test_the_word_of_the_reader_stands_beside_the_one_of_the_model(cells):
    said = cells.tell_mitosis([0], READER_PHASE, "anaphase", reader="AB", at="now")
    further = said.cells.further
    assert further["mitotic_phase"].tolist() == ["metaphase", "", "", ""]
    assert further["reader_phase"].tolist() == ["anaphase", "", "", ""]
    assert further["mitosis_reader"].tolist() == ["AB", "", "", ""]
    assert further["mitosis_read_at"][0] == "now"
    assert further["mitosis_read_from"][0] == "metaphase"
    assert "reader_class" not in further
    assert said.n_corrected == 0
    part = said.take([2, 0]).further
    assert part["reader_phase"].tolist() == ["", "anaphase"]


def notes(said, row):
    names = ("mitosis_reader", "mitosis_read_at", "mitosis_read_from")
    return tuple(str(said.cells.further[name][row]) for name in names)


def test_who_said_it_is_who_said_what_stands(cells, tmp_path):
    said = cells.tell_mitosis([0], READER_PHASE, "anaphase", reader="AB", at="t1")
    both = said.tell_mitosis([0], READER_LINEAGE, "neutrophil", reader="CD", at="t2")
    assert notes(both, 0) == ("CD", "t2", "erythroid")
    one = both.tell_mitosis([0], READER_LINEAGE, "", reader="CD", at="t3")
    assert notes(one, 0) == ("AB", "t1", "metaphase")
    none = one.tell_mitosis([0], READER_PHASE, "", reader="EF", at="t4")
    assert notes(none, 0) == ("", "", "")
    # What a table says stays until nothing of it stands.
    write_csv(said.cells, tmp_path / "cells.csv")
    back = CorrectedCells(read_csv(tmp_path / "cells.csv"))
    more = back.tell_mitosis([0], READER_LINEAGE, "neutrophil", reader="CD", at="t2")
    left = more.tell_mitosis([0], READER_LINEAGE, "", reader="CD", at="t3")
    assert notes(left, 0) == ("AB", "t1", "metaphase")
    assert notes(left.tell_mitosis([0], READER_PHASE, ""), 0) == ("", "", "")


def test_it_is_taken_back_and_done_again(cells):
    said = cells.tell_mitosis([1], READER_LINEAGE, "neutrophil")
    assert said.undo().cells == cells.cells
    assert said.undo().redo().cells == said.cells
    again = said.tell_mitosis([1], READER_LINEAGE, "")
    assert notes(again, 1) == ("", "", "")
    assert again.told_of_mitosis(1, READER_LINEAGE) == ""


def test_the_index_by_lineage_goes_by_the_reader(cells):
    def figures(corrected):
        return {i.name: i.figures for i in mitotic_indices(corrected.cells)}

    assert figures(cells) == {
        "all": 2,
        "erythroid": 1,
        "neutrophil": 0,
        "eosinophil": 0,
    }
    said = cells.tell_mitosis([0], READER_LINEAGE, "unknown")
    said = said.tell_mitosis([1], READER_LINEAGE, "neutrophil")
    assert figures(said) == {"all": 2, "erythroid": 0, "neutrophil": 1, "eosinophil": 0}
    assert judged_mitosis(said.cells, READER_LINEAGE).tolist() == [
        "",
        "neutrophil",
        "",
        "",
    ]


def test_it_comes_back_from_the_table(cells, tmp_path):
    said = cells.tell_mitosis([0], READER_PHASE, "anaphase", reader="AB")
    write_csv(said.cells, tmp_path / "cells.csv")
    back = CorrectedCells(read_csv(tmp_path / "cells.csv"))
    assert back.told_of_mitosis(0, READER_PHASE) == "anaphase"
    later = back.tell_mitosis([0], READER_PHASE, "prophase", reader="CD")
    assert later.cells.further["mitosis_reader"][0] == "CD"
    assert later.cells.further["mitosis_read_from"][0] == "anaphase"


def test_a_later_run_over_the_same_cells_keeps_it(cells, make_table):
    said = cells.tell_mitosis([0], READER_PHASE, "anaphase")
    again = retell(cells.base, remember(said), ()).corrected.cells
    assert again.further["reader_phase"].tolist() == ["anaphase", "", "", ""]
    assert again.further["mitosis_read_from"].tolist() == ["metaphase", "", "", ""]


def test_a_word_that_no_one_can_say_is_refused(cells):
    with pytest.raises(ValueError, match="midphase"):
        cells.tell_mitosis([0], READER_PHASE, "midphase")
    with pytest.raises(ValueError, match="anaphase"):
        Correction((0,), ("",), ("anaphase",))
