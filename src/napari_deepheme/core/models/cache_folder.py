"""The folder of what can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

CACHE_VARIABLE: Final = "NAPARI_DEEPHEME_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder; it need not exist."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path("napari-deepheme")
