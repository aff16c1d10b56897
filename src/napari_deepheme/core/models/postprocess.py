"""Outputs of a classifier -> probabilities of classes, phases and lineages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit, softmax

from napari_deepheme.core.models.cards.card import (
    CLASSES,
    LINEAGES,
    PHASES,
    TRAINING_ONLY,
)
from napari_deepheme.core.models.protocols import ClassifierSpec, CropProbabilities
from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard

NOT_IDENTIFIABLE: Final = "not-identifiable"


def classifier_spec(card: ModelCard) -> ClassifierSpec:
    """Return what a classifier wants, after its card."""
    return ClassifierSpec(
        name=card.title,
        mpp=card.mpp,
        crop_px=card.size_px,
        rendered_only=card.rendered_only,
        unidentified_below=card.settings.get("unidentified_below", 0.0),
        whitened=card.whitened,
    )


def mirrored_views(crops: npt.NDArray[np.uint8], n: int) -> list[npt.NDArray[np.uint8]]:
    """Return up to eight views of square crops: as they are, mirrored, transposed."""
    views = [crops, crops[:, ::-1, ::-1], crops[:, :, ::-1], crops[:, ::-1]]
    views += [view.transpose(0, 2, 1, 3) for view in views]
    return views[:n]


def unmirrored(maps: npt.NDArray[np.float32], view: int) -> npt.NDArray[np.float32]:
    """Bring maps (n, side, side) of the view of that number back to the crop's sides.

    Examples
    --------
    >>> crops = np.arange(12).reshape(1, 2, 2, 3)
    >>> views = mirrored_views(crops, 8)
    >>> back = [unmirrored(view[..., 0], i) for i, view in enumerate(views)]
    >>> all(np.array_equal(one, crops[..., 0]) for one in back)
    True
    """
    if view >= 4:
        maps = maps.transpose(0, 2, 1)
    return (maps, maps[:, ::-1, ::-1], maps[:, :, ::-1], maps[:, ::-1])[view % 4]


def n_views(card: ModelCard) -> int:
    """Return how many mirrored views are averaged."""
    return max(1, int(card.settings.get("n_views", 1)))


def mean_probabilities(
    members: Sequence[Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]],
    crops: npt.NDArray[np.uint8],
    card: ModelCard,
) -> CropProbabilities:
    """Average the probabilities over the members of an ensemble and mirrored views.

    Parameters
    ----------
    members : sequence of callable
        Each maps crops to outputs, shape (n, channels of all groups of the card).
    crops : ndarray of uint8, shape (n, side, side, 3)
        RGB, at least one.
    card : ModelCard
        Names the outputs and says what makes probabilities of them.
    """
    views = mirrored_views(crops, n_views(card))
    sums: list[npt.NDArray[np.float64]] = []
    for member in members:
        for view in views:
            given = probabilities_of(member(view), card)
            sums = [s + g for s, g in zip(sums, given, strict=True)] if sums else given
    n = len(members) * len(views)
    classes, phases, lineages = ((s / n).astype(np.float32) for s in sums)
    return CropProbabilities(classes, phases, lineages)


def member_probabilities(
    members: Sequence[Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]],
    crops: npt.NDArray[np.uint8],
    card: ModelCard,
) -> npt.NDArray[np.float32]:
    """Return the class probabilities of each member, averaged over mirrored views only.

    Parameters are those of `mean_probabilities`; the mean of what is returned over the
    first axis, shape (members, n, 23), is what that gives.
    """
    return np.stack([mean_probabilities([m], crops, card).classes for m in members])


def closeness(
    probabilities: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Say how near the second likeliest class of each cell comes to the likeliest.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 23)
        Of classes.

    Returns
    -------
    ndarray of float32, shape (n,)
        The one's probability over the other's: 1 for a tie, near 0 for a sure call.
    """
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    over: npt.NDArray[np.float32] = two[:, 0] / two[:, 1]
    return over


def class_channel(card: ModelCard, code: str) -> int | None:
    """Return the place of a class among a network's outputs, None if it has none."""
    start = 0
    for name, channels in card.outputs.items():
        if name == CLASSES:
            return start + channels.index(code) if code in channels else None
        start += len(channels)
    return None


def probabilities_of(
    outputs: npt.NDArray[np.float32], card: ModelCard
) -> list[npt.NDArray[np.float64]]:
    """Turn outputs into probabilities of classes, phases and lineages.

    The logits of the classes are divided by a temperature (Guo et al. 2017) that rises
    with the network's own doubt, the probability of its output "not-identifiable":
    ``temperature * exp(doubt * p)``. Settings ``offset_CODE`` are added to the logit of
    a class, where it is rarer in marrow than it was in training (Saerens et al. 2002).
    A class that the card does not name has probability 0.
    """
    groups, start = {}, 0
    for name, channels in card.outputs.items():
        groups[name] = outputs[:, start : start + len(channels)].astype(np.float64)
        start += len(channels)
    classes = np.zeros((len(outputs), len(CLASS_CODES)))
    columns = [CLASS_CODES.index(code) for code in card.class_codes]
    classes[:, columns] = _activated(groups, card)
    return [
        classes,
        _spread(groups, card, PHASES, MITOTIC_PHASES),
        _spread(groups, card, LINEAGES, MITOTIC_LINEAGES),
    ]


def _activated(
    groups: dict[str, npt.NDArray[np.float64]], card: ModelCard
) -> npt.NDArray[np.float64]:
    offsets = [card.settings.get(f"offset_{c}", 0.0) for c in card.class_codes]
    values = groups[CLASSES] + np.array(offsets)
    if card.activation == "softmax":
        temperature = card.settings.get("temperature", 1.0) * np.exp(
            card.settings.get("doubt", 0.0) * _doubt(groups, card)
        )
        probabilities: npt.NDArray[np.float64] = softmax(values / temperature, axis=1)
        return probabilities
    if card.activation == "sigmoid":
        values = expit(values / card.settings.get("temperature", 1.0))
    total = np.maximum(values, 0).sum(axis=1, keepdims=True)
    # Where a network gives nothing at all, all classes are alike.
    shares: npt.NDArray[np.float64] = np.where(
        total > 0, np.maximum(values, 0) / np.maximum(total, 1e-30), 1 / values.shape[1]
    )
    return shares


def _doubt(
    groups: dict[str, npt.NDArray[np.float64]], card: ModelCard
) -> npt.NDArray[np.float64]:
    """Return the probability that no class can be told, shape (n, 1)."""
    names = card.outputs.get(TRAINING_ONLY, ())
    if NOT_IDENTIFIABLE not in names:
        return np.zeros((len(groups[CLASSES]), 1))
    column = names.index(NOT_IDENTIFIABLE)
    logits = np.column_stack([groups[TRAINING_ONLY][:, column], groups[CLASSES]])
    doubt: npt.NDArray[np.float64] = softmax(logits, axis=1)[:, :1]
    return doubt


def _spread(
    groups: dict[str, npt.NDArray[np.float64]],
    card: ModelCard,
    group: str,
    names: tuple[str, ...],
) -> npt.NDArray[np.float64]:
    n = len(groups[CLASSES])
    given = np.zeros((n, len(names)))
    if group in card.outputs:
        columns = [names.index(name) for name in card.outputs[group]]
        given[:, columns] = softmax(groups[group], axis=1)
    return given
