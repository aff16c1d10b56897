"""An ONNX file without a card -> a card, from what the file tells and what is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.class_order import (
    one_order,
    stated_order,
    words_of_order,
)
from napari_deepheme.core.models.bringing.options import unknown_origin
from napari_deepheme.core.models.cards.card import CLASSES, ModelCard, WeightsFile
from napari_deepheme.core.models.onnx.classifier import joined_outputs
from napari_deepheme.core.models.onnx.runner import OnnxRunner
from napari_deepheme.core.models.onnx.yolo import (
    can_be_of,
    n_anchors,
    n_classes_of,
    possible_layouts,
)
from napari_deepheme.core.models.onnx.yolo_export import check_task
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.bringing.options import ImportOptions
    from napari_deepheme.core.models.cards.card import Activation, ModelKind

    Outputs = Mapping[str, list[npt.NDArray[np.float32]]]
    """What each member gives, by its file."""

_MIN_SCORE: Final = 0.25

_ROUNDING: Final = 1e-3

_RAW, _SHARES = "outputs before the softmax", "probabilities"

_DESCRIPTIONS: Final = {
    "classifier": "imported ONNX network, names single cells, 23 classes",
    "detector": "imported ONNX network of the YOLO family, finds cells",
}


def onnx_card(files: list[Path], options: ImportOptions, name: str) -> ModelCard:
    """Make a card for ONNX files.

    Parameters
    ----------
    files : list of Path
        One detector, or the members of a classifier.
    options : ImportOptions
        `kind` and `mpp` are needed, and `size_px` where the network takes any.
    name : str
        Of the model.

    Raises
    ------
    InvalidModelError
        If something needed is missing, a normalisation would have no effect, the
        network is neither a YOLO that detects nor one of 23 outputs, or members differ
        in their input or in what makes probabilities of their outputs.
    MissingExtraError
        If onnxruntime is not installed.
    """
    kind, mpp = _needed(files[0], options)
    runners = {
        word: OnnxRunner(word, file.read_bytes(), "cpu")
        for word, file in zip(_told_apart(files), files, strict=True)
    }
    _check_normalisation(runners, options)
    size_px = _size_px(name, runners, options)
    outputs = _on_noise(runners, size_px)
    settings: Mapping[str, float] = {}
    activation: Activation = "none"
    codes: tuple[str, ...] = ()
    if kind == "detector":
        file, given = next(iter(outputs.items()))
        check_task(file, runners[file].metadata, [one.shape for one in given])
        settings = _yolo_settings(file, given[0], options, size_px)
    else:
        activation = _activation(name, outputs)
        stated = [(file, stated_order(file, r.metadata)) for file, r in runners.items()]
        codes = one_order(name, stated)
    return ModelCard(
        name=name,
        version="1",
        kind=kind,
        description=_DESCRIPTIONS[kind],
        license="unknown",
        weights_format="onnx",
        weights=tuple(WeightsFile(file) for file in files),
        architecture="",
        arguments={},
        mpp=mpp,
        size_px=size_px,
        whitened=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        activation=activation,
        outputs={CLASSES: codes} if codes else {},
        settings=settings,
        texts=unknown_origin(files, "ONNX without a card" + words_of_order(codes)),
    )


def _needed(file: Path, options: ImportOptions) -> tuple[ModelKind, float]:
    """Return kind and micrometres per pixel, which no ONNX file tells."""
    if options.kind is None or options.mpp is None:
        reason = (
            f"an ONNX file needs its card {file.with_suffix('.json').name} beside it, "
            "or --kind (detector, classifier) and --mpp of the command models import"
        )
        raise InvalidModelError(file.name, reason)
    return options.kind, options.mpp


def _told_apart(files: list[Path]) -> list[str]:
    """Return the names of files, or where two have one name their paths."""
    names = [file.name for file in files]
    return names if len(set(names)) == len(names) else [str(file) for file in files]


def _size_px(
    name: str, runners: Mapping[str, OnnxRunner], options: ImportOptions
) -> int:
    """Return the side of the input: what is asked for, or what the files state."""
    stated = {file: r.size_px for file, r in runners.items() if r.size_px}
    _check_alike(name, {file: f"an input of {px} px" for file, px in stated.items()})
    file, fixed = next(iter(stated.items()), (next(iter(runners)), 0))
    size_px = options.size_px or fixed
    if not 8 <= size_px <= 4096:
        reason = (
            "its input may have any size: give the one that it learned by --size of "
            "the command models import"
        )
        raise InvalidModelError(file, reason)
    if fixed and size_px != fixed:
        reason = f"its input is {fixed} px wide, not {size_px}: leave the size out"
        raise InvalidModelError(file, reason)
    return size_px


def _check_normalisation(
    runners: Mapping[str, OnnxRunner], options: ImportOptions
) -> None:
    """Refuse a normalisation for networks that have their own."""
    asked = (options.mean, options.std, options.normalisation)
    for file, runner in runners.items():
        if runner.normalises_itself and set(asked) - {None, "none"}:
            reason = (
                "it takes bytes and normalises itself: leave mean, std and "
                "normalisation out"
            )
            raise InvalidModelError(file, reason)


def _on_noise(runners: Mapping[str, OnnxRunner], size_px: int) -> Outputs:
    noise = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3))
    return {
        file: runner.run(noise.astype(np.uint8), batch_size=1)
        for file, runner in runners.items()
    }


def _check_alike(name: str, told: Mapping[str, str]) -> None:
    """Refuse members that differ: one card is to be true of them all.

    Parameters
    ----------
    name : str
        Of the model.
    told : mapping of str to str
        What is to be the same, by file.
    """
    kinds = sorted(set(told.values()), key=list(told.values()).index)
    if len(kinds) > 1:
        words = " and ".join(
            f"{kind} in {', '.join(file for file in told if told[file] == kind)}"
            for kind in kinds
        )
        reason = f"expected members that are alike; found {words}: export all alike"
        raise InvalidModelError(name, reason)


def _yolo_settings(
    file: str, output: npt.NDArray[np.float32], options: ImportOptions, size_px: int
) -> dict[str, float]:
    asked = dict(options.settings)
    told = possible_layouts(output.shape[1:], size_px)
    if "yolo" in asked:
        generation = int(asked["yolo"])
        _check_asked(file, output.shape, generation, told)
    elif len(told) == 1:
        (generation,) = told
    else:
        raise InvalidModelError(file, _which_yolo(output.shape, told, size_px))
    return {
        "min_score": _MIN_SCORE,
        "yolo": generation,
        "n_classes": max(n_classes_of(output.shape[1:], generation), 1),
        **asked,
    }


def _check_asked(
    file: str, shape: tuple[int, ...], generation: int, told: Mapping[int, int]
) -> None:
    """Refuse a generation that the output cannot be of."""
    if can_be_of(shape[1:], generation):
        return
    reason = f"its output {shape} is none of YOLO {generation}, which was given"
    if told:
        words = " or ".join(map(str, told))
        reason += f", but of YOLO {words}: leave --yolo out, or give {words}"
    else:
        reason += ": give another as --yolo"
    raise InvalidModelError(file, reason)


def _which_yolo(shape: tuple[int, ...], told: Mapping[int, int], size_px: int) -> str:
    """Word that an output is of several generations, or of none."""
    say = "say which by --yolo of the command models import"
    if told:
        words = " and ".join(map(str, told))
        return f"its output {shape} can be of YOLO {words}: {say}"
    anchors = n_anchors(size_px)
    reason = (
        "expected an output of YOLO: for its input of "
        f"{size_px} px (n, 4 + classes, {anchors}) or (n, {3 * anchors}, 5 + "
        f"classes) by its anchors, or (n, rows, 6); found {shape}"
    )
    if shape[1] == anchors:
        return f"{reason}, which is YOLO 8 with rows and columns exchanged"
    return f"{reason}; of another number of anchors {say}"


def _activation(name: str, outputs: Outputs) -> Activation:
    """Tell whether all members give probabilities already; else they want softmax.

    What lies in [0, 1] on noise, too, has a softmax or a sigmoid behind it.
    """
    told = {}
    for file, given in outputs.items():
        values = joined_outputs(given)
        if values.shape[1] != len(CLASS_CODES):
            reason = (
                f"expected {len(CLASS_CODES)} outputs in the order of the class codes, "
                f"or a card that names them; found {values.shape[1]}"
            )
            raise InvalidModelError(file, reason)
        are_shares = values.min() >= 0 and values.max() <= 1 + _ROUNDING
        told[file] = _SHARES if are_shares else _RAW
    _check_alike(name, told)
    return "none" if _SHARES in told.values() else "softmax"
