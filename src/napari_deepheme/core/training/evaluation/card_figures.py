"""The figures of a model card, each from cells that the models did not learn from."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.engine.pipeline import analyze_region
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.further_columns import IDENTIFIED
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.models.postprocess import NOT_IDENTIFIABLE
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.slide import (
    ArraySlide,
    open_slide,
    picture_background,
    plausible_mpp,
    whiten,
)
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.fields import read_fields
from napari_deepheme.core.training.cells.manifest import (
    EXTRA_OUTPUTS,
    LabelledCell,
    load_crops,
    read_manifest,
)
from napari_deepheme.core.training.cells.smears import read_smears
from napari_deepheme.core.training.evaluation.figure import Figure
from napari_deepheme.core.training.evaluation.matching import match_boxes, match_centres
from napari_deepheme.core.training.evaluation.measures import (
    ENOUGH,
    calibration,
    measure,
    named_right,
)
from napari_deepheme.core.training.evaluation.mitosis_figures import (
    field_mitosis_figures,
    phantom_mitosis_figures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.protocols import CellClassifier, Models

_PHANTOM_SIZE: Final = Size(2000, 2000)

_BLURS_UM: Final = (0.25, 0.5)
"""As parts of a smear that lie out of focus: standard deviations."""

_GRID_REACH_UM: Final = 5.0

MITOSIS_SEEDS: Final = tuple(range(91_000, 91_012))
"""Phantoms on which mitoses are judged; no model learned from them."""

HELD_OUT_SEEDS: Final = (90_000, 90_001, 90_002)
"""Phantoms that no model learned from."""


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
    for source, named in _by_source(cells):
        probabilities = crop_probabilities(classifier, named)
        report = measure(probabilities, [_target(c) for c in named])
        yield Figure.of(source, "macro F1", report.macro["F1"])
        yield Figure.of(source, "macro AUC", report.macro["AUC"])
        yield Figure.of(source, "calibration error", report.calibration)
        for one in report.classes:
            for name in ("F1", "recall"):
                yield Figure.of(source, f"{name} {one.target}", one.measures[name])


def soft_figures(
    classifier: CellClassifier, cells: Sequence[LabelledCell]
) -> Iterator[Figure]:
    """Judge the classifier on single cells that are blurred, as `crop_figures` does."""
    for source, named in _by_source(cells):
        for blur_um in _BLURS_UM:
            probabilities = crop_probabilities(classifier, named, blur_um=blur_um)
            report = measure(probabilities, [_target(c) for c in named])
            what = f"macro F1, blurred by {blur_um} um"
            yield Figure.of(source, what, report.macro["F1"])


def crop_probabilities(
    classifier: CellClassifier,
    cells: Sequence[LabelledCell],
    *,
    blur_um: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Classify pictures as `core.engine.crops.iter_crops` does, shape (n, 23).

    `blur_um` is the standard deviation of a blur that is put upon them.
    """
    spec = classifier.spec
    crops = load_crops(cells, size_px=spec.crop_px, mpp=spec.mpp)
    for crop in crops:
        crop[:] = whiten(crop, picture_background(crop))
        if blur_um:
            sigma = blur_um / spec.mpp
            crop[:] = gaussian_filter(crop.astype(np.float32), (sigma, sigma, 0)) + 0.5
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
        n_found += int((match_boxes(cells, boxes) >= 0).sum())
        n_detections += len(cells)
    yield Figure.share("smears", "white cells found", n_found, n_truth)
    yield Figure.share(
        "smears", "detections that are white cells", n_found, n_detections
    )


def real_figures(models: Models, data: Path) -> Iterator[Figure]:
    """Give the figures on real cells, and on figures rendered among them.

    Parameters
    ----------
    models : Models
        Detector and classifier.
    data : Path
        Holds ``cells/manifest.csv``, ``fields`` and ``smears``.
    """
    cells = validation_cells(data)
    yield from crop_figures(models.classifier, cells)
    yield from soft_figures(models.classifier, cells)
    yield from doubt_figures(models.classifier, cells)
    yield from smear_figures(models, data / "smears")
    yield from field_figures(models, data / "fields")
    yield from field_mitosis_figures(models, data / "fields")


def rendered_figures(models: Models) -> Iterator[Figure]:
    """Give the figures on phantoms that no model learned from."""
    yield from phantom_figures(models, HELD_OUT_SEEDS)
    yield from phantom_mitosis_figures(models, MITOSIS_SEEDS)


def doubt_figures(
    classifier: CellClassifier, cells: Sequence[LabelledCell]
) -> Iterator[Figure]:
    """Judge the calibration over all sources, and who falls under the threshold."""
    below = classifier.spec.unidentified_below
    named = [c for c in cells if _is_class(c)]
    given = crop_probabilities(classifier, named)
    surest = given.max(axis=1)
    right = named_right(given, [_target(c) for c in named])
    yield Figure.of("all cells", "calibration error", calibration(surest, right))
    yield Figure.share(
        "all cells", "unidentified", int((surest < below).sum()), len(named)
    )
    unsure = [c for c in cells if NOT_IDENTIFIABLE in c.targets]
    if unsure:
        surest = crop_probabilities(classifier, unsure).max(axis=1)
        yield Figure.share(
            "not identifiable by experts",
            "unidentified",
            int((surest < below).sum()),
            len(unsure),
        )


