"""Tensors on the disk, made in memory first.

Torch and safetensors write by their own C, and have errors of their own for a disk that
is full: written by us, the file is whole or not there, and the failure is foreseen.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from napari_deepheme.core.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Mapping
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
