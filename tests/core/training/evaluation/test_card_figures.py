"""The figures of a model card, on painted cells that can be counted by hand."""

import csv
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from napari_deepheme.core.models.protocols import (
    ClassifierSpec,
    CropProbabilities,
    DetectorSpec,
    Models,
)
from napari_deepheme.core.phantom import LOOKALIKES, PhantomCell
from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_CODE,
    MITOTIC_PHASES,
    class_index,
)
from napari_deepheme.core.training.evaluation import card_figures as figures
from napari_deepheme.core.training.evaluation import mitosis_figures
from napari_deepheme.core.training.evaluation.card_figures import (
    crop_figures,
    doubt_figures,
    field_figures,
    grid_figures,
    phantom_figures,
    real_figures,
    rendered_figures,
    smear_figures,
    soft_figures,
    write_figures,
)
from napari_deepheme.core.training.evaluation.figure import Figure
from napari_deepheme.core.training.evaluation.mitosis_figures import (
    field_mitosis_figures,
    phantom_mitosis_figures,
)

COLOURS = {
    "L4": (120, 30, 60),
    "M6": (30, 60, 120),
    "U4": (30, 110, 40),
    "L2": (70, 20, 130),
}
GLASS = 240


class DarkPatches:
    """Boxes each dark patch."""

    spec = DetectorSpec("patches 1", mpp=0.5, halo_um=16, alignment_px=4, min_score=0.3)

    def detect(self, pixels):
        patches, n = ndimage.label(pixels.min(axis=2) < 140)
        boxes = [
            (
                columns.start,
                rows.start,
                columns.stop - columns.start,
                rows.stop - rows.start,
            )
            for rows, columns in ndimage.find_objects(patches)
        ]
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        large = boxes[:, 2:].min(axis=1) > 2
        return boxes[large], np.full(n, 0.9, np.float32)[large]


class Nothing(DarkPatches):
    """Finds nothing."""

    def detect(self, pixels):
        return np.empty((0, 4), np.float32), np.empty(0, np.float32)


class Colours:
    """Names a cell by the colour in its middle, mitoses always as metaphases."""

    spec = ClassifierSpec("colours 1", mpp=0.25, crop_px=32, unidentified_below=0.5)

    def classify(self, crops, *, batch_size):
        middle = crops[:, 14:18, 14:18].mean(axis=(1, 2))[:, None]
        nearest = abs(middle - np.array(list(COLOURS.values()))).sum(axis=2).argmin(1)
        return says([list(COLOURS)[i] for i in nearest])


@dataclass
class Always:
    """Says the same of every cell."""

    code: str
    spec = Colours.spec

    def classify(self, crops, *, batch_size):
        return says([self.code] * len(crops))


class Told:
    """Says of each cell, in order, what it is told to say."""

    def __init__(self, answers):
        self.spec = Colours.spec
        self._answers = list(answers)

    def classify(self, crops, *, batch_size):
        return says([self._answers.pop(0) for _ in crops])


def says(answers):
    """Give rows that are sure of a code, or (code, probability)."""
    rows = np.zeros((len(answers), len(CLASS_CODES)), np.float32)
    for row, answer in zip(rows, answers, strict=True):
        code, p = answer if isinstance(answer, tuple) else (answer, 0.9)
        row[:] = (1 - p) / 22
        row[class_index(code)] = p
    given = CropProbabilities.of_classes(rows)
    given.phases[:, MITOTIC_PHASES.index("metaphase")] = 1
    return given


def paint(size, discs):
    """Paint discs of x, y, radius and code on glass."""
    picture = np.full((*size, 3), GLASS, np.uint8)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    for at_x, at_y, radius, code in discs:
        picture[(x - at_x) ** 2 + (y - at_y) ** 2 < radius**2] = COLOURS[code]
    return picture


def named(given):
    found = {(f.source, f.what): f for f in given}
    return {what: f for (_, what), f in found.items()}


def counted(figure):
    """Return hits and all of a share."""
    return (round(figure.value * figure.n) if figure.n else 0), figure.n


def test_a_share_of_nothing_is_no_number():
    figure = Figure.share("here", "found", 0, 0)
    assert math.isnan(figure.value)
    assert figure.n == 0
    half = Figure.share("here", "found", 5, 10)
    assert half.low < half.value == 0.5 < half.high


