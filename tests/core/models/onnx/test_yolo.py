import json
from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.engine.config import RunConfig, TileConfig
from napari_deepheme.core.engine.pipeline import analyze_region
from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.onnx.detector import YoloDetector
from napari_deepheme.core.models.onnx.yolo import (
    YoloSettings,
    check_units,
    possible_layouts,
    read_boxes,
    without_overlaps,
)
from napari_deepheme.core.models.protocols import CropProbabilities, Models
from napari_deepheme.core.models.registry import find_model, load_models
from napari_deepheme.core.slide import ArraySlide

MPP = 0.5


def card_for(path, *, size_px=128, mpp=MPP, **settings):
    return ModelCard(
        name="lab-yolo",
        version="1",
        kind="detector",
        description="finds dark squares",
        license="CC0-1.0",
        weights_format="onnx",
        weights=(WeightsFile(path),),
        architecture="",
        arguments={},
        mpp=mpp,
        size_px=size_px,
        whitened=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        activation="none",
        outputs={},
        settings={"min_score": 0.3, "yolo": 8, "overlap_um": 16, **settings},
    )


def settings(generation, **changes):
    values = {
        "generation": generation,
        "n_classes": 2,
        "ignored": frozenset(),
        "min_score": 0.3,
        "max_overlap": 0.7,
        "overlap_px": 32,
    }
    return YoloSettings(**{**values, **changes})


# Centre 50, 40, size 20 x 10; twice almost the same; one that is of class 1.
ROWS = np.array(
    [
        [50, 40, 20, 10, 1.0, 0.8, 0.1],
        [51, 40, 20, 10, 1.0, 0.6, 0.1],
        [90, 90, 12, 12, 0.5, 0.2, 0.9],
        [10, 10, 12, 12, 1.0, 0.04, 0.0],
        [10, 10, -5, 12, 1.0, 0.9, 0.0],
        [np.nan, 10, 5, 12, 1.0, 0.9, 0.0],
    ],
    np.float32,
)


def test_each_generation_is_read():
    eight = np.delete(ROWS, 4, axis=1).T
    boxes, scores = read_boxes(eight, settings(8))
    assert boxes.tolist() == [[40, 35, 20, 10], [84, 84, 12, 12]]
    assert scores == pytest.approx([0.8, 0.9])
    boxes, scores = read_boxes(ROWS, settings(5))
    assert boxes.tolist() == [[40, 35, 20, 10], [84, 84, 12, 12]]
    assert scores == pytest.approx([0.8, 0.45])
    ten = np.array([[40, 35, 60, 45, 0.8, 0], [84, 84, 96, 96, 0.9, 1]], np.float32)
    boxes, scores = read_boxes(ten, settings(10))
    assert boxes.tolist() == [[40, 35, 20, 10], [84, 84, 12, 12]]
    assert scores == pytest.approx([0.8, 0.9])


def test_scores_that_the_card_counts_are_given_however_low():
    eight = np.delete(ROWS, 4, axis=1).T
    assert len(read_boxes(eight, settings(8))[0]) == 2
    _, scores = read_boxes(eight, settings(8, min_score=0.01))
    assert sorted(scores) == pytest.approx([0.04, 0.8, 0.9])


@pytest.mark.parametrize("generation", [5, 8, 10])
def test_classes_that_are_no_cells_are_left_out(generation):
    rows = {
        5: ROWS,
        8: np.delete(ROWS, 4, axis=1).T,
        10: np.array([[84, 84, 96, 96, 0.9, 1], [40, 35, 60, 45, 0.8, 0]], np.float32),
    }[generation]
    boxes, _ = read_boxes(rows, settings(generation, ignored=frozenset({1})))
    assert boxes.tolist() == [[40, 35, 20, 10]]


def test_an_output_of_another_shape_is_told():
    for generation, output in ((8, ROWS[:4]), (5, ROWS.T), (10, ROWS), (8, ROWS[None])):
        with pytest.raises(ValueError, match="not"):
            read_boxes(output, settings(generation))


@pytest.mark.usefixtures("own_folder")
def test_a_shape_that_two_layouts_share_is_asked_for(save_yolo, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_deepheme.core.models.bringing.onnx_card.possible_layouts",
        lambda shape, size: {5: 1, 10: 1},
    )
    path = save_yolo(tmp_path / "y.onnx", generation=5)
    options = ImportOptions(kind="detector", mpp=MPP, settings=(("overlap_um", 16),))
    with pytest.raises(InvalidModelError, match="YOLO 5 and 10: say which by --yolo"):
        import_model(path, options)
    options = replace(options, settings=(*options.settings, ("yolo", 5.0)))
    assert import_model(path, options).settings["yolo"] == 5


