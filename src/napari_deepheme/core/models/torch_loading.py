"""torch is loaded, or it is told why not."""

from __future__ import annotations

import os
import sys

from napari_deepheme.core.errors import TorchNotLoadedError


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
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        remedy = "install it anew, or close other programs where memory is short"
        raise TorchNotLoadedError(str(error), remedy) from error
