"""The card of a model: what it wants and gives, what it learned from, where it fails.

A card is a JSON file beside the weights. Its fields are those of the BioImage.IO model
description 0.5 (https://bioimage.io); what that has no word for stands under
``config.napari_deepheme``. See docs/bring-your-own-model.md for each field.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import atomic_file, check_regular
from napari_deepheme.core.models.cards import card_json
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ModelKind = Literal["detector", "classifier"]

WeightsFormat = Literal["safetensors", "onnx"]

Activation = Literal["softmax", "sigmoid", "none"]

CLASSES: Final = "class_code"
"""The group of outputs that are classes."""

TRAINING_ONLY: Final = "training_only"
"""The group of outputs that served training: shown to nobody, but they tell doubt."""

_WORDS: Final = frozenset(
    {
        "name",
        "version",
        "description",
        "license",
        "weights",
        "learned_from",
        "learned_marks",
        "texts",
        "authors",
        "cite",
        "path",
    }
)
"""Fields on which no number of the model's depends; the weights are files."""

_NO_LETTER: Final = re.compile("[\ud800-\udfff]")
"""What stands for a byte of a file's name that is not UTF-8."""

OF_A_SET: Final = " own that are "
"""In `learned_from`: of cells that may be another class as well ("3 own that are E1 or
E4"), which do not tell a class from the others."""

PHASES: Final = "mitotic_phase"