@pytest.mark.usefixtures("own_folder")
def test_a_shape_with_another_number_of_anchors_is_refused_with_the_right_one(
    save_yolo, tmp_path
):
    options = ImportOptions(kind="detector", mpp=MPP)
    with pytest.raises(InvalidModelError, match=r"128 px .*336.*1008.*which by --yolo"):
        import_model(save_yolo(tmp_path / "y.onnx"), options)


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("generation", [5, 8])
def test_classes_are_counted_whatever_the_number_of_anchors(
    save_yolo, tmp_path, generation
):
    path = save_yolo(tmp_path / "y.onnx", generation=generation, classes=3)
    asked = (("overlap_um", 16), ("yolo", generation), ("ignore_class_2", 1))
    card = import_model(path, ImportOptions(kind="detector", mpp=MPP, settings=asked))
    assert card.settings["n_classes"] == 3


@pytest.mark.usefixtures("own_folder")
def test_an_output_with_rows_and_columns_exchanged_is_named(
    save_yolo, tmp_path, monkeypatch
):
    path = save_yolo(tmp_path / "y.onnx", generation=10)
    monkeypatch.setattr("napari_deepheme.core.models.onnx.yolo.n_anchors", lambda _: 64)
    monkeypatch.setattr(
        "napari_deepheme.core.models.bringing.onnx_card.n_anchors", lambda _: 64
    )
    options = ImportOptions(kind="detector", mpp=MPP)
    with pytest.raises(InvalidModelError, match="rows and columns exchanged"):
        import_model(path, options)


def in_parts_of_the_side(rows):
    return np.concatenate([rows[:, :4] / 128, rows[:, 4:]], axis=1)


def before_the_sigmoid(rows):
    return np.concatenate([rows[:, :4], rows[:, 4:] * 7 - 4], axis=1)


@pytest.mark.parametrize("generation", [5, 8, 10])
@pytest.mark.parametrize(
    ("spoiled", "told"),
    [(in_parts_of_the_side, "in pixels of"), (before_the_sigmoid, "from -4 to 3:")],
)
def test_boxes_and_scores_in_other_units_are_refused(generation, spoiled, told):
    right = {
        5: np.array([[50, 40, 20, 10, 1.0, 0.8, 0.0]] * 2),
        8: np.array([[50, 40, 20, 10, 1.0, 0.0]] * 2),
        10: np.array([[40, 35, 60, 45, 1.0, 0], [0, 0, 0, 0, 0, 0]]),
    }[generation].astype(np.float32)
    wrong = spoiled(right)
    if generation == 8:
        right, wrong = right.T, wrong.T
    check_units(right, settings(generation))
    with pytest.raises(ValueError, match=told):
        check_units(wrong, settings(generation))


@pytest.mark.usefixtures("own_folder")
def test_a_detector_in_other_units_is_not_imported(save_yolo, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_deepheme.core.models.bringing.onnx_card.possible_layouts",
        lambda shape, size: {8: 1},
    )
    options = ImportOptions(
        kind="detector", mpp=MPP, std=(0.2, 0.2, 0.2), settings=(("overlap_um", 16),)
    )
    # White is 5 to it, and what it makes of that -4.
    with pytest.raises(InvalidModelError, match="scores from 0 to 1, not from -4"):
        import_model(save_yolo(tmp_path / "y.onnx"), options)


def test_a_box_to_judge_units_by_is_one_with_a_size():
    nothing = np.zeros((3, 6), np.float32)
    assert not check_units(nothing, settings(10))
    assert not check_units(nothing[:0], settings(10))
    # Two pixels wide, but not by the corner: it is no part of the side.
    small = np.array([[40, 35, 42, 37, 0.9, 0]], np.float32)
    assert check_units(small, settings(10))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[0.3, 0.3, 0.4, 0.5, 0.9, 0]], "in pixels of its input"),
        ([[40, 35, 60, 45, 90.0, 0]], "scores from 0 to 1, not from 90 to 90"),
    ],
)
def test_units_are_judged_by_the_first_square_with_a_box(
    save_yolo, tmp_path, monkeypatch, rows, told
):
    """A network that removes overlaps itself gives no boxes of glass and of noise."""

    def output(_, square):
        return np.array([[0] * 6] if square.mean() > 100 else rows, np.float32)

    monkeypatch.setattr(YoloDetector, "_output", output)
    card = card_for(save_yolo(tmp_path / "y.onnx"), yolo=10)
    detector = YoloDetector(card, "cpu")
    assert len(detector.detect(paint((128, 128), []))[0]) == 0
    with pytest.raises(InvalidModelError, match=told):
        detector.detect(np.zeros((128, 128, 3), np.uint8))


