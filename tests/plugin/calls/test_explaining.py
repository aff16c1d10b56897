"""Control of the two docks about calls, without a display."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.further_columns import DELETED, READER_CLASSES
from napari_deepheme.core.understanding.explain import explain_cell
from napari_deepheme.core.understanding.feature_space import CellFeatures
from napari_deepheme.plugin.reviewing.reviewed import Reviewed
from napari_deepheme.plugin.understanding.explaining import (
    SELECT_ONE,
    Explaining,
    agreement,
)
from napari_deepheme.plugin.words import NO_MODEL


@pytest.fixture
def space(space_of, later):
    return space_of(later)


@pytest.fixture
def explaining(reviewed, space, later):
    return Explaining(reviewed, space, later)


def test_the_stand_in_is_a_review(reviewed):
    names = [name for name in vars(Reviewed) if not name.startswith("_")]
    assert all(hasattr(reviewed, name) for name in names)


def test_a_selected_cell_is_explained(reviewed, explaining, later):
    reviewed.select([5])
    explaining.ask()
    assert explaining.explanation is None
    later.finish()
    assert explaining.row == 5
    assert explaining.explanation.top[0] == ("M6", pytest.approx(0.7))
    assert explaining.neighbours is None
    assert agreement(explaining.explanation) == "All 8 mirrored views say M6."


def test_of_requests_that_pile_up_only_the_last_is_computed(
    reviewed, explaining, later
):
    for row in (1, 2, 3):
        reviewed.select([row])
        explaining.ask()
    assert len(later.tasks) == 1
    later.finish()
    assert explaining.explanation is None
    later.finish()
    assert explaining.row == 3
    assert not later.pending


def test_what_was_asked_before_nothing_was_selected_is_dropped(
    reviewed, explaining, later
):
    reviewed.select([1])
    explaining.ask()
    reviewed.select([])
    explaining.ask()
    later.finish()
    assert explaining.explanation is None
    assert explaining.message == SELECT_ONE


def test_several_cells_or_a_review_without_a_model_are_not_explained(
    reviewed, explaining, later
):
    reviewed.select([1, 2])
    explaining.ask()
    assert explaining.message == SELECT_ONE
    reviewed.models = None
    reviewed.select([1])
    explaining.ask()
    assert explaining.message == NO_MODEL
    assert not later.tasks


def test_a_failure_is_told_and_the_next_cell_is_explained(reviewed, space, later):
    def fail_once(*args, **kwargs):
        if not failed:
            failed.append(True)
            raise ValueError("broken")
        return explain_cell(*args, **kwargs)

    failed = []
    explaining = Explaining(reviewed, space, later, explain=fail_once)
    reviewed.select([1])
    explaining.ask()
    later.finish()
    assert "broken" in explaining.message
    explaining.ask()
    later.finish()
    assert explaining.row == 1
    assert explaining.message == ""


def test_members_that_disagree_are_named_with_their_votes(reviewed):
    seen = explain_cell(
        reviewed.slide, (20, 20, 30, 30), reviewed.models.classifier, mpp=reviewed.mpp
    )
    members = np.zeros((5, 23), np.float32)
    members[:2, 16] = members[2:, 17] = 1
    split = replace(seen, members=members, member_kind="network")
    assert agreement(split) == "The 5 networks disagree: M6 3, M5 2."


def test_neighbours_come_once_cells_were_compared(reviewed, space, explaining, later):
    space.begin(with_map=False)
    assert space.running
    later.finish()
    assert not space.running
    assert space.points is None
    reviewed.select([4])
    explaining.ask()
    later.finish()
    assert set(explaining.neighbours.rows) <= {0, 2, 4, 6, 8, 10, 11}
    assert explaining.neighbours.rows[0] == 6
    assert explaining.neighbours.crops.shape == (6, 32, 32, 3)


def test_what_was_taken_away_is_no_neighbour(reviewed, space, explaining, later):
    space.begin(with_map=False)
    later.finish()
    reviewed.kinds = reviewed.kinds.copy()
    reviewed.kinds[6] = READER_CLASSES.index(DELETED)
    reviewed.select([4])
    explaining.ask()
    later.finish()
    assert len(explaining.neighbours.rows) == 6
    assert 6 not in explaining.neighbours.rows


def test_a_map_takes_the_features_that_are_there(reviewed, space, later):
    space.begin(with_map=False)
    later.finish()
    space._iter_features = None
    space.begin(with_map=True)
    later.finish()
    assert space.points.shape == (12, 2)


def test_a_cell_without_features_has_no_place(space_of, later):
    def one_missing(*args, **kwargs):
        values = np.ones((12, 3), np.float16)
        values[3] = 0
        yield CellFeatures(values, values.any(axis=1))

    space = space_of(later, iter_features=one_missing)
    space.begin(with_map=True)
    later.finish()
    assert np.flatnonzero(np.isnan(space.points[:, 0])).tolist() == [3]


def test_what_is_cancelled_leaves_nothing(reviewed, space, later):
    space.begin(with_map=True)
    space.cancel()
    later.finish()
    assert space.features is None
    assert not space.running
    assert space.message == "Stopped."


def test_a_missing_package_is_told_with_what_to_install_before_cells_are_read(
    space_of, later
):
    def missing():
        raise MissingExtraError("embedding", "umap-learn")

    space = space_of(later, require_umap=missing)
    space.begin(with_map=True)
    later.finish()
    assert 'pip install "napari-deepheme[embedding]"' in space.message
    assert space.features is None
    space.begin(with_map=False)
    later.finish()
    assert space.features is not None


def test_features_last_while_the_cells_do(reviewed, space, later):
    space.begin(with_map=True)
    later.finish()
    reviewed.changed.emit([2])
    assert space.points is not None
    # A cell that the reader adds comes last.
    more = reviewed.cells.take(np.r_[np.arange(12), 0])
    reviewed.cells = more
    reviewed.changed.emit(None)
    assert len(space.features) == 12
    reviewed.cells = more.take(np.arange(5, 12))
    reviewed.changed.emit(None)
    assert space.features is None
    assert space.points is None


def test_work_on_cells_that_are_gone_is_dropped(reviewed, space, later):
    space.begin(with_map=True)
    reviewed.cells = reviewed.cells.take(np.arange(5))
    reviewed.changed.emit(None)
    assert not space.running
    later.finish()
    assert space.features is None


def test_without_a_model_nothing_is_compared(reviewed, space, later):
    reviewed.models = None
    space.begin(with_map=True)
    assert space.message == NO_MODEL
    assert not later.tasks


@pytest.mark.parametrize("comes", [True, False])
def test_cells_are_compared_when_the_model_of_their_sitting_is_there(
    reviewed, space, later, comes
):
    models, reviewed.models = reviewed.models, None
    reviewed.asked_for_models = (True, "Loading …")
    space.begin(with_map=True)
    assert space.message == "Loading …"
    reviewed.changed.emit(np.array([3]))
    assert not later.tasks
    reviewed.models = models if comes else None
    reviewed.asked_for_models = (False, "It is not here.")
    reviewed.changed.emit(None)
    assert bool(later.tasks) == space.running == comes
    assert comes or space.message == "It is not here."


SEEN_ON_A_THREAD_OF_QT = """
import numpy as np
from qtpy.QtCore import QCoreApplication, QRunnable, QThreadPool

from napari_deepheme.core.models.registry import load_exact_classifier
from napari_deepheme.core.models.torch.insight import open_insight

CROP = np.random.default_rng(5).integers(0, 256, (96, 96, 3), dtype=np.uint8)
seen = []

class Seen(QRunnable):
    def run(self):
        insight = open_insight(load_exact_classifier("litenet-marrow", device="cpu"))
        seen.append(insight.features(CROP[None], batch_size=1).ndim)
        seen.append(insight.grad_cam(CROP, "M5").shape)
        seen.append(insight.smooth_grad(CROP, "M5").shape)

app = QCoreApplication([])
pool = QThreadPool.globalInstance()
pool.setExpiryTimeout(0)
pool.start(Seen())
pool.waitForDone()
print(*seen, flush=True)
"""


@pytest.mark.slow
def test_a_thread_of_qt_that_saw_a_cell_ends_in_peace():
    # In a process of its own, which a segmentation fault would end.
    words = [sys.executable, "-c", SEEN_ON_A_THREAD_OF_QT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2 (96, 96) (96, 96)\n"), done.stderr
