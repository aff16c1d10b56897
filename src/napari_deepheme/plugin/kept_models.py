"""Models that were loaded, kept for who asks next. It holds no Qt object."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.models.registry import find_of_kind, load_models
from napari_deepheme.plugin.preferences import read_preferences

if TYPE_CHECKING:
    from napari_deepheme.core.models.protocols import Models

_LOADING: Final = Lock()
"""Held while models are loaded: who asks meanwhile takes the same."""


def load_kept(model: str, detector: str, device: str) -> Models:
    """Load the models, or take those of before if their files are the same.

    Parameters
    ----------
    model, detector, device : str
        As `registry.load_models` takes them; threads are as the user prefers.

    Raises
    ------
    DeephemeError
        As for `registry.load_models`.
    """
    cards = [find_of_kind(model, "classifier"), find_of_kind(detector, "detector")]
    files = [file.path for card in cards for file in card.weights]
    stamps = (
        *((str(f), f.stat().st_mtime_ns) for f in files if f.exists()),
        *(card.facts for card in cards),
    )
    with _LOADING:
        return _loaded(model, detector, device, read_preferences().threads, stamps)


@lru_cache(maxsize=2)
def _loaded(
    model: str, detector: str, device: str, n_threads: int, _: object
) -> Models:
    return load_models(model, detector=detector, device=device, n_threads=n_threads)
