"""The bytes of a TIFF."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO


class TiffStream:
    """The bytes of an open file, for many threads.

    Neither a read nor closing waits for a read of another thread, which may hang.

    Parameters
    ----------
    stream : file
        Opened for reading; it is closed with this object, when the last read has ended.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._at_a_time = threading.Lock()
        self._length = os.fstat(stream.fileno()).st_size
        self._n_reading = 0
        self._is_closed = False

    @property
    def length(self) -> int:
        """Number of bytes when it was opened."""
        return self._length

    def read(self, offset: int, count: int) -> bytes:
        """Read bytes.

        Raises
        ------
        EOFError
            If the file ends before.
        ValueError
            If it is closed.
        """
        if offset < 0 or count < 0 or offset + count > self._length:
            raise EOFError("the file is cut off")
        with self._lock:
            if self._is_closed:
                raise ValueError("the file is closed")
            self._n_reading += 1
        try:
            data = self._bytes(offset, count)
        finally:
            with self._lock:
                self._n_reading -= 1
                self._close_if_unused()
        if len(data) < count:
            raise EOFError("the file has become shorter")
        return data

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._is_closed = True
            self._close_if_unused()

    def _bytes(self, offset: int, count: int) -> bytes:
        if not hasattr(os, "pread"):
            with self._at_a_time:
                self._stream.seek(offset)
                return self._stream.read(count)
        data = os.pread(self._stream.fileno(), count, offset)
        while data and len(data) < count:
            # A system call gives 2 GB at most.
            more = os.pread(
                self._stream.fileno(), count - len(data), offset + len(data)
            )
            if not more:
                break
            data += more
        return data

    def _close_if_unused(self) -> None:
        if self._is_closed and not self._n_reading:
            self._stream.close()
