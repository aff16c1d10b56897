"""What a device says when its memory runs out, or when it is lost, told in our words.

Torch, ONNX Runtime and OpenVINO have a `RuntimeError` for all of it: only the text
tells what happened. A library that cannot be loaded has an `ImportError` for all of it:
only what it was raised from tells.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import DeviceLostError, OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT: Final = (
    "out of memory",
    "can't alloc",
    "cannot allocate memory",
    "not enough memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "_status_alloc_failed",
    # Of oneDNN; of a "primitive descriptor" it says so for other reasons.
    "could not create a primitive\n",
    # Of the system, where there is no room for a library or another thread.
    "failed to map segment",
    "can't start new thread",
    "resource temporarily unavailable",
)

_LOST: Final = (
    "cuda error",
    "cuda failure",
    "cudnn_status",
    "cublas_status",
    "hip error",
    "device lost",
    "device was removed",
)


@contextmanager
def device_faults_told(device: str) -> Iterator[None]:
    """Raise what a device says as a failure that is foreseen.

    Parameters
    ----------
    device : str
        Where the block computes.

    Raises
    ------
    OutOfMemoryError
        If the memory ran out.
    DeviceLostError
        If the device broke off.
    """
    try:
        yield
    except (OutOfMemoryError, DeviceLostError):
        raise
    except MemoryError as error:
        raise OutOfMemoryError(device) from error
    except Exception as error:
        # ONNX Runtime's own errors have no base in common but this.
        if is_out_of_memory(error):
            raise OutOfMemoryError(device) from error
        if device != "cpu" and _says(error, _LOST):
            raise DeviceLostError(device, str(error)) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, or what it was raised from, says that memory ran out.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    True
    >>> is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    # Torch's own is so called, whatever its text.
    is_named_so = type(error).__name__ == "OutOfMemoryError"
    if isinstance(error, MemoryError) or is_named_so or _says(error, _SHORT):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = f"{error}\n".lower()
    return any(word in text for word in words)
