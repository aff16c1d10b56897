"""Which files a slide consists of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.files import check_regular, is_file, is_there, refuse_sources
from napari_deepheme.core.slide.dicom_header import (
    image_series_of,
    is_dicom,
    slide_series_of,
)
from napari_deepheme.core.slide.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

MIRAX: Final = ".mrxs"
"""A file beside a folder of the same name, which has the pixels."""

_HAMAMATSU: Final = (
    b"[Virtual Microscope Specimen]",
    b"[Uncompressed Virtual Microscope Specimen]",
)
"""What a list holds that names the files with the pixels, beside it."""

_START_BYTES: Final = 64
"""Of other files, these hold a zero: a text does not."""

_MOST_LIST_BYTES: Final = 1 << 20


def slide_files(path: Path) -> list[Path]:
    """Give the files of a slide, in an order that tells it from others.

    Parameters
    ----------
    path : Path
        As a user names the slide: its file, or the folder of its DICOM files.

    Returns
    -------
    list of Path
        Of a DICOM slide, as `dicom_files`; of others the file at the path first. With
        MIRAX and with Hamamatsu's lists those with the pixels follow, by their names.

    Raises
    ------
    OSError
        If it is not there, cannot be read, or is a pipe or a device.
    """
    check_regular(path)
    files = dicom_files(path)
    if files or path.is_dir():
        return files
    return [path, *sorted(set(_others(path)) - {path})]


def dicom_files(path: Path) -> list[Path]:
    """Give the files of a DICOM slide, the same whichever of them is named.

    Parameters
    ----------
    path : Path
        A file of the slide, or the folder that they lie in.

    Returns
    -------
    list of Path
        The images of its series in that folder, by their names: labels and overviews,
        too, but nothing that was written of the slide. Of a folder that holds levels of
        several slides, the images of them all; of one without a level, its DICOM files.
        Empty for slides of other formats.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if path.is_dir():
        beside = sorted(filter(is_file, path.iterdir()))
        levels = {slide_series_of(file) for file in beside} - {None}
        return _of_series(beside, levels) or list(filter(is_dicom, beside))
    series = image_series_of(path) if is_file(path) else None
    if series is None:
        return []
    return _of_series(sorted(filter(is_file, path.parent.iterdir())), {series})


def _of_series(files: Iterable[Path], series: Set[bytes | None]) -> list[Path]:
    return [file for file in files if image_series_of(file) in series]


def refuse_slide_files(path: Path | str, slide: Path | None) -> None:
    """Refuse to write over any of the files of a slide, by whatever name or link.

    Parameters
    ----------
    path : Path or str
        What is to be written.
    slide : Path or None
        The slide as a user names it; None for one that is no file.

    Raises
    ------
    CannotWriteError
        If it is one of them.
    """
    refuse_sources(path, slide)
    if slide is None or not is_there(Path(path)):
        return
    files: list[Path] = []
    # What is not there, or does not answer, cannot be lost.
    with suppress(OSError):
        files = Patience().call(lambda: slide_files(slide))
    refuse_sources(path, *files)


def _others(path: Path) -> Iterator[Path]:
    folder = path.with_suffix("")
    if path.suffix.lower() == MIRAX and folder.is_dir():
        yield from filter(is_file, folder.iterdir())
    else:
        yield from filter(is_file, _listed(path))


def _listed(path: Path) -> Iterator[Path]:
    with path.open("rb") as stream:
        text = stream.read(_START_BYTES)
        if b"\0" in text:
            return
        text += stream.read(_MOST_LIST_BYTES)
    if not any(head in text for head in _HAMAMATSU):
        return
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        name = line.partition("=")[2].strip()
        if name and not Path(name).is_absolute():
            yield path.parent / name
