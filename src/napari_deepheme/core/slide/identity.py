"""What tells a slide from others, wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.patience import BRING_BACK, Patience

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.slide.protocol import SlideReader

_SAMPLE_BYTES: Final = 1 << 18


def slide_identity(slide: SlideReader) -> dict[str, Any]:
    """Return what tells a slide from others: name, size, and a hash of its file.

    Raises
    ------
    UnreadableSlideError
        If the file is gone by now, or does not answer.
    """
    try:
        sha256 = file_digest(slide.path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableSlideError(str(slide.path), reason, BRING_BACK) from error
    return {
        "name": slide.name.encode("utf-8", "backslashreplace").decode(),
        "size": list(slide.size),
        "sha256": sha256,
    }


def file_digest(path: Path | None) -> str:
    """Return a hash of the file of a slide, which does not depend on its name.

    It is of the file's length and its first, middle and last quarter million bytes; of
    a folder, of the lengths and names of its files; the same for all that have no file.

    Raises
    ------
    OSError
        If it cannot be read, or does not answer.
    """
    return Patience().call(lambda: _hash(path))


def _hash(path: Path | None) -> str:
    digest = hashlib.sha256()
    if path is not None and path.is_dir():
        for file in sorted(path.iterdir()):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    elif path is not None:
        length = path.stat().st_size
        digest.update(str(length).encode())
        with path.open("rb") as stream:
            for start in (0, length // 2, max(0, length - _SAMPLE_BYTES)):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
