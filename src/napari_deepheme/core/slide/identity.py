"""What tells a slide from others, wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.patience import BRING_BACK, Patience
from napari_deepheme.core.slide.slide_files import MIRAX, slide_files

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.slide.protocol import SlideReader

_SAMPLE_BYTES: Final = 1 << 18
_FEWEST_BYTES: Final = 1 << 12
"""Of each file, where a slide has many."""

_known: WeakKeyDictionary[SlideReader, str] = WeakKeyDictionary()


def slide_identity(slide: SlideReader) -> dict[str, Any]:
    """Return what tells a slide from others: name, size, and a hash of its files.

    They are read when it is first asked of an open slide: that goes on to read its file
    when another one is put in its place.

    Raises
    ------
    UnreadableSlideError
        If the file is gone by now, or does not answer.
    """
    sha256 = _known.get(slide)
    if sha256 is None:
        try:
            sha256 = _known[slide] = file_digest(slide.path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnreadableSlideError(str(slide.path), reason, BRING_BACK) from error
    return {
        "name": slide.name.encode("utf-8", "backslashreplace").decode(),
        "size": list(slide.size),
        "sha256": sha256,
    }


def identity_word(slide: SlideReader) -> str:
    """Return what tells a slide from others of its name, 16 hexadecimal digits.

    Raises
    ------
    UnreadableSlideError
        As for `slide_identity`.
    """
    known = slide_identity(slide)
    told = f"{known['size']} {known['sha256']}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def file_digest(path: Path | None) -> str:
    """Return a hash of the files of a slide, which does not depend on its name.

    It is of the file's length and its first, middle and last quarter million bytes.
    Where a slide has several files, it is of all of them, of fewer bytes each, and of
    the names of those but the first: the same whichever of a DICOM slide is named. Of
    MIRAX it is of the ``.mrxs`` file, as viewers write to the others. It is the same
    for all slides that have no file.

    Raises
    ------
    OSError
        If one cannot be read, or does not answer.
    """
    return Patience().call(lambda: _hash(path))


def _hash(path: Path | None) -> str:
    digest = hashlib.sha256()
    files = _files(path)
    n_bytes = max(_FEWEST_BYTES, _SAMPLE_BYTES // max(1, len(files)))
    for number, file in enumerate(files):
        if number:
            digest.update(f"\n{file.name}\n".encode("utf-8", "surrogateescape"))
        _add(digest, file, n_bytes)
    return digest.hexdigest()


def _files(path: Path | None) -> list[Path]:
    if path is None:
        return []
    return [path] if path.suffix.lower() == MIRAX else slide_files(path)


def _add(digest: hashlib._Hash, file: Path, n_bytes: int) -> None:
    length = file.stat().st_size
    digest.update(str(length).encode())
    with file.open("rb") as stream:
        for start in (0, length // 2, max(0, length - n_bytes)):
            stream.seek(start)
            digest.update(stream.read(n_bytes))
