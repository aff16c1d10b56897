"""Memory that runs out, or a device that is lost, in every stage of a run."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_deepheme.cli import run
from napari_deepheme.core.errors import DeviceLostError, OutOfMemoryError
from napari_deepheme.core.models.device_faults import device_faults_told
from napari_deepheme.core.models.openvino.runner import OpenVinoRunner, import_openvino
from napari_deepheme.core.models.torch.runner import TorchRunner

CORE = "napari_deepheme.core"
STAGES = {
    "open": f"{CORE}.runs.slide_run.plausible_mpp",
    "plan": f"{CORE}.runs.slide_run.plan_run",
    "background": f"{CORE}.engine.plan.estimate_background",
    "read": f"{CORE}.engine.stages.hold_level",
    "view": f"{CORE}.engine.stages.view_tile",
    "detect": f"{CORE}.engine.stages.detect_tile",
    "cut": f"{CORE}.engine.stages.cut_crops",
    "classify": f"{CORE}.engine.stages.classify_crops",
    "name": f"{CORE}.engine.stages.named_table",
    "note": f"{CORE}.runs.slide_run.DoneTile.of",
    "merge": f"{CORE}.runs.slide_run.Tally.result",
    "table": f"{CORE}.export.summary.write_csv",
    "geojson": f"{CORE}.export.summary.write_geojson",
    "summary": f"{CORE}.export.summary.summarize",
}

CLASSIFY = ["--region", "0,0,200,200", "--backend", "torch", "--device", "cpu"]


def short(*_, **__):
    raise MemoryError


def lost(*_, **__):
    raise DeviceLostError("cuda", "CUDA error: unspecified launch failure")


@pytest.mark.parametrize("stage", STAGES)
def test_memory_that_runs_out_is_told_in_one_line_and_the_run_goes_on_later(
    stage, slide, told, monkeypatch, tmp_path
):
    words = ["classify", str(slide), *CLASSIFY, "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(STAGES[stage], short)
        line = told([*words, "out"])
    assert "memory ran out" in line
    assert run([*words, "out"]) == run([*words, "whole"]) == 0
    for name in ("cells.csv", "cells.geojson"):
        given = [(tmp_path / folder / name).read_bytes() for folder in ("out", "whole")]
        assert given[0] == given[1]


@pytest.mark.parametrize("stage", ["detect", "classify"])
def test_a_device_that_is_lost_in_the_middle_is_told_in_one_line(
    stage, slide, told, monkeypatch
):
    monkeypatch.setattr(STAGES[stage], lost)
    line = told(["classify", str(slide), *CLASSIFY, "--out", "out"])
    assert "broke off" in line
    assert "cpu" in line


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("classify-crops cells --mpp 0.9 --out out.csv", "cli.crops.load_classifier"),
        ("export run/cells.csv --to parquet --out o.parquet", "cli.export.read_cells"),
        ("report SLIDE --cells run/cells.csv --out o.pdf", "cli.report.gather_report"),
        ("phantom o.svs", "cli.phantom.write_phantom"),
        ("models import SLIDE", "cli.models_import.import_model"),
        (
            "evaluate --cells cells --mpp 0.9 --out o",
            "core.training.evaluation.compare",
        ),
        (
            "train classifier --data cells --mpp 0.9 --out o",
            "core.training.own.classifier.iter_classifier_training",
        ),
    ],
)
def test_memory_that_runs_out_in_another_command_is_told_in_one_line(
    words, place, slide, told, monkeypatch, run_folder, pictures
):
    monkeypatch.setattr(f"napari_deepheme.{place}", short, raising=False)
    if place.endswith("compare"):
        monkeypatch.setattr("napari_deepheme.cli.evaluate._run", short)
        monkeypatch.setattr(
            "napari_deepheme.core.training.cells.named.read_own_cells", short
        )
    assert "memory ran out" in told(
        [str(slide) if w == "SLIDE" else w for w in words.split()]
    )


class Network(torch.nn.Module):
    """Has memory for so many pictures at once."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.error, self.sizes = most, error, []

    def forward(self, pixels):
        self.sizes.append(len(pixels))
        if len(pixels) > self.most:
            raise self.error
        return pixels.mean(dim=(1, 2, 3))[:, None]


