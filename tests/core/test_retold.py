"""What columns say of a reader, taken as steps."""

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.retold import retold


def test_words_that_no_reader_can_say_are_no_steps():
    said = {
        "reader_class": np.array(["U4", "U4"]),
        "reader_phase": np.array(["metaphase", "interphase"]),
    }
    cells = CellTable.from_arrays(
        [[0, 0, 9, 9], [20, 0, 9, 9]], [0.9, 0.9], [13, 13], [0.75, 0.75], said
    )
    corrected = retold(cells)
    assert corrected.n_corrected == 2
    assert corrected.cells.further["reader_phase"].tolist() == ["metaphase", ""]
