"""Networks as OpenVINO holds them, kept between runs: converting takes a second."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import HomeNotKnownError
from napari_deepheme.core.models.cache_folder import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

_log = logging.getLogger(__name__)

_MODEL: Final = "model.xml"

_FILES: Final = (_MODEL, "model.bin")


def converted(
    openvino: Any,
    network: nn.Module,
    convert: Callable[[nn.Module], Any],
    *,
    kind: str = "",
) -> Any:
    """Return a network as OpenVINO holds it, from the cache where it lies there.

    Parameters
    ----------
    openvino : module
        OpenVINO.
    network : Module
        In evaluation mode.
    convert : callable
        Converts it.
    kind : str
        Tells apart what is made of one network; says all that it depends on beside it.
    """
    try:
        folder = cache_folder() / "openvino" / _key(openvino, network, kind)
    except HomeNotKnownError as error:
        _log.info("a converted network is not kept: %s", error)
        return convert(network)
    try:
        # What a disk spoilt must not name cells.
        if _hash(folder) == (folder / "sha256").read_text():
            return openvino.Core().read_model(folder / _MODEL)
    except (OSError, RuntimeError, ValueError):
        pass
    model = convert(network)
    try:
        _keep(openvino, model, folder)
    except (OSError, RuntimeError) as error:
        _log.info("a converted network is not kept: %s", error)
    return model


def _key(openvino: Any, network: nn.Module, kind: str) -> str:
    digest = hashlib.sha256()
    facts = (openvino.__version__, version("napari-deepheme"), repr(network), kind)
    digest.update("\n".join(facts).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _keep(openvino: Any, model: Any, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        openvino.save_model(model, partial / _MODEL, compress_to_fp16=False)
        (partial / "sha256").write_text(_hash(partial))
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
