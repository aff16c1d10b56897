"""Exported networks of the YOLO family that do not give boxes alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.core.models.onnx.test_yolo import card_for

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.onnx.detector import YoloDetector
from napari_deepheme.core.models.onnx.yolo_export import n_named

OPTIONS = ImportOptions(
    kind="detector", mpp=0.5, settings=(("overlap_um", 16), ("yolo", 8))
)

NAMES = "{0: 'cell', 1: 'debris'}"


@pytest.fixture
def export(save_yolo, tmp_path, own_folder):
    def save(metadata, *, classes=2, masks=False):
        path = save_yolo(tmp_path / "y.onnx", classes=classes)
        model = onnx.load(path)
        helper.set_model_props(model, metadata)
        if masks:
            shape = numpy_helper.from_array(np.array([1, 32, 8, 8]), "shape")
            model.graph.initializer.append(shape)
            node = helper.make_node("Expand", ["grey", "shape"], ["masks"])
            model.graph.node.append(node)
            info = helper.make_tensor_value_info("masks", TensorProto.FLOAT, None)
            model.graph.output.append(info)
        onnx.save(model, path)
        return path

    return save


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "classify"])
def test_a_network_of_another_task_is_refused(export, task):
    path = export({"task": task, "names": NAMES}, classes=34)
    with pytest.raises(InvalidModelError, match=f"'{task}': export a detection netw"):
        import_model(path, OPTIONS)
    with pytest.raises(InvalidModelError, match=f"'{task}': export a detection netw"):
        YoloDetector(card_for(path, n_classes=34), "cpu")


def test_a_network_of_another_task_is_told_before_its_shape_is_asked_for(export):
    path = export({"task": "segment"}, classes=34)
    with pytest.raises(InvalidModelError, match="task 'segment'"):
        import_model(path, ImportOptions(kind="detector", mpp=0.5))


def test_masks_behind_the_boxes_are_refused_without_a_word_of_the_file(export):
    path = export({}, classes=34, masks=True)
    with pytest.raises(InvalidModelError, match=r"\(2, 32, 8, 8\) holds masks"):
        import_model(path, OPTIONS)


def test_another_number_of_names_than_of_scores_is_refused(export):
    path = export({"names": NAMES}, classes=34)
    told = "names 2 classes, but 34 numbers stand behind each box.*export a detection"
    with pytest.raises(InvalidModelError, match=told):
        import_model(path, OPTIONS)


@pytest.mark.parametrize("names", [NAMES, "", "cells", "[" * 999])
def test_an_exported_detector_is_imported(export, names):
    path = export({"task": "detect", "names": names, "stride": "32"})
    assert import_model(path, OPTIONS).settings["n_classes"] == 2


def test_names_are_counted_as_python_or_json_prints_them():
    assert n_named('{"0": "cell", "1": "debris"}') == n_named("['a', 'b']") == 2
    assert n_named("[" + "'a'," * 40_000 + "]") == n_named("3") == n_named("a(") == 0
