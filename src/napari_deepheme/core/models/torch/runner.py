"""Runs a torch network on a device: precision, memory, batches."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_deepheme.core.errors import DeviceNotAvailableError, OutOfMemoryError
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.device_faults import device_faults_told

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

_log = logging.getLogger(__name__)

_THREADS: Final = torch.get_num_threads()
"""As torch found it: what is set later, for a run, holds for some threads alone."""

_WORDS: Final = {torch.float16: "float16", torch.bfloat16: "bfloat16", None: "float32"}


def available_devices() -> tuple[str, ...]:
    """Return the words for the devices of this machine, "cpu" last."""
    devices = []
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


def choose_device(device: str) -> str:
    """Resolve "auto" and refuse a device that is not there.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" takes CUDA where there is one, else the CPU. MPS is taken on request
        only: peers measured it slower than the CPU.

    Raises
    ------
    DeviceNotAvailableError
        If the machine has no such device.
    """
    available = available_devices()
    if device == "auto":
        return "cuda" if "cuda" in available else "cpu"
    if device not in available:
        raise DeviceNotAvailableError(device, ("auto", *available))
    return device


def reduced_precision(device: str) -> torch.dtype | None:
    """Return the fastest number format of a device, None where single is.

    CUDA has float16. A CPU has bfloat16 when its instructions do (AMX or AVX-512);
    elsewhere it would be emulated, slowly.
    """
    if device == "cuda":
        return torch.float16
    if device == "cpu":
        # Torch before 2.9 cannot tell.
        ask = getattr(torch.cpu, "get_capabilities", dict)
        able: dict[str, bool] = ask()
        if able.get("amx_bf16") or able.get("avx512_bf16"):
            return torch.bfloat16
    return None


def dtype_of(precision: str) -> torch.dtype | None:
    """Return the number format of autocast for a precision, None for single."""
    formats = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return formats[precision]


def plain_compute(device: str) -> Compute:
    """Return torch's own way on a device, as `choose_device` gives it."""
    precision = _WORDS[reduced_precision(device)]
    n_threads = _THREADS if device == "cpu" else 0
    return Compute(device, "torch", precision, n_threads)


def in_floating_point(compute: Compute) -> Compute:
    """Return the same with a device's own number format in place of eight bits."""
    if compute.precision != "int8":
        return compute
    return replace(compute, precision=_WORDS[reduced_precision(compute.device)])


class TorchRunner:
    """A network on a device.

    On CUDA the network takes its input from pinned memory. When the memory runs out,
    the batch is halved and the rest of the run stays at that size.

    Parameters
    ----------
    network : Module
        Maps normalised (n, 3, h, w) to a tensor whose first axis is n.
    device : str
        As `choose_device` returns it.
    dtype : torch.dtype, optional
        Number format of autocast; single precision if left out.
    mean, std : tuple of float
        A channel in [0, 1] is taken less its mean, over its std.
    n_threads : int
        Threads on a CPU, for all that torch computes in this process; 0 as it is.

    Attributes
    ----------
    device : str
        Where it computes.
    network : Module
        The network, in evaluation mode.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str,
        *,
        dtype: torch.dtype | None = None,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.5, 0.5, 0.5),
        n_threads: int = 0,
    ) -> None:
        self.device = device
        self._dtype = dtype
        if n_threads and n_threads != torch.get_num_threads():
            torch.set_num_threads(n_threads)
        self._gain = (1 / 255 / torch.tensor(std)).reshape(1, 3, 1, 1).to(device)
        self._shift = (torch.tensor(mean) / torch.tensor(std)).reshape(1, 3, 1, 1)
        self._shift = self._shift.to(device)
        self.network = network.eval().to(
            device=device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        self._largest_batch: int | None = None

    def run(
        self, pixels: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Compute the network's output, batch by batch.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, h, w, 3)
            Pictures, normalised on the device.
        batch_size : int
            Pictures computed at once, at most.

        Returns
        -------
        ndarray of float32
            The output for all n.

        Raises
        ------
        OutOfMemoryError
            If the memory does not suffice for a single picture.
        DeviceLostError
            If the device broke off.
        """
        outputs: list[npt.NDArray[np.float32]] = []
        start = 0
        while start < len(pixels):
            size = min(batch_size, self._largest_batch or batch_size)
            try:
                with device_faults_told(self.device):
                    outputs.append(self._compute(pixels[start : start + size]))
                start += size
                continue
            except OutOfMemoryError:
                if size == 1:
                    raise
            # Here, where the error no longer holds on to what the batch had taken.
            self._largest_batch = size // 2
            if self.device == "cuda":
                torch.cuda.empty_cache()
            _log.info("out of memory: going on with batches of %d", size // 2)
        return np.concatenate(outputs)

    def normalised(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Return pictures as the network takes them: on the device, (n, 3, h, w)."""
        on_cuda = self.device == "cuda"
        host = torch.from_numpy(np.ascontiguousarray(pixels))
        if on_cuda:
            host = host.pin_memory()
        batch = host.to(self.device, non_blocking=on_cuda).permute(0, 3, 1, 2)
        batch = batch.float().mul_(self._gain).sub_(self._shift)
        return batch.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def _compute(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        batch = self.normalised(pixels)
        with torch.autocast(self.device, self._dtype, enabled=self._dtype is not None):
            output = self.network(batch)
        computed: npt.NDArray[np.float32] = output.float().cpu().numpy()
        return computed
