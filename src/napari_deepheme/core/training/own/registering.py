"""A trained model put among the user's models, so that it is known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import is_file
from napari_deepheme.core.models.bringing.library import (
    card_of_that_name,
    check_free,
    check_name,
    keep_model,
)
from napari_deepheme.core.models.cards.card import ModelCard

if TYPE_CHECKING:
    from pathlib import Path


def check_registrable(name: str, out: Path, *, overwrite: bool = False) -> bool:
    """Refuse a name under which a model that is still to be trained cannot be kept.

    Parameters
    ----------
    name : str
        Of the model.
    out : Path
        Folder of its training.
    overwrite : bool
        Whether a model of the user's of that name may be replaced.

    Returns
    -------
    bool
        What `register_model` is to be given as `overwrite`: True also where the model
        of that name came from this very folder.

    Raises
    ------
    InvalidModelError
        If it cannot be a model's name.
    CannotWriteError
        If it is taken.
    """
    check_name(name)
    path = out / f"{name}.json"
    replaces = overwrite or (is_file(path) and _is_registered(_read(path)))
    check_free(name, overwrite=replaces)
    return replaces


def register_model(card: ModelCard, *, overwrite: bool = False) -> ModelCard:
    """Copy a model's weights and card to the user's models.

    Parameters
    ----------
    card : ModelCard
        As read from its file, its weights beside it.
    overwrite : bool
        Whether a model of the user's of that name may be replaced. One of the same
        weights always is.

    Returns
    -------
    ModelCard
        The card in the user's folder.

    Raises
    ------
    InvalidModelError
        If a file of weights is missing.
    CannotWriteError
        If the name is taken, or a bundled model's, or the folder cannot be written to.
    """
    for file in card.weights:
        if not file.path.is_file():
            raise InvalidModelError(card.name, f"its weights {file.path} are missing")
    contents = [file.path.read_bytes for file in card.weights]
    return keep_model(card, contents, overwrite=overwrite or _is_registered(card))


def _is_registered(card: ModelCard | None) -> bool:
    """Tell whether the user's model of that name has the same weights."""
    known = card_of_that_name(card.name) if card else None
    return card is not None and known is not None and _sums(known) == _sums(card)


def _sums(card: ModelCard) -> list[str]:
    return [file.sha256 for file in card.weights]


def _read(path: Path) -> ModelCard | None:
    try:
        return ModelCard.read(path)
    except InvalidModelError:
        return None
