"""torch is loaded, or it is told why not."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import TorchNotLoadedError
from napari_deepheme.core.interrupts import raise_interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

_THREADS_VARIABLE: Final = "OMP_NUM_THREADS"

_SOME_THREADS: Final = re.compile(r"\s*0*[1-9]\d*\s*(,\s*0*[1-9]\d*\s*)*")

_LARGE_LIBRARIES: Final = ("libtorch_cpu", "libtorch_cuda")
"""Those of torch that take long to load and know nothing of Python."""


def need_torch() -> None:
    """Load torch, before anything that imports it.

    On another thread than the first it is loaded so that the others, a window among
    them, are held as little as can be.

    Raises
    ------
    TorchNotLoadedError
        If it cannot be loaded.
    """
    if sys.modules.get("torch") is not None:
        return
    try:
        # Libraries of torch end the process where there is no current folder.
        os.getcwd()
    except OSError as error:
        reason = "the current folder is gone"
        raise TorchNotLoadedError(reason, "go to a folder that is there") from error
    _drop_odd_threads()
    try:
        with _others_go_on():
            import torch  # noqa: F401
    except (ImportError, OSError, SystemError) as error:
        # The last without a word, where memory is short.
        raise_interrupt(error)
        remedy = "install it anew, or close other programs where memory is short"
        raise TorchNotLoadedError(str(error), remedy) from error


@contextmanager
def _others_go_on() -> Iterator[None]:
    """Let other threads go on while this one imports torch.

    An import holds Python's lock while the system loads a library, and objects that
    come by the hundred thousand set off searches for garbage: each of them holds all
    threads, for some tenths of a second.
    """
    if threading.current_thread() is threading.main_thread():
        yield
        return
    load_libraries(torch_libraries())
    was_searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # All that came is old at once: the next search does not go through it.
        gc.freeze()
        gc.unfreeze()
        if was_searching:
            gc.enable()


def torch_libraries() -> tuple[Path, ...]:
    """Return torch's large libraries, none where torch or its folder is not found."""
    found = find_spec("torch")
    if found is None or found.origin is None:
        return ()
    folder = Path(found.origin).with_name("lib")
    named = [f"{name}.{end}" for name in _LARGE_LIBRARIES for end in ("so", "dylib")]
    return tuple(folder / name for name in named if (folder / name).is_file())


def load_libraries(paths: tuple[Path, ...]) -> None:
    """Have the system load libraries without holding Python's lock meanwhile.

    An import then finds them loaded. What cannot be loaded is left to it to tell; on
    Windows all is.
    """
    if os.name != "posix":
        return
    # A foreign function is called without the lock; making a `CDLL` is not.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for path in paths:
        dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)


def _drop_odd_threads() -> None:
    """Drop a number of threads that is none: OpenMP would pass it over, with words."""
    given = os.environ.get(_THREADS_VARIABLE, "")
    if given and not _SOME_THREADS.fullmatch(given):
        del os.environ[_THREADS_VARIABLE]
