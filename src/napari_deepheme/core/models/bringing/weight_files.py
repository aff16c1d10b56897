"""Files of weights -> state dicts, without ever running code that lies in them."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TORCH_SUFFIXES: Final = frozenset({".pt", ".pth", ".ckpt"})

SAFETENSORS: Final = ".safetensors"

ONNX: Final = ".onnx"

SUFFIXES: Final = TORCH_SUFFIXES | {SAFETENSORS, ONNX}

StateDict = dict[str, torch.Tensor]

_LARGEST_BYTES: Final = 8 << 30

_INNER_KEYS: Final = ("model_state_dict", "state_dict")

_NO_WEIGHTS: Final = re.compile(r"^opt(_|$)|optim|sched|scaler|loop|callback|hyper")
"""Entries of a checkpoint that serve to go on training."""

_NUMBERED: Final = re.compile(r"^((?:[a-z_]+\.)*)(\d+)\.")
"""How the members of an ensemble are told apart in one flat file."""

_AVERAGED: Final = "n_averaged"
"""What torch's AveragedModel counts beside its weights."""

_OTHER_FILES: Final = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"<": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
}

_EXPECTED: Final = "expected a state dict saved by torch.save"

_REMEDY: Final = (
    "re-save the state dict alone where the file comes from: "
    'torch.save(model.state_dict(), "weights.pt"), or of a Lightning checkpoint '
    'torch.save(checkpoint["state_dict"], "weights.pt")'
)


@dataclass(frozen=True, slots=True, eq=False)
class ReadWeights:
    """What a file of weights holds.

    Attributes
    ----------
    states : list of dict of str to Tensor
        A state dict, or those of all members of an ensemble; at least one, on the CPU.
    said : Any
        All that the file holds, words beside the weights among it.
    """

    states: list[StateDict]
    said: Any


def read_weights(path: Path) -> ReadWeights:
    """Read the state dicts of a file, and what it says beside them.

    Parameters
    ----------
    path : Path
        A .pt, .pth or .ckpt as torch.save writes it, or .safetensors.

    Raises
    ------
    InvalidModelError
        If the file is something else, incomplete, holds pickled code, or several
        state dicts that need not be members of an ensemble.
    """
    check_file(path)
    if path.suffix.lower() == SAFETENSORS:
        content, said = _read_safetensors(path)
    elif path.suffix.lower() in TORCH_SUFFIXES:
        content = said = read_torch(path)
    else:
        raise InvalidModelError(path.name, f"expected one of {expected_suffixes()}")
    states = _states(path.name, content)
    found = [member for state in states for member in _members(state)]
    if not found:
        n = _n_tensors(content)
        there = (
            f"{plural(n, 'tensor')} of no state dict" if n else "no tensors of weights"
        )
        told = f"{_EXPECTED}, two tensors or more by their names; found {there}"
        raise InvalidModelError(path.name, told)
    return ReadWeights(found, said)


def expected_suffixes() -> str:
    """Return the endings of weights files as words."""
    return ", ".join(sorted(SUFFIXES))


def check_file(path: Path) -> None:
    """Refuse what is no file, empty, or larger than weights can be.

    Raises
    ------
    InvalidModelError
        If it is so.
    """
    try:
        n_bytes, is_file = path.stat().st_size, path.is_file()
    except (OSError, ValueError) as error:
        raise InvalidModelError(str(path), _words(error)) from error
    if not is_file:
        raise InvalidModelError(str(path), "expected a file of weights")
    if not n_bytes:
        raise InvalidModelError(path.name, f"{_EXPECTED}; the file is empty")
    if n_bytes > _LARGEST_BYTES:
        reason = f"expected at most {_LARGEST_BYTES >> 30} GB; it has {n_bytes} bytes"
        raise InvalidModelError(path.name, reason)


def _read_safetensors(path: Path) -> tuple[Any, Any]:
    """Return the tensors, and the words in the header."""
    # The library compares what the header declares with the length of the file before
    # it takes memory for it.
    try:
        with safe_open(path, "pt") as opened:
            return load_file(path), opened.metadata()
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        reason = f"expected a complete safetensors file; {_words(error)}"
        raise InvalidModelError(path.name, reason) from error


def read_torch(path: Path, *, device: str = "cpu") -> Any:
    """Read what torch.save wrote: tensors and plain values, never code.

    Nothing else in this program reads such files.

    Parameters
    ----------
    path : Path
        The file.
    device : str
        Where its tensors go.

    Raises
    ------
    InvalidModelError
        If the file is something else, incomplete, or holds pickled code.
    """
    try:
        _check_container(path)
        with warnings.catch_warnings():
            # A damaged pickle is told as such, not by what torch thinks of it.
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals(_numpy_numbers()):
                return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidModelError(path.name, _refused_pickle(error)) from error
    except (MemoryError, InvalidModelError):
        raise
    # A damaged pickle fails in as many ways as there are opcodes.
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        EOFError,
        OverflowError,
        zipfile.BadZipFile,
    ) as error:
        reason = f"{_EXPECTED}; the file is damaged or incomplete ({_words(error)})"
        raise InvalidModelError(path.name, reason) from error


