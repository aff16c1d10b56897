"""DICOM slides: one in a folder, in colours that are those of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.dicom_frames import DicomFrames
from napari_deepheme.core.slide.dicom_header import (
    colours_of,
    first_frame_of,
    pyramid_of,
    slide_series_of,
)
from napari_deepheme.core.slide.dicom_tiling import counted_levels
from napari_deepheme.core.slide.jpeg_stream import HEAD_BYTES, jpeg_colours
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide
from napari_deepheme.core.slide.slide_files import slide_files

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide.dicom_header import Pyramid

_MOST_NAMED: Final = 3
"""Of several slides in a folder, files that are named."""

_APART: Final = "put the files of each into a folder of its own"

_JPEG_START: Final = b"\xff\xd8\xff"
_GREY: Final = "MONOCHROME"


def check_one_slide(folder: Path, files: list[Path]) -> None:
    """Refuse a folder that holds the levels of several slides.

    Parameters
    ----------
    folder : Path
        What the user named.
    files : list of Path
        Its DICOM files.

    Raises
    ------
    UnreadableSlideError
        If their levels belong to several series, or to several pyramids of one. Labels
        and overviews do not count.
    """
    firsts = _first_files(files)
    if len(firsts) < 2:
        return
    some = _some_names(firsts)
    remedy = f"name a file of the slide that is meant, as {some}"
    if len({pyramid.series for pyramid in firsts}) < len(firsts):
        remedy = f"{_APART}: those of {some}"
    reason = f"it holds {len(firsts)} DICOM slides"
    raise UnreadableSlideError(str(folder), reason, remedy)


def _frames(files: list[Path], path: Path) -> DicomFrames:
    """Give the frames of levels; refuse those that OpenSlide would lay wrong."""
    _check_one_pyramid(files, path)
    try:
        return DicomFrames(counted_levels(files))
    except ValueError as error:
        raise UnreadableSlideError(str(path), str(error)) from error


def _check_one_pyramid(files: list[Path], path: Path) -> None:
    """Refuse a series with several pyramids, of which OpenSlide would make one."""
    firsts = _first_files(files)
    if len(firsts) > 1:
        raise UnreadableSlideError(
            str(path),
            f"its series holds {len(firsts)} pyramids, as of several scanned areas",
            f"{_APART}: those of {_some_names(firsts)}",
        )


def _first_files(files: list[Path]) -> dict[Pyramid, str]:
    """Give a file of each pyramid; levels without a UID are of any of their series."""
    firsts: dict[Pyramid, str] = {}
    for file in files:
        pyramid = pyramid_of(file)
        if pyramid is not None:
            firsts.setdefault(pyramid, file.name)
    stated = {pyramid.series for pyramid in firsts if pyramid.uid}
    return {p: name for p, name in firsts.items() if p.uid or p.series not in stated}


def _some_names(firsts: dict[Pyramid, str]) -> str:
    more = " …" if len(firsts) > _MOST_NAMED else ""
    return ", ".join(list(firsts.values())[:_MOST_NAMED]) + more


def open_dicom(file: Path, path: Path, mpp: Mpp | None) -> OpenSlideSlide:
    """Open a DICOM slide by one of its files.

    Parameters
    ----------
    file : Path
        The file.
    path : Path
        What the user named: it, or its folder.
    mpp : Mpp or None
        Micrometres per pixel to state in place of the file's own.

    Raises
    ------
    UnreadableSlideError
        If its series holds several pyramids, all of which OpenSlide takes for one, or a
        level with more or fewer tiles than it has room for; or OpenSlide cannot read
        it, or would give it wrong colours: it takes those that the file states,
        whatever its JPEG frames say of themselves.
    """
    files = slide_files(file)
    frames = _frames(files, path)
    try:
        slide = OpenSlideSlide(file, path=path, mpp=mpp, frames=frames)
    except UnreadableSlideError as error:
        if not colours_of(file).startswith(_GREY):
            raise
        reason = "its pixels are grey: of DICOM, only colours are read"
        raise UnreadableSlideError(
            str(path), reason, "export it in colours, or as TIFF"
        ) from error
    for one in files:
        if slide_series_of(one) is not None and _contradicts_frames(one):
            slide.close()
            raise UnreadableSlideError(
                str(path),
                f"{one.name} states other colours ({colours_of(one)}) than its JPEG "
                "frames",
                "correct its PhotometricInterpretation, or export it anew",
            )
    return slide


def _contradicts_frames(file: Path) -> bool:
    head = first_frame_of(file, HEAD_BYTES)
    stated = jpeg_colours(head) if head.startswith(_JPEG_START) else None
    return stated is not None and (stated == "RGB") != (colours_of(file) == "RGB")
