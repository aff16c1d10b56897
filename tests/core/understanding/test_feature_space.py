"""Features of a slide's cells do not depend on how they are read."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.errors import NotExplainableError
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.slide import ArraySlide, estimate_background
from napari_deepheme.core.understanding import feature_space
from napari_deepheme.core.understanding.feature_space import (
    CellFeatures,
    FeatureProgress,
    iter_features,
    nearest,
)

MPP = Mpp(0.25, 0.25)


class MeanColour:
    """Features of a crop: its mean colour."""

    def features(self, crops, *, batch_size):
        return crops.mean(axis=(1, 2), dtype=np.float32)


@pytest.fixture
def by_colour(monkeypatch, disc_models):
    monkeypatch.setattr(
        "napari_deepheme.core.models.torch.insight.open_insight", lambda _: MeanColour()
    )
    return disc_models.classifier


@pytest.fixture
def discs(painting, make_table):
    return make_table(
        *(
            (int(x - r), int(y - r), int(2 * r), int(2 * r), code)
            for x, y, r, code in painting.discs
        )
    )


def test_features_come_in_the_order_of_the_table(
    disc_slide, discs, by_colour, monkeypatch
):
    *progress, last = iter_features(disc_slide, discs, by_colour, mpp=MPP)
    background = estimate_background(disc_slide)
    for row in (0, 7, len(discs) - 1):
        cut = cut_crops(
            disc_slide,
            discs.boxes[[row]],
            by_colour.spec,
            mpp=MPP,
            background=background,
        )
        wanted = cut.crops.mean(axis=(0, 1, 2))
        assert last.values[row] == pytest.approx(wanted, abs=0.1)
    assert last.readable.all()
    assert progress[-1] == FeatureProgress(len(discs), len(discs))
    monkeypatch.setattr(feature_space, "_TILE", 200)
    monkeypatch.setattr(feature_space, "_CHUNK", 9)
    *progress, other = iter_features(disc_slide, discs, by_colour, mpp=MPP)
    assert len(progress) > 5
    assert np.array_equal(last.values, other.values)


def test_the_features_of_a_run_can_be_stopped(
    disc_slide, discs, by_colour, monkeypatch
):
    monkeypatch.setattr(feature_space, "_CHUNK", 9)
    seen = []
    for item in iter_features(
        disc_slide, discs, by_colour, mpp=MPP, stopping=lambda: len(seen) >= 2
    ):
        seen.append(item)
    assert len(seen) == 2
    assert not any(isinstance(item, CellFeatures) for item in seen)


def test_a_table_without_cells_has_no_features(disc_slide, make_table, by_colour):
    (last,) = iter_features(disc_slide, make_table(), by_colour, mpp=MPP)
    assert len(last.values) == len(last.readable) == 0


def test_a_classifier_without_torch_has_no_features(disc_slide, discs, disc_models):
    with pytest.raises(NotExplainableError):
        next(iter_features(disc_slide, discs, disc_models.classifier, mpp=MPP))


def test_a_cell_that_cannot_be_read_is_near_none(
    disc_slide, discs, by_colour, monkeypatch
):
    def broken(slide, boxes, spec, *, mpp, background):
        cut = cut_crops(slide, boxes, spec, mpp=mpp, background=background)
        is_first = (boxes == discs.boxes[0]).all(axis=1)
        return SimpleNamespace(crops=cut.crops, readable=~is_first)

    monkeypatch.setattr(feature_space, "cut_crops", broken)
    *_, last = iter_features(disc_slide, discs, by_colour, mpp=MPP)
    assert not last.values[0].any()
    assert np.flatnonzero(~last.readable).tolist() == [0]
    assert 0 not in nearest(last.values, 5, len(discs))[0]
    assert len(nearest(last.values, 0, 5)[0]) == 0


def test_cells_of_a_colour_are_nearer_to_each_other_than_chance_has_it(painting, discs):
    classifier = load_classifier(device="cpu", backend="torch")
    slide = ArraySlide(painting.pixels, mpp=0.25, name="discs")
    config = ClassifyConfig(batch_size=16)
    *_, last = iter_features(slide, discs, classifier, mpp=MPP, config=config)
    assert last.values.shape == (len(discs), 1280)
    codes = np.array(painting.codes)
    alike = [
        (codes[nearest(last.values, row, 3)[0]] == codes[row]).mean()
        for row in range(len(discs))
    ]
    # One in three would be by chance.
    assert np.mean(alike) > 0.6


def test_the_nearest_are_found_exactly_whatever_the_precision(monkeypatch):
    monkeypatch.setattr(feature_space, "_ROWS", 7)
    features = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float16)
    unit = features.astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit[9]
    cosines[9] = -2
    rows, given = nearest(features, 9, 8)
    assert rows.tolist() == np.argsort(-cosines)[:8].tolist()
    assert given == pytest.approx(np.sort(cosines)[::-1][:8], abs=1e-5)


def test_a_cell_of_twice_the_strength_is_the_same_cell():
    features = np.float32([[1, 2, 0], [2, 4, 0], [1, 2, 0.5]])
    rows, cosines = nearest(features, 0, 5)
    assert rows.tolist() == [1, 2]
    assert cosines[0] == pytest.approx(1)
