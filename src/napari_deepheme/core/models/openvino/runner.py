"""Runs a torch network by OpenVINO on a CPU; an extra, imported only here."""

from __future__ import annotations

import sys
import warnings
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.models.device_faults import (
    device_faults_told,
    is_out_of_memory,
)
from napari_deepheme.core.models.openvino.cache import converted

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.models.compute import Compute

_PRECISIONS: Final = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}

_FEW_THREADS: Final = 4
"""Up to so many, each takes a batch of its own; of more, two share one."""

_BATCHES_A_STREAM: Final = 2
"""One that is computed and one that waits."""

_STEP: Final = 8
"""Batches have multiples of this many pictures, or the whole batch size."""


class OpenVinoRunner:
    """A network compiled by OpenVINO; safe to run from many threads.

    Batches are computed side by side, each on one or two threads: on a CPU that is
    quicker than all threads on one batch, and a result does not depend on how work is
    shared. Pictures are normalised within the compiled network. Each call has requests
    of its own, so that calls on several threads share nothing but the network.

    Parameters
    ----------
    network : Module
        Maps normalised (n, 3, h, w) to a tensor whose first axis is n.
    compute : Compute
        Precision and threads.
    mean, std : tuple of float
        A channel in [0, 1] is taken less its mean, over its std.
    change : callable, optional
        Makes the network of another precision, where it is not kept from before. Its
        `repr` says all that it does: by it the network is kept.

    Raises
    ------
    MissingExtraError
        If OpenVINO is not installed.
    """

    def __init__(
        self,
        network: nn.Module,
        compute: Compute,
        *,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.5, 0.5, 0.5),
        change: Callable[[nn.Module], nn.Module] | None = None,
    ) -> None:
        openvino = import_openvino()
        model = converted(
            openvino,
            network.eval(),
            partial(_converted, openvino, change),
            kind="" if change is None else repr(change),
        )
        model = _with_normalisation(openvino, model, mean, std)
        n_threads = compute.n_threads or torch.get_num_threads()
        n_streams = n_threads if n_threads <= _FEW_THREADS else n_threads // 2
        self._n_requests = n_streams * _BATCHES_A_STREAM
        self._compiled: Any = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _PRECISIONS[compute.precision],
                "NUM_STREAMS": str(n_streams),
                "INFERENCE_NUM_THREADS": n_threads,
                # Pinned, the threads of two networks or processes share one core.
                "ENABLE_CPU_PINNING": False,
            },
        )

    def run(
        self, pixels: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Compute the network's output; see `compute.Runner.run`."""
        outputs: list[npt.NDArray[np.float32]] = []
        begun: deque[Any] = deque()
        with device_faults_told("cpu"):
            try:
                for start in range(0, len(pixels), batch_size):
                    batch = _padded(pixels[start : start + batch_size], batch_size)
                    request = self._free_request(begun, outputs)
                    # Copies the batch, which need not live on.
                    request.start_async({0: batch})
                    begun.append(request)
                outputs += [_output(request) for request in begun]
            finally:
                _let_end(begun)
        return np.concatenate(outputs)[: len(pixels)]

    def _free_request(
        self, begun: deque[Any], outputs: list[npt.NDArray[np.float32]]
    ) -> Any:
        """Return a new request, or the oldest of many, once its output is taken."""
        if len(begun) < self._n_requests:
            return self._compiled.create_infer_request()
        outputs.append(_output(begun[0]))
        return begun.popleft()


def import_openvino() -> Any:
    """Import OpenVINO, without what tells its makers that it is used.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    # Nothing leaves the machine: what cannot be imported is left out by OpenVINO.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import openvino
    except ImportError as error:
        raise_interrupt(error)
        if is_out_of_memory(error):
            raise MemoryError from error
        raise MissingExtraError("openvino", "openvino") from error
    return openvino


def _converted(
    openvino: Any, change: Callable[[nn.Module], nn.Module] | None, network: nn.Module
) -> Any:
    example = torch.zeros(2, 3, 96, 96)
    with warnings.catch_warnings():
        # Of torch's tracer.
        warnings.simplefilter("ignore")
        network = network if change is None else change(network)
        # OpenVINO traces, too, and then computes all anew to check the trace.
        trace: Any = torch.jit.trace
        traced = trace(network.eval(), example, check_trace=False)
        model = openvino.convert_model(traced, example_input=example)
    _round_for_all(model)
    return model


def _round_for_all(model: Any) -> None:
    """Let all that takes a number take it as it is rounded for one.

    Otherwise a shortcut around layers in eight bits is added in floating point.
    """
    for rounding in model.get_ordered_ops():
        if rounding.get_type_name() != "FakeQuantize":
            continue
        taken = rounding.input(0).get_source_output()
        for port in taken.get_target_inputs():
            if port.get_node().get_type_name() != "FakeQuantize":
                port.replace_source_output(rounding.output(0))


def _with_normalisation(
    openvino: Any,
    model: Any,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Any:
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    normalise = steps.input().preprocess()
    normalise.convert_element_type(openvino.Type.f32)
    normalise.mean([255 * m for m in mean])
    normalise.scale([255 * s for s in std])
    return steps.build()


def _padded(batch: npt.NDArray[np.uint8], batch_size: int) -> npt.NDArray[np.uint8]:
    """Bring the last batch to one of few sizes: for each, OpenVINO compiles anew."""
    size = min(-(-len(batch) // _STEP) * _STEP, batch_size)
    if size == len(batch):
        return np.ascontiguousarray(batch)
    padded = np.zeros((size, *batch.shape[1:]), np.uint8)
    padded[: len(batch)] = batch
    return padded


def _output(request: Any) -> npt.NDArray[np.float32]:
    """Wait for a request; return a copy of its output, which it writes to again."""
    request.wait()
    return np.array(request.get_output_tensor(0).data, np.float32)


def _let_end(begun: deque[Any]) -> None:
    """Wait for what was begun, after a failure as well."""
    for request in begun:
        # The first that failed was told.
        with suppress(RuntimeError, MemoryError):
            request.wait()
