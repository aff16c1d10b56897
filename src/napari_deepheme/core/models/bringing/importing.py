"""Files of weights that a user has -> a model among the user's own."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import temporary_folder
from napari_deepheme.core.models.bringing.class_order import (
    one_order,
    stated_order,
    words_of_order,
)
from napari_deepheme.core.models.bringing.library import (
    check_free,
    check_name,
    keep_model,
    safe_name,
)
from napari_deepheme.core.models.bringing.onnx_card import onnx_card
from napari_deepheme.core.models.bringing.options import ImportOptions, unknown_origin
from napari_deepheme.core.models.cards.card import CLASSES, ModelCard, WeightsFile
from napari_deepheme.core.models.cards.card_json import is_card
from napari_deepheme.core.models.cards.file_hash import read_verified
from napari_deepheme.core.models.onnx.joined import join_weights
from napari_deepheme.core.models.onnx.runner import names_beside
from napari_deepheme.core.models.torch.loading import need_torch
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from napari_deepheme.core.models.bringing.layouts import Layout

_MOST_FILES: Final = 32

_TWINS: Final = "expected different members; two hold the same weights"

_PAPER: Final = (
    "Goldgof et al. 2023, DeepHeme: A generalizable, bone marrow classifier with "
    "hematopathologist-level performance, bioRxiv 10.1101/2023.02.20.528987 (of the "
    "layout; whether these weights are the paper's is not known)"
)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be imported.

    Attributes
    ----------
    files : list of Path
        All weights.
    title : str
        A name for them all.
    card : ModelCard or None
        The card, if it was given itself.
    """

    files: list[Path]
    title: str
    card: ModelCard | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that was read and tried, but is not kept yet.

    Attributes
    ----------
    card : ModelCard
        Without its final files.
    contents : tuple of callable
        Each gives the bytes of a file of weights.
    """

    card: ModelCard
    contents: tuple[Callable[[], bytes], ...]


def import_model(
    paths: Path | str | Sequence[Path | str],
    options: ImportOptions | None = None,
    *,
    name: str | None = None,
    overwrite: bool = False,
    folder: Path | None = None,
) -> ModelCard:
    """Check files of weights and put them among the user's models.

    Recognised are the layouts of DeepHeme (see `layouts`) in .pt, .pth, .ckpt and
    .safetensors, safetensors of this package's networks with their card beside them,
    and ONNX with or without a card. Several files are the members of an ensemble, whose
    probabilities are averaged; so are the state dicts in one file.

    Parameters
    ----------
    paths : Path, str or sequence of them
        Files of weights; a card, with its weights; or a folder, for all weights in it.
    options : ImportOptions, optional
        What is to stand in the card.
    name : str, optional
        Of the model; made of the file's or folder's name if left out.
    overwrite : bool
        Whether a model of the user's of that name may be replaced.
    folder : Path, optional
        Folder of the user's models; `registry.user_folder` if left out.

    Returns
    -------
    ModelCard
        The model as it is kept.

    Raises
    ------
    InvalidModelError
        If a file is no such model, holds pickled code, or does not fit.
    CannotWriteError
        If the name is taken, or the folder cannot be written to.
    MissingExtraError
        If it is an ONNX file and onnxruntime is not installed.
    """
    need_torch()
    options = options or ImportOptions()
    asked = [paths] if isinstance(paths, Path | str) else list(paths)
    given = _given([Path(path) for path in asked])
    name = safe_name(given.title) if name is None else name
    check_name(name)
    check_free(name, folder, overwrite=overwrite)
    with ExitStack() as temporary:
        draft = _draft(given, options, name, temporary)
        contents = draft.contents
        return keep_model(draft.card, contents, overwrite=overwrite, folder=folder)


def _given(paths: list[Path]) -> _Given:
    """Return the files that folders and a card stand for, and the card."""
    from napari_deepheme.core.models.bringing.weight_files import (
        SUFFIXES,
        expected_suffixes,
    )

    if not paths:
        raise InvalidModelError("nothing", f"expected {expected_suffixes()}")
    files: list[Path] = []
    cards: list[ModelCard] = []
    for path in paths:
        try:
            is_folder = path.is_dir()
            inside = sorted(path.iterdir()) if is_folder else []
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)[:200]
            raise InvalidModelError(str(path)[:80], reason) from error
        if is_folder:
            weights = [p for p in inside if p.suffix.lower() in SUFFIXES]
            if not weights:
                reason = f"expected files of {expected_suffixes()} in the folder"
                raise InvalidModelError(str(path), reason)
            files += weights
        elif path.suffix.lower() == ".json":
            cards.append(ModelCard.read(path))
        else:
            files.append(path)
    if len(files) > _MOST_FILES:
        reason = f"expected at most {_MOST_FILES} files; found {len(files)}"
        raise InvalidModelError(str(paths[0]), reason)
    card = _only_card(cards, files) if cards else None
    if card is not None:
        files = [file.path for file in card.weights]
    single = paths[0] if len(paths) == 1 else files[0]
    title = single.resolve().name if single.is_dir() else single.stem
    return _Given(files, title, card)


def _only_card(cards: list[ModelCard], files: list[Path]) -> ModelCard:
    """Return the one card that was given, if the files beside it are its own."""
    card = cards[0]
    if len(cards) > 1:
        names = ", ".join(c.path.name for c in cards if c.path)
        reason = f"expected one card; found {names}: import each by itself"
        raise InvalidModelError(str(card.path), reason)
    own = {file.path.resolve() for file in card.weights}
    foreign = [file.name for file in files if file.resolve() not in own]
    if foreign:
        reason = f"it does not name {', '.join(foreign)}: give the card alone"
        raise InvalidModelError(str(card.path), reason)
    return card


def _draft(
    given: _Given, options: ImportOptions, name: str, temporary: ExitStack
) -> Draft:
    from napari_deepheme.core.models.bringing.weight_files import (
        ONNX,
        SAFETENSORS,
        check_file,
    )

    files, card = given.files, given.card
    for file in files:
        check_file(file)
    suffixes = {file.suffix.lower() for file in files}
    if card is None and (ONNX in suffixes or suffixes == {SAFETENSORS}):
        card = card_beside(files)
    if card is not None:
        weights = tuple(_whole(file, temporary) for file in card.weights)
        card = replace(card, name=name, weights=weights)
        return _carded(options.apply(card))
    if ONNX not in suffixes:
        return _of_layout(files, options, name)
    if len(suffixes) > 1:
        raise InvalidModelError(name, "expected files of one format")
    files = [_whole(WeightsFile(file), temporary).path for file in files]
    _refuse_twin_files(name, [file.read_bytes for file in files])
    return _carded(options.apply(onnx_card(files, options, name)))


def _whole(file: WeightsFile, temporary: ExitStack) -> WeightsFile:
    """Return a file of weights, or of an ONNX network in two parts a joined one."""
    if file.path.suffix.lower() != ".onnx":
        return file
    content = read_verified(file)
    if not names_beside(content):
        return file
    path = temporary.enter_context(temporary_folder()) / file.path.name
    join_weights(file.path, content, path)
    return WeightsFile(path)


def card_beside(files: Sequence[Path]) -> ModelCard | None:
    """Read the card that lies beside weights, if there is one.

    It has the name of the weights, or of one of several; where there is none of these
    it may have another. Other JSON, such as the settings of a training, is no card.

    Raises
    ------
    InvalidModelError
        If it is damaged, or names other files than these, or several are as good.
    """
    paths = sorted({file.with_suffix(".json") for file in files})
    named_so = [ModelCard.read(path) for path in paths if _may_be_card(path)]
    own = [card for card in named_so if _names(card, files)]
    fitting = own or _otherwise_named(files, paths)
    if len(fitting) > 1:
        names = ", ".join(card.path.name for card in fitting if card.path)
        reason = f"it has several cards, {names}: give the one that is meant"
        raise InvalidModelError(files[0].name, reason)
    if named_so and not fitting:
        named = sorted(w.path.name for w in named_so[0].weights)
        reason = f"its card names {', '.join(named)}"
        raise InvalidModelError(files[0].name, reason)
    return fitting[0] if fitting else None


def _otherwise_named(files: Sequence[Path], paths: Sequence[Path]) -> list[ModelCard]:
    """Read the cards of weights that have other names than these paths."""
    fitting = []
    beside = {path for file in files for path in file.parent.glob("*.json")}
    for path in sorted(beside - set(paths)):
        try:
            card = ModelCard.read(path)
        except InvalidModelError:
            continue
        if _names(card, files):
            fitting.append(card)
    return fitting


def _names(card: ModelCard, files: Sequence[Path]) -> bool:
    return {file.path for file in card.weights} == set(files)


def _may_be_card(path: Path) -> bool:
    """Tell whether a file lies there that is a card, or so damaged that it may be."""
    if not path.is_file():
        return False
    try:
        return is_card(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return True


def _carded(card: ModelCard) -> Draft:
    """Try a model whose card is known and whose files are kept as they are."""
    from napari_deepheme.core.models.registry import load_card

    if card.weights_format == "safetensors":
        from napari_deepheme.core.models.torch.weights import check_numbers

        check_numbers(card)
    contents = tuple(partial(read_verified, file) for file in card.weights)
    _refuse_twin_files(card.name, contents)
    load_card(card, "cpu")
    return Draft(card, contents)


def _of_layout(files: list[Path], options: ImportOptions, name: str) -> Draft:
    from napari_deepheme.core.models.bringing.layouts import recognise
    from napari_deepheme.core.models.bringing.weight_files import read_weights

    members, orders = [], []
    for file in files:
        read = read_weights(file)
        members += [recognise(file.name, state) for state in read.states]
        orders.append((file.name, stated_order(file.name, read.said)))
    layouts = {layout for layout, _ in members}
    if len(layouts) > 1 or len(members) > _MOST_FILES:
        titles = " and ".join(sorted(layout.title for layout in layouts))
        reason = f"expected one layout and {_MOST_FILES} members at most; found "
        raise InvalidModelError(name, f"{reason}{len(members)} of {titles}")
    states = [state for _, state in members]
    _refuse_twins(name, states)
    codes = one_order(name, orders)
    card = options.apply(_layout_card(members[0][0], name, files, codes))
    _try(card, states)
    return Draft(card, tuple(partial(_saved, state) for state in states))


def _layout_card(
    layout: Layout, name: str, files: list[Path], codes: tuple[str, ...]
) -> ModelCard:
    from napari_deepheme.core.models.bringing.layouts import (
        MPP,
        NORMALISATIONS,
        SIZE_PX,
    )

    mean, std = NORMALISATIONS[layout.normalisation]
    return ModelCard(
        name=name,
        version="1",
        kind="classifier",
        description="imported DeepHeme network, names single cells, 23 classes",
        license="unknown",
        weights_format="safetensors",
        weights=(),
        architecture="ResNeXt50",
        arguments={"n_outputs": len(CLASS_CODES), "n_features": layout.n_features},
        mpp=MPP,
        size_px=SIZE_PX,
        whitened=False,
        mean=mean,
        std=std,
        activation=layout.activation,
        outputs={CLASSES: codes},
        settings={},
        texts=unknown_origin(files, layout.title + words_of_order(codes)),
        cite=(_PAPER,) if layout.n_features else (),
    )


def _refuse_twin_files(name: str, contents: Sequence[Callable[[], bytes]]) -> None:
    if len(contents) < 2:
        return
    if len({hashlib.sha256(read()).digest() for read in contents}) < len(contents):
        raise InvalidModelError(name, _TWINS)


def _refuse_twins(name: str, states: list[dict[str, torch.Tensor]]) -> None:
    for i, state in enumerate(states):
        for other in states[:i]:
            if all(bool((state[key] == other[key]).all()) for key in state):
                raise InvalidModelError(name, _TWINS)


def _try(card: ModelCard, states: list[dict[str, torch.Tensor]]) -> None:
    from napari_deepheme.core.models.torch.weights import build_network, check_outputs

    network = build_network(card)
    for state in states:
        network.load_state_dict(state)
        check_outputs(network, card)


def _saved(state: dict[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    content: bytes = save(state, metadata={"format": "pt"})
    return content