def _numpy_numbers() -> list[Any]:
    """Return what a checkpoint with numpy's numbers, such as a best score, refers to.

    These make numbers and run no code.
    """
    core = getattr(np, "_core", None) or np.core
    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    return [core.multiarray.scalar, np.dtype, *(type(np.dtype(k)) for k in kinds)]


def _check_container(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(32)
    for magic, words in _OTHER_FILES.items():
        if start.startswith(magic):
            raise InvalidModelError(path.name, f"{_EXPECTED}; found {words}")
    if not start.startswith(b"PK"):
        if not start.startswith(b"\x80"):
            raise InvalidModelError(path.name, f"{_EXPECTED}; found something else")
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        reason = f"{_EXPECTED}; found a TorchScript archive, which is code: {_REMEDY}"
        raise InvalidModelError(path.name, reason)
    if not any(name.endswith("data.pkl") for name in names):
        raise InvalidModelError(path.name, f"{_EXPECTED}; found another zip archive")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InvalidModelError(path.name, f"{_EXPECTED}; found a compressed archive")


def _refused_pickle(error: pickle.UnpicklingError) -> str:
    """Word what torch refuses: what it does not know, or is known to do harm."""
    text = str(error)
    named = re.search(r"GLOBAL (\S+)", text) or re.search(r"`?(\w+(?:\.\w+)+)`? ", text)
    if re.search("unsupported (global|class)", text, re.IGNORECASE):
        what = named.group(1) if named else "an object"
        return (
            f"{_EXPECTED}; it holds pickled code or objects ({what}), which are never "
            f"loaded or run: {_REMEDY}"
        )
    return (
        f"{_EXPECTED}; its pickle holds what a state dict does not, which can be code "
        f"and is never loaded or run: {_REMEDY}"
    )


def _states(file: str, content: Any, depth: int = 0) -> list[StateDict]:
    """Find the state dicts in what a file holds: one, or one a fold."""
    if depth > 4:
        return []
    if isinstance(content, Mapping):
        tensors = {
            str(name): value
            for name, value in content.items()
            if isinstance(value, torch.Tensor) and not _is_counter(str(name))
        }
        if len(tensors) > 1:
            return [tensors]
        for key in _INNER_KEYS:
            if key in content:
                states = _states(file, content[key], depth + 1)
                copies = _copies(content, key, states)
                if copies:
                    raise _several(file, [key, *copies])
                return states
        parts = {
            str(name): _states(file, part, depth + 1)
            for name, part in content.items()
            if not _NO_WEIGHTS.search(str(name))
        }
        _refuse_copies(file, [name for name, states in parts.items() if states])
        return [state for states in parts.values() for state in states]
    if isinstance(content, list | tuple):
        return [state for part in content for state in _states(file, part, depth + 1)]
    return []


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == _AVERAGED


def _copies(
    content: Mapping[Any, Any], key: str, states: Sequence[StateDict]
) -> list[str]:
    """Name what holds a network, too, beside the entry that is taken.

    A moving average may be a list of tensors without names.
    """
    least = max((_n_tensors(state, n_axes=2) for state in states), default=0) / 2
    return [
        str(name)
        for name, part in content.items()
        if name != key
        and not _NO_WEIGHTS.search(str(name))
        and _n_tensors(part, n_axes=2) > max(least, 1)
    ]


def _n_tensors(content: Any, depth: int = 0, *, n_axes: int = 0) -> int:
    """Count the tensors of an entry; those of an optimiser are no weights.

    With two axes or more they can be those of a layer.
    """
    if isinstance(content, torch.Tensor):
        return int(content.ndim >= n_axes)
    if depth > 4 or (isinstance(content, Mapping) and "param_groups" in content):
        return 0
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list | tuple):
        return sum(_n_tensors(part, depth + 1, n_axes=n_axes) for part in content)
    return 0


def _refuse_copies(file: str, names: Sequence[str]) -> None:
    """Take for members of an ensemble only what differs by its number.

    A moving average or a best state is the same network again.
    """
    if len({re.sub(r"\d+", "", name) for name in names}) > 1:
        raise _several(file, names)


def _several(file: str, names: Sequence[str]) -> InvalidModelError:
    words = ", ".join(name[:40] for name in names[:6])
    reason = (
        f"expected one state dict, or members that are numbered; found {words}: "
        "save the one that is to be used alone"
    )
    return InvalidModelError(file, reason)


def _members(state: StateDict) -> list[StateDict]:
    """Part a flat state dict whose names begin with the number of a member."""
    parts: dict[int, StateDict] = {}
    before = set()
    for name, value in state.items():
        number = _NUMBERED.match(name)
        if number is None:
            return [state]
        before.add(number[1])
        parts.setdefault(int(number[2]), {})[name[number.end() :]] = value
    # Plain layers are numbered as well.
    are_networks = all(
        any(name.endswith("conv1.weight") for name in part) for part in parts.values()
    )
    if len(before) > 1 or not are_networks:
        return [state]
    return [parts[number] for number in sorted(parts)]


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
