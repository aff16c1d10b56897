"""500,000 cells to each kind of file: seconds and peak memory.

Run by ``python benchmarks/exports.py``. Each file is written by a process of its own,
from the same table by chance; what the packages and the table take is stated apart.
Row by row, as it was before, the same machine took 3.1 s and 366 MB for GeoJSON and
1.5 s and 327 MB for CSV; by chunks of text 2.1 s and 181 MB, and 0.9 s and 164 MB: 1.5
and 1.7 times as fast.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.export.anndata_file import write_anndata
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.geojson import write_geojson
from napari_deepheme.core.export.parquet import write_parquet
from napari_deepheme.core.further_columns import IDENTIFIED, LINEAGE, PHASE
from napari_deepheme.core.taxonomy import MITOTIC_CODE, class_index

WRITERS = {
    "cells.csv": write_csv,
    "cells.geojson": write_geojson,
    "cells.parquet": write_parquet,
    "cells.h5ad": write_anndata,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=500_000)
    parser.add_argument("--file", choices=WRITERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        measure(options.file, options.cells)
        return
    for name in WRITERS:
        command = [sys.executable, __file__, "--file", name]
        subprocess.run([*command, "--cells", str(options.cells)], check=True)


def measure(name: str, n_cells: int) -> None:
    cells = some_cells(n_cells)
    before = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        started = time.perf_counter()
        WRITERS[name](cells, path)
        seconds = time.perf_counter() - started
        size = path.stat().st_size / 1e6
    print(
        f"{name}: {n_cells} cells in {seconds:.2f} s, {size:.0f} MB; "
        f"peak {peak_mb():.0f} MB, {before:.0f} MB before",
        flush=True,
    )


def some_cells(n: int) -> CellTable:
    """Make cells as a run gives them."""
    rng = np.random.default_rng(0)
    corners, sides = rng.integers(0, 100_000, (n, 2)), rng.integers(20, 90, (n, 2))
    classes, probabilities = rng.integers(0, 23, n), rng.random(n)
    in_mitosis = classes == class_index(MITOTIC_CODE)
    further = {
        IDENTIFIED: np.where(probabilities > 0.3, "yes", "no"),
        PHASE: np.where(in_mitosis, "metaphase", ""),
        LINEAGE: np.where(in_mitosis, "erythroid", ""),
    }
    boxes = np.concatenate([corners, sides], axis=1)
    return CellTable.from_arrays(boxes, rng.random(n), classes, probabilities, further)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
