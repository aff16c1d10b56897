"""A trained model put among the user's models, so that it is known by name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import atomic_path, make_folder
from napari_deepheme.core.models.card import ModelCard
from napari_deepheme.core.models.registry import list_models, user_folder

if TYPE_CHECKING:
    from pathlib import Path


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
    folder = user_folder()
    known = {c.name: c for c in list_models()}.get(card.name)
    if known is not None and not _lies_in(known, folder):
        reason = "a bundled model has this name: choose another with --name"
        raise InvalidModelError(card.name, reason)
    make_folder(folder)
    older = {w.path for w in known.weights} if known else set()
    weights = []
    for file in card.weights:
        if not file.path.is_file():
            raise InvalidModelError(card.name, f"its weights {file.path} are missing")
        target = folder / file.path.name
        with atomic_path(target) as partial:
            shutil.copyfile(file.path, partial)
        weights.append(replace(file, path=target))
    path = folder / f"{card.name}.json"
    replace(card, weights=tuple(weights), path=path).write(path)
    for stale in older - {w.path for w in weights}:
        stale.unlink(missing_ok=True)
    return ModelCard.read(path)


def _lies_in(card: ModelCard, folder: Path) -> bool:
    return card.path is not None and card.path.parent.resolve() == folder.resolve()
