"""The figures of a model card, each from cells that the models did not learn from."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.config import ClassifyConfig
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.pipeline import analyze_region
from napari_deepheme.core.slide import (
    ArraySlide,
    open_slide,
    picture_background,
    whiten,
)
from napari_deepheme.core.taxonomy import CLASS_CODES, MITOTIC_CODE
from napari_deepheme.core.training.evaluate import judge_classes, match_centres
from napari_deepheme.core.training.manifest import (
    EXTRA_OUTPUTS,
    LabelledCell,
    load_crops,
    read_manifest,
)
from napari_deepheme.core.training.smears import read_smears

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.models.protocols import CellClassifier, Models

_MIN_CELLS: Final = 10
"""Classes with fewer cells are left out of a mean."""

_PHANTOM_SIZE: Final = Size(2000, 2000)

HELD_OUT_SEEDS: Final = (90_000, 90_001, 90_002)
"""Phantoms that no model learned from."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    source : str
        The cells that it comes from.
    what : str
        What was measured, a class with it where it is of one class.
    value : float
        The figure.
    low, high : float
        Its 95 % interval: Wilson's for a share, by bootstrap for a mean F1; NaN where
        none is given.
    n : int
        Cells behind it.
    """

    source: str
    what: str
    value: float
    low: float
    high: float
    n: int


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    Examples
    --------
    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    if not n:
        return float("nan"), float("nan")
    z2 = 1.959964**2
    share = n_hits / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return float(middle - half), float(middle + half)


def crop_figures(
    classifier: CellClassifier, cells: Sequence[LabelledCell]
) -> Iterator[Figure]:
    """Judge the classifier on single cells, source by source.

    Parameters
    ----------
    classifier : CellClassifier
        The model.
    cells : sequence of LabelledCell
        Cells that it did not learn from. Labels that are no class are left out, and
        those that only repeat finer labels of the same source ("M2|M3|M4" beside "M2").
    """
    for source in sorted({cell.source for cell in cells}):
        named = [c for c in cells if c.source == source and _is_class(c)]
        counts = dict.fromkeys(map(_target, named), 0)
        for cell in named:
            counts[_target(cell)] += 1
        enough = {target for target, n in counts.items() if n >= _MIN_CELLS}
        named = [c for c in named if _target(c) in _distinct(enough)]
        if not named:
            continue
        result = judge_classes(
            crop_probabilities(classifier, named), [_target(c) for c in named]
        )
        low, high = result.macro_f1_interval
        yield Figure(source, "macro F1", result.macro_f1, low, high, result.n)
        nan = float("nan")
        yield Figure(source, "macro AUC", result.macro_auc, nan, nan, result.n)
        error = result.calibration_error
        yield Figure(source, "calibration error", error, nan, nan, result.n)
        for one in result.classes:
            yield Figure(source, f"F1 {one.target}", one.f1, nan, nan, one.n)
            low, high = wilson(round(one.recall * one.n), one.n)
            yield Figure(source, f"recall {one.target}", one.recall, low, high, one.n)


def crop_probabilities(
    classifier: CellClassifier, cells: Sequence[LabelledCell]
) -> npt.NDArray[np.float32]:
    """Classify pictures as `core.crops.iter_crops` does, shape (n, 23)."""
    spec = classifier.spec
    crops = load_crops(cells, size_px=spec.crop_px, mpp=spec.mpp)
    for crop in crops:
        crop[:] = whiten(crop, picture_background(crop))
    given = classifier.classify(crops, batch_size=ClassifyConfig().batch_size)
    return given.classes


def smear_figures(models: Models, folder: Path) -> Iterator[Figure]:
    """Judge the detector on boxed smears that it did not learn from."""
    n_truth = n_found = n_detections = 0
    for picture in read_smears(folder, split="val"):
        slide = ArraySlide(
            picture.pixels, mpp=Mpp(picture.mpp, picture.mpp), name=picture.name
        )
        cells = analyze_region(slide, None, models).cells
        boxes = picture.boxes[picture.kinds == "WBC"]
        n_truth += len(boxes)
        n_found += int((_matched(cells, boxes) >= 0).sum())
        n_detections += len(cells)
    yield _share("smears", "white cells found", n_found, n_truth)
    yield _share("smears", "detections that are white cells", n_found, n_detections)


def field_figures(models: Models, slide_path: Path) -> Iterator[Figure]:
    """Judge both models on a slide of marrow fields with marked plasma cells."""
    with open_slide(slide_path) as slide:
        cells = analyze_region(slide, None, models).cells
    boxes = _marks(slide_path.with_suffix(".csv"))
    pairs = _matched(cells, boxes)
    found = pairs[pairs >= 0]
    codes = np.array(cells.class_codes)
    others = np.delete(codes, found)
    name = slide_path.stem
    yield _share(name, "plasma cells found", len(found), len(boxes))
    n_l4 = int((codes[found] == "L4").sum())
    yield _share(name, "of these called L4", n_l4, len(found))
    yield _share(
        name, "other cells called L4", int((others == "L4").sum()), len(others)
    )
    figures = int((codes == MITOTIC_CODE).sum())
    yield _share(name, "cells flagged as mitotic", figures, len(cells))


def phantom_figures(models: Models, seeds: Sequence[int]) -> Iterator[Figure]:
    """Judge both models on phantoms; all of this is on rendered cells."""
    truth_codes, called, n_flagged, n_flagged_right = [], [], 0, 0
    for seed in seeds:
        smear = Smear(_PHANTOM_SIZE, seed)
        whole = Region(0, 0, *_PHANTOM_SIZE)
        mpp = Mpp(smear.mpp, smear.mpp)
        slide = ArraySlide(smear.read(whole), mpp=mpp, name=f"phantom {seed}")
        cells = analyze_region(slide, None, models).cells
        truth = [c for c in smear.cells(whole) if c.class_code != "PL3"]
        boxes = np.array([(c.x, c.y, c.width, c.height) for c in truth], float)
        codes = np.array([*cells.class_codes, ""])
        calls = codes[_matched(cells, boxes)]
        truth_codes += [c.class_code for c in truth]
        called += calls.tolist()
        is_figure = np.array([c.class_code for c in truth]) == MITOTIC_CODE
        n_flagged += int((codes == MITOTIC_CODE).sum())
        n_flagged_right += int((calls[is_figure] == MITOTIC_CODE).sum())
    truth_array, called_array = np.array(truth_codes), np.array(called)
    found = called_array != ""
    right = int((truth_array == called_array).sum())
    yield _share("phantoms", "cells found", int(found.sum()), len(found))
    yield _share("phantoms", "of these named right", right, int(found.sum()))
    n_figures = int((truth_array == MITOTIC_CODE).sum())
    yield _share("phantoms", "mitotic figures found", n_flagged_right, n_figures)
    yield _share("phantoms", "flags that are figures", n_flagged_right, n_flagged)
    for code in CLASS_CODES:
        of_class = truth_array == code
        if of_class.sum():
            n_right = int((called_array[of_class] == code).sum())
            yield _share("phantoms", f"recall {code}", n_right, int(of_class.sum()))


def write_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("source", "what", "value", "low", "high", "n"))
        for f in figures:
            interval = [f"{v:.4f}" for v in (f.value, f.low, f.high)]
            writer.writerow((f.source, f.what, *interval, f.n))


def validation_cells(folder: Path) -> list[LabelledCell]:
    """Return the `val` cells of a data folder."""
    cells = read_manifest(folder / "cells" / "manifest.csv")
    return [cell for cell in cells if cell.split == "val"]


def _is_class(cell: LabelledCell) -> bool:
    return not set(cell.targets) & set(EXTRA_OUTPUTS)


def _distinct(targets: set[str]) -> set[str]:
    single = {target for target in targets if "|" not in target}
    return {t for t in targets if t in single or not single & set(t.split("|"))}


def _target(cell: LabelledCell) -> str:
    return "|".join(cell.targets)


def _share(source: str, what: str, n_hits: int, n: int) -> Figure:
    low, high = wilson(n_hits, n)
    return Figure(source, what, n_hits / n if n else float("nan"), low, high, n)


def _matched(cells: CellTable, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Pair marked boxes with cells whose centre lies within half the longer side."""
    boxes = boxes.reshape(-1, 4)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    return match_centres(cells.centres, centres, boxes[:, 2:].max(axis=1) / 2)


def _marks(path: Path) -> npt.NDArray[np.float64]:
    """Read marks, whose x and y are the centre of the box."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [
            [float(row[k]) for k in ("x", "y", "width", "height")]
            for row in csv.DictReader(stream)
        ]
    boxes = np.array(rows)
    boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes
