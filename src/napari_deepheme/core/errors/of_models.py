"""Failures with models and with what computes."""

from __future__ import annotations

from typing import Self

from napari_deepheme.core.errors.base import DeephemeError, OfModel, one_line


class ModelNotFoundError(DeephemeError, LookupError):
    """No model is known by that name, and no file lies at that path.

    `what` is the kind that was asked for, `known` the names of those that would do.
    """

    def __init__(
        self,
        model: str,
        known: tuple[str, ...],
        what: str = "model",
        by_path: bool = True,
    ) -> None:
        super().__init__(model, known, what, by_path)
        self.model = model
        self.known = known
        self.what = what
        self.by_path = by_path

    def __str__(self) -> str:
        """Word the error."""
        some = f"choose one of {', '.join(self.known)}"
        remedy = (
            some if self.known else "there is none yet (bring one by models import)"
        )
        or_file = ", or a file" if self.by_path else ""
        return f"no {self.what} {self.model!r}: {remedy}{or_file}"


class InvalidModelError(OfModel, DeephemeError, ValueError):
    """A file is not a model, or not one that fits."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.model} is not a usable model: {one_line(self.reason)} (choose "
            "another, or export its file anew)"
        )


class CannotRemoveError(OfModel, DeephemeError, ValueError):
    """A model is not the user's to take out."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"cannot remove {self.model}: {one_line(self.reason)} (name a model of "
            "your own)"
        )


class DownloadError(DeephemeError, OSError):
    """Something could not be fetched, or is not what was to be fetched."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"cannot download {self.url}: {one_line(self.reason)} (check the address "
            "and the connection, and try again)"
        )


class DeviceNotAvailableError(DeephemeError, RuntimeError):
    """The device asked for is not in this machine."""

    def __init__(self, device: str, available: tuple[str, ...]) -> None:
        super().__init__(device, available)
        self.device = device
        self.available = available

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"device {self.device!r} is not available here: choose one of "
            f"{', '.join(self.available)}"
        )


class UnfitBackendError(DeephemeError, ValueError):
    """What was asked to compute a model cannot: ONNX is onnxruntime's."""

    def __init__(self, model: str, backend: str) -> None:
        super().__init__(model, backend)
        self.model = model
        self.backend = backend

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.model} is in ONNX, which {self.backend} does not compute here: "
            "leave the backend out"
        )


class DeviceLostError(DeephemeError, RuntimeError):
    """A device broke off in the middle of its work."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(device, reason)
        self.device = device
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the device {self.device!r} broke off: {one_line(self.reason)[:160]} "
            "(start anew, which goes on from what is done, or choose the device cpu)"
        )


class OutOfMemoryError(DeephemeError, MemoryError):
    """There was not enough memory, whatever was tried."""

    def __new__(cls, *args: object) -> Self:
        """Make it as any other, which that of MemoryError refuses to Dask."""
        return Exception.__new__(cls, *args)

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.device = device

    def __str__(self) -> str:
        """Word the error."""
        if self.device != "cpu":
            return (
                f"the memory of the device {self.device!r} ran out: close what else "
                "computes there, or choose the device cpu"
            )
        return (
            "the memory ran out: close other programs, or choose a smaller region; "
            "what is done is kept, and the same command goes on from there"
        )


class TorchNotLoadedError(DeephemeError, ImportError):
    """What computes the networks cannot be loaded."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        """Word the error."""
        return f"torch cannot be loaded: {one_line(self.reason)[:200]} ({self.remedy})"


class NotExplainableError(OfModel, DeephemeError, ValueError):
    """A model cannot show what it looked at, or where a cell lies among others."""

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.model} shows no more than its probabilities: "
            f"{one_line(self.reason)} (choose another model for that)"
        )


class EmbeddingError(DeephemeError, RuntimeError):
    """The map of the cells could not be computed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"the cells could not be mapped: {one_line(self.reason)} (choose other "
            "cells, or try again)"
        )


class MissingExtraError(DeephemeError, ImportError):
    """A package is missing that only some users need."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(extra, package)
        self.extra = extra
        self.package = package

    def __str__(self) -> str:
        """Word the error."""
        return (
            f"{self.package} is not installed: give "
            f'pip install "napari-deepheme[{self.extra}]"'
        )
