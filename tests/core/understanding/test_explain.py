"""A cell explained: what is shown is what the run computed."""

import numpy as np
import pytest

from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.protocols import ClassifierSpec, CropProbabilities
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.slide import ArraySlide, estimate_background
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index
from napari_deepheme.core.understanding.explain import explain_cell, with_maps

MPP = Mpp(0.25, 0.25)


class Fold:
    """Three networks: two say M6 at 0.6, one says M5 at 0.9."""

    spec = ClassifierSpec("folds 1", mpp=0.5, crop_px=32, whitened=False)

    def classify_members(self, crops, *, batch_size):
        given = np.zeros((3, len(crops), len(CLASS_CODES)), np.float32)
        given[:2, :, class_index("M6")] = 0.6
        given[:2, :, class_index("M5")] = 0.4
        given[2, :, class_index("M6")] = 0.1
        given[2, :, class_index("M5")] = 0.9
        return given

    def classify(self, crops, *, batch_size):
        members = self.classify_members(crops, batch_size=batch_size)
        return CropProbabilities.of_classes(members.mean(axis=0))


def test_members_that_disagree_are_told_with_how_far_they_lie_apart(disc_slide):
    seen = explain_cell(disc_slide, (492, 492, 40, 40), Fold(), mpp=MPP)
    assert seen.top[0] == ("M5", pytest.approx((0.4 + 0.4 + 0.9) / 3))
    assert seen.top[1] == ("M6", pytest.approx((0.6 + 0.6 + 0.1) / 3))
    assert len(seen.top) == 5
    assert seen.member_kind == "network"
    assert seen.votes == (("M6", 2), ("M5", 1))
    assert seen.disagreement[:2] == pytest.approx(np.array([[0.4, 0.9], [0.1, 0.6]]))


def test_a_single_classifier_is_asked_for_its_mirrored_views(disc_slide, disc_models):
    seen = explain_cell(disc_slide, (492, 492, 40, 40), disc_models.classifier, mpp=MPP)
    assert seen.member_kind == "mirrored view"
    assert seen.members.shape == (8, 23)
    assert seen.votes == (("M6", 8),)


def test_what_has_no_gradients_still_shows_crop_and_probabilities(disc_slide):
    seen = explain_cell(disc_slide, (492, 492, 40, 40), Fold(), mpp=MPP)
    assert seen.grad_cam is None
    assert seen.smooth_grad is None
    assert "folds 1" in seen.no_maps
    assert seen.crop.shape == (32, 32, 3)


def test_the_box_lies_in_the_crop_where_the_cell_is():
    pixels = np.full((300, 300, 3), 240, np.uint8)
    pixels[101:141, 121:151] = 20
    slide = ArraySlide(pixels, mpp=0.25, name="square")
    seen = explain_cell(slide, (121, 101, 30, 40), Fold(), mpp=MPP)
    x, y, width, height = seen.box
    assert (width, height) == (15, 20)
    dark = np.argwhere(seen.crop[:, :, 0] < 130)
    assert dark.min(axis=0) == pytest.approx((y, x), abs=1)
    assert dark.max(axis=0) + 1 == pytest.approx((y + height, x + width), abs=1)


def test_maps_can_be_left_for_later(disc_slide, bundled):
    box = (492, 492, 40, 40)
    quick = explain_cell(disc_slide, box, bundled, mpp=MPP, maps=False)
    assert quick.grad_cam is None
    assert quick.no_maps == ""
    whole = explain_cell(disc_slide, box, bundled, mpp=MPP)
    later = with_maps(quick, bundled)
    assert np.array_equal(later.grad_cam, whole.grad_cam)
    assert np.array_equal(later.smooth_grad, whole.smooth_grad)


@pytest.fixture(scope="module")
def bundled():
    return load_classifier(device="cpu", backend="torch")


def test_what_is_explained_is_what_the_run_computed(disc_slide, bundled):
    box = np.array([[492, 492, 40, 40]], np.int32)
    background = estimate_background(disc_slide)
    cut = cut_crops(disc_slide, box, bundled.spec, mpp=MPP, background=background)
    wanted = bundled.classify(cut.crops, batch_size=1).classes[0]
    seen = explain_cell(disc_slide, box[0], bundled, mpp=MPP)
    assert np.array_equal(seen.crop, cut.crops[0])
    assert np.array_equal(seen.probabilities, wanted)
    assert [code for code, _ in seen.top] == [
        CLASS_CODES[i] for i in np.argsort(-wanted, kind="stable")[:5]
    ]
    assert seen.class_code == seen.top[0][0]
    assert seen.grad_cam.shape == seen.smooth_grad.shape == (96, 96)
    assert seen.no_maps == ""


def test_maps_can_be_had_of_another_class(disc_slide, bundled):
    box = (492, 492, 40, 40)
    first = explain_cell(disc_slide, box, bundled, mpp=MPP)
    second = first.top[1][0]
    other = explain_cell(disc_slide, box, bundled, mpp=MPP, class_code=second)
    assert other.class_code == second
    assert np.array_equal(first.probabilities, other.probabilities)
    assert not np.array_equal(first.smooth_grad, other.smooth_grad)
