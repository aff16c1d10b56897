"""ONNX networks that are whole and yet of no use, refused in one line."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.onnx.runner import OnnxRunner

PICTURES = ("n", 3, 32, 32)


def network(*inputs, node=("Identity", {}), output=TensorProto.FLOAT):
    """Give the bytes of a network of one node upon its first input."""
    kind, attributes = node
    graph = helper.make_graph(
        [helper.make_node(kind, ["in0"], ["out"], **attributes)],
        "graph",
        [
            helper.make_tensor_value_info(f"in{i}", dtype, shape)
            for i, (dtype, shape) in enumerate(inputs)
        ],
        [helper.make_tensor_value_info("out", output, None)],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            network((TensorProto.FLOAT, PICTURES), (TensorProto.FLOAT, PICTURES)),
            "expected one input of float32, float16 or uint8",
        ),
        (
            network((TensorProto.INT64, PICTURES), output=TensorProto.INT64),
            "int64",
        ),
        (network((TensorProto.FLOAT, ("n", 3, 32, 48))), "square pictures"),
        (network((TensorProto.FLOAT, ("n", 4, 32, 32))), "square pictures"),
        (network((TensorProto.FLOAT, ("n", 3))), "square pictures"),
    ],
)
def test_a_network_that_takes_no_pictures_is_refused(content, told):
    with pytest.raises(InvalidModelError, match=told) as caught:
        OnnxRunner("lab", content, "cpu")
    assert len(str(caught.value).splitlines()) == 1


def test_a_network_without_a_row_a_picture_is_refused():
    content = network(
        (TensorProto.FLOAT, PICTURES), node=("ReduceSum", {"keepdims": 0})
    )
    runner = OnnxRunner("lab", content, "cpu")
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    with pytest.raises(InvalidModelError, match="a row a picture"):
        runner.run(pixels, batch_size=2)


def test_a_network_that_fails_on_pictures_is_told_in_one_line():
    node = ("Transpose", {"perm": [0, 1, 2, 3]})
    content = network((TensorProto.FLOAT, ("n", 3, "s", "s")), node=node)
    runner = OnnxRunner("lab", content, "cpu")
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    assert runner.run(pixels, batch_size=2)[0].shape == (2, 3, 32, 32)

    def fail(*_):
        raise runner._errors[0]("the node\nfailed: bad shape")

    runner._session = type("Session", (), {"run": fail})()
    with pytest.raises(InvalidModelError, match="bad shape") as caught:
        runner.run(pixels, batch_size=2)
    assert len(str(caught.value).splitlines()) == 1
