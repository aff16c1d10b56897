"""Weights read whole, after their hash was compared with what their card states."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import check_regular

if TYPE_CHECKING:
    from napari_deepheme.core.models.cards.card import WeightsFile


def read_verified(file: WeightsFile) -> bytes:
    """Read a file of weights and compare it with its hash, if the card states one.

    Raises
    ------
    InvalidModelError
        If it is missing or another.
    """
    try:
        check_regular(file.path)
        content = file.path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidModelError(file.path.name, reason) from error
    if file.sha256:
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256.lower():
            reason = f"its SHA-256 is {found}, its card states {file.sha256}"
            raise InvalidModelError(file.path.name, reason)
    return content
