"""Environment variables, looked at before anything is done."""

from __future__ import annotations

import os
from typing import Final

from napari_deepheme.core.errors import InvalidVariableError
from napari_deepheme.core.models.cache_folder import CACHE_VARIABLE
from napari_deepheme.core.models.registry import FOLDER_VARIABLE
from napari_deepheme.core.slide.patience import usual_timeout
from napari_deepheme.core.user_folders import CONFIG_VARIABLE

_OF_FOLDERS: Final = (FOLDER_VARIABLE, CONFIG_VARIABLE, CACHE_VARIABLE)


def check_variables() -> None:
    """Refuse variables that could not be obeyed.

    Raises
    ------
    InvalidVariableError
        Names the first of them.
    """
    usual_timeout()
    for name in _OF_FOLDERS:
        given = os.environ.get(name, "")
        if os.path.exists(given) and not os.path.isdir(given):
            raise InvalidVariableError(name, given, "a file where a folder belongs")
