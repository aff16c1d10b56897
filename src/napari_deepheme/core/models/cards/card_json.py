"""A card's fields to and from the JSON of a BioImage.IO model description 0.5."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.models.cards.card_shape import (
    STEPS,
    alike,
    check_arguments,
    check_shape,
    no_such,
)
from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    from napari_deepheme.core.models.cards.card import ModelCard

TRAINING_WORDS: Final = ("not-identifiable", "platelet", "macrophage")
"""What a picture can show that is none of the 23 classes: outputs of training only."""

_OUTPUT_NAMES: Final = {
    "class_code": CLASS_CODES,
    "training_only": TRAINING_WORDS,
    "mitotic_phase": MITOTIC_PHASES,
    "mitotic_lineage": MITOTIC_LINEAGES,
}

_ACTIVATIONS: Final = ("softmax", "sigmoid")

_LARGEST_PX: Final = 4096

_LARGEST_SHIFT: Final = 2.0
"""Of a mean or deviation of channels in [0, 1]; those in [0, 255] are far larger."""

MOST_CLASSES: Final = 1000
"""Of a detector."""

_LARGEST_OFFSET: Final = 50.0
"""Of what is added to a class's output: beyond it the others are never called."""

_IGNORED: Final = re.compile(r"ignore_class_\d+")

_BOUNDS: Final = {
    "classifier": {
        "temperature": (0.05, 20.0),
        "doubt": (0.0, 20.0),
        "n_views": (1.0, 8.0),
        "unidentified_below": (0.0, 1.0),
        **{f"offset_{c}": (-_LARGEST_OFFSET, _LARGEST_OFFSET) for c in CLASS_CODES},
    },
    "detector": {
        "min_score": (0.001, 1.0),
        "max_overlap": (0.01, 1.0),
        "yolo": (5.0, 10.0),
        "n_classes": (1.0, float(MOST_CLASSES)),
        "overlap_um": (1.0, 500.0),
    },
}
"""What the numbers among the settings of a kind may be."""

_SETTINGS_IN_WORDS: Final = {
    "classifier": "one of doubt, n_views, temperature, unidentified_below, offset_CODE",
    "detector": f"one of {', '.join(sorted(_BOUNDS['detector']))}, ignore_class_N",
}

_WHOLE: Final = frozenset({"n_views", "n_classes", "yolo"})

_SAME: Final = {"scale": None, "size": 0, "unit": "micrometer"}
"""What two space axes have alike, and what stands for it where it is left out."""

_MARK: Final = re.compile(r"[0-9a-f]{12}")

_MARKS: Final = re.compile(r"([0-9a-f]{12}( [0-9a-f]{12})*)?")
"""All at once: thousands one by one would take as long as all the rest of a card."""


