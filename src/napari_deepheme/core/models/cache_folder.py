"""The folder of what can be made again at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import platformdirs

from napari_deepheme.core.user_folders import folder_named_by

if TYPE_CHECKING:
    from pathlib import Path

CACHE_VARIABLE: Final = "NAPARI_DEEPHEME_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder; it need not exist.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    return folder_named_by(CACHE_VARIABLE, platformdirs.user_cache_path)
