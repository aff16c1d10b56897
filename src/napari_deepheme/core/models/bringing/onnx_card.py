"""An ONNX file without a card -> a card, from what the file tells and what is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.options import unknown_origin
from napari_deepheme.core.models.cards.card import CLASSES, ModelCard, WeightsFile
from napari_deepheme.core.models.onnx.classifier import joined_outputs
from napari_deepheme.core.models.onnx.runner import OnnxRunner
from napari_deepheme.core.models.onnx.yolo import (
    n_anchors,
    n_classes_of,
    possible_layouts,
)
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.bringing.options import ImportOptions
    from napari_deepheme.core.models.cards.card import Activation

_MIN_SCORE: Final = 0.25

_ROUNDING: Final = 1e-3

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
        If something needed is missing, or the network is neither a YOLO nor one of
        23 outputs.
    MissingExtraError
        If onnxruntime is not installed.
    """
    if options.kind is None or options.mpp is None:
        reason = (
            f"an ONNX file needs its card {files[0].with_suffix('.json').name} beside "
            "it, or the options kind (detector, classifier) and mpp"
        )
        raise InvalidModelError(files[0].name, reason)
    runner = OnnxRunner(files[0].name, files[0].read_bytes(), "cpu")
    size_px = options.size_px or runner.size_px
    if not 8 <= size_px <= 4096:
        reason = "its input may have any size: give the one that it learned, as size"
        raise InvalidModelError(files[0].name, reason)
    noise = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3))
    outputs = runner.run(noise.astype(np.uint8), batch_size=1)
    settings: Mapping[str, float]
    if options.kind == "detector":
        activation: Activation = "none"
        settings = _yolo_settings(files[0].name, outputs[0], options, size_px)
    else:
        activation = _activation(files[0].name, joined_outputs(outputs))
        settings = {}
    return ModelCard(
        name=name,
        version="1",
        kind=options.kind,
        description=_DESCRIPTIONS[options.kind],
        license="unknown",
        weights_format="onnx",
        weights=tuple(WeightsFile(file) for file in files),
        architecture="",
        arguments={},
        mpp=options.mpp,
        size_px=size_px,
        whitened=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        activation=activation,
        outputs={CLASSES: CLASS_CODES} if options.kind == "classifier" else {},
        settings=settings,
        texts=unknown_origin(files, "ONNX without a card"),
    )


def _yolo_settings(
    file: str, output: npt.NDArray[np.float32], options: ImportOptions, size_px: int
) -> dict[str, float]:
    asked = dict(options.settings)
    told = possible_layouts(output.shape[1:], size_px)
    if "yolo" not in asked and len(told) > 1:
        words = " and ".join(map(str, told))
        reason = f"its output {output.shape} can be of YOLO {words}: say which as yolo"
        raise InvalidModelError(file, reason)
    if "yolo" not in asked and not told:
        anchors = n_anchors(size_px)
        reason = (
            "expected an output of YOLO: for its input of "
            f"{size_px} px (n, 4 + classes, {anchors}) or (n, {3 * anchors}, 5 + "
            f"classes) by its anchors, or (n, rows, 6); found {output.shape}"
        )
        if output.shape[1] == anchors:
            reason += ", which is YOLO 8 with rows and columns exchanged"
        else:
            reason += "; of another number of anchors say as yolo which it is"
        raise InvalidModelError(file, reason)
    generation = int(asked["yolo"]) if "yolo" in asked else next(iter(told))
    return {
        "min_score": _MIN_SCORE,
        "yolo": generation,
        "n_classes": max(n_classes_of(output.shape[1:], generation), 1),
        **asked,
    }


def _activation(file: str, outputs: npt.NDArray[np.float32]) -> Activation:
    """Tell whether a classifier gives probabilities already; else it wants softmax.

    What lies in [0, 1] on noise, too, has a softmax or a sigmoid behind it.
    """
    if outputs.shape[1] != len(CLASS_CODES):
        reason = (
            f"expected {len(CLASS_CODES)} outputs in the order of the class codes, or "
            f"a card that names them; found {outputs.shape[1]}"
        )
        raise InvalidModelError(file, reason)
    are_shares = outputs.min() >= 0 and outputs.max() <= 1 + _ROUNDING
    return "none" if are_shares else "softmax"
