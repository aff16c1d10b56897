"""The card of a model: what it wants and gives, what it learned from, where it fails.

A card is a JSON file beside a safetensors file of the same stem. Its fields follow the
BioImage.IO vocabulary where that has a word.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ModelKind = Literal["detector", "classifier"]

_KINDS: Final = ("detector", "classifier")

_NEEDED_SETTING: Final = {"detector": "min_score", "classifier": "crop_px"}


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
    architecture : str
        Network that the weights fit.
    arguments : mapping
        Arguments of the network.
    mpp : float
        Micrometres per pixel that it wants.
    class_codes : tuple of str
        Classes in the order of a classifier's outputs; empty for a detector.
    learned_from : mapping of str to str
        For each class: "marrow", "blood", "rendered", or several joined by " + ".
    settings : mapping
        Numbers of the kind: `crop_px`, `temperature` and `n_views` of a classifier,
        `min_score` of a detector.
    texts : mapping of str to tuple of str
        Paragraphs for people: data, figures, limits, commands.
    weights_path : Path
        The safetensors file.
    """

    name: str
    version: str
    kind: ModelKind
    description: str
    license: str
    architecture: str
    arguments: Mapping[str, Any]
    mpp: float
    class_codes: tuple[str, ...]
    learned_from: Mapping[str, str]
    settings: Mapping[str, float]
    texts: Mapping[str, tuple[str, ...]]
    weights_path: Path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Parameters
        ----------
        path : Path
            The JSON file.

        Raises
        ------
        InvalidModelError
            If it is not a card, or names a class that is none.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls._of(content, path.with_suffix(".safetensors"))
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
            raise InvalidModelError(path.name, f"its card: {error}") from error

    @classmethod
    def _of(cls, content: dict[str, Any], weights_path: Path) -> Self:
        codes = tuple(content.get("class_codes", ()))
        unknown = [code for code in codes if code not in CLASS_CODES]
        if unknown:
            raise ValueError(f"unknown class codes {unknown}")
        if len(set(codes)) != len(codes):
            raise ValueError("a class code stands twice")
        if content["kind"] not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}")
        if content["kind"] == "classifier" and not codes:
            raise ValueError("a classifier needs class codes")
        return cls(
            name=str(content["name"]),
            version=str(content["version"]),
            kind=content["kind"],
            description=str(content["description"]),
            license=str(content["license"]),
            architecture=str(content["architecture"]),
            arguments=dict(content.get("arguments", {})),
            mpp=_positive("mpp", content["mpp"]),
            class_codes=codes,
            learned_from=dict(content.get("learned_from", {})),
            settings=_settings(content["kind"], content["settings"]),
            texts={k: tuple(v) for k, v in content.get("texts", {}).items()},
            weights_path=weights_path,
        )

    @property
    def rendered_only(self) -> tuple[str, ...]:
        """Codes of the classes that were learned from rendered cells alone."""
        return tuple(
            c for c, source in self.learned_from.items() if source == "rendered"
        )

    def describe(self) -> str:
        """Return the card as plain text."""
        lines = [
            f"{self.name} {self.version} ({self.kind}): {self.description}",
            "Research use only.",
            f"Licence of the weights: {self.license}",
            f"Network: {self.architecture}, sees {self.mpp:g} micrometres per pixel",
        ]
        if self.class_codes:
            lines.append(f"Classes: {' '.join(self.class_codes)}")
        if self.learned_from:
            lines.append("Learned from:")
            lines += [
                f"  {code}: {source}" for code, source in self.learned_from.items()
            ]
        for title, paragraphs in self.texts.items():
            lines.append(f"{title}:")
            lines += [f"  - {paragraph}" for paragraph in paragraphs]
        return "\n".join(lines)


def _settings(kind: str, content: dict[str, Any]) -> dict[str, float]:
    settings = {name: _positive(name, value) for name, value in content.items()}
    needed = _NEEDED_SETTING[kind]
    if needed not in settings:
        raise KeyError(needed)
    return settings


def _positive(name: str, value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive, not {number:g}")
    return number
