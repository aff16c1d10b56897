"""Weights in DeepHeme's layouts and tiny ONNX networks, made on the fly."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from napari_deepheme.core.models.networks.resnext import ResNeXt50


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Leave large files to the system's cache."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """An empty folder for the user's models."""
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def make_state():
    """Make a state dict: tensors of half precision whose memory is one number each."""

    def make(layout="original", *, n_classes=23, head="my_new_layers", wrap="", mark=1):
        n_features = 1000 if layout == "original" else 0
        with torch.device("meta"):
            wanted = ResNeXt50(n_classes, n_features=n_features).state_dict()
        state = {}
        for name, value in wanted.items():
            number = torch.tensor(0.01, dtype=torch.half).expand(value.shape)
            if name.endswith("num_batches_tracked"):
                number = torch.tensor(7)
            if layout == "original":
                is_head = name.startswith("head.")
                name = f"{head}.{name[5:]}" if is_head else f"pretrained.{name}"
            state[f"{wrap}{name}"] = number
        last = list(state)[-1]
        state[last] = torch.arange(n_classes).half() * mark / 10
        return state

    return make


def _save(path, nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes,
        "graph",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture(scope="session")
def save_classifier():
    """Save an ONNX classifier: mean red, green, blue times a matrix, (3, n)."""

    def save(
        path,
        matrix,
        *,
        batch="n",
        side=96,
        channels_last=False,
        dtype=TensorProto.FLOAT,
        end="",
    ):
        axes = [1, 2] if channels_last else [2, 3]
        shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
        nodes = [
            helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["x"], ["means"], axes=axes, keepdims=0),
            helper.make_node("MatMul", ["means", "matrix"], ["logits"]),
        ]
        last = "logits"
        if end:
            nodes.append(helper.make_node(end, ["logits"], ["p"]))
            last = "p"
        return _save(
            path,
            nodes,
            [helper.make_tensor_value_info("pixels", dtype, shape)],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
            {"matrix": np.asarray(matrix, np.float32)},
        )

    return save


@pytest.fixture(scope="session")
def save_yolo():
    """Save a YOLO that finds a cell wherever a square of 16 px is dark.

    Its scores fall from the left to the right of its input, and its boxes are 18 px
    wide there and 14 px here: what it says of a cell depends on where it sees it.
    """

    def save(path, *, side=128, generation=8, classes=1):
        n = side // 16
        rows, columns = np.mgrid[:n, :n].reshape(2, -1)
        sizes = 18 - 4 * columns / n
        boxes = np.stack([columns * 16 + 8, rows * 16 + 8, sizes, sizes])
        tilt = (1 - 0.3 * columns / n)[None, None]
        if generation == 10:
            boxes[:2], boxes[2:] = boxes[:2] - sizes / 2, boxes[:2] + sizes / 2
        extra = {5: (1.0,), 8: (), 10: ()}[generation]
        others = {5: classes - 1, 8: classes - 1, 10: 1}[generation]
        pooled = {"kernel_shape": [16, 16], "strides": [16, 16]}
        shape = [1, 3, side, side]
        nodes = [
            helper.make_node("AveragePool", ["pixels"], ["pool"], **pooled),
            helper.make_node("ReduceMean", ["pool"], ["grey"], axes=[1], keepdims=1),
            helper.make_node("Reshape", ["grey", "flat"], ["light"]),
            helper.make_node("Sub", ["one", "light"], ["dark"]),
            helper.make_node("Mul", ["dark", "tilt"], ["score"]),
            helper.make_node(
                "Concat",
                ["boxes", *(["ones"] * len(extra)), "score", *(["zeros"] * others)],
                ["rows"],
                axis=1,
            ),
            helper.make_node("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
        ]
        last = "rows" if generation == 8 else "columns"
        return _save(
            path,
            nodes if generation != 8 else nodes[:-1],
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
            {
                "boxes": boxes[None].astype(np.float32),
                "tilt": tilt.astype(np.float32),
                "ones": np.ones((1, 1, n * n), np.float32),
                "zeros": np.zeros((1, 1, n * n), np.float32),
                "one": np.ones(1, np.float32),
                "flat": np.array([1, 1, n * n]),
            },
        )

    return save
