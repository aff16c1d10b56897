"""What tells a slide from others, wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import openslide

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.mirax_marks import mirax_marks
from napari_deepheme.core.slide.patience import BRING_BACK, Patience
from napari_deepheme.core.slide.slide_files import MIRAX, slide_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    MIRAX it is of what was scanned, as `mirax_marks` has it. It is the same for all
    slides that have no file.

    Raises
    ------
    OSError
        If one cannot be read, or does not answer.
    """
    return Patience().call(lambda: _hash(path))


def is_of_earlier_version(slide: SlideReader, identity: Mapping[str, Any]) -> bool:
    """Tell whether earlier versions gave a slide, and perhaps others, an identity.

    They knew MIRAX slides by the ``.mrxs`` file alone, which may be blank.
    """
    path, size = slide.path, list(slide.size)
    if path is None or not _is_named_mirax(path) or identity.get("size") != size:
        return False
    try:
        return identity.get("sha256") == Patience().call(lambda: _hash_of([path]))
    except OSError:
        return False


def _hash(path: Path | None) -> str:
    if path is None:
        return _hash_of([])
    if not _is_mirax(path):
        return _hash_of(slide_files(path))
    digest = hashlib.sha256()
    for mark in mirax_marks(path):
        digest.update(mark)
    return digest.hexdigest()


def _is_named_mirax(path: Path) -> bool:
    return path.suffix.lower() == MIRAX


def _is_mirax(path: Path) -> bool:
    if not _is_named_mirax(path):
        return False
    vendor = openslide.OpenSlide.detect_format(path)
    if vendor is None:
        # Its overview, often a blank one, tells it from no other.
        raise FileNotFoundError(f"the folder {path.stem} beside it is not there")
    return bool(vendor == "mirax")


def _hash_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    n_bytes = max(_FEWEST_BYTES, _SAMPLE_BYTES // max(1, len(files)))
    for number, file in enumerate(files):
        if number:
            digest.update(f"\n{file.name}\n".encode("utf-8", "surrogateescape"))
        _add(digest, file, n_bytes)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, file: Path, n_bytes: int) -> None:
    length = file.stat().st_size
    digest.update(str(length).encode())
    with file.open("rb") as stream:
        for start in (0, length // 2, max(0, length - n_bytes)):
            stream.seek(start)
            digest.update(stream.read(n_bytes))
