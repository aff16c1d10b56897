"""Decoded pieces of a slide, kept up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy.typing as npt

_Array = TypeVar("_Array", bound="npt.NDArray[Any]")


class PixelCache(Generic[_Array]):
    """The arrays used last. Safe for many threads.

    Parameters
    ----------
    n_bytes : int
        Bytes to keep; the last array is kept whatever its size.

    Examples
    --------
    >>> import numpy as np
    >>> cache = PixelCache(100)
    >>> int(cache.get("a", lambda: np.zeros(3)).size)
    3
    """

    def __init__(self, n_bytes: int) -> None:
        self._room = n_bytes
        self._used = 0
        self._lock = threading.Lock()
        self._alone = threading.RLock()
        self._arrays: OrderedDict[Hashable, _Array] = OrderedDict()

    @property
    def n_bytes(self) -> int:
        """Bytes that are held now."""
        return self._used

    def get(
        self, key: Hashable, make: Callable[[], _Array], *, alone: bool = False
    ) -> _Array:
        """Give an array, made if it is not held.

        Parameters
        ----------
        key : hashable
            What the array is known by.
        make : callable
            Makes it; what it raises is let through, and nothing is kept.
        alone : bool
            Make it in one thread at a time, where two would need too much memory.
        """
        held = self._held(key)
        if held is not None:
            return held
        if not alone:
            return self._keep(key, make())
        with self._alone:
            held = self._held(key)
            return self._keep(key, make()) if held is None else held

    def forget(self, key: Hashable) -> None:
        """Hold an array no longer."""
        with self._lock:
            array = self._arrays.pop(key, None)
            self._used -= 0 if array is None else array.nbytes

    def _held(self, key: Hashable) -> _Array | None:
        with self._lock:
            array = self._arrays.get(key)
            if array is not None:
                self._arrays.move_to_end(key)
            return array

    def _keep(self, key: Hashable, array: _Array) -> _Array:
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._used += array.nbytes
            while self._used > self._room and len(self._arrays) > 1:
                _, old = self._arrays.popitem(last=False)
                self._used -= old.nbytes
        return array