CPU_WORDS = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
SHORT = [
    MemoryError(),
    RuntimeError(f"[enforce fail at alloc_cpu.cpp:117] err == 0. {CPU_WORDS}"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("std::bad_alloc"),
    RuntimeError(
        "Exception from src/plugins/intel_cpu/src/node.cpp:823:\n[CPU] Transpose node "
        "with name 'Subtract_144_original' can't alloc"
    ),
    ImportError(
        "libopenvino_pytorch_frontend.so: failed to map segment from shared object"
    ),
    RuntimeError("Couldn't get TorchScript.\ncould not create a primitive\nPlease"),
    RuntimeError("could not create a primitive"),
    RuntimeError("can't start new thread"),
    RuntimeError("Resource temporarily unavailable"),
]
WORDS = ["numpy", "cpu", "windows", "cuda", "cuda error", "cudnn", "mps", "c++"]
WORDS += ["openvino", "library", "onednn", "onednn alone", "thread", "system"]


@pytest.mark.parametrize("error", SHORT, ids=WORDS)
def test_a_batch_is_halved_until_there_is_memory(error):
    pixels = np.random.default_rng(0).integers(0, 255, (11, 4, 4, 3), np.uint8)
    wanted = TorchRunner(Network(99, error), "cpu").run(pixels, batch_size=8)
    network = Network(2, error)
    runner = TorchRunner(network, "cpu")
    assert np.allclose(runner.run(pixels, batch_size=8), wanted)
    assert network.sizes[:3] == [8, 4, 2]
    network.sizes.clear()
    runner.run(pixels, batch_size=8)
    assert max(network.sizes) == 2


@pytest.mark.parametrize("error", SHORT, ids=WORDS)
def test_without_memory_for_one_picture_that_is_told(error):
    runner = TorchRunner(Network(0, error), "cpu")
    with pytest.raises(OutOfMemoryError):
        runner.run(np.zeros((3, 4, 4, 3), np.uint8), batch_size=2)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_memory_that_runs_out_while_a_network_is_made_ready_is_told(
    backend, slide, told, monkeypatch
):
    def fail(*_, **__):
        raise SHORT[WORDS.index("library")]

    monkeypatch.setattr(f"{CORE}.models.torch.ready.folded", fail)
    words = ["--device", "cpu", "--backend", backend, "--out", "out"]
    assert "memory ran out" in told(["classify", str(slide), *words])


def test_a_network_that_has_no_memory_is_not_called_unusable(slide, told, monkeypatch):
    def fail(*_):
        raise SHORT[WORDS.index("onednn alone")]

    monkeypatch.setattr(f"{CORE}.models.networks.litenet.LiteNet.forward", fail)
    assert "memory ran out" in told(["classify", str(slide), *CLASSIFY])


def test_openvino_that_finds_no_room_is_not_said_to_be_missing(monkeypatch):
    class Finder:
        def find_spec(self, name, *_):
            if name == "openvino":
                raise SHORT[WORDS.index("library")]

    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MemoryError):
        import_openvino()


def test_a_thread_that_cannot_be_started_is_told(slide, told, monkeypatch):
    def fail(_):
        raise SHORT[WORDS.index("thread")]

    monkeypatch.setattr(threading.Thread, "start", fail)
    assert "memory ran out" in told(["classify", str(slide), *CLASSIFY])


LOST = [
    "CUDA error: unspecified launch failure",
    "CUDA error: device-side assert triggered",
    "CUDA error: an illegal memory access was encountered",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate",
    "HIP error: the operation cannot be performed in the present state",
]


@pytest.mark.parametrize("text", LOST)
def test_a_device_that_is_lost_is_named(text):
    with pytest.raises(DeviceLostError, match="'cuda'"), device_faults_told("cuda"):
        raise RuntimeError(text)


@pytest.mark.parametrize(
    "text",
    [
        "mat1 and mat2 shapes cannot be multiplied",
        "could not create a primitive descriptor for a convolution",
    ],
)
def test_what_is_no_fault_of_the_device_stays_as_it_is(text):
    bug = RuntimeError(text)
    with pytest.raises(RuntimeError) as raised, device_faults_told("cuda"):
        raise bug
    assert raised.value is bug


class Request:
    """A request of OpenVINO that may have no memory."""

    def __init__(self, fails=""):
        self.fails = fails
        self.is_begun = False

    def start_async(self, _):
        if self.fails == "start":
            raise RuntimeError("Exception from src/inference: std::bad_alloc")
        self.is_begun = True

    def wait(self):
        self.is_begun = False
        if self.fails == "wait":
            raise RuntimeError("Exception: failed to allocate 99 bytes")

    def get_output_tensor(self, _):
        return SimpleNamespace(data=np.zeros((2, 1)))


@pytest.mark.parametrize("when", ["start", "wait"])
def test_openvino_without_memory_is_told_and_leaves_nothing_under_way(when):
    requests = [Request(), Request(when), Request()]
    runner = OpenVinoRunner.__new__(OpenVinoRunner)
    runner._compiled = SimpleNamespace(create_infer_request=iter(requests).__next__)
    runner._n_requests = 3
    pixels = np.zeros((8, 4, 4, 3), np.uint8)
    with pytest.raises(OutOfMemoryError):
        runner.run(pixels, batch_size=2)
    assert not any(request.is_begun for request in requests)
    runner._compiled = SimpleNamespace(create_infer_request=Request)
    assert runner.run(pixels, batch_size=2).shape == (8, 1)
