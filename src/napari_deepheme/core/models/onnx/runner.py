"""Runs an ONNX network; onnxruntime is an extra and imported only here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.errors import (
    DeviceLostError,
    InvalidModelError,
    MissingExtraError,
    OutOfMemoryError,
)
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.models.device_faults import (
    device_faults_told,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

_INPUT_TYPES: Final[dict[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}

ONE_FILE: Final = "export with torch.onnx.export(..., external_data=False)"
"""How a network comes to be one file."""

_LOCATION: Final = re.compile(
    rb"\x0a\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x1f])"
)
"""An entry of a tensor's external data, up to the name of the file."""

_CUDA: Final = "CUDAExecutionProvider"

_FATAL: Final = 4
"""Severity from which onnxruntime writes to standard error."""


class OnnxRunner:
    """An ONNX network on a device.

    The network has one input of pictures, (n, 3, h, w) or (n, h, w, 3), of float32,
    float16 or uint8; sizes that it leaves open may be any. Floats are given
    normalised; uint8 as they are, for the network then normalises itself.

    Parameters
    ----------
    name : str
        Named in errors.
    content : bytes
        The ONNX file. Weights in a second file beside it are not read (see `joined`).
    device : str
        "cuda" takes CUDA where onnxruntime has it; everything else the CPU.
    mean, std : tuple of float
        A channel in [0, 1] is taken less its mean, over its std.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    InvalidModelError
        If it is no ONNX network with such an input.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        device: str,
        *,
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        std: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        self._name = name
        self._device = device
        self._session = open_session(name, content, device)
        self._errors = _errors()
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES:
            given = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
            reason = "expected one input of float32, float16 or uint8; found "
            raise InvalidModelError(name, reason + (given or "none"))
        self._input = inputs[0].name
        self._dtype = _INPUT_TYPES[inputs[0].type]
        self._batch, self._size, self._channels_last = self._layout(inputs[0].shape)
        self._gain = (1 / 255 / np.array(std)).astype(np.float32)
        self._shift = (np.array(mean) / np.array(std)).astype(np.float32)

    @property
    def size_px(self) -> int:
        """Side of the input; 0 where the network takes any."""
        return self._size

    @property
    def normalises_itself(self) -> bool:
        """Whether it takes pictures as they are."""
        return self._dtype is np.uint8

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, in words of who wrote it."""
        told: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return told

    def run(
        self, pixels: npt.NDArray[np.uint8], *, batch_size: int
    ) -> list[npt.NDArray[np.float32]]:
        """Compute the network's outputs, batch by batch.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, h, w, 3)
            Pictures, at least one.
        batch_size : int
            Pictures computed at once, unless the network fixes their number.

        Returns
        -------
        list of ndarray of float32
            The outputs in the network's order; the first axis of each is n.

        Raises
        ------
        InvalidModelError
            If the network cannot compute them.
        OutOfMemoryError, DeviceLostError
            If the device cannot.
        """
        parts = [self._compute(batch) for batch in self._batches(pixels, batch_size)]
        return [
            np.concatenate(output)[: len(pixels)].astype(np.float32, copy=False)
            for output in zip(*parts, strict=True)
        ]

    def _batches(
        self, pixels: npt.NDArray[np.uint8], batch_size: int
    ) -> Iterator[npt.NDArray[np.uint8]]:
        size = self._batch or batch_size
        for start in range(0, len(pixels), size):
            batch = pixels[start : start + size]
            if self._batch:
                missing = self._batch - len(batch)
                batch = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)))
            yield batch

    def _compute(self, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
        batch: npt.NDArray[Any] = pixels
        if not self.normalises_itself:
            batch = (pixels * self._gain - self._shift).astype(self._dtype)
        if not self._channels_last:
            batch = batch.transpose(0, 3, 1, 2)
        try:
            with device_faults_told(self._device):
                given = self._session.run(
                    None, {self._input: np.ascontiguousarray(batch)}
                )
        except (OutOfMemoryError, DeviceLostError):
            raise
        except self._errors as error:
            raise InvalidModelError(self._name, _words(error)) from error
        for output in given:
            if not isinstance(output, np.ndarray) or output.shape[:1] != (len(batch),):
                reason = "expected outputs with a row a picture"
                raise InvalidModelError(self._name, reason)
        return list(given)

    def _layout(self, shape: list[Any]) -> tuple[int, int, bool]:
        """Return pictures a batch and side in pixels, 0 if any, and the axis order."""
        sides = [n if isinstance(n, int) and n > 0 else 0 for n in shape]
        if len(sides) == 4 and 3 in (sides[1], sides[3]):
            channels_last = sides[1] != 3
            height, width = sides[1:3] if channels_last else sides[2:]
            if height == width:
                return sides[0], height, channels_last
        reason = (
            "expected an input of square pictures, (n, 3, side, side) or "
            f"(n, side, side, 3); found {tuple(shape)}"
        )
        raise InvalidModelError(self._name, reason)


def names_beside(content: bytes) -> set[str]:
    r"""Return the names of the files in which an ONNX file says that its weights lie.

    Examples
    --------
    >>> names_beside(b"...j\x15\n\x08location\x12\x06a.data...")
    {'a.data'}
    """
    found = set()
    for match in _LOCATION.finditer(content):
        length, *more = match[1]
        if more:
            length = (length & 0x7F) | more[0] << 7
        name = content[match.end() : match.end() + length]
        found.add(name.decode(errors="replace"))
    return found


def quiet_options() -> Any:
    """Return onnxruntime's options for a session that prints nothing.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise_interrupt(error)
        raise MissingExtraError("onnx", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    return options


def open_session(
    name: str, content: bytes, device: str, options: Any | None = None
) -> Any:
    """Open a network, with `quiet_options` if no others are given.

    Raises
    ------
    InvalidModelError
        If it is no ONNX network, or its weights are not there.
    MissingExtraError
        If onnxruntime is not installed.
    """
    options = options or quiet_options()
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if device == "cuda" and computes_on(device):
        providers.insert(0, _CUDA)
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except _errors() as error:
        reason = f"expected an ONNX network in one file; {_words(error)}"
        beside = ", ".join(sorted(names_beside(content)))
        if beside and not options.optimized_model_filepath:
            reason = (
                f"its weights lie in a second file, {beside}: models import joins both "
                f"where they lie side by side, or {ONE_FILE}"
            )
        raise InvalidModelError(name, reason) from error


def computes_on(device: str) -> bool:
    """Tell whether onnxruntime, as it is installed, computes on "cpu", "cuda" or "mps".

    Raises
    ------
    MissingExtraError
        If it is needed for that and not installed.
    """
    if device != "cuda":
        return device == "cpu"
    quiet_options()
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def _errors() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises; its own errors have no base in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [
        value
        for value in vars(state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    return (*own, RuntimeError, ValueError)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
