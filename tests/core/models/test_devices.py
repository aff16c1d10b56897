"""What a device has left, and what it says when it has nothing left."""

from types import SimpleNamespace

import pytest
import torch

from napari_deepheme.core.errors import DeviceLostError, OutOfMemoryError
from napari_deepheme.core.models import memory
from napari_deepheme.core.models.device_faults import device_faults_told
from napari_deepheme.core.models.memory import count_gpus, free_bytes


def test_linux_tells_what_is_available_in_kibibytes(monkeypatch, tmp_path):
    told = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "_MEMINFO", told)
    assert free_bytes("cpu") is None
    told.write_text("MemTotal:  16 kB\nMemFree:  2 kB\nMemAvailable:  7 kB\n")
    assert free_bytes("cpu") == 7 * 1024
    assert free_bytes("mps") is None
    told.write_text("MemTotal:  16 kB\n")
    assert free_bytes("cpu") is None


def test_a_gpu_is_asked_itself(monkeypatch):
    seen = SimpleNamespace(
        mem_get_info=lambda: (5, 9), device_count=lambda: 2, is_available=lambda: True
    )
    monkeypatch.setattr(torch, "cuda", seen)
    assert free_bytes("cuda") == 5
    assert count_gpus() == 2
    seen.is_available = lambda: False
    assert count_gpus() == 0


@pytest.mark.parametrize(
    ("device", "error", "becomes"),
    [
        ("cpu", MemoryError(), OutOfMemoryError),
        ("cuda", RuntimeError("CUDA out of memory. Tried 2 GiB"), OutOfMemoryError),
        ("cuda", RuntimeError("CUDA error: device-side assert"), DeviceLostError),
    ],
)
def test_a_fault_of_a_device_names_the_device(device, error, becomes):
    with pytest.raises(becomes) as told, device_faults_told(device):
        raise error
    assert told.value.device == device
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    ("device", "error"),
    [
        # Nothing that a CPU says can be about a device that was lost.
        ("cpu", RuntimeError("CUDA error: no device")),
        ("cuda", RuntimeError("shapes cannot be multiplied")),
        ("cuda", OutOfMemoryError("mps")),
        ("cpu", DeviceLostError("cuda", "unplugged")),
    ],
)
def test_what_is_no_fault_of_the_device_or_was_told_is_left_as_it_is(device, error):
    with pytest.raises(type(error)) as told, device_faults_told(device):
        raise error
    assert told.value is error
