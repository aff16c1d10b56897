"""A trained model put among the user's models, so that it is known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deepheme.core.models.card import ModelCard


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
    raise NotImplementedError
