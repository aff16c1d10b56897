"""Tensors on the disk, made in memory first.

Torch and safetensors write by their own C, and have errors of their own for a disk that
is full: written by us, the file is whole or not there, and the failure is foreseen.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.models.bringing.weight_files import check_file, read_torch
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write what a fit goes on from.

    Raises
    ------
    CannotWriteError
        If it cannot be written; what was there stays then.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)
    with atomic_file(path) as stream:
        stream.write(content.getbuffer())


@contextmanager
def read_checkpoint(path: Path, *, device: str = "cpu") -> Iterator[dict[str, Any]]:
    """Give what `write_checkpoint` wrote, to be taken over within the block.

    Parameters
    ----------
    path : Path
        The file.
    device : str
        Where its tensors go.

    Raises
    ------
    TrainingError
        If it holds something else, code among it, or does not fit what takes it over.
    """
    try:
        check_file(path)
        saved = read_torch(path, device=device)
        if not isinstance(saved, dict):
            raise TypeError(f"it holds a {type(saved).__name__}")
        yield saved
    except InvalidModelError as error:
        raise _no_checkpoint(path, error.reason) from error
    except torch.OutOfMemoryError:
        raise
    # What tensors and names that do not fit end in, by torch's and Python's own words.
    except (
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
    ) as error:
        raise _no_checkpoint(path, str(error)) from error


def _no_checkpoint(path: Path, reason: str) -> TrainingError:
    return TrainingError(
        f"{path} is no checkpoint of this training: {reason[:300]}; remove it to "
        "begin anew"
    )


def write_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write the weights of a network as safetensors.

    Raises
    ------
    CannotWriteError
        If they cannot be written; what was there stays then.
    """
    content = safetensors.torch.save({k: v.contiguous() for k, v in weights.items()})
    with atomic_file(path) as stream:
        stream.write(content)
