"""ONNX networks whose weights lie in a second file -> one file.

PyTorch's exporter writes them so: a graph, and FILE.onnx.data beside it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.onnx.runner import (
    ONE_FILE,
    names_beside,
    open_session,
    quiet_options,
)

_LARGEST_BYTES: Final = (2 << 30) - 1
"""No ONNX file can be larger."""


def join_weights(path: Path, content: bytes, target: Path) -> None:
    """Write a network as one file.

    Parameters
    ----------
    path : Path
        The network's file; its weights are taken from this folder alone.
    content : bytes
        What is in it.
    target : Path
        The file to be written.

    Raises
    ------
    InvalidModelError
        If the weights do not lie beside it, are cut off or too large, or it is no
        network.
    MissingExtraError
        If onnxruntime is not installed.
    """
    options = quiet_options()
    from onnxruntime import GraphOptimizationLevel

    files = [_file_beside(path, name) for name in sorted(names_beside(content))]
    if len(content) + sum(file.stat().st_size for file in files) > _LARGEST_BYTES:
        reason = "it has more than 2 GB with its weights, which no one file can hold"
        raise InvalidModelError(path.name, reason)
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(target)
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        reason = f"its weights lie in {files[0].name}: take a newer onnxruntime, or "
        raise InvalidModelError(path.name, reason + ONE_FILE)
    weights = [file.read_bytes() for file in files]
    options.add_external_initializers_from_files_in_memory(
        [file.name for file in files], weights, [len(data) for data in weights]
    )
    try:
        open_session(path.name, content, "cpu", options)
    except InvalidModelError as error:
        names = ", ".join(file.name for file in files)
        reason = f"{names} does not hold the weights that it names; {error.reason}"
        raise InvalidModelError(path.name, reason) from error


def _file_beside(path: Path, name: str) -> Path:
    file = path.parent / name
    is_plain = {PurePosixPath(name).name, PureWindowsPath(name).name} == {name}
    if not is_plain or file.is_symlink() or not file.is_file():
        reason = f"its weights lie in {name!r}, which is no file beside it: {ONE_FILE}"
        raise InvalidModelError(path.name, reason)
    return file
