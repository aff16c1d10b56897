"""Cells by the ending of a file's name."""

import numpy as np
import pytest

from napari_deepheme import CellTable, read_cells, write_cells
from napari_deepheme.core.errors import UnknownFormatError


@pytest.mark.parametrize(
    "name",
    [
        "cells.csv",
        "cells.CSV",
        "cells.geojson",
        "cells.json",
        "cells.parquet",
        "cells.h5ad",
    ],
)
def test_cells_read_back_are_the_same_whatever_the_ending(name, tmp_path):
    cells = CellTable.from_arrays(
        [[10, 20, 30, 40], [50, 60, 9, 9]],
        [0.9, 0.1234],
        [13, 22],
        [0.5, 1],
        {"reader_class": np.array(["M3", ""]), "note": np.array(["a, b", ""])},
    )
    write_cells(cells, tmp_path / name)
    assert read_cells(str(tmp_path / name)) == cells


def test_an_unknown_ending_is_refused_by_those_that_are_known(tmp_path):
    with pytest.raises(UnknownFormatError, match=r"one of .*\.parquet"):
        read_cells(tmp_path / "cells.xls")
    with pytest.raises(UnknownFormatError):
        write_cells(CellTable.empty(), tmp_path / "cells")
    assert not list(tmp_path.iterdir())
