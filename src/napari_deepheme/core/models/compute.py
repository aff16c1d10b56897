"""Where and how networks compute: device, backend, number format, threads."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt


DEVICES: Final = ("auto", "cpu", "cuda", "mps")
"""What can be asked for to compute on; "auto" is the quickest that is there."""

BACKENDS: Final = ("torch", "openvino")
"""What can compute a network whose weights are safetensors."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how networks compute; the same gives the same numbers.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "mps".
    backend : str
        One of `BACKENDS`, or "onnxruntime" where the classifier is ONNX.
    precision : str
        "float32", "bfloat16", "float16" or "int8"; what is not in eight bits then is in
        single precision, and the detector in the device's own format.
    n_threads : int
        Threads on a CPU; 0 as the backend likes.
    close_call : float
        In (0, 1]. A cell whose second likeliest class has more than this part of the
        likeliest one's probability is classified again in single precision; 1 for none.
    """

    device: str = "cpu"
    backend: str = "torch"
    precision: str = "float32"
    n_threads: int = 0
    close_call: float = 1.0

    def __str__(self) -> str:
        """Word it for a report.

        Examples
        --------
        >>> print(Compute("cpu", "openvino", "bfloat16"))
        openvino on cpu, bfloat16
        >>> print(Compute("cpu", "openvino", "bfloat16", close_call=0.6))
        openvino on cpu, bfloat16 and close calls in float32
        """
        return f"{self.backend} on {self.device}, {self.numbers}"

    @property
    def numbers(self) -> str:
        """Number formats, as a report words them."""
        if self.close_call < 1:
            return f"{self.precision} and close calls in float32"
        return self.precision

    @property
    def exact(self) -> Self:
        """The same in single precision."""
        return replace(self, precision="float32", close_call=1.0)

    @property
    def overlaps(self) -> bool:
        """Whether two networks may compute at the same time without harm.

        On a CPU torch's threads would wait for each other.
        """
        return self.backend == "openvino" or self.device == "cuda"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Make it of what `to_json` gave.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            given = cls(**stored)
        except TypeError as error:
            raise ValueError(f"no compute: {error}") from error
        kinds: dict[str, Any] = {"n_threads": int, "close_call": (int, float)}
        if not all(
            isinstance(value, kinds.get(name, str))
            for name, value in asdict(given).items()
        ):
            raise ValueError(f"no compute: {stored}")
        return given


class Runner(Protocol):
    """A network that is ready to compute; safe to run from many threads."""

    def run(
        self, pixels: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Compute the network's output, batch by batch.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, h, w, 3)
            Pictures, not yet normalised; at least one.
        batch_size : int
            Pictures computed at once, at most.

        Returns
        -------
        ndarray of float32
            The output for all n.
        """
        ...


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed, without loading it."""
    return importlib.util.find_spec("openvino") is not None
