"""A review of painted discs, to try docks on."""

from types import SimpleNamespace

import numpy as np
import pytest
from psygnal import Signal

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.protocols import (
    ClassifierSpec,
    CropProbabilities,
    Models,
)
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.core.understanding.feature_space import (
    CellFeatures,
    FeatureProgress,
)
from napari_deepheme.plugin.kinds import cell_kinds, shown_kinds
from napari_deepheme.plugin.understanding.cell_space import CellSpace
from napari_deepheme.plugin.words import NO_MODEL
from napari_deepheme.plugin.worker import Failed


class Namer:
    """Calls what is dark M6, at 0.7; M5 has the rest."""

    spec = ClassifierSpec("namer 1", mpp=0.25, crop_px=32)

    def classify(self, crops, *, batch_size):
        classes = np.zeros((len(crops), 23), np.float32)
        classes[:, class_index("M6")] = 0.7
        classes[:, class_index("M5")] = 0.3
        return CropProbabilities.of_classes(classes)


class FakeReview:
    """Holds cells and a selection, and notes what it is asked for."""

    changed = Signal(object)
    selection_changed = Signal()

    def __init__(self, n=12):
        pixels = np.full((400, 400, 3), 235, np.uint8)
        places = np.array([(20 + 90 * (i % 4), 20 + 90 * (i // 4)) for i in range(n)])
        for x, y in places:
            pixels[y : y + 30, x : x + 30] = 80
        codes = [("M5", "M6", "L4")[i % 3] for i in range(n)]
        self.cells = CellTable.from_arrays(
            np.concatenate([places, np.full((n, 2), 30)], axis=1),
            np.full(n, 0.9),
            [class_index(c) for c in codes],
            np.full(n, 0.7),
        )
        self.kinds = cell_kinds(self.cells)
        self.slide = ArraySlide(pixels, mpp=0.25, name="squares")
        self.mpp = Mpp(0.25, 0.25)
        self.models = Models(SimpleNamespace(), Namer(), Compute())
        self.selected, self.hidden = [], frozenset()
        self.gone_to = []
        self.asked_for_models = (False, NO_MODEL)

    def ask_for_models(self):
        return self.asked_for_models

    def shown(self, rows):
        return rows[shown_kinds(self.hidden)[self.kinds[rows]]]

    def select(self, rows):
        self.selected = sorted(rows)
        self.selection_changed.emit()

    def go_to(self, row):
        self.gone_to.append(row)
        self.select([row])

    def correct(self, rows, reader_class):
        raise AssertionError("no dock of these corrects")


class Later:
    """Starts work that is done when it is told to."""

    def __init__(self):
        self.pending = []
        self.tasks = []

    def __call__(self, items, *, on_item, on_end):
        task = SimpleNamespace(stopped=False)
        task.quit = lambda: setattr(task, "stopped", True)
        task.wait = lambda seconds: True
        self.pending.append((items, on_item, on_end, task))
        self.tasks.append(task)
        return task

    def finish(self):
        items, on_item, on_end, task = self.pending.pop(0)
        try:
            for item in items():
                if task.stopped:
                    break
                on_item(item)
        except Exception as error:
            on_item(Failed(error))
        on_end()


def features_of(n):
    """Two groups of cells: even rows and odd rows."""
    values = np.zeros((n, 3), np.float16)
    values[::2, 0] = values[1::2, 1] = 1
    values[:, 2] = np.linspace(0, 0.5, n)
    return values


def iter_features(slide, cells, classifier, *, mpp, stopping):
    yield FeatureProgress(len(cells) // 2, len(cells))
    yield CellFeatures(features_of(len(cells)), np.ones(len(cells), bool))


def embed(features, *, stopping):
    return features[:, :2].astype(np.float32)


@pytest.fixture
def reviewed():
    return FakeReview()


@pytest.fixture
def later():
    return Later()


@pytest.fixture
def space_of(reviewed):
    """Make the space of the cells; what computes it can be given."""

    def make(start, **callables):
        given = {"iter_features": iter_features, "embed": embed}
        given["require_umap"] = lambda: None
        return CellSpace(reviewed, start, **{**given, **callables})

    return make
