"""Cells of GeoJSON files, and what commands say of the objects that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.cli.output import complain
from napari_deepheme.core.export.facts import facts_beside
from napari_deepheme.core.export.geojson import NO_SHIFT, read_qupath
from napari_deepheme.core.slide.mpp import is_plausible
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.export.qupath import QupathCells
    from napari_deepheme.core.slide import SlideReader


def read_drawn(
    path: Path, *, mpp: float | None, slide: SlideReader | None
) -> QupathCells:
    """Read a GeoJSON file; say how many objects were left out or lack numbers, and why.

    Parameters
    ----------
    path : Path
        The file.
    mpp : float or None
        Micrometres per pixel that the user gave; else those of the summary beside the
        file, or of the slide.
    slide : SlideReader or None
        The slide, where there is one: QuPath counts from its bounds. Else the summary
        beside the file tells.
    """
    facts = facts_beside(path)
    for stated in (facts.mpp, slide and slide.mpp):
        if mpp is None and stated and is_plausible(stated):
            mpp = min(stated)
    origin = facts.bounds_origin if slide is None else slide.bounds_origin
    read = read_qupath(path, mpp=mpp, bounds_origin=origin or NO_SHIFT)
    for name, n in read.unknown_classes.items():
        complain(f"{_class_words(name)}: {plural(n, 'object')} left out")
    for name, n in read.classes_of_ours.items():
        complain(f"{_class_words(name)}: {plural(n, 'cell')} left as before")
    if read.n_lines:
        left_out = plural(read.n_lines, "object")
        complain(f"lines and mixed shapes are no cells: {left_out} left out")
    if read.n_regions:
        left_out = plural(read.n_regions, "object")
        complain(f"too wide for a cell, so regions: {left_out} left out")
    if read.n_empty:
        complain(f"without an outline: {plural(read.n_empty, 'object')} left out")
    if read.n_unmeasured:
        unmeasured = plural(read.n_unmeasured, "cell")
        complain(
            f"without score or probability: {unmeasured}, taken as 1 (export them from "
            "QuPath without Exclude measurements)"
        )
    return read


def _class_words(name: str) -> str:
    return f"class not known: {name}" if name else "without a class"
