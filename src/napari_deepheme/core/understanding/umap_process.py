"""UMAP in a process of its own, run as a module.

It takes a folder with ``in.npy`` and a seed, and leaves ``out.npy`` in the folder. It
ends when its standard input is closed, thus with the process that started it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np


def main(folder: Path, seed: int) -> None:
    """Map what the folder holds."""
    from sklearn.neighbors import NearestNeighbors
    from umap import UMAP

    rows = np.load(folder / "in.npy", allow_pickle=False)
    n_neighbors = min(15, len(rows) - 1)
    # UMAP's own search is compiled anew in each process, which takes half of the time.
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows)
    distances, neighbours = search.kneighbors(rows)
    fit = UMAP(
        n_neighbors=n_neighbors,
        precomputed_knn=(neighbours.astype(np.int32), distances.astype(np.float32)),
        min_dist=0.1,
        init="spectral" if len(rows) > 15 else "random",
        random_state=seed,
        n_jobs=1,
    )
    np.save(folder / "out.npy", fit.fit_transform(rows).astype(np.float32))


def _end_with_the_parent() -> None:
    # Not by sys.stdin, whose lock would be in the way at the end of the interpreter.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    main(Path(sys.argv[1]), int(sys.argv[2]))
