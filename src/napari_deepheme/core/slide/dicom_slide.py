"""DICOM slides: one in a folder, in colours that are those of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.dicom_header import (
    colours_of,
    first_frame_of,
    slide_series_of,
)
from napari_deepheme.core.slide.jpeg_stream import HEAD_BYTES, jpeg_colours
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide
from napari_deepheme.core.slide.slide_files import slide_files

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.geometry import Mpp

_MOST_NAMED: Final = 3
"""Of several slides in a folder, files that are named."""

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
        If their levels belong to several series. Labels and overviews do not count.
    """
    firsts: dict[bytes, str] = {}
    for file in files:
        series = slide_series_of(file)
        if series is not None:
            firsts.setdefault(series, file.name)
    if len(firsts) > 1:
        some = ", ".join(list(firsts.values())[:_MOST_NAMED])
        more = " …" if len(firsts) > _MOST_NAMED else ""
        raise UnreadableSlideError(
            str(folder),
            f"it holds {len(firsts)} DICOM slides",
            f"name a file of the slide that is meant, as {some}{more}",
        )


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
        If OpenSlide cannot read it, or would give it wrong colours: it takes those
        that the file states, whatever its JPEG frames say of themselves.
    """
    try:
        slide = OpenSlideSlide(file, path=path, mpp=mpp)
    except UnreadableSlideError as error:
        if not colours_of(file).startswith(_GREY):
            raise
        reason = "its pixels are grey: of DICOM, only colours are read"
        raise UnreadableSlideError(
            str(path), reason, "export it in colours, or as TIFF"
        ) from error
    for one in slide_files(file):
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
