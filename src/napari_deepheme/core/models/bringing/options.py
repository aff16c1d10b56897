"""What an import is told, and what a card says where nothing is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.library import check_card

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_deepheme.core.models.bringing.layouts import RGB
    from napari_deepheme.core.models.cards.card import Activation, ModelCard, ModelKind

_OF_YOLO: Final = frozenset({"yolo", "n_classes", "max_overlap", "overlap_um"})


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is to stand in the card; None takes it from the layout or the card beside.

    Attributes
    ----------
    kind : {"detector", "classifier"} or None
        Needed for an ONNX file without a card.
    mpp : float or None
        Micrometres per pixel of the input; needed for an ONNX file without a card.
    normalisation : {"deployed", "training", "none"} or None
        Mean and deviation that DeepHeme's code states in two places, or none.
    mean, std : tuple of float or None
        Red, green and blue; before `normalisation`, of which "none" allows neither.
    activation : {"softmax", "sigmoid", "none"} or None
        What makes probabilities of the outputs.
    size_px : int or None
        Side of the input.
    whitened : bool or None
        Whether the background is brought to one white before.
    license, version, description : str or None
        Licence of the weights as an SPDX expression, and two words for people.
    settings : mapping of str to float
        Put over those of the card, such as ``min_score``.
    """

    kind: ModelKind | None = None
    mpp: float | None = None
    normalisation: str | None = None
    mean: RGB | None = None
    std: RGB | None = None
    activation: Activation | None = None
    size_px: int | None = None
    whitened: bool | None = None
    license: str | None = None
    version: str | None = None
    description: str | None = None
    settings: tuple[tuple[str, float], ...] = ()

    def apply(self, card: ModelCard) -> ModelCard:
        """Return a card with what was asked for.

        Raises
        ------
        InvalidModelError
            If a value cannot be, or the model is of another kind.
        """
        if self.kind not in (None, card.kind):
            reason = f"expected a {self.kind}; it is a {card.kind}"
            raise InvalidModelError(card.name, reason)
        self._check_settings(card)
        changes: dict[str, Any] = dict(self._normalisation(card.name))
        for name in (
            "mpp",
            "mean",
            "std",
            "activation",
            "size_px",
            "whitened",
            "license",
            "version",
            "description",
        ):
            value = getattr(self, name)
            if value is not None:
                changes[name] = value
        changes["settings"] = {**card.settings, **dict(self.settings)}
        card = replace(card, **changes)
        check_card(card)
        return card

    def _check_settings(self, card: ModelCard) -> None:
        """Refuse what a model of that kind does not read."""
        is_detector = card.kind == "detector"
        if is_detector and self.activation is not None:
            reason = "activation can be set for a classifier only"
            raise InvalidModelError(card.name, reason)
        is_yolo = is_detector and card.weights_format == "onnx"
        for name, _ in self.settings:
            of_yolo = name in _OF_YOLO or name.startswith("ignore_class_")
            if of_yolo and not is_yolo:
                raise InvalidModelError(card.name, f"{name} can be set for a YOLO only")
            if name == "min_score" and not is_detector:
                reason = f"{name} can be set for a detector only"
                raise InvalidModelError(card.name, reason)

    def _normalisation(self, name: str) -> dict[str, RGB]:
        from napari_deepheme.core.models.bringing.layouts import NORMALISATIONS

        if self.normalisation is None:
            return {}
        if self.normalisation not in NORMALISATIONS:
            reason = f"expected a normalisation of {', '.join(NORMALISATIONS)}"
            raise InvalidModelError(name, reason)
        if self.normalisation == "none" and (self.mean or self.std):
            reason = (
                "expected no mean and std with normalisation none: give one of them"
            )
            raise InvalidModelError(name, reason)
        mean, std = NORMALISATIONS[self.normalisation]
        return {"mean": mean, "std": std}


def unknown_origin(files: Sequence[Path], layout: str) -> dict[str, tuple[str, ...]]:
    """Return the paragraphs of a card of which nothing is known but its files."""
    names = ", ".join(file.name for file in files)
    return {
        "Data": ("Nothing is known here of the cells that it learned from.",),
        "Figures": ("None measured here.",),
        "Limits": (
            "Pixel size, normalisation and activation are those of its layout or those "
            "given at import; wrong ones give wrong classes without a warning.",
        ),
        "Source": (f"Imported from {names}: {layout}.",),
    }