def test_scores_beyond_1_are_refused_in_any_square():
    rows = ROWS[:1].copy()
    read_boxes(rows, settings(5))
    rows[:, 5] = 1.5
    with pytest.raises(ValueError, match=r"not from 1\.5 to 1\.5"):
        read_boxes(rows, settings(5))


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    ("generation", "given"), [(8, 5), (8, 10), (5, 8), (10, 8)], ids=str
)
def test_a_generation_that_the_output_cannot_be_of_is_named(
    save_yolo, tmp_path, generation, given
):
    path = save_yolo(tmp_path / "y.onnx", generation=generation, classes=2)
    options = ImportOptions(kind="detector", mpp=MPP, settings=(("yolo", given),))
    with pytest.raises(InvalidModelError, match=f"is none of YOLO {given}, which was"):
        import_model(path, options)


@pytest.mark.usefixtures("own_folder")
def test_what_makes_probabilities_cannot_be_set_for_a_detector(save_yolo, tmp_path):
    options = ImportOptions(
        kind="detector", mpp=MPP, activation="sigmoid", settings=(("yolo", 8),)
    )
    with pytest.raises(InvalidModelError, match="for a classifier only"):
        import_model(save_yolo(tmp_path / "y.onnx"), options)


def test_thousands_of_candidates_are_no_burden():
    rows = np.tile(ROWS[:1], (20_000, 1))
    rows[:, 0] += np.arange(20_000) % 7
    boxes, _ = read_boxes(rows, settings(5))
    assert 1 <= len(boxes) <= 3


def test_cells_that_lie_close_are_all_found():
    places = np.mgrid[:20, :20].reshape(2, -1).T * 64 + 32
    rows = np.zeros((len(places) * 7, 7), np.float32)
    rows[:, :2] = places.repeat(7, axis=0) + np.tile(np.arange(7), 400)[:, None] % 3
    rows[:, 2:] = (40, 40, 1.0, 0, 0)
    rows[:, 5] = np.linspace(0.9, 0.3, len(rows))
    boxes, _ = read_boxes(rows, settings(5))
    assert len(boxes) == 400


def test_boxes_compared_block_by_block_are_those_of_one_comparison(monkeypatch):
    random = np.random.default_rng(0)
    boxes = random.uniform((0, 0, 10, 10), (300, 300, 40, 40), (600, 4))
    scores = random.choice([0.25, 0.5, 0.75], 600).astype(np.float32)
    whole, _ = without_overlaps(boxes.astype(np.float32), scores, 0.5)
    monkeypatch.setattr("napari_deepheme.core.models.onnx.yolo._BLOCK", 50)
    parted, _ = without_overlaps(boxes.astype(np.float32), scores, 0.5)
    assert 50 < len(whole) < 600
    assert np.array_equal(whole, parted)


def test_the_generation_is_told_by_the_shape():
    assert possible_layouts((5, 5376), 512) == {8: 1}
    assert possible_layouts((84, 8400), 640) == {8: 80}
    assert possible_layouts((25200, 8), 640) == {5: 3}
    assert possible_layouts((25200, 6), 640) == {5: 1, 10: 1}
    assert possible_layouts((300, 6), 640) == {10: 1}
    # Two classes, rows and columns exchanged; of any other number it is none either.
    assert possible_layouts((8400, 6), 640) == possible_layouts((8400, 7), 640) == {}
    assert possible_layouts((23,), 640) == {}
    assert possible_layouts((23, 2), 640) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"yolo": 7},
        {"yolo": 0},
        {"n_classes": 2, "ignore_class_0": 1, "ignore_class_1": 1},
        {"n_classes": 1, "ignore_class_7": 1},
        {"overlap_um": 60},
        {"size_px": 0},
        {"n_classes": 3},
        {"yolo": 5},
        {"size_px": 256},
    ],
)
def test_a_card_that_does_not_fit_is_refused(save_yolo, tmp_path, changes):
    card = card_for(save_yolo(tmp_path / "y.onnx"), **changes)
    with pytest.raises(InvalidModelError) as caught:
        YoloDetector(card, "cpu")
    assert len(str(caught.value).splitlines()) == 1


