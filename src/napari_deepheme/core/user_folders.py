"""Where what the user set is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

CONFIG_VARIABLE: Final = "NAPARI_DEEPHEME_CONFIG"
"""Environment variable that names another folder for what the user set."""


def config_folder() -> Path:
    """Return the folder of what the user set; it need not exist."""
    given = os.environ.get(CONFIG_VARIABLE)
    return Path(given) if given else platformdirs.user_config_path("napari-deepheme")