def test_figures_are_written_with_four_digits(tmp_path):
    nan = float("nan")
    write_figures([Figure("a, b", "F1", 2 / 3, nan, 1, 7)], tmp_path / "f.csv")
    with (tmp_path / "f.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["source", "what", "value", "low", "high", "n"],
            ["a, b", "F1", "0.6667", "nan", "1.0000", "7"],
        ]


def test_single_cells_are_judged_by_source_and_small_classes_left_out(painted):
    named_m = [replace(c, source="lab") for c in painted({"M3": 10, "L2": 10})]
    either = [
        replace(c, targets=("M3", "M4")) for c in named_m[:10]
    ]  # repeats M3, which stands alone beside it
    few = [replace(c, source="lab") for c in painted({"M6": 9})]
    other = [replace(c, source="small") for c in painted({"M6": 9})]
    nameless = replace(named_m[0], targets=("platelet",))
    answers = ["M3"] * 8 + ["L2"] * 2 + ["L2"] * 10
    cells = [*named_m, *either, *few, *other, nameless]
    given = list(crop_figures(Told(answers), cells))
    assert {f.source for f in given} == {"lab"}
    by_name = named(given)
    assert counted(by_name["recall M3"]) == (8, 10)
    assert counted(by_name["recall L2"]) == (10, 10)
    assert by_name["F1 L2"].value == pytest.approx(20 / 22)
    assert by_name["macro F1"].value == pytest.approx((16 / 18 + 20 / 22) / 2)
    assert by_name["macro F1"].n == 20
    assert "recall M6" not in by_name
    assert "recall M3|M4" not in by_name


@dataclass
class Sees(Always):
    """Keeps what it is shown."""

    seen: list

    def classify(self, crops, *, batch_size):
        self.seen.append(crops.copy())
        return super().classify(crops, batch_size=batch_size)


def test_single_cells_are_judged_out_of_focus_too(painted):
    classifier = Sees("M3", [])
    given = list(soft_figures(classifier, painted({"M3": 10, "L2": 10})))
    blurs = (0.25, 0.5)
    assert [f.what for f in given] == [f"macro F1, blurred by {b} um" for b in blurs]
    assert all(f.value == pytest.approx(1 / 3) and f.n == 20 for f in given)
    list(crop_figures(classifier, painted({"M3": 10, "L2": 10})))
    edges = [
        np.abs(np.diff(crops.astype(int), axis=2)).max() for crops in classifier.seen
    ]
    quarter_um, half_um, none = edges
    assert half_um < quarter_um < none
    means = [crops.mean() for crops in classifier.seen]
    assert means == pytest.approx([means[2]] * 3, abs=1)


def test_doubt_is_counted_among_the_nameable_and_the_others(painted):
    cells = painted({"M3": 5})
    unsure = [replace(c, targets=("not-identifiable",)) for c in cells[:2]]
    answers = ["M3", "M3", ("M3", 0.4), ("L2", 0.4), "L2", ("L2", 0.3), "M3"]
    given = list(doubt_figures(Told(answers), [*cells, *unsure]))
    shares = {f.source: counted(f) for f in given if f.what == "unidentified"}
    assert shares == {"all cells": (2, 5), "not identifiable by experts": (1, 2)}
    (error,) = (f.value for f in given if f.what == "calibration error")
    # Sure of three of which one is wrong; 0.4 of two of which one is.
    assert error == pytest.approx(3 / 5 * (0.9 - 2 / 3) + 2 / 5 * (0.5 - 0.4), abs=1e-5)
    assert len(list(doubt_figures(Told(["M3"] * 5), cells))) == 2


@pytest.fixture
def models():
    return Models(DarkPatches(), Colours())