def to_fields(content: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ModelCard`, `weights` as pairs of file name and hash.

    Raises
    ------
    KeyError
        If a field is missing.
    ValueError, TypeError, AttributeError
        If one holds what it cannot.
    """
    check_shape(content)
    own = content["config"]["napari_deepheme"]
    kind = own["kind"]
    if kind not in _BOUNDS:
        raise ValueError(f"kind must be {' or '.join(_BOUNDS)}, not {kind!r}")
    outputs = _outputs(content.get("outputs", []), kind)
    if kind == "classifier" and not outputs.get("class_code"):
        raise ValueError("a classifier needs an output class_code with channel_names")
    settings = _settings(own.get("settings", {}), kind)
    if kind == "detector" and "min_score" not in settings:
        raise KeyError("min_score")
    return {
        "name": str(content["name"]),
        "version": str(content["version"]),
        "kind": kind,
        "description": str(content["description"]),
        "license": str(content["license"]),
        **_weights(content["weights"]),
        **_input(content["inputs"][0], kind),
        "activation": _activation(content.get("outputs", [])),
        "outputs": outputs,
        "settings": settings,
        "learned_from": {k: str(v) for k, v in own.get("learned_from", {}).items()},
        "learned_marks": _marks(own.get("learned_marks", "")),
        "texts": {k: tuple(map(str, v)) for k, v in own.get("texts", {}).items()},
        "authors": tuple(str(a["name"]) for a in content.get("authors", [])),
        "cite": tuple(str(c["text"]) for c in content.get("cite", [])),
    }


def is_card(content: Any) -> bool:
    """Tell a card, perhaps a damaged one, from any other JSON.

    Examples
    --------
    >>> is_card({"config": {"napari_deepheme": {}}}), is_card({"config": {"lr": 0.1}})
    (True, False)
    """
    config = content.get("config") if isinstance(content, dict) else None
    return isinstance(config, dict) and "napari_deepheme" in config


def to_json(card: ModelCard) -> dict[str, Any]:
    """Return what `to_fields` reads."""
    marks = " ".join(sorted(card.learned_marks))
    weights: dict[str, Any] = {
        "source": [w.path.name for w in card.weights],
        "sha256": [w.sha256 for w in card.weights],
    }
    if card.architecture:
        weights["architecture"] = {
            "callable": card.architecture,
            "kwargs": dict(card.arguments),
        }
    return {
        "format_version": "0.5.4",
        "type": "model",
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "license": card.license,
        "authors": [{"name": name} for name in card.authors],
        "cite": [{"text": text} for text in card.cite],
        "inputs": [_input_json(card)],
        "outputs": [
            {
                "id": group,
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": list(names)},
                ],
                "postprocessing": _activation_json(card) if i == 0 else [],
            }
            for i, (group, names) in enumerate(card.outputs.items())
        ],
        "weights": {card.weights_format: weights},
        "config": {
            "napari_deepheme": {
                "kind": card.kind,
                "settings": dict(card.settings),
                "learned_from": dict(card.learned_from),
                **({"learned_marks": marks} if marks else {}),
                "texts": {k: list(v) for k, v in card.texts.items()},
            }
        },
    }


def _input_json(card: ModelCard) -> dict[str, Any]:
    normalise = {
        "id": "fixed_zero_mean_unit_variance",
        "kwargs": {"mean": list(card.mean), "std": list(card.std), "axis": "channel"},
    }
    whiten = [{"id": "napari_deepheme_whiten"}] if card.whitened else []
    space = {"type": "space", "scale": card.mpp, "unit": "micrometer"}
    return {
        "id": "pixels",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["red", "green", "blue"]},
            *({**space, "id": axis, "size": card.size_px} for axis in "yx"),
        ],
        "preprocessing": [*whiten, normalise],
    }


def _activation_json(card: ModelCard) -> list[dict[str, Any]]:
    return [] if card.activation == "none" else [{"id": card.activation}]


def _input(content: dict[str, Any], kind: str) -> dict[str, Any]:
    space = [axis for axis in content["axes"] if axis["type"] == "space"]
    if len(space) != 2:
        raise ValueError(f"an input needs two space axes, not {len(space)}")
    for name, default in _SAME.items():
        one, other = (axis.get(name, default) for axis in space)
        if one != other:
            raise ValueError(f"the two space axes must have one {name}")
    if space[0].get("unit", "micrometer") != "micrometer":
        raise ValueError("the unit of a space axis must be micrometer")
    size = _number("size", space[0].get("size", 0))
    smallest = 8 if kind == "classifier" else 0
    if size != int(size) or not smallest <= size <= _LARGEST_PX:
        raise ValueError(f"size must be from {smallest} to {_LARGEST_PX} pixels")
    steps = _steps(content["preprocessing"])
    normalise = steps.get("fixed_zero_mean_unit_variance", {})
    mpp = _number("scale", space[0]["scale"])
    if not 0.02 <= mpp <= 20:
        raise ValueError(f"a scale of {mpp:g} micrometres per pixel cannot be right")
    return {
        "mpp": mpp,
        "size_px": int(size),
        "whitened": "napari_deepheme_whiten" in steps,
        "mean": _three("mean", normalise.get("mean", (0.0, 0.0, 0.0))),
        "std": _three("std", normalise.get("std", (1.0, 1.0, 1.0)), above=0.0),
    }


def _steps(content: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the arguments of what is done to pixels before, by step."""
    given = [str(step["id"]) for step in content]
    for i, step in enumerate(content):
        where = f"inputs[0].preprocessing[{i}].kwargs"
        check_arguments(given[i], step.get("kwargs", {}), where)
    if given != [name for name in STEPS if name in given]:
        raise ValueError(f"preprocessing must be {', then '.join(STEPS)}, each once")
    return {str(step["id"]): step.get("kwargs", {}) for step in content}


def _settings(content: dict[str, Any], kind: str) -> dict[str, float]:
    settings = {}
    for name, value in content.items():
        low, high = _bounds(name, kind)
        settings[name] = number = _number(name, value)
        if not low <= number <= high:
            raise ValueError(f"{name} must lie from {low:g} to {high:g}")
        if name in _WHOLE and number != int(number):
            raise ValueError(f"{name} must be a whole number, not {number:g}")
    return settings


def _bounds(name: str, kind: str) -> tuple[float, float]:
    """Refuse a name that no model of a kind reads: what was meant would not be done."""
    by_kind = {k: bounds[name] for k, bounds in _BOUNDS.items() if name in bounds}
    if _IGNORED.fullmatch(name):
        by_kind = {"detector": (-_LARGEST_OFFSET, _LARGEST_OFFSET)}
    if kind in by_kind:
        return by_kind[kind]
    if by_kind:
        other = ", ".join(by_kind)
        raise ValueError(f"{name[:60]} is a setting of a {other}, not of a {kind}")
    raise no_such("there is no setting", name, _BOUNDS[kind], _SETTINGS_IN_WORDS[kind])


def _outputs(content: list[dict[str, Any]], kind: str) -> dict[str, tuple[str, ...]]:
    outputs: dict[str, tuple[str, ...]] = {}
    for output in content:
        group = str(output["id"])
        names: tuple[str, ...] = ()
        for axis in output["axes"]:
            if axis["type"] == "channel":
                names = tuple(map(str, axis["channel_names"]))
        # A classifier's alone are read: a detector's may have any name.
        if kind == "classifier" and group not in _OUTPUT_NAMES:
            raise no_such("there is no group of outputs", group, _OUTPUT_NAMES)
        if group in outputs:
            raise ValueError(f"the group of outputs {group} stands twice")
        known = _OUTPUT_NAMES.get(group, names)
        unknown = [name for name in names if name not in known]
        if group == "training_only":
            # A network may have outputs of its own that are to be passed over.
            unknown = [name for name in unknown if alike(name, known)]
        if unknown:
            raise no_such(f"there is no {group}", unknown[0], known)
        if len(set(names)) != len(names):
            raise ValueError(f"a {group} stands twice")
        outputs[group] = names
    return outputs


def _activation(outputs: list[dict[str, Any]]) -> str:
    steps = [output.get("postprocessing", []) for output in outputs]
    if any(steps[1:]) or any(len(of_one) > 1 for of_one in steps):
        raise ValueError(
            "postprocessing must be one step at most, of the first of the outputs"
        )
    names = [str(step["id"]) for of_one in steps for step in of_one]
    if not names:
        return "none"
    if names[0] not in _ACTIVATIONS:
        raise no_such("there is no postprocessing", names[0], _ACTIVATIONS)
    return names[0]


def _marks(value: str | list[str]) -> frozenset[str]:
    marks = value.split() if isinstance(value, str) else value
    if not _MARKS.fullmatch(" ".join(marks)):
        wrong = next((m for m in marks if not _MARK.fullmatch(m)), "")
        raise ValueError(
            "learned_marks must be of twelve digits each, from 0 to 9 and a to f, "
            f"not {wrong[:60]!r}"
        )
    return frozenset(marks)


def _weights(content: dict[str, Any]) -> dict[str, Any]:
    formats = [name for name in ("safetensors", "onnx") if name in content]
    if len(formats) != 1:
        raise ValueError("weights must be safetensors or onnx")
    entry = content[formats[0]]
    names = [_file_name(name) for name in entry["source"]]
    hashes = [str(h) for h in entry.get("sha256", [""] * len(names))]
    if not names or len(hashes) != len(names):
        raise ValueError("weights need a source, and a sha256 for each or for none")
    architecture = entry["architecture"] if formats[0] == "safetensors" else {}
    return {
        "weights_format": formats[0],
        "weights": tuple(zip(names, hashes, strict=True)),
        "architecture": str(architecture.get("callable", "")),
        "arguments": dict(architecture.get("kwargs", {})),
    }


def _file_name(name: Any) -> str:
    text = str(name)
    names = {PurePosixPath(text).name, PureWindowsPath(text).name}
    if text in ("", "..") or names != {text}:
        raise ValueError(f"source must be a file beside the card, not {text!r}")
    return text


def _three(
    name: str, value: Any, *, above: float = -math.inf
) -> tuple[float, float, float]:
    numbers = [_number(name, v) for v in value]
    if len(numbers) != 3:
        raise ValueError(f"{name} must be three numbers, of red, green and blue")
    if min(numbers) <= above:
        raise ValueError(f"{name} must be above {above:g}, not {min(numbers):g}")
    if max(map(abs, numbers)) > _LARGEST_SHIFT:
        raise ValueError(
            f"{name} must be of channels in [0, 1], not {max(numbers):g}: divide what "
            "is of a scale to 255 by 255"
        )
    return numbers[0], numbers[1], numbers[2]


def _number(name: str, value: Any) -> float:
    told = f"{name} must be a number, not {str(value)[:60]!r}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(told) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(told)
    return number
