"""Which files a slide consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.slide.dicom_header import is_dicom, series_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRAX: Final = ".mrxs"
"""A file beside a folder of the same name, which has the pixels."""

_HAMAMATSU: Final = (
    b"[Virtual Microscope Specimen]",
    b"[Uncompressed Virtual Microscope Specimen]",
)
"""How a list begins that names the files with the pixels, beside it."""

_START_BYTES: Final = 64
_MOST_LIST_BYTES: Final = 1 << 20


def slide_files(path: Path) -> list[Path]:
    """Give the files of a slide: the one at its path first, others by their names.

    Parameters
    ----------
    path : Path
        As a user names the slide: its file, or the folder of its DICOM files.

    Returns
    -------
    list of Path
        With a file of a DICOM slide those of its series that lie beside it, with
        MIRAX and with Hamamatsu's lists those with the pixels. Of a folder, its DICOM
        files.

    Raises
    ------
    OSError
        If it is not there, or cannot be read.
    """
    if path.is_dir():
        return sorted(filter(_is_dicom_file, path.iterdir()))
    return [path, *sorted(set(_others(path)) - {path})]


def _others(path: Path) -> Iterator[Path]:
    folder = path.with_suffix("")
    if path.suffix.lower() == MIRAX and folder.is_dir():
        yield from filter(_is_file, folder.iterdir())
    elif is_dicom(path):
        series = series_of(path)
        beside = filter(_is_dicom_file, path.parent.iterdir() if series else ())
        yield from (one for one in beside if series_of(one) == series)
    else:
        yield from filter(_is_file, _listed(path))


def _listed(path: Path) -> Iterator[Path]:
    with path.open("rb") as stream:
        text = stream.read(_START_BYTES)
        if not text.startswith(_HAMAMATSU):
            return
        text += stream.read(_MOST_LIST_BYTES)
    for line in text.decode("latin-1").splitlines():
        name = line.partition("=")[2].strip().replace("\\", "/")
        if name and "/" not in name:
            yield path.with_name(name)


def _is_dicom_file(path: Path) -> bool:
    return _is_file(path) and is_dicom(path)


def _is_file(path: Path) -> bool:
    # A pipe would be waited for; a name may be none.
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
