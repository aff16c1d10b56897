"""What a run of a slide is asked for, and what tells it from other runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_deepheme.core.counts.counting import FULL_COUNT, CountGoal
from napari_deepheme.core.models.registry import models_identity
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.slide.identity import slide_identity

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run of a slide is asked for.

    Attributes
    ----------
    region : Region or None
        In level-0 pixels; None for the whole slide.
    max_cells : int or None
        Cells to count in the best areas; None for everything, or for `FULL_COUNT`
        where `half_width` is given.
    half_width : float or None
        As `CountGoal` has it.
    mpp : float or None
        Micrometres per pixel, for a slide that states none or states it wrongly.
    model, detector : str or None
        Name or path; None for the bundled ones.
    device, backend : str
        As `load_models` takes them.
    read_timeout : float or None
        As `open_slide` takes it.
    deidentify : bool
        Whether what is written, the journal too, bears a pseudonym of the slide in the
        place of its name.
    """

    region: Region | None = None
    max_cells: int | None = None
    half_width: float | None = None
    mpp: float | None = None
    model: str | None = None
    detector: str | None = None
    device: str = "auto"
    backend: str = "auto"
    read_timeout: float | None = None
    deidentify: bool = False

    @property
    def goal(self) -> CountGoal | None:
        """When to stop counting; None for never."""
        if self.max_cells is None and self.half_width is None:
            return None
        return CountGoal(self.max_cells or FULL_COUNT, self.half_width)


def run_identity(slide: SlideReader, request: RunRequest) -> dict[str, Any]:
    """Return what a run is asked for, as JSON holds it: another one is another run.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its files cannot be read.
    UnreadableSlideError
        If the slide's file is gone by now, or does not answer.
    InvalidKeyError, CannotWriteError
        As for `Pseudonyms.of_this_user`.
    """
    r = request.region
    return {
        "slide": slide_asked(slide, request),
        "region": r.to_json() if r else None,
        "max_cells": request.max_cells,
        "half_width": request.half_width,
        "mpp": request.mpp,
        **computed_with(request),
        "device": request.device,
        "backend": request.backend,
    }


def computed_with(request: RunRequest) -> dict[str, Any]:
    """Return which models of this machine and which version are asked for.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its files cannot be read.
    """
    return {
        **models_identity(request.model, request.detector),
        "version": version("napari-deepheme"),
    }


def slide_asked(slide: SlideReader, request: RunRequest) -> dict[str, Any]:
    """Return what tells the slide of a run from others; errors as `run_identity`."""
    known = slide_identity(slide)
    if not request.deidentify:
        return known
    names = Pseudonyms.of_this_user()
    # Whoever has the slide could tell it by the hash of its file.
    return {
        **known,
        "name": names.of_slide(slide),
        "sha256": names.keyed(known["sha256"]),
    }
