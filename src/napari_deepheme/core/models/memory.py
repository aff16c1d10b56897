"""How much memory a device has left."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_deepheme.core.models.torch.loading import need_torch

_MEMINFO: Final = Path("/proc/meminfo")


def free_bytes(device: str) -> int | None:
    """Return the bytes that are free on a device, None where that cannot be asked.

    Parameters
    ----------
    device : str
        "cpu": what the system can give, as Linux tells it; "cuda": the first GPU.
    """
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    try:
        lines = _MEMINFO.read_text().splitlines() if device == "cpu" else []
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def count_gpus() -> int:
    """Count the GPUs that CUDA sees.

    Raises
    ------
    TorchNotLoadedError
        If torch cannot be loaded.
    """
    need_torch()
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