def write_smears(folder, discs, boxes):
    (folder / "images").mkdir(parents=True)
    picture = Image.fromarray(paint((240, 320), discs))
    for name in ("a.png", "b.png"):
        picture.save(folder / "images" / name)
    rows = [("file", "split", "class", "x", "y", "width", "height", "mpp")]
    rows += [("a.png", "val", *box, 0.25) for box in boxes]
    rows += [("b.png", "train", "WBC", 1, 1, 9, 9, 0.25)]
    with (folder / "boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def test_white_cells_of_smears_are_counted_against_what_was_found(tmp_path, models):
    discs = [(60, 60, 20, "M6"), (160, 60, 20, "L2"), (260, 60, 20, "M6")]
    boxes = [
        ("WBC", 40, 40, 40, 40),
        ("WBC", 140, 40, 40, 40),
        ("WBC", 140, 160, 40, 40),  # nothing is there
        ("RBC", 240, 40, 40, 40),
    ]
    write_smears(tmp_path, discs, boxes)
    given = named(smear_figures(models, tmp_path))
    assert counted(given["white cells found"]) == (2, 3)
    assert counted(given["detections that are white cells"]) == (2, 3)


def write_field(folder, discs, masked):
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    picture = paint((408, 460), discs)
    mask = np.zeros(picture.shape[:2], np.uint8)
    for x, y, width, height in masked:
        mask[y : y + height, x : x + width] = 255
    for name in ("4", "5"):
        Image.fromarray(picture).save(folder / "images" / f"{name}.jpg", quality=98)
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    (folder / "images" / "4.jpg").write_bytes(b"training's own is not looked at")


FIELD = [
    (70, 70, 26, "L4"),
    (180, 70, 26, "L4"),
    (290, 70, 26, "M6"),
    # Two in one mask: no single plasma cell.
    (80, 200, 26, "L4"),
    (150, 200, 26, "L4"),
    (290, 200, 26, "L4"),
    (390, 200, 26, "M6"),
    (390, 320, 26, "M6"),
]
MASKED = [(40, 40, 60, 60), (150, 40, 60, 60), (260, 40, 60, 60), (50, 170, 130, 60)]


def test_plasma_cells_of_held_out_fields_are_counted_by_their_masks(tmp_path, models):
    write_field(tmp_path, FIELD, MASKED)
    given = named(field_figures(models, tmp_path))
    assert counted(given["single plasma cells found"]) == (3, 3)
    assert counted(given["of these called L4"]) == (2, 3)
    assert counted(given["other cells called L4"]) == (1, 3)


def test_a_detector_that_finds_nothing_gets_no_share_of_what_it_found(tmp_path):
    write_field(tmp_path, FIELD, MASKED)
    given = named(field_figures(Models(Nothing(), Colours()), tmp_path))
    assert counted(given["single plasma cells found"]) == (0, 3)
    assert math.isnan(given["of these called L4"].value)
    assert math.isnan(given["other cells called L4"].value)


def test_cells_in_a_grid_are_counted_where_their_table_says(tmp_path, models):
    discs = [(60, 60, 20, "M6"), (160, 60, 20, "L2"), (260, 60, 20, "L4")]
    path = tmp_path / "grid.tif"
    tifffile.imwrite(
        path,
        paint((240, 320), discs),
        photometric="rgb",
        resolution=(40_000, 40_000),
        resolutionunit="CENTIMETER",
    )
    rows = [("x", "y", "classes"), (60, 60, "M6"), (160, 60, "M6|L2")]
    rows += [(260, 60, "platelet"), (160, 200, "L2")]
    with path.with_suffix(".csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    found, right, unknown, known = grid_figures(models, path)
    assert counted(found) == (3, 4)
    # Of the platelet, which is no class, nobody asks.
    assert counted(right) == (2, 2)
    assert counted(unknown) == (0, 2)
    assert counted(known) == (2, 2)


class PaintedSmear:
    """Stands in for a rendered smear: its truth is painted."""

    mpp = 0.25
    truth = (
        ("M6", "M6", ""),
        ("L2", "M6", ""),
        ("U4", "U4", "metaphase"),
        ("U4", "U4", "prophase"),
        ("U4", "L2", "metaphase"),
        ("PL3", "U4", ""),
    )

    def __init__(self, size, seed):
        self.size = size

    def read(self, region):
        assert (region.width, region.height) == tuple(self.size)
        discs = [
            (60 + 70 * i, 60, 20, colour) for i, (_, colour, _) in enumerate(self.truth)
        ]
        return paint(self.size[::-1], discs)

    def cells(self, region):
        cells = [
            PhantomCell(40, 40 + 70 * i, 40, 40, code, phase)
            for i, (code, _, phase) in enumerate(self.truth)
        ]
        # Of this one nothing is painted.
        return [*cells, PhantomCell(150, 150, 40, 40, "M6")]


@pytest.fixture
def painted_smears(monkeypatch):
    monkeypatch.setattr(figures, "Smear", PaintedSmear)
    monkeypatch.setattr(mitosis_figures, "Smear", PaintedSmear)
    monkeypatch.setattr(figures, "_PHANTOM_SIZE", figures.Size(480, 260))
    monkeypatch.setattr(mitosis_figures, "_PHANTOM_PX", 480)


@pytest.mark.usefixtures("painted_smears")
def test_cells_of_rendered_smears_are_counted_by_class(models):
    given = named(phantom_figures(models, [1, 2]))
    assert counted(given["cells found"]) == (10, 12)
    assert counted(given["of these named right"]) == (6, 10)
    assert counted(given["recall M6"]) == (2, 4)
    assert counted(given["recall L2"]) == (0, 2)
    assert counted(given["recall U4"]) == (4, 6)
    # Clumps of platelets are not asked for.
    assert "recall PL3" not in given


@pytest.mark.usefixtures("painted_smears")
def test_mitoses_of_rendered_smears_are_counted_with_their_phases(models):
    given = named(phantom_mitosis_figures(models, [1]))
    assert counted(given["mitotic figures found"]) == (2, 3)
    assert counted(given["flags that are figures"]) == (2, 3)
    assert counted(given["of the found, phase right"]) == (1, 2)


def test_mitoses_rendered_into_fields_are_counted_against_the_untouched(tmp_path):
    write_field(tmp_path, [(40, 40, 16, "M6")], [])
    every, none = (
        list(field_mitosis_figures(Models(DarkPatches(), Always(code)), tmp_path))
        for code in (MITOTIC_CODE, "M6")
    )
    by_source = {(f.source, f.what): f for f in every}
    assert counted(by_source["held-out fields", "untouched cells flagged"]) == (1, 1)
    source = "figures rendered into held-out fields"
    detected = by_source[source, "detected"]
    called = by_source[source, "called mitotic"]
    assert detected.n == called.n > 2
    assert 0 < counted(detected)[0] == counted(called)[0]
    phases = [by_source[source, f"called mitotic, {p}"] for p in MITOTIC_PHASES]
    assert sum(f.n for f in phases) == detected.n
    metaphases = counted(phases[MITOTIC_PHASES.index("metaphase")])[0]
    # Daughters that were found apart are a telophase.
    telophases = counted(phases[MITOTIC_PHASES.index("telophase")])[0]
    right = counted(by_source[source, "of these, phase right"])[0]
    assert metaphases <= right <= metaphases + telophases
    lookalikes = [f for f in every if f.what.rpartition(", ")[2] in LOOKALIKES]
    assert len(lookalikes) == len(LOOKALIKES)
    assert sum(f.n for f in lookalikes) > 2
    # Who calls nothing mitotic is never right and never wrong.
    for figure in none:
        if "mitotic" in figure.what or "flagged" in figure.what:
            assert counted(figure)[0] == 0
    assert [f.what for f in none] == [f.what for f in every]


@pytest.mark.usefixtures("painted_smears")
def test_all_figures_of_a_card_come_from_one_folder(tmp_path, models):
    write_field(tmp_path / "fields", FIELD, MASKED)
    write_smears(tmp_path / "smears", [(60, 60, 20, "M6")], [("WBC", 40, 40, 40, 40)])
    (tmp_path / "cells").mkdir()
    rows = [("file", "source", "label", "classes", "split", "mpp")]
    for i in range(11):
        Image.fromarray(paint((64, 64), [(32, 32, 20, "M6")])).save(
            tmp_path / "cells" / f"{i}.png"
        )
        rows.append((f"{i}.png", "lab", "NEU", "M6", "val" if i else "train", 0.25))
    with (tmp_path / "cells" / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    given = list(real_figures(models, tmp_path))
    by_name = {(f.source, f.what): f for f in given}
    assert by_name["lab", "recall M6"].n == 10
    assert by_name["all cells", "unidentified"].n == 10
    assert {f.source for f in given} == {
        *("lab", "all cells", "smears", "held-out fields"),
        "figures rendered into held-out fields",
        "lookalikes rendered into held-out fields",
    }
    assert {f.source for f in rendered_figures(models)} == {"phantoms"}
