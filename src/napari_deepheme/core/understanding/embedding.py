"""Features brought to two dimensions by UMAP (McInnes et al. 2018).

UMAP has no point at which it could be stopped. It therefore computes in a process of
its own, which is killed when it is told to stop: nothing goes on behind.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from napari_deepheme.core.errors import EmbeddingError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_Number = TypeVar("_Number", bound=np.generic)

MAX_FITTED: Final = 50_000
"""So many cells are given to UMAP; of more, a sample, and the rest are placed by it."""

N_COMPONENTS: Final = 50
"""Principal components that UMAP sees, at most."""

_FEWEST: Final = 4
"""Cells that UMAP wants; fewer lie side by side."""

_NEIGHBOURS: Final = 5
"""Mapped cells between which one is placed that UMAP did not see."""

_ROWS: Final = 1024

_LOOK_SECONDS: Final = 0.1


def embed(
    features: npt.NDArray[np.floating],
    *,
    seed: int = 0,
    stopping: Callable[[], bool] = lambda: False,
    max_fitted: int = MAX_FITTED,
) -> npt.NDArray[np.float32] | None:
    """Map cells so that those with similar features lie near each other.

    Rows are brought to length 1 and to 50 principal components, then UMAP maps them
    (15 neighbours, minimal distance 0.1, its defaults), on one thread, so that the same
    features and seed give the same map on the same machine. Of more than `max_fitted`
    cells a seeded sample is mapped; each of the others is placed between the five of
    the sample that are nearest to it, the nearer the closer.

    Parameters
    ----------
    features : ndarray of float16 or float32, shape (n, d)
        A row a cell.
    seed : int
        Of the sample and of UMAP.
    stopping : callable, optional
        Asked ten times a second whether to stop; the process is then killed.
    max_fitted : int
        Cells given to UMAP, at most.

    Returns
    -------
    ndarray of float32, shape (n, 2), or None
        x and y, of no unit; None if it was told to stop.

    Raises
    ------
    MissingExtraError
        If umap-learn is not installed.
    EmbeddingError
        If UMAP fails.
    """
    require_umap()
    n = len(features)
    if n < _FEWEST:
        return np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    reduced = principal_components(features, N_COMPONENTS)
    if n <= max_fitted:
        return _fit(reduced, seed, stopping)
    sample = np.random.default_rng(seed).choice(n, max_fitted, replace=False)
    sample.sort()
    fitted = _fit(reduced[sample], seed, stopping)
    if fitted is None:
        return None
    return _place(reduced, sample, fitted, stopping)


def require_umap() -> None:
    """Refuse where cells cannot be mapped, before anything is computed for it.

    Raises
    ------
    MissingExtraError
        If umap-learn is not installed.
    """
    if importlib.util.find_spec("umap") is None:
        raise MissingExtraError("embedding", "umap-learn")


def principal_components(
    features: npt.NDArray[np.floating], n_components: int
) -> npt.NDArray[np.float32]:
    """Project rows of length 1 on the directions in which they differ most.

    Parameters
    ----------
    features : ndarray of float16 or float32, shape (n, d)
        A row a cell; brought to length 1, so that distances follow the cosine.
    n_components : int
        Directions, at most; where d is no more, rows are kept as they are.

    Returns
    -------
    ndarray of float32, shape (n, d or n_components)
        The same each time: of each direction the largest part is positive.
    """
    d = features.shape[1]
    if d <= n_components:
        return np.concatenate([_unit(part) for part in _parts(features)])
    total, squares = np.zeros(d), np.zeros((d, d))
    for part in _parts(features):
        unit = _unit(part)
        total += unit.sum(axis=0)
        squares += unit.T @ unit
    mean = total / len(features)
    _, axes = np.linalg.eigh(squares / len(features) - np.outer(mean, mean))
    axes = axes[:, : -n_components - 1 : -1]
    axes *= np.sign(axes[abs(axes).argmax(axis=0), np.arange(n_components)])
    axes, offset = axes.astype(np.float32), (mean @ axes).astype(np.float32)
    return np.concatenate([_unit(part) @ axes - offset for part in _parts(features)])


def _parts(rows: npt.NDArray[_Number]) -> list[npt.NDArray[_Number]]:
    return [rows[i : i + _ROWS] for i in range(0, len(rows), _ROWS)]


def _unit(part: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    wide = part.astype(np.float32)
    unit: npt.NDArray[np.float32] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), 1e-12
    )
    return unit


def _fit(
    reduced: npt.NDArray[np.float32], seed: int, stopping: Callable[[], bool]
) -> npt.NDArray[np.float32] | None:
    """Run UMAP in a process that can be killed."""
    with tempfile.TemporaryDirectory(
        prefix="deepheme-map-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        np.save(folder / "in.npy", reduced)
        with (folder / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                _command(folder, seed),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            with process:
                if not _wait(process, stopping):
                    return None
        if process.returncode or not (folder / "out.npy").is_file():
            text = (folder / "said.txt").read_text(errors="replace").strip()
            raise EmbeddingError(text.rpartition("\n")[2] or "its process ended early")
        mapped: npt.NDArray[np.float32] = np.load(
            folder / "out.npy", allow_pickle=False
        )
    return mapped


def _command(folder: Path, seed: int) -> list[str]:
    module = "napari_deepheme.core.understanding.umap_process"
    return [sys.executable, "-W", "ignore", "-m", module, str(folder), str(seed)]


def _wait(process: subprocess.Popen[bytes], stopping: Callable[[], bool]) -> bool:
    """Wait for the end; kill it and return False when told to stop."""
    try:
        while True:
            try:
                process.wait(_LOOK_SECONDS)
                return True
            except subprocess.TimeoutExpired:
                if stopping():
                    return False
    finally:
        # Also where this thread is interrupted.
        if process.poll() is None:
            process.kill()


def _place(
    reduced: npt.NDArray[np.float32],
    sample: npt.NDArray[np.intp],
    fitted: npt.NDArray[np.float32],
    stopping: Callable[[], bool],
) -> npt.NDArray[np.float32] | None:
    placed = np.empty((len(reduced), 2), np.float32)
    placed[sample] = fitted
    is_rest = np.ones(len(reduced), bool)
    is_rest[sample] = False
    known = reduced[sample]
    squares = (known**2).sum(axis=1)
    for rows in _parts(np.flatnonzero(is_rest)):
        if stopping():
            return None
        part = reduced[rows]
        distances = squares - 2 * part @ known.T + (part**2).sum(axis=1)[:, None]
        near = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        gaps = np.take_along_axis(distances, near, axis=1).clip(1e-9)
        weights = 1 / gaps
        weights /= weights.sum(axis=1, keepdims=True)
        placed[rows] = (fitted[near] * weights[..., None]).sum(axis=1)
    return placed
