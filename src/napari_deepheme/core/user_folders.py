"""Where files of the user's are kept, and what the user set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from napari_deepheme.core.errors import HomeNotKnownError

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG_VARIABLE: Final = "NAPARI_DEEPHEME_CONFIG"
"""Environment variable that names another folder for what the user set."""


def config_folder() -> Path:
    """Return the folder of what the user set; it need not exist.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    return folder_named_by(CONFIG_VARIABLE, platformdirs.user_config_path)


def folder_named_by(
    variable: str, find: Callable[[str], Path], inside: str = ""
) -> Path:
    """Return the folder that a variable of the environment names, else the usual one.

    Parameters
    ----------
    variable, find
        As for `usual_folder`.
    inside : str
        Name of a folder within the usual one.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    given = os.environ.get(variable)
    return Path(given) if given else usual_folder(find, variable) / inside


def usual_folder(find: Callable[[str], Path], variable: str) -> Path:
    """Return where this system keeps files of this program for the user.

    Parameters
    ----------
    find : callable
        One of platformdirs' functions for such a folder.
    variable : str
        Environment variable that names another one.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    try:
        folder = find("napari-deepheme")
    except RuntimeError as error:
        raise HomeNotKnownError(variable) from error
    # Older ones of platformdirs leave the ~ as it is.
    if not folder.is_absolute():
        raise HomeNotKnownError(variable)
    return folder
