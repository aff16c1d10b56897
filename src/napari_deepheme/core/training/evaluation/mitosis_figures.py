"""How well mitotic figures are found, and how often something else is taken for one.

No labelled mitosis of a real marrow was at hand. So figures are rendered: into
phantoms, where the same renderer made cells and figures (circular), and into real
fields that no model learned from, beside which stands how many cells of these very
fields are flagged when nothing was put in. What those flags are, nobody has judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.engine.pipeline import analyze_region
from napari_deepheme.core.further_columns import PHASE
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.phantom import (
    LOOKALIKES,
    Smear,
    Stain,
    render_cell,
    render_lookalike,
)
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import MITOTIC_CODE, MITOTIC_PHASES
from napari_deepheme.core.training.cells.fields import read_fields
from napari_deepheme.core.training.cells.phantom_cells import lay_on
from napari_deepheme.core.training.evaluation.figure import Figure
from napari_deepheme.core.training.evaluation.matching import match_boxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.training.cells.fields import Field

_PHANTOM_PX: Final = 2500

_SEED: Final = 90_000

_APART_PX: Final = 130

_A_FIELD: Final = 12
"""Rendered cells that are put into one field, where they find room."""


def phantom_mitosis_figures(models: Models, seeds: Sequence[int]) -> Iterator[Figure]:
    """Judge mitoses on phantoms; circular, as the module says."""
    n_true = n_found = n_flags = n_phase = 0
    for seed in seeds:
        smear = Smear(Size(_PHANTOM_PX, _PHANTOM_PX), seed)
        whole = Region(0, 0, _PHANTOM_PX, _PHANTOM_PX)
        slide = ArraySlide(
            smear.read(whole), mpp=Mpp(smear.mpp, smear.mpp), name=f"phantom {seed}"
        )
        cells = analyze_region(slide, None, models).cells
        truth = [c for c in smear.cells(whole) if c.class_code == MITOTIC_CODE]
        boxes = np.array([(c.x, c.y, c.width, c.height) for c in truth], float)
        pairs = match_boxes(cells, boxes)
        hits = _flagged(cells, pairs)
        phases = _phases(cells, pairs)
        n_true, n_found = n_true + len(truth), n_found + int(hits.sum())
        n_flags += int((np.array(cells.class_codes) == MITOTIC_CODE).sum())
        n_phase += sum(
            p == c.mitotic_phase
            for p, c, hit in zip(phases, truth, hits, strict=True)
            if hit
        )
    yield Figure.share("phantoms", "mitotic figures found", n_found, n_true)
    yield Figure.share("phantoms", "flags that are figures", n_found, n_flags)
    yield Figure.share("phantoms", "of the found, phase right", n_phase, n_found)


def field_mitosis_figures(models: Models, folder: Path) -> Iterator[Figure]:
    """Judge mitoses rendered into real fields, and flags in the same fields untouched.

    Parameters
    ----------
    models : Models
        Detector and classifier.
    folder : Path
        The marrow fields; those that are held out are taken.
    """
    fields = read_fields(folder, split="val")
    n_cells = n_flags = 0
    for field in fields:
        cells = _analysed(field, field.pixels, models)
        n_cells += len(cells)
        n_flags += int((np.array(cells.class_codes) == MITOTIC_CODE).sum())
    yield Figure.share("held-out fields", "untouched cells flagged", n_flags, n_cells)
    yield from _rendered_in(fields, models)
    yield from _lookalikes_in(fields, models)


def _rendered_in(fields: Sequence[Field], models: Models) -> Iterator[Figure]:
    n_true = n_detected = n_found = n_phase = 0
    by_phase = {phase: [0, 0] for phase in MITOTIC_PHASES}
    for number, field in enumerate(fields):
        rng = np.random.default_rng((_SEED, number))
        picture, boxes, phases = field.pixels.copy(), [], []
        for i, centre in enumerate(_places(field, rng)):
            cell = render_cell(
                MITOTIC_CODE,
                rng,
                mpp=field.mpp,
                stain=Stain.sample(rng),
                mitotic_phase=MITOTIC_PHASES[(number + i) % len(MITOTIC_PHASES)],
            )
            picture = lay_on(picture, cell, centre)
            width, height = cell.box.width, cell.box.height
            boxes.append((centre[0] - width / 2, centre[1] - height / 2, width, height))
            phases.append(cell.mitotic_phase)
        cells = _analysed(field, picture, models)
        pairs = match_boxes(cells, np.array(boxes, float))
        hits, called = _flagged(cells, pairs), _phases(cells, pairs)
        n_true, n_found = n_true + len(boxes), n_found + int(hits.sum())
        n_detected += int((pairs >= 0).sum())
        for phase, hit, call in zip(phases, hits, called, strict=True):
            by_phase[phase][0] += int(hit)
            by_phase[phase][1] += 1
            n_phase += int(hit and call == phase)
    source = "figures rendered into held-out fields"
    yield Figure.share(source, "detected", n_detected, n_true)
    yield Figure.share(source, "called mitotic", n_found, n_true)
    yield Figure.share(source, "of these, phase right", n_phase, n_found)
    for phase, (n_hits, n) in by_phase.items():
        yield Figure.share(source, f"called mitotic, {phase}", n_hits, n)


def _lookalikes_in(fields: Sequence[Field], models: Models) -> Iterator[Figure]:
    flagged = {kind: [0, 0] for kind in LOOKALIKES}
    for number, field in enumerate(fields):
        rng = np.random.default_rng((_SEED, 1, number))
        picture, boxes, kinds = field.pixels.copy(), [], []
        for i, centre in enumerate(_places(field, rng)):
            kind = LOOKALIKES[(number + i) % len(LOOKALIKES)]
            cell = render_lookalike(kind, rng, mpp=field.mpp, stain=Stain.sample(rng))
            picture = lay_on(picture, cell, centre)
            width, height = cell.box.width, cell.box.height
            boxes.append((centre[0] - width / 2, centre[1] - height / 2, width, height))
            kinds.append(kind)
        cells = _analysed(field, picture, models)
        hits = _flagged(cells, match_boxes(cells, np.array(boxes, float)))
        for kind, hit in zip(kinds, hits, strict=True):
            flagged[kind][0] += int(hit)
            flagged[kind][1] += 1
    for kind, (n_hits, n) in flagged.items():
        yield Figure.share(
            "lookalikes rendered into held-out fields",
            f"called mitotic, {kind}",
            n_hits,
            n,
        )


def _analysed(field: Field, pixels: npt.NDArray[np.uint8], models: Models) -> CellTable:
    slide = ArraySlide(pixels, mpp=Mpp(field.mpp, field.mpp), name=field.name)
    return analyze_region(slide, None, models).cells


def _places(field: Field, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return points far from each other and from the border."""
    height, width = field.pixels.shape[:2]
    places: list[tuple[float, float]] = []
    for _ in range(40 * _A_FIELD):
        x, y = float(rng.uniform(90, width - 90)), float(rng.uniform(90, height - 90))
        if all(np.hypot(x - a, y - b) > _APART_PX for a, b in places):
            places.append((x, y))
    return places[:_A_FIELD]


def _flagged(cells: CellTable, pairs: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Tell which of the paired truths are called mitotic."""
    codes = np.array([*cells.class_codes, ""])
    flagged: npt.NDArray[np.bool_] = codes[pairs] == MITOTIC_CODE
    return flagged


def _phases(cells: CellTable, pairs: npt.NDArray[np.intp]) -> npt.NDArray[np.str_]:
    phases: npt.NDArray[np.str_] = np.array([*cells.further[PHASE], ""])[pairs]
    return phases
