"""Where many slides are worked on: processes of this machine, or a Dask scheduler's."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import resource_tracker
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import (
    MissingExtraError,
    SchedulerNotFoundError,
    UnfitWorkersError,
)
from napari_deepheme.core.files import need_temporary_files
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.models.memory import count_gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOOPBACK: Final = "127.0.0.1"
"""Processes of this machine are nobody else's business."""

_ANY_PORT: Final = f"{_LOOPBACK}:0"
"""Dask's own choice is one port, of all networks, which a second batch finds taken."""

_PATIENCE_SECONDS: Final = 10
"""How long a scheduler may take to answer."""

_CLOSING_SECONDS: Final = 2
"""How long it may take to part; results are in by then."""

_LOOK_AGAIN_SECONDS: Final = 0.1
"""How often it is seen whether workers are up."""

_VERSION: Final = "napari_deepheme:__version__"

MAKE_ALIKE: Final = (
    "give all machines the same version of napari-deepheme and the same models, and "
    "start their workers anew"
)
"""What to do when workers have something else."""

FEWER: Final = "close other programs, or give fewer --workers"
"""What to do when workers die."""

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
def open_client(config: BatchConfig, *, device: str = "auto") -> Iterator[Any]:
    """Give a client of a scheduler, or of worker processes that end with it.

    Parameters
    ----------
    config : BatchConfig
        Where the work is done.
    device : str
        What is to compute. Workers of this machine that compute on the CPU do not wait
        until its GPUs are counted.

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
    UnfitWorkersError
        If a worker process of this machine dies as it starts.
    """
    try:
        import distributed
    except ImportError as error:
        raise_interrupt(error)
        raise MissingExtraError("batch", "distributed") from error
    scheduler = config.scheduler
    if scheduler is not None:
        _check_address(scheduler)
        with _client_of(distributed, scheduler) as client, _told_if_lost(scheduler):
            yield client
        return
    n_gpus = 0 if device == "cpu" else count_gpus()
    with _own_workers(distributed, config, n_gpus) as client:
        yield client


@contextmanager
def _own_workers(distributed: Any, config: BatchConfig, n_gpus: int) -> Iterator[Any]:
    nannies: list[Any] = []
    # A worker that has none ends as it starts, and does not say why.
    need_temporary_files()
    try:
        cluster = _started(distributed, nannies, config, n_gpus)
    except RuntimeError as error:
        raise UnfitWorkersError("one died as it started", FEWER) from error
    try:
        with distributed.Client(cluster, set_as_default=False) as client:
            yield client
    except BaseException:
        # What they are at is of no use any more, and can take a while.
        _end_workers(nannies)
        raise
    finally:
        _close(cluster)


def check_workers(client: Any) -> None:
    """Refuse workers and a scheduler that lack this program, or have another version.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.

    Raises
    ------
    UnfitWorkersError
        If one does: whatever it was given, it could not read, and would not say so.
    """
    # Not a function of this program, which could not be sent there.
    with asking():
        answers = client.run(resolve_name, _VERSION, on_error="return")
    try:
        with asking():
            answers["the scheduler"] = client.run_on_scheduler(resolve_name, _VERSION)
    except (ImportError, AttributeError) as error:
        answers["the scheduler"] = error
    here = version("napari-deepheme")
    for place, answer in answers.items():
        if isinstance(answer, ImportError | AttributeError):
            reason = f"{place} lacks napari-deepheme: {answer}"
        elif isinstance(answer, str) and answer != here:
            reason = f"{place} has napari-deepheme {answer}, not {here}"
        else:
            # One that died meanwhile is seen by who gives it work.
            continue
        raise UnfitWorkersError(reason, MAKE_ALIKE)


def lost_errors() -> tuple[type[Exception], ...]:
    """Return what is raised in the place of an answer when a scheduler is lost."""
    from distributed.comm import CommClosedError

    return (CancelledError, CommClosedError)


@contextmanager
def asking() -> Iterator[None]:
    """Have what fails on the way to a scheduler told as the loss of it.

    Where a connection is made anew for a question, Dask tells of a scheduler that is
    gone by a plain OSError, after its time limit.
    """
    from distributed.comm import CommClosedError

    try:
        yield
    except lost_errors():
        raise
    except OSError as error:
        raise CommClosedError(str(error)) from error


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
    try:
        yield
    except lost_errors() as error:
        raise SchedulerNotFoundError(scheduler) from error


def _started(
    distributed: Any, nannies: list[Any], config: BatchConfig, n_gpus: int
) -> Any:
    """Return a cluster whose workers are up; add their nannies to a list.

    Dask cannot end what it began to start before an interrupt: all is started on a
    thread that none reaches, while this one waits and can be interrupted.
    """
    with ThreadPoolExecutor(1, initializer=_hold_off_interrupts) as thread:
        start = thread.submit(_local_cluster, distributed, nannies, config, n_gpus)
        try:
            while not wait([start], _LOOK_AGAIN_SECONDS).done:
                # On Windows a wait without an end cannot be interrupted.
                pass
        except KeyboardInterrupt:
            while not wait([start], _LOOK_AGAIN_SECONDS).done:
                _end_workers(nannies)
            if start.exception() is None:
                _end_workers(nannies)
                _close(start.result())
            raise
        return start.result()


def _hold_off_interrupts() -> None:
    """Have processes that this thread starts from here on never see Ctrl-C.

    A terminal sends it to all processes of a command, of which the first alone is to
    answer. What a thread blocks, the threads and processes that it starts block too:
    workers from their first moment, and those that stand in for one that died.
    """
    if sys.platform != "win32":
        # As it starts, with the first process, it lets Ctrl-C through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def _end_workers(nannies: Iterable[Any]) -> None:
    """End workers at once, whatever they are at, and start none in their place."""
    for nanny in nannies:
        # One that ends meanwhile, on Dask's thread, has no process any more.
        with suppress(OSError, AttributeError):
            pid = nanny.pid
            if pid is not None:
                nanny.close_gracefully()
                os.kill(pid, signal.SIGTERM)


def _close(cluster: Any) -> None:
    # All is done by then; one that does not part in time is killed.
    with suppress(TimeoutError):
        cluster.close()


def _local_cluster(
    distributed: Any, nannies: list[Any], config: BatchConfig, n_gpus: int
) -> Any:
    import dask

    def nanny(*words: Any, **options: Any) -> Any:
        nannies.append(distributed.Nanny(*words, **options))
        return nannies[-1]

    n_workers = config.n_workers or n_gpus or 1
    n_threads = config.n_threads or max(1, (os.cpu_count() or 1) // n_workers)
    workers = {
        index: {"cls": nanny, "options": _worker_options(index, n_gpus)}
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


def _worker_options(index: int, n_gpus: int) -> dict[str, Any]:
    return {
        # One part at a time; its networks have the threads.
        "nthreads": 1,
        "memory_limit": 0,
        "host": _LOOPBACK,
        "dashboard": False,
        "dashboard_address": _ANY_PORT,
        "silence_logs": _SILENCED,
        "env": {"CUDA_VISIBLE_DEVICES": str(index % n_gpus)} if n_gpus else {},
    }
