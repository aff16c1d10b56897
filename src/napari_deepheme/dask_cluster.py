"""Where many slides are worked on: processes of this machine, or a Dask scheduler's."""

from __future__ import annotations

import logging
import os
import re
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import MissingExtraError, SchedulerNotFoundError
from napari_deepheme.core.models.memory import count_gpus

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOPBACK: Final = "127.0.0.1"

_ANY_PORT: Final = f"{_LOOPBACK}:0"
"""Dask's own choice is one port, of all networks, which a second batch finds taken."""
"""Processes of this machine are nobody else's business."""

_PATIENCE_SECONDS: Final = 10
"""How long a scheduler may take to answer."""

_CLOSING_SECONDS: Final = 2
"""How long it may take to part; results are in by then."""

_SILENCED: Final = logging.CRITICAL
"""What fails in a part comes back with it; the rest are farewells of processes that
end, such as a heartbeat that nobody answers any more."""

_ADDRESS: Final = re.compile(r"(?:(\w+)://)?(?:\[[\da-fA-F:.]+\]|[^\s:/]+):(\d{1,5})/?")


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Where slides are worked on.

    Attributes
    ----------
    scheduler : str or None
        Address of a Dask scheduler; None for worker processes of this machine.
    n_workers : int or None
        Processes of this machine; None for one a GPU, or one where there is none.
    n_threads : int or None
        Threads of each; None to share out those of the machine.
    overwrite : bool
        Whether runs of something else in the folders may be thrown away.
    """

    scheduler: str | None = None
    n_workers: int | None = None
    n_threads: int | None = None
    overwrite: bool = False


@contextmanager
def open_client(config: BatchConfig) -> Iterator[Any]:
    """Give a client of a scheduler, or of worker processes that end with it.

    Yields
    ------
    distributed.Client
        The client.

    Raises
    ------
    MissingExtraError
        If Dask's `distributed` is not installed.
    SchedulerNotFoundError
        If none answers at the address, or it is lost in the middle.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("batch", "distributed") from error
    scheduler = config.scheduler
    if scheduler is not None:
        _check_address(scheduler)
        with _client_of(distributed, scheduler) as client, _told_if_lost(scheduler):
            yield client
        return
    with (
        _local_cluster(distributed, config) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _check_address(scheduler: str) -> None:
    """Refuse what is no address: a client of it would be waited for as it ends."""
    from distributed.comm.registry import get_backend

    parts = _ADDRESS.fullmatch(scheduler)
    if parts is None or int(parts[2]) > 0xFFFF:
        raise SchedulerNotFoundError(scheduler)
    try:
        get_backend(parts[1] or "tcp")
    except ValueError as error:
        raise SchedulerNotFoundError(scheduler) from error


@contextmanager
def _client_of(distributed: Any, scheduler: str) -> Iterator[Any]:
    try:
        client = distributed.Client(
            scheduler, set_as_default=False, timeout=_PATIENCE_SECONDS
        )
    except (OSError, ValueError) as error:
        raise SchedulerNotFoundError(scheduler) from error
    try:
        yield client
    finally:
        # One that is lost does not answer any more.
        with suppress(TimeoutError):
            client.close(timeout=_CLOSING_SECONDS)


@contextmanager
def _told_if_lost(scheduler: str) -> Iterator[None]:
    from distributed.comm import CommClosedError

    try:
        yield
    except (CancelledError, CommClosedError) as error:
        raise SchedulerNotFoundError(scheduler) from error


def _local_cluster(distributed: Any, config: BatchConfig) -> Any:
    import dask

    n_gpus = count_gpus()
    n_workers = config.n_workers or n_gpus or 1
    n_threads = config.n_threads or max(1, (os.cpu_count() or 1) // n_workers)
    workers = {
        index: {
            "cls": distributed.Nanny,
            "options": {
                # One part at a time; its networks have the threads.
                "nthreads": 1,
                "memory_limit": 0,
                "host": _LOOPBACK,
                "dashboard": False,
                "dashboard_address": _ANY_PORT,
                "silence_logs": _SILENCED,
                "env": {"CUDA_VISIBLE_DEVICES": str(index % n_gpus)} if n_gpus else {},
            },
        }
        for index in range(n_workers)
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {
            "host": _LOOPBACK,
            "dashboard": False,
            "dashboard_address": _ANY_PORT,
        },
    }
    # Read when a process starts. Dask's own value has memory given back after each
    # batch, and taken again.
    environment = {
        "OMP_NUM_THREADS": n_threads,
        "MALLOC_TRIM_THRESHOLD_": 1_000_000_000,
        "MALLOC_MMAP_MAX_": 0,
    }
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
        return distributed.SpecCluster(workers, scheduler, silence_logs=_SILENCED)
