"""The user's own models: how one is put in, whole or not at all, and taken out."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import (
    CannotRemoveError,
    CannotWriteError,
    InvalidModelError,
    ModelNotFoundError,
    NameTakenError,
)
from napari_deepheme.core.files import atomic_file, is_there, make_folder
from napari_deepheme.core.models.cards import card_json
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.registry import (
    bundled_models,
    own_models,
    user_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}(?<!\.)")

_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
"""What Windows lets no file be called."""

_SOME_FILE: Final = WeightsFile(Path("weights"))


def keep_model(
    card: ModelCard,
    contents: Sequence[Callable[[], bytes]],
    *,
    overwrite: bool = False,
    folder: Path | None = None,
) -> ModelCard:
    """Put a model among the user's, where the registry finds it by its name.

    The weights are named after their hash, and the card is written last: whatever
    happens meanwhile, a name leads to the old model whole or to the new one whole.

    Parameters
    ----------
    card : ModelCard
        Its `weights` and `path` are replaced.
    contents : sequence of callable
        Each gives the bytes of one file of weights.
    overwrite : bool
        Whether a model of the user's of the same name may be replaced.
    folder : Path, optional
        Folder of the user's models; `registry.user_folder` if left out.

    Returns
    -------
    ModelCard
        As it was written.

    Raises
    ------
    InvalidModelError
        If the name cannot be a file's, or the card holds what it cannot.
    CannotWriteError
        If the name is taken, its file is the card of a model of another name, or the
        folder cannot be written to.
    """
    folder = folder or user_folder()
    check_name(card.name)
    check_card(card)
    path = folder / f"{card.name}.json"
    replaced = card_of_that_name(card.name, folder)
    check_free(card.name, folder, overwrite=overwrite)
    make_folder(folder)
    written: list[Path] = []
    try:
        files = tuple(_write(card, content, folder, written) for content in contents)
        card = replace(card, weights=files, path=path)
        card.write(path)
    except BaseException:
        for leftover in written:
            # In a closed folder there is none.
            with suppress(OSError):
                leftover.unlink()
        raise
    if replaced is not None:
        _clear(replaced, folder, kept=card)
    return card


def remove_model(name: str) -> ModelCard | None:
    """Take one of the user's models out: its card, and weights that no other uses.

    Returns
    -------
    ModelCard or None
        What its card was. None if that was damaged: which weights were its is then not
        known, and all stay.

    Raises
    ------
    ModelNotFoundError
        If there is none of that name.
    CannotRemoveError
        If it is bundled.
    CannotWriteError
        If its files cannot be removed.
    """
    folder = user_folder()
    if name in (card.name for card in bundled_models()):
        raise CannotRemoveError(name, "it belongs to the plugin and stays")
    cards, damaged = own_models(folder)
    for card in cards:
        if card.name == name:
            _clear(card, folder, kept=None)
            return card
    if name in damaged:
        _remove(folder / f"{name}.json")
        return None
    known = tuple(card.name for card in cards)
    raise ModelNotFoundError(name, known, "model of your own", by_path=False)


def check_name(name: str) -> None:
    """Refuse a name that cannot be a file's on every system, or is a bundled model's.

    Raises
    ------
    InvalidModelError, NameTakenError
        If it is so.
    """
    if not is_name(name):
        reason = (
            "expected a name of up to 60 letters without accents, digits, dots, "
            "hyphens and underscores, beginning with a letter or digit"
        )
        raise InvalidModelError(repr(name[:80]), reason)
    if name.casefold() in (card.name.casefold() for card in bundled_models()):
        reason = "a bundled model has that name"
        raise NameTakenError(name, reason, "choose another name")


def is_name(text: str) -> bool:
    """Tell whether a text can be a model's name, and so a file's on every system."""
    return bool(_SAFE_NAME.fullmatch(text)) and not _RESERVED.match(text)


def check_free(
    name: str, folder: Path | None = None, *, overwrite: bool = False
) -> None:
    """Refuse a name that one of the user's models has, or a file of another kind.

    Parameters
    ----------
    name : str
        Of a model that is to be kept.
    folder : Path, optional
        Folder of the user's models; `registry.user_folder` if left out.
    overwrite : bool
        Whether what bears the name may be replaced. The card of a model of another
        name, in whose file it would stand, never is.

    Raises
    ------
    NameTakenError
        If it is taken.
    """
    folder = folder or user_folder()
    path = folder / f"{name}.json"
    _refuse_card_of_another(name, path)
    if overwrite:
        return
    if card_of_that_name(name, folder) is not None or is_there(path):
        reason = "a model of that name is there already"
        raise NameTakenError(name, reason, "choose another, or give --overwrite")


def card_of_that_name(name: str, folder: Path | None = None) -> ModelCard | None:
    """Return the user's model of a name, in whatever capitals, or None."""
    for card in own_models(folder)[0]:
        if card.name.casefold() == name.casefold():
            return card
    return None


def _refuse_card_of_another(name: str, path: Path) -> None:
    """Refuse a file that is a card of another name: somebody has renamed the model."""
    try:
        other = ModelCard.read(path).name if is_there(path) else name
    except InvalidModelError:
        return
    if other.casefold() != name.casefold():
        reason = f"it is the card of the model {other}"
        remedy = f"choose another name, or call that file {other}.json"
        raise NameTakenError(str(path), reason, remedy)


def safe_name(text: str) -> str:
    """Make a name of any text that `check_name` would accept, unless it is taken.

    Examples
    --------
    >>> safe_name("Fold 1 (best).pth")
    'Fold-1-best-.pth'
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._")[:60].rstrip(".")
    name = name.lstrip("-_.")
    return f"model-{name}"[:60] if not name or _RESERVED.match(name) else name


def check_card(card: ModelCard) -> None:
    """Refuse a card that could be written but not be read again.

    Raises
    ------
    InvalidModelError
        If it holds what it cannot.
    """
    try:
        stand_in = replace(card, weights=card.weights or (_SOME_FILE,))
        card_json.to_fields(json.loads(json.dumps(card_json.to_json(stand_in))))
    except KeyError as error:
        raise InvalidModelError(card.name, f"its card lacks {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidModelError(card.name, str(error)) from error


def _write(
    card: ModelCard, content: Callable[[], bytes], folder: Path, written: list[Path]
) -> WeightsFile:
    data = content()
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"{card.name}-{sha256[:12]}.{card.weights_format}"
    if not is_there(path):
        written.append(path)
    with atomic_file(path) as stream:
        stream.write(data)
    return WeightsFile(path, sha256)


def _clear(card: ModelCard, folder: Path, *, kept: ModelCard | None) -> None:
    """Remove a card and its weights, except what a kept or another card needs."""
    others = [c for c in own_models(folder)[0] if c.path not in (None, card.path)]
    others += [kept] if kept else []
    needed = {file.path for other in others for file in other.weights}
    unneeded = [f.path for f in card.weights if f.path not in needed]
    if card.path is not None and (kept is None or kept.path != card.path):
        unneeded.insert(0, card.path)
    for path in unneeded:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWriteError(str(path), reason) from error