def paint(shape, corners):
    pixels = np.full((*shape, 3), 255, np.uint8)
    for x, y in corners:
        pixels[y : y + 16, x : x + 16] = 0
    return pixels


@pytest.mark.parametrize("generation", [5, 8, 10])
def test_cells_of_a_large_picture_are_found_once_each(save_yolo, tmp_path, generation):
    path = save_yolo(tmp_path / "y.onnx", generation=generation)
    detector = YoloDetector(card_for(path, yolo=generation), "cpu")
    corners = [(x, y) for x in range(0, 400, 48) for y in range(0, 300, 48)]
    boxes, scores = detector.detect(paint((300, 400), corners))
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    assert sorted(map(tuple, (centres - 8).tolist())) == sorted(corners)
    assert ((boxes[:, 2:] >= 14) & (boxes[:, 2:] <= 18)).all()
    assert (scores > 0.5).all()


@pytest.mark.parametrize("shape", [(16, 16), (40, 300), (128, 128), (129, 97)])
def test_a_picture_of_any_size_is_padded_with_white(save_yolo, tmp_path, shape):
    detector = YoloDetector(card_for(save_yolo(tmp_path / "y.onnx")), "cpu")
    boxes, _ = detector.detect(paint(shape, [(0, 0)]))
    assert len(boxes) == 1
    boxes, _ = detector.detect(paint(shape, []))
    assert boxes.shape == (0, 4)


class Undecided:
    """Names every cell alike."""

    spec = None

    def __init__(self):
        from napari_deepheme.core.models.protocols import ClassifierSpec

        self.spec = ClassifierSpec("undecided", MPP, 16, whitened=False)

    def classify(self, crops, *, batch_size):
        share = np.full((len(crops), 23), 1 / 23, np.float32)
        return CropProbabilities.of_classes(share)


def test_cells_do_not_depend_on_the_tiles(save_yolo, tmp_path):
    # The network's answer depends on where in its square it sees a cell.
    rng = np.random.default_rng(4)
    corners = 16 * rng.choice(62 * 62, 300, replace=False)
    corners = [
        (int(c // 16 % 62) * 16 + 3, int(c // 16 // 62) * 16 + 5) for c in corners
    ]
    pixels = paint((1000, 1000), corners)
    found = []
    for tile_size in (150, 333, 1024):
        detector = YoloDetector(card_for(save_yolo(tmp_path / "y.onnx")), "cpu")
        config = RunConfig(tile=TileConfig(tile_size=tile_size))
        slide = ArraySlide(pixels, mpp=MPP)
        region = Region(70, 40, 800, 900)
        models = Models(detector, Undecided())
        found.append(analyze_region(slide, region, models, config).cells)
    assert len(found[0]) > 200
    for other in found[1:]:
        assert np.array_equal(found[0].boxes, other.boxes)
        assert np.array_equal(found[0].scores, other.scores)


def test_a_square_that_two_tiles_share_is_computed_once(save_yolo, tmp_path):
    detector = YoloDetector(card_for(save_yolo(tmp_path / "y.onnx")), "cpu")
    pixels = paint((384, 384), [(x, x) for x in range(0, 380, 17)])
    seen = []
    look = detector._look
    detector._look = lambda square: (seen.append(1), look(square))[1]
    first = detector.detect(pixels)
    n_seen = len(seen)
    assert 0 < n_seen <= 16
    again = detector.detect(pixels)
    assert len(seen) == n_seen
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("generation", [5, 8])
def test_a_yolo_is_imported_without_a_card(
    save_yolo, tmp_path, own_folder, generation, monkeypatch
):
    # The stand-in has one anchor per 16 px; real ones have three scales.
    monkeypatch.setattr(
        "napari_deepheme.core.models.bringing.onnx_card.possible_layouts",
        lambda shape, size: {generation: 2},
    )
    path = save_yolo(tmp_path / "y.onnx", generation=generation, classes=2)
    options = ImportOptions(
        kind="detector",
        mpp=MPP,
        settings=(("min_score", 0.4), ("overlap_um", 16), ("ignore_class_1", 1)),
    )
    card = import_model(path, options, name="yolo")
    assert card == find_model("yolo")
    assert card.settings["yolo"] == generation
    assert card.settings["n_classes"] == 2
    assert json.loads(card.path.read_text())["weights"]["onnx"]["sha256"]
    detector = load_models(detector="yolo", device="cpu").detector
    assert (detector.spec.min_score, detector.spec.whitened) == (0.4, False)
    assert len(detector.detect(paint((200, 200), [(32, 32), (144, 80)]))[0]) == 2