LINEAGES: Final = "mitotic_lineage"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights.

    Attributes
    ----------
    path : Path
        Where it lies.
    sha256 : str
        Its hash in hexadecimal digits; empty where the card states none.
    """

    path: Path
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model.

    Attributes
    ----------
    name : str
        The name by which it is asked for.
    version : str
        Version of the weights.
    kind : {"detector", "classifier"}
        What it does.
    description : str
        One line.
    license : str
        SPDX expression of the weights' licence.
    weights_format : {"safetensors", "onnx"}
        What the files are.
    weights : tuple of WeightsFile
        One file, or several whose probabilities are averaged: folds, snapshots.
    architecture : str
        Network that safetensors fit; empty for ONNX, which carries its own.
    arguments : mapping
        Arguments of the network.
    mpp : float
        Micrometres per pixel that it wants.
    size_px : int
        Side of its input; 0 where it takes any.
    whitened : bool
        Whether the background is to be brought to one white before.
    mean, std : tuple of float
        Red, green and blue: a channel in [0, 1] is taken less its mean, over its std.
    activation : {"softmax", "sigmoid", "none"}
        What makes probabilities of a classifier's outputs. Sigmoids are divided by
        their sum; "none" is for a network that gives probabilities itself.
    outputs : mapping of str to tuple of str
        Names of the output channels by group, in order: ``class_code`` and, where a
        network has them, ``training_only``, ``mitotic_phase``, ``mitotic_lineage``.
    learned_from : mapping of str to str
        For each class where its cells came from, such as "real marrow" or "rendered".
    learned_marks : frozenset of str
        Marks of a user's own pictures that it learned from, so that a fit that goes on
        from it holds out others (`core.training.cells.known`).
    settings : mapping of str to float
        Numbers of the kind. Classifier: `temperature`, `doubt`, `offset_CODE` (see
        `postprocess.probabilities_of`), `n_views` (mirrored views that are averaged),
        `unidentified_below`. Detector: `min_score`; see
        `onnx.yolo` for those of YOLO.
    texts : mapping of str to tuple of str
        Paragraphs for people: data, figures, limits, commands.
    authors, cite : tuple of str
        Who made it; what to cite.
    path : Path or None
        The card's own file.
    """

    name: str
    version: str
    kind: ModelKind
    description: str
    license: str
    weights_format: WeightsFormat
    weights: tuple[WeightsFile, ...]
    architecture: str
    arguments: Mapping[str, Any]
    mpp: float
    size_px: int
    whitened: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    activation: Activation
    outputs: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, float]
    learned_from: Mapping[str, str] = field(default_factory=dict)
    learned_marks: frozenset[str] = frozenset()
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    authors: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()
    path: Path | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Parameters
        ----------
        path : Path
            The JSON file; its weights lie in the same folder.

        Raises
        ------
        InvalidModelError
            If it is not a card, or names a class that is none.
        """
        try:
            check_regular(path)
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            fields = card_json.to_fields(content)
        except KeyError as error:
            raise InvalidModelError(path.name, f"its card lacks {error}") from error
        except (
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise InvalidModelError(path.name, f"its card: {_why(error)}") from error
        weights = tuple(
            WeightsFile(path.parent / name, sha256)
            for name, sha256 in fields.pop("weights")
        )
        return cls(**fields, weights=weights, path=path)

    def write(self, path: Path) -> None:
        """Write the card as JSON; the weights must lie in the same folder.

        Raises
        ------
        CannotWriteError
            If it cannot be written.
        """
        text = json.dumps(card_json.to_json(self), indent=2, ensure_ascii=False)
        # As JSON has a backslash: read again, it is spelled out still.
        kept = _NO_LETTER.sub(lambda found: "\\" + spelled_out(found[0]), text)
        with atomic_file(path) as stream:
            stream.write(kept.encode() + b"\n")

    @property
    def class_codes(self) -> tuple[str, ...]:
        """Classes in the order of a classifier's outputs; empty for a detector."""
        return self.outputs.get(CLASSES, ())

    @property
    def facts(self) -> str:
        """All that a model's numbers depend on beside its weights, as JSON."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        kept = {name: value for name, value in found.items() if name not in _WORDS}
        # Channels stand in the order of the groups.
        kept["outputs"] = list(self.outputs.items())
        return json.dumps(kept, sort_keys=True)

    @property
    def title(self) -> str:
        """Name and version, as reports state them."""
        return f"{self.name} {self.version}"

    @property
    def rendered_only(self) -> tuple[str, ...]:
        """Codes of the classes that were learned from rendered cells alone.

        Own cells that may be another class as well change nothing in that.
        """
        return tuple(c for c, source in self.learned_from.items() if _rendered(source))

    def describe(self) -> str:
        """Return the card as plain text."""
        network = self.architecture or "ONNX"
        members = f", {len(self.weights)} averaged" if len(self.weights) > 1 else ""
        lines = [
            f"{self.title} ({self.kind}): {self.description}",
            "Research use only.",
            f"Licence of the weights: {self.license}",
            f"Network: {network}{members}, sees {self.mpp:g} micrometres per pixel",
        ]
        lines.append(f"Input: {self._input_words()}")
        if self.kind == "classifier":
            lines.append(f"Activation: {self.activation}")
        if self.class_codes:
            lines.append(f"Classes: {' '.join(self.class_codes)}")
        if self.settings:
            words = [f"{name} {value:g}" for name, value in self.settings.items()]
            lines.append(f"Settings: {', '.join(words)}")
        for title, entries in (("Authors", self.authors), ("Cite", self.cite)):
            if entries:
                lines.append(f"{title}: {'; '.join(entries)}")
        if self.learned_from:
            lines.append("Learned from:")
            lines += [
                f"  {code}: {source}" for code, source in self.learned_from.items()
            ]
        for title, paragraphs in self.texts.items():
            lines.append(f"{title}:")
            lines += [f"  - {paragraph}" for paragraph in paragraphs]
        return "\n".join(lines)

    def _input_words(self) -> str:
        """Say what the network is given."""
        side = f"{self.size_px} px wide" if self.size_px else "of any size"
        mean, std = (" ".join(f"{v:g}" for v in part) for part in (self.mean, self.std))
        white = "background brought to one white" if self.whitened else "not whitened"
        return f"{side}, channels in [0, 1] less {mean}, over {std}, {white}"


def _rendered(source: str) -> bool:
    parts = [part for part in source.split(", ") if OF_A_SET not in part]
    return parts == ["rendered"]


def _why(error: Exception) -> str:
    """Word why a file is no card."""
    if isinstance(error, UnicodeDecodeError):
        return "its letters are not UTF-8: save it as UTF-8"
    if isinstance(error, RecursionError):
        return "its lists lie too deep in each other"
    return getattr(error, "strerror", None) or str(error)
