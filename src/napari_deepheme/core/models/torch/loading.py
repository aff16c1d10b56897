"""torch is loaded, or it is told why not."""

from __future__ import annotations

import os
import re
import sys
from typing import Final

from napari_deepheme.core.errors import TorchNotLoadedError
from napari_deepheme.core.interrupts import raise_interrupt

_THREADS_VARIABLE: Final = "OMP_NUM_THREADS"

_SOME_THREADS: Final = re.compile(r"\s*0*[1-9]\d*\s*(,\s*0*[1-9]\d*\s*)*")


def need_torch() -> None:
    """Load torch, before anything that imports it.

    Raises
    ------
    TorchNotLoadedError
        If it cannot be loaded.
    """
    if sys.modules.get("torch") is not None:
        return
    try:
        # Libraries of torch end the process where there is no current folder.
        os.getcwd()
    except OSError as error:
        reason = "the current folder is gone"
        raise TorchNotLoadedError(reason, "go to a folder that is there") from error
    _drop_odd_threads()
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        raise_interrupt(error)
        remedy = "install it anew, or close other programs where memory is short"
        raise TorchNotLoadedError(str(error), remedy) from error


def _drop_odd_threads() -> None:
    """Drop a number of threads that is none: OpenMP would pass it over, with words."""
    given = os.environ.get(_THREADS_VARIABLE, "")
    if given and not _SOME_THREADS.fullmatch(given):
        del os.environ[_THREADS_VARIABLE]
