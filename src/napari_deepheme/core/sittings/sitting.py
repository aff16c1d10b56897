"""A sitting: all that a reader comes back to tomorrow.

Slide, model and settings of the run, its cells, what the reader said of them, and what
was drawn. `sitting_file` keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import (
    DeephemeError,
    SittingSlideNotFoundError,
    SittingSlideReplacedError,
    SittingSlideUncertainError,
    SlideNotFoundError,
    UnreadableSlideError,
)
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.geometry import (
    Point,
    Polygon,
    Region,
    regions_from_json,
    regions_to_json,
)
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import (
    is_of_earlier_version,
    slide_identity,
)
from napari_deepheme.core.slide.mpp import stated_mpp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True)
class SlideMark:
    """What a slide is known by, wherever it lies.

    Attributes
    ----------
    name : str
        File name.
    path : str
        Where it lay; empty for a picture that came from no file.
    identity : mapping
        As `slide.identity.slide_identity`: length and samples of the files.
    """

    name: str
    path: str
    identity: Mapping[str, Any]

    @classmethod
    def of(cls, slide: SlideReader) -> Self:
        """Take the mark of a slide."""
        return cls(slide.name, _path_of(slide), slide_identity(slide))

    def is_of(self, slide: SlideReader) -> bool:
        """Tell whether a slide is this one; its name and place may have changed."""
        return self.is_same(SlideMark.of(slide))

    def is_same(self, other: SlideMark) -> bool:
        """Tell whether two marks are of one slide.

        Pictures that came from no file have nothing but size and name to tell them by.
        """
        same = ("size", "sha256")
        if not (self.path or other.path) and self.name != other.name:
            return False
        return all(self.identity.get(k) == other.identity.get(k) for k in same)

    def find(self, sitting_path: Path) -> Path:
        """Look for the slide where it lay, and beside the sitting.

        Parameters
        ----------
        sitting_path : Path
            The file of the sitting.

        Raises
        ------
        UnreadableSlideError
            If it is at none of these, and what is at the first cannot be read.
        SittingSlideReplacedError
            If that is another slide.
        SittingSlideUncertainError
            If it may be another one: the sitting is of an earlier version.
        SittingSlideNotFoundError
            If there is nothing.
        """
        folder = sitting_path.resolve().parent
        places = [Path(self.path)] if self.path else []
        if self.name:
            places += [folder / self.name, folder.parent / self.name]
        amiss: list[DeephemeError] = []
        for place in places:
            try:
                with open_slide(place) as slide:
                    if self.is_of(slide):
                        return place
                    amiss.append(self._other(slide, str(place)))
            except SlideNotFoundError:
                continue
            except UnreadableSlideError as error:
                amiss.append(error)
        raise amiss[0] if amiss else SittingSlideNotFoundError(self.name)

    def _other(self, slide: SlideReader, place: str) -> DeephemeError:
        if is_of_earlier_version(slide, self.identity):
            return SittingSlideUncertainError(place)
        return SittingSlideReplacedError(place)


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """A shape that the reader drew on the slide.

    Attributes
    ----------
    layer : str
        Name of its layer.
    polygon : Polygon
        Where.
    """

    layer: str
    polygon: Polygon


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """All of a sitting.

    Attributes
    ----------
    slide : SlideMark
        The slide.
    facts : RunFacts
        What found and named the cells.
    result : RegionResult
        Where they were sought; its cells are those of `corrected`, uncorrected.
    corrected : CorrectedCells
        The cells with the reader's steps.
    shapes : tuple of DrawnShape
        What was drawn.
    view : mapping
        How it was looked at, as JSON holds it.
    """

    slide: SlideMark
    facts: RunFacts
    result: RegionResult
    corrected: CorrectedCells
    shapes: tuple[DrawnShape, ...] = ()
    view: Mapping[str, Any] = field(default_factory=dict)

    def on(self, slide: SlideReader) -> Self:
        """Return it on its slide, as that is called now and where it lies."""
        mark = SlideMark(slide.name, _path_of(slide), self.slide.identity)
        # Sittings of earlier versions that began with a table do not know the origin.
        facts = replace(self.facts, bounds_origin=slide.bounds_origin)
        # A run of another slide, as a summary may say, stays one.
        if facts.slide == self.slide.name:
            facts = replace(facts, slide=slide.name)
        return replace(self, slide=mark, facts=facts)


def facts_to_json(facts: RunFacts) -> dict[str, Any]:
    """Return facts as JSON holds them."""
    return {
        "slide": facts.slide,
        "model": facts.model,
        "detector": facts.detector,
        "compute": facts.compute.to_json(),
        "rendered_only": list(facts.rendered_only),
        "bounds_origin": list(facts.bounds_origin),
        "unidentified_below": facts.unidentified_below,
    }


def facts_from_json(stored: Mapping[str, Any]) -> RunFacts:
    """Return what `facts_to_json` made JSON of."""
    x, y = stored["bounds_origin"]
    return RunFacts(
        slide=str(stored["slide"]),
        model=str(stored["model"]),
        detector=str(stored["detector"]),
        compute=Compute.from_json(stored["compute"]),
        rendered_only=tuple(str(code) for code in stored["rendered_only"]),
        bounds_origin=Point(int(x), int(y)),
        unidentified_below=float(stored["unidentified_below"]),
    )


def result_to_json(result: RegionResult) -> dict[str, Any]:
    """Return a result without its cells as JSON holds it."""
    return {
        "region": result.region.to_json(),
        "mpp": list(result.mpp),
        "failed_regions": regions_to_json(result.failed),
        "complete": result.complete,
        # 0 where it is not known: earlier versions take a number alone.
        "seconds": result.seconds or 0.0,
        "counted_areas": regions_to_json(result.counted_areas),
        "drawn_areas": [list(area.corners) for area in result.drawn_areas],
        "searched_areas": regions_to_json(result.searched_areas),
    }


def result_from_json(stored: Mapping[str, Any], cells: CellTable) -> RegionResult:
    """Return what `result_to_json` made JSON of."""
    mpp = stated_mpp(*stored["mpp"])
    if mpp is None:
        raise ValueError(f"no pixel size: {str(stored['mpp'])[:80]}")
    return RegionResult(
        region=Region.from_json(stored["region"]),
        mpp=mpp,
        cells=cells,
        failed=regions_from_json(stored["failed_regions"]) or (),
        complete=bool(stored["complete"]),
        seconds=float(stored["seconds"]) or None,
        counted_areas=regions_from_json(stored["counted_areas"]),
        # Sittings of earlier versions do not tell.
        drawn_areas=tuple(map(Polygon.from_corners, stored.get("drawn_areas", ()))),
        searched_areas=regions_from_json(stored.get("searched_areas")),
    )


def threshold_from_json(stored: Any) -> float | None:
    """Return the reader's threshold as JSON holds it, None where none was chosen.

    Raises
    ------
    ValueError
        If it is no probability.
    """
    if stored is None:
        return None
    if type(stored) not in (int, float) or not 0 <= stored <= 1:
        raise ValueError(f"the threshold is no probability: {str(stored)[:80]}")
    threshold: float = stored
    return threshold


def view_from_json(stored: Any) -> dict[str, Any]:
    """Return how a sitting was looked at, as JSON holds it.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping, or what it hides are no classes.
    """
    view = dict(stored or {})
    hidden = view.get("hidden", [])
    if not (isinstance(hidden, list) and all(isinstance(c, str) for c in hidden)):
        raise ValueError(f"the view hides what are no classes: {str(hidden)[:80]}")
    return view


def _path_of(slide: SlideReader) -> str:
    return "" if slide.path is None else str(slide.path.resolve())
