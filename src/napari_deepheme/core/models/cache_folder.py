"""The folder of what can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

from napari_deepheme.core.user_folders import usual_folder

CACHE_VARIABLE: Final = "NAPARI_DEEPHEME_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder; it need not exist.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    given = os.environ.get(CACHE_VARIABLE)
    find = platformdirs.user_cache_path
    return Path(given) if given else usual_folder(find, CACHE_VARIABLE)
