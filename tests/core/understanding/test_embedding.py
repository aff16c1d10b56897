"""Cells that are alike lie together on the map, the same each time."""

import time
from importlib.util import find_spec

import numpy as np
import pytest

from napari_deepheme.core.errors import EmbeddingError, MissingExtraError
from napari_deepheme.core.understanding import embedding
from napari_deepheme.core.understanding.embedding import embed, principal_components

# It compiles for 20 s and more, in a process of its own.
NEEDS_UMAP = pytest.mark.skipif(find_spec("umap") is None, reason="no umap-learn")

RNG = np.random.default_rng(4)


def clusters(n=240, d=80, n_clusters=3):
    """Rows about a few directions, with the number of each row's."""
    which = RNG.integers(0, n_clusters, n)
    middles = abs(RNG.normal(size=(n_clusters, d)))
    rows = abs(middles[which] + RNG.normal(0, 0.1, (n, d)))
    return rows.astype(np.float16), which


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def share_of_neighbours_alike(points, which, k=5):
    apart = distances(points)
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1)[:, :k]
    return (which[near] == which[:, None]).mean()


def test_principal_components_keep_the_distances_that_matter():
    rows = np.zeros((200, 40), np.float32)
    rows[:, 3] = 5
    rows[:, 7] = RNG.normal(size=200)
    rows[:, 20] = RNG.normal(size=200)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    reduced = principal_components(rows.astype(np.float32), 3)
    assert reduced.shape == (200, 3)
    assert distances(reduced) == pytest.approx(distances(unit), abs=1e-4)
    assert reduced.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
    spread = reduced.var(axis=0)
    assert (np.diff(spread) <= 0).all()


def test_few_features_are_only_brought_to_length_one():
    rows = np.float32([[3, 4], [0, 2]])
    assert principal_components(rows, 50) == pytest.approx(
        np.array([[0.6, 0.8], [0, 1]])
    )


@NEEDS_UMAP
def test_too_few_cells_lie_side_by_side():
    assert embed(np.ones((3, 5), np.float32)).tolist() == [[0, 0], [1, 0], [2, 0]]


def test_without_umap_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"napari-deepheme\[embedding\]"):
        embed(np.ones((9, 5), np.float32))


FAILING = """
class UMAP:
    def __init__(self, **_):
        pass

    def fit_transform(self, rows):
        raise ValueError(f"{len(rows)} rows are too many.")
"""


@NEEDS_UMAP
def test_a_failure_of_the_process_is_told(monkeypatch, tmp_path):
    (tmp_path / "umap.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EmbeddingError, match=r"20 rows are too many\."):
        embed(clusters(20)[0])


@NEEDS_UMAP
def test_a_stop_kills_the_process_at_once(monkeypatch):
    made, popen = [], embedding.subprocess.Popen

    def noted(*args, **kwargs):
        made.append(popen(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(embedding.subprocess, "Popen", noted)
    started = time.perf_counter()
    assert embed(clusters()[0], stopping=lambda: True) is None
    assert time.perf_counter() - started < 3
    assert made[0].returncode not in (None, 0)


@pytest.mark.slow
@NEEDS_UMAP
def test_cells_that_are_alike_lie_together():
    rows, which = clusters()
    mapped = embed(rows, seed=3)
    assert mapped.shape == (240, 2)
    assert mapped.dtype == np.float32
    assert share_of_neighbours_alike(mapped, which) > 0.95


@pytest.mark.slow
@NEEDS_UMAP
def test_a_map_is_the_same_each_time():
    rows, _ = clusters(60)
    assert np.array_equal(embed(rows, seed=3), embed(rows, seed=3))


@NEEDS_UMAP
def test_cells_beyond_the_sample_are_placed_among_their_like(monkeypatch):
    rows, which = clusters(300)
    middles = np.array([[0, 0], [10, 0], [0, 10]])
    seen = []

    def fit(reduced, seed, stopping):
        seen.append(len(reduced))
        full = principal_components(rows, 50)
        places = [int(np.argmin(abs(full - row).sum(axis=1))) for row in reduced]
        return (middles[which[places]] + RNG.normal(0, 0.1, (len(reduced), 2))).astype(
            np.float32
        )

    monkeypatch.setattr(embedding, "_fit", fit)
    mapped = embed(rows, max_fitted=100)
    assert seen == [100]
    assert np.linalg.norm(mapped - middles[which], axis=1).max() < 2
    assert embed(rows, max_fitted=100, stopping=lambda: True) is None
