"""What a run of a slide is asked for, and what tells it from other runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.counting import CountGoal
from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.models.registry import models_identity
from napari_deepheme.core.slide.patience import BRING_BACK, Patience

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.slide import SlideReader

USUAL_COUNT: Final = 500
"""Cells of a full differential count, after ICSH 2008."""

_SAMPLE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run of a slide is asked for.

    Attributes
    ----------
    region : Region or None
        In level-0 pixels; None for the whole slide.
    max_cells : int or None
        Cells to count in the best areas; None for everything, or for `USUAL_COUNT`
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

    @property
    def goal(self) -> CountGoal | None:
        """When to stop counting; None for never."""
        if self.max_cells is None and self.half_width is None:
            return None
        return CountGoal(self.max_cells or USUAL_COUNT, self.half_width)


def slide_identity(slide: SlideReader) -> dict[str, Any]:
    """Return what tells a slide from others: name, size, and a hash of its file.

    The hash is of the file's length and its first, middle and last quarter million
    bytes; of a folder, of the lengths and names of its files.

    Raises
    ------
    UnreadableSlideError
        If the file is gone by now, or does not answer.
    """
    path = slide.path
    try:
        sha256 = Patience().call(lambda: _hash(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableSlideError(str(path), reason, BRING_BACK) from error
    return {
        "name": slide.name.encode("utf-8", "backslashreplace").decode(),
        "size": list(slide.size),
        "sha256": sha256,
    }


def _hash(path: Path | None) -> str:
    digest = hashlib.sha256()
    if path is not None and path.is_dir():
        for file in sorted(path.iterdir()):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    elif path is not None:
        length = path.stat().st_size
        digest.update(str(length).encode())
        with path.open("rb") as stream:
            for start in (0, length // 2, max(0, length - _SAMPLE_BYTES)):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def run_identity(slide: SlideReader, request: RunRequest) -> dict[str, Any]:
    """Return what a run is asked for, as JSON holds it: another one is another run.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its files cannot be read.
    """
    r = request.region
    return {
        "slide": slide_identity(slide),
        "region": [r.x, r.y, r.width, r.height] if r else None,
        "max_cells": request.max_cells,
        "half_width": request.half_width,
        "mpp": request.mpp,
        **models_identity(request.model, request.detector),
        "device": request.device,
        "backend": request.backend,
        "version": version("napari-deepheme"),
    }
