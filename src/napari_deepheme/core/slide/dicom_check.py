"""A look at the files of a DICOM slide, before OpenSlide crashes on a broken one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC: Final = (128, b"DICM")

_SPARSE: Final = b"TILED_SPARSE"
_PLACES: Final = b"\x00\x52\x30\x92"
"""Tag of the sequence that says where each tile of a sparse level lies."""

_HEAD_BYTES: Final = 1 << 18
_MOST_BYTES: Final = 1 << 25
"""Of a colour profile that lies between the two."""

_MOST_FILES: Final = 1000


def check_dicom(path: Path) -> None:
    """Refuse a DICOM file whose tiles have no place, and one that lies beside such one.

    OpenSlide looks at all files of the folder, and crashes on it.

    Parameters
    ----------
    path : Path
        A file of the slide.

    Raises
    ------
    ValueError
        If a file is sparse, and does not say where its tiles lie.
    """
    for file in _beside(path):
        if _lacks_places(file):
            raise ValueError(f"{file.name} does not say where its tiles lie")


def _beside(path: Path) -> Iterator[Path]:
    yield path
    others = (one for one in path.parent.iterdir() if one != path and one.is_file())
    for _, other in zip(range(_MOST_FILES), others, strict=False):
        yield other


def _lacks_places(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            at, magic = _MAGIC
            if not head.startswith(magic, at) or _SPARSE not in head:
                return False
            return _PLACES not in head + stream.read(_MOST_BYTES)
    except OSError:
        return False
