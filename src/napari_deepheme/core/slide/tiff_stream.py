"""The bytes of a TIFF."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO


class TiffStream:
    """The bytes of an open file, for many threads.

    Parameters
    ----------
    stream : file
        Opened for reading; it is closed with this object.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._length = os.fstat(stream.fileno()).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Read bytes.

        Raises
        ------
        EOFError
            If the file ends before.
        """
        if offset < 0 or count < 0 or offset + count > self._length:
            raise EOFError("the file is cut off")
        with self._lock:
            self._stream.seek(offset)
            return self._stream.read(count)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._stream.close()
