"""What columns say of a reader, taken as steps."""

from dataclasses import replace

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.review.retold import retold


def test_words_that_no_reader_can_say_are_no_steps():
    said = {
        "reader_class": np.array(["U4", "U4"]),
        "reader_phase": np.array(["metaphase", "interphase"]),
    }
    cells = CellTable.from_arrays(
        [[0, 0, 9, 9], [20, 0, 9, 9]], [0.9, 0.9], [13, 13], [0.75, 0.75]
    )
    corrected = retold(replace(cells, further=said))
    assert corrected.n_corrected == 2
    assert corrected.cells.further["reader_phase"].tolist() == ["metaphase", ""]


def test_what_was_said_last_is_taken_back_first():
    said = {
        "reader_class": np.array(["U4", "U4"]),
        "read_at": np.array(["2026-03-01T09:30:00Z", "2026-03-03T09:30:00Z"]),
        "reader_phase": np.array(["metaphase", ""]),
        "mitosis_read_at": np.array(["2026-03-02T09:30:00Z", ""]),
    }
    cells = CellTable.from_arrays(
        [[0, 0, 9, 9], [20, 0, 9, 9]], [0.9, 0.9], [13, 13], [0.75, 0.75], said
    )
    steps = retold(cells).steps
    assert [step.of for step in steps] == [
        "reader_class",
        "reader_phase",
        "reader_class",
    ]
    assert [step.rows for step in steps] == [(0,), (0,), (1,)]
