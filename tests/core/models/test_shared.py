"""Threads that share a model get their own answers: two windows have the same one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.models.onnx.runner import OnnxRunner
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_model
from napari_deepheme.core.models.torch.classifier import TorchClassifier
from napari_deepheme.core.models.torch.insight import open_insight
from napari_deepheme.core.models.torch.ready import make_runner

N_THREADS = 4
PIXELS = np.random.default_rng(7).integers(0, 256, (N_THREADS, 20, 32, 32, 3), np.uint8)


def each_on_a_thread(ask, n_calls=25):
    """Ask with a number, alone, then often beside the others; give what differs."""
    alone = [ask(i) for i in range(N_THREADS)]
    together = Barrier(N_THREADS)

    def differing(i):
        together.wait(20)
        given = [ask(i) for _ in range(n_calls)]
        return [a for a in given if not np.allclose(a, alone[i], atol=1e-5)]

    with ThreadPoolExecutor(N_THREADS) as threads:
        return [
            one for many in threads.map(differing, range(N_THREADS)) for one in many
        ]


def small_network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_calls_of_one_network_on_many_threads_are_answered_apart(backend):
    pytest.importorskip(backend)
    card = SimpleNamespace(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    runner = make_runner(small_network(), card, Compute("cpu", backend, "float32", 2))
    assert not each_on_a_thread(lambda i: runner.run(PIXELS[i], batch_size=8))


def test_calls_of_one_onnx_network_on_many_threads_are_answered_apart(
    save_classifier, tmp_path
):
    path = save_classifier(tmp_path / "m.onnx", np.eye(3), side=32)
    runner = OnnxRunner("m", path.read_bytes(), "cpu")
    assert not each_on_a_thread(lambda i: runner.run(PIXELS[i], batch_size=8)[0])


def test_what_is_seen_in_one_network_on_many_threads_is_of_each_threads_cell():
    card = replace(
        find_model(DEFAULT_CLASSIFIER),
        outputs={"class_code": ("M5", "M6", "L4")},
        settings={},
        size_px=32,
    )
    torch.manual_seed(3)
    network = CropNet(3, widths=(4, 6, 8), n_blocks=1)
    single = Compute("cpu", "torch", "float32")
    insight = open_insight(TorchClassifier(card, [network], single))
    assert not each_on_a_thread(lambda i: insight.features(PIXELS[i], batch_size=20), 9)
    assert not each_on_a_thread(lambda i: insight.grad_cam(PIXELS[i][0], "M6"), 9)
