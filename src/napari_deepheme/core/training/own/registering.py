"""A trained model put among the user's models, so that it is known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.library import keep_model

if TYPE_CHECKING:
    from napari_deepheme.core.models.cards.card import ModelCard


def register_model(card: ModelCard) -> ModelCard:
    """Copy a model's weights and card to the user's models.

    One of the same name is replaced; a bundled model's name is refused.

    Parameters
    ----------
    card : ModelCard
        As read from its file, its weights beside it.

    Returns
    -------
    ModelCard
        The card in the user's folder.

    Raises
    ------
    InvalidModelError
        If it bears a bundled model's name, or a file of weights is missing.
    CannotWriteError
        If the folder cannot be written to.
    """
    for file in card.weights:
        if not file.path.is_file():
            raise InvalidModelError(card.name, f"its weights {file.path} are missing")
    contents = [file.path.read_bytes for file in card.weights]
    return keep_model(card, contents, overwrite=True)
