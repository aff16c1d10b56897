"""What a worker of a batch does: parts of slides, with models that it keeps.

It does one thing at a time, however many threads Dask gives it: each part has all the
threads of the networks, and models and slides are kept for the next one.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from napari_deepheme.core.engine.pipeline import iter_chunks
from napari_deepheme.core.engine.plan import plan_run, run_background
from napari_deepheme.core.errors import (
    ModelNotFoundError,
    SlideNotSharedError,
    UnfitWorkersError,
)
from napari_deepheme.core.models.registry import name_from_anywhere
from napari_deepheme.core.runs.run_request import RunRequest, computed_with
from napari_deepheme.core.runs.run_settings import RunSettings
from napari_deepheme.core.runs.slide_run import load_asked
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import file_digest
from napari_deepheme.dask_cluster import MAKE_ALIKE

if TYPE_CHECKING:
    from napari_deepheme.core.engine.plan import RunPlan
    from napari_deepheme.core.engine.results import TileResult
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import (
        ClassifierSpec,
        DetectorSpec,
        Models,
    )
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True)
class Asked:
    """What workers are asked for.

    Attributes
    ----------
    request : RunRequest
        What is to be found.
    own : bytes
        `computed_with` of who asks, as JSON.
    """

    request: RunRequest
    own: bytes

    @classmethod
    def of(cls, request: RunRequest) -> Self:
        """Ask for what is found here; workers may be in other folders."""
        model, detector = (
            name and name_from_anywhere(name)
            for name in (request.model, request.detector)
        )
        there = replace(request, model=model, detector=detector)
        return cls(there, orjson.dumps(computed_with(request)))


@dataclass(frozen=True, slots=True)
class SlideFile:
    """A slide, as workers are to find it.

    Attributes
    ----------
    path : str
        Where it lies, whole: workers may be in other folders.
    sha256 : str
        `file_digest` of who asks: another slide of that path is not this one.
    """

    path: str
    sha256: str


_WORKING: Final = Lock()
"""Held while a worker does something."""

_kept: dict[tuple[Asked, Compute], Models] = {}
"""Models of a worker."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How a worker computes, and what its models want.

    Attributes
    ----------
    compute : Compute
        How networks are computed.
    detector, classifier : DetectorSpec, ClassifierSpec
        What the models want.
    """

    compute: Compute
    detector: DetectorSpec
    classifier: ClassifierSpec


def choose(asked: Asked) -> Chosen:
    """Choose how networks are computed, and load them.

    Raises
    ------
    UnfitWorkersError
        If the models here, or the version, are not those of who asks.
    """
    with _WORKING:
        # Those of an earlier batch may be of other files under the same names.
        _kept.clear()
        _planned.cache_clear()
        models = _load(asked, None)
        _kept[asked, models.compute] = models
    return Chosen(models.compute, models.detector.spec, models.classifier.spec)


def work(
    file: SlideFile, asked: Asked, used: dict[str, Any], chunks: list[int]
) -> list[TileResult]:
    """Do some chunks of a slide; `used` is `RunSettings.to_json`.

    Raises
    ------
    SlideNotSharedError
        If the slide does not lie here, or another one does.
    UnfitWorkersError
        As for `choose`.
    """
    settings = RunSettings.from_json(used)
    with _WORKING:
        models = _models(asked, settings.compute)
        slide, plan, background = _planned(file, asked, orjson.dumps(used))
        results = iter_chunks(
            slide, plan, models, settings.config, chunks, background=background
        )
        return list(results)


def _models(asked: Asked, compute: Compute) -> Models:
    """Load models, which are kept for the next parts."""
    if (asked, compute) not in _kept:
        _kept.clear()
        _kept[asked, compute] = _load(asked, compute)
    return _kept[asked, compute]


def _load(asked: Asked, compute: Compute | None) -> Models:
    """Load models, if they are those of who asks."""
    host, there = socket.gethostname(), orjson.loads(asked.own)
    try:
        here = computed_with(asked.request)
    except ModelNotFoundError as error:
        reason = f"the {error.what} {error.model} is not on {host}"
        raise UnfitWorkersError(reason, MAKE_ALIKE) from error
    for what, own in there.items():
        if here[what] != own:
            name = own if isinstance(own, str) else own["name"]
            reason = f"the {what} on {host} is not the {name} of here"
            raise UnfitWorkersError(reason, MAKE_ALIKE)
    return load_asked(asked.request, compute)


@lru_cache(maxsize=2)
def _planned(
    file: SlideFile, asked: Asked, used: bytes
) -> tuple[SlideReader, RunPlan, Any]:
    """Open a slide, which is kept for its next parts."""
    settings, request = RunSettings.from_json(orjson.loads(used)), asked.request
    slide = _opened(file, request)
    models = _models(asked, settings.compute)
    plan = plan_run(slide, settings.regions, models, settings.config, mpp=request.mpp)
    return slide, plan, run_background(slide, plan)


def _opened(file: SlideFile, request: RunRequest) -> SlideReader:
    """Open a slide, if it is that of who asks."""
    path, host = Path(file.path), socket.gethostname()
    try:
        is_same = file_digest(path) == file.sha256
    except OSError as error:
        reason = error.strerror or str(error)
        raise SlideNotSharedError(file.path, host, reason) from error
    if not is_same:
        raise SlideNotSharedError(file.path, host, "another file lies there")
    return open_slide(path, read_timeout=request.read_timeout)