def field_figures(models: Models, folder: Path) -> Iterator[Figure]:
    """Judge both models on held-out marrow fields with masks of their plasma cells.

    A single plasma cell is an area of the mask that holds one segmented nucleus; what
    is centred outside of all masks is none, as far as the masks are complete.
    """
    n = dict.fromkeys(("single", "found", "named", "others", "called"), 0)
    for marrow in read_fields(folder, split="val"):
        slide = ArraySlide(
            marrow.pixels, mpp=Mpp(marrow.mpp, marrow.mpp), name=marrow.name
        )
        cells = analyze_region(slide, None, models).cells
        codes = np.array([*cells.class_codes, ""])
        single = [
            marrow.plasma_box(i)
            for i in range(1, int(marrow.plasma.max()) + 1)
            if marrow.n_nuclei_in(i) == 1
        ]
        pairs = match_boxes(cells, np.array(single, float))
        n["single"] += len(single)
        n["found"] += int((pairs >= 0).sum())
        n["named"] += int((codes[pairs] == "L4").sum())
        columns, rows = np.floor(cells.centres).astype(int).T
        height, width = marrow.plasma.shape
        outside = (
            marrow.plasma[rows.clip(0, height - 1), columns.clip(0, width - 1)] == 0
        )
        n["others"] += int(outside.sum())
        n["called"] += int((codes[:-1][outside] == "L4").sum())
    source = "held-out fields"
    yield Figure.share(source, "single plasma cells found", n["found"], n["single"])
    yield Figure.share(source, "of these called L4", n["named"], n["found"])
    yield Figure.share(source, "other cells called L4", n["called"], n["others"])


def grid_figures(models: Models, slide_path: Path) -> Iterator[Figure]:
    """Judge both models on a slide of single cells in a grid."""
    with slide_path.with_suffix(".csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with open_slide(slide_path) as slide:
        mpp = plausible_mpp(slide)
        cells = analyze_region(slide, None, models).cells
    centres = np.array([(float(r["x"]), float(r["y"])) for r in rows])
    reach = np.full(len(rows), _GRID_REACH_UM / min(mpp))
    pairs = match_centres(cells.centres, centres, reach)
    codes = np.array([*cells.class_codes, ""])[pairs]
    classes = [r["classes"].split("|") for r in rows]
    found = (pairs >= 0) & np.array([c[0] in CLASS_CODES for c in classes])
    right = found & np.array(
        [code in c for code, c in zip(codes, classes, strict=True)]
    )
    known = np.array([*(cells.further[IDENTIFIED] == "yes"), False])[pairs]
    source, n_found = "grid of matek cells", int(found.sum())
    yield Figure.share(source, "found", int((pairs >= 0).sum()), len(rows))
    yield Figure.share(source, "of these named right", int(right.sum()), n_found)
    n_known = int((found & known).sum())
    yield Figure.share(source, "of the found, unidentified", n_found - n_known, n_found)
    yield Figure.share(
        source, "of the identified, named right", int((right & known).sum()), n_known
    )


def phantom_figures(models: Models, seeds: Sequence[int]) -> Iterator[Figure]:
    """Judge both models on phantoms; all of this is on rendered cells."""
    truth_codes, called = [], []
    for seed in seeds:
        smear = Smear(_PHANTOM_SIZE, seed)
        whole = Region(0, 0, *_PHANTOM_SIZE)
        mpp = Mpp(smear.mpp, smear.mpp)
        slide = ArraySlide(smear.read(whole), mpp=mpp, name=f"phantom {seed}")
        cells = analyze_region(slide, None, models).cells
        truth = [c for c in smear.cells(whole) if c.class_code != "PL3"]
        boxes = np.array([(c.x, c.y, c.width, c.height) for c in truth], float)
        truth_codes += [c.class_code for c in truth]
        called += np.array([*cells.class_codes, ""])[match_boxes(cells, boxes)].tolist()
    truth_array, called_array = np.array(truth_codes), np.array(called)
    found = called_array != ""
    right = int((truth_array == called_array).sum())
    yield Figure.share("phantoms", "cells found", int(found.sum()), len(found))
    yield Figure.share("phantoms", "of these named right", right, int(found.sum()))
    for code in CLASS_CODES:
        of_class = truth_array == code
        if of_class.sum():
            n_right = int((called_array[of_class] == code).sum())
            yield Figure.share(
                "phantoms", f"recall {code}", n_right, int(of_class.sum())
            )


def write_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", "what", "value", "low", "high", "n"))
    for f in figures:
        interval = [f"{v:.4f}" for v in (f.value, f.low, f.high)]
        writer.writerow((f.source, f.what, *interval, f.n))
    with atomic_file(path) as stream:
        stream.write(text.getvalue().encode())


def validation_cells(folder: Path) -> list[LabelledCell]:
    """Return the `val` cells of a data folder."""
    cells = read_manifest(folder / "cells" / "manifest.csv")
    return [cell for cell in cells if cell.split == "val"]


def _by_source(
    cells: Sequence[LabelledCell],
) -> Iterator[tuple[str, list[LabelledCell]]]:
    """Yield each source with its cells whose label is one of the classes judged."""
    for source in sorted({cell.source for cell in cells}):
        named = [c for c in cells if c.source == source and _is_class(c)]
        counts = Counter(map(_target, named))
        # Classes with fewer cells are left out of the mean.
        enough = {target for target, n in counts.items() if n >= ENOUGH}
        named = [c for c in named if _target(c) in _distinct(enough)]
        if named:
            yield source, named


def _is_class(cell: LabelledCell) -> bool:
    return not set(cell.targets) & set(EXTRA_OUTPUTS)


def _distinct(targets: set[str]) -> set[str]:
    single = {target for target in targets if "|" not in target}
    return {t for t in targets if t in single or not single & set(t.split("|"))}


def _target(cell: LabelledCell) -> str:
    return "|".join(cell.targets)
