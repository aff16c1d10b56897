"""Slides opened by path."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, BinaryIO

import openslide

from napari_deepheme.core.errors import (
    NotRgbSlideError,
    SeveralSlidesError,
    SlideElsewhereError,
    SlideNotFoundError,
    UnreadableSlideError,
)
from napari_deepheme.core.slide.dicom_check import check_dicom, pipe_beside
from napari_deepheme.core.slide.dicom_header import slide_series_of
from napari_deepheme.core.slide.dicom_slide import check_one_slide, open_dicom
from napari_deepheme.core.slide.mirax_check import check_mirax
from napari_deepheme.core.slide.mpp import given_mpp
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide
from napari_deepheme.core.slide.openslide.tiff import has_true_colours, is_upright
from napari_deepheme.core.slide.patience import BRING_BACK, NoAnswerError, Patience
from napari_deepheme.core.slide.picture import is_picture, open_picture
from napari_deepheme.core.slide.pyramid import reason_of
from napari_deepheme.core.slide.tiff.check import (
    has_sound_counts,
    has_sound_order,
    most_pixels,
)
from napari_deepheme.core.slide.tiff.plain_bytes import (
    has_round_tiles,
    has_whole_pieces,
)
from napari_deepheme.core.slide.tiff.slide import TiffSlide
from napari_deepheme.core.slide.tiff.tile_index import has_whole_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide.protocol import SlideReader
    from napari_deepheme.core.slide.pyramid import PyramidSlide

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Any plain tiled TIFF. OpenSlide sees neither the levels of an OME-TIFF nor its mpp.
_GENERIC = "generic-tiff"
_APERIO = "aperio"
_DICOM = "dicom"
_MIRAX = ".mrxs"

# After these, no other reader is asked.
_FINAL = (NotRgbSlideError, SeveralSlidesError, SlideElsewhereError)

# What OpenSlide says of an NDPI file without the focal plane that it reads.
_NO_LEVELS = "Couldn't find any pyramid levels"

# TIFF whose tiles overlap, or whose areas lie apart: nothing but OpenSlide joins them.
_JOINED = {"ventana": "tiles", "trestle": "tiles", "leica": "areas"}

# What helps with such a file, by what OpenSlide says of it.
_REMEDIES = {
    "Bad direction attribute": "export it as TIFF, OME-TIFF or DICOM",
    "dissimilar main images": (
        "export each of its areas as a slide of its own: TIFF, OME-TIFF or DICOM"
    ),
}

# Files of a folder that are tried, for one that OpenSlide takes as part of a slide.
_MOST_DICOM_FILES = 16

# A million squared: a whole glass at a tenth of a micrometre has a fifth of it.
_MOST_PIXELS = 1 << 40


def open_slide(
    path: Path | str,
    *,
    mpp: float | tuple[float, float] | None = None,
    read_timeout: float | None = None,
) -> SlideReader:
    """Open a slide or a picture.

    Parameters
    ----------
    path : Path or str
        A file, or a folder that holds the DICOM files of one slide, and of no other.
        Scanners' formats are read by OpenSlide, other TIFF by tifffile, PNG, JPEG, BMP
        and WebP by Pillow; the content decides, not the name.
    mpp : float or tuple of float, optional
        Micrometres per pixel, for both axes or along x and y, in place of what the file
        states.
    read_timeout : float, optional
        Seconds after which a read that hangs, as on a network drive that is gone, is
        given up; 120 by default, or what the environment variable
        NAPARI_DEEPHEME_READ_TIMEOUT says.

    Returns
    -------
    SlideReader
        The open slide; close it, or use it in a with statement.

    Raises
    ------
    SlideNotFoundError
        If there is nothing at the path.
    UnreadableSlideError
        If it cannot be read as a slide, or does not answer in time; a
        `NotRgbSlideError`, if its pixels are no colours.
    UnknownMppError
        If `mpp` is not positive and finite.
    InvalidVariableError
        If that variable is no number of seconds from 1 on.

    Examples
    --------
    >>> open_slide("missing.svs")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    napari_deepheme.core.errors.of_slides.SlideNotFoundError: no such slide: ...
    """
    path = Path(path)
    stated = given_mpp(mpp, path.name)
    patience = Patience(read_timeout)
    try:
        slide = patience.call(lambda: _opened(path, stated))
    except NoAnswerError as error:
        raise UnreadableSlideError(str(path), str(error), BRING_BACK) from error
    slide.be_patient(patience)
    return slide


def _opened(path: Path, mpp: Mpp | None) -> PyramidSlide:
    if _is_folder(path):
        slide = _open_folder(path, mpp)
    else:
        slide = _first_that_opens(path, _openers(path), mpp)
    _check_extent(slide, path)
    return slide


def _is_folder(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise _refused(path, error) from error
    except (OSError, ValueError) as error:
        raise _not_found(path) from error
    if not S_ISDIR(mode) and not S_ISREG(mode):
        remedy = "name the file of a slide, or the folder of its DICOM files"
        raise UnreadableSlideError(str(path), "it is not a file", remedy)
    return S_ISDIR(mode)


def _not_found(path: Path) -> SlideNotFoundError:
    """Say which link leads nowhere, if one does: the path, or a folder on its way."""
    try:
        for link in (path, *path.parents):
            # A drive that is gone is often behind a link.
            target = Path(os.path.realpath(link))
            if link.is_symlink() and not os.path.lexists(target):
                return SlideNotFoundError(str(path), str(link), str(target))
    except (OSError, ValueError):
        # The name itself is none that a file can have.
        pass
    return SlideNotFoundError(str(path))


def _open_folder(path: Path, mpp: Mpp | None) -> PyramidSlide:
    try:
        names = sorted(one for one in path.iterdir() if _is_dicom(one))
    except OSError as error:
        raise _refused(path, error) from error
    if not names:
        reason = "it is a folder without DICOM files"
        remedy = "name the file of a slide, or a folder that holds .dcm files"
        raise UnreadableSlideError(str(path), reason, remedy)
    check_one_slide(path, names)
    # However many annotations of it lie there, too, a level is among those tried.
    names.sort(key=lambda one: slide_series_of(one) is None)
    openers: list[Callable[[Path, Mpp | None], PyramidSlide]] = [
        partial(_open_part, name) for name in names[:_MOST_DICOM_FILES]
    ]
    return _first_that_opens(path, openers, mpp)


def _is_dicom(path: Path) -> bool:
    # A pipe of that name would be waited for.
    return path.suffix.lower() == ".dcm" and path.is_file()


def _openers(path: Path) -> list[Callable[[Path, Mpp | None], PyramidSlide]]:
    start = _first_bytes(path)
    openers: list[Callable[[Path, Mpp | None], PyramidSlide]] = []
    vendor = _vendor(path)
    if vendor in _JOINED:
        return [partial(_open_joined, _JOINED[vendor])]
    if is_tiff := start.startswith(_TIFF_STARTS):
        # Pillow turns what is in strips, and this package leaves all as it is stored.
        is_plain = vendor in (None, _GENERIC)
        if not _holds(path, partial(is_upright, of_tiles=not is_plain)):
            return [_open_turned_tiff]
        openers.append(_open_tiff)
    if vendor is not None and _suits_openslide(path, start, vendor):
        if vendor == _GENERIC:
            openers.append(partial(_open_largest, _open_openslide))
        else:
            openers.insert(0, _OPENERS.get(vendor, _open_openslide))
    is_mirax = path.suffix.lower() == _MIRAX
    if vendor is None and is_mirax:
        reason = f"its pixels, in the folder {path.stem} beside it, are not there"
        remedy = f"bring the folder {path.stem} back, under that name, beside it"
        raise UnreadableSlideError(str(path), reason, remedy)
    has_pixels = not is_tiff or _holds(path, partial(has_whole_pieces, of_tiles=False))
    # A .mrxs file itself is an overview, which must not be taken for the slide.
    if is_picture(start) and has_pixels and not is_mirax:
        openers.append(partial(_open_largest, _open_picture))
    if not openers:
        reason = "its format is not known" if start else "the file is empty"
        raise UnreadableSlideError(str(path), reason)
    return openers


def _first_that_opens(
    path: Path,
    openers: list[Callable[[Path, Mpp | None], PyramidSlide]],
    mpp: Mpp | None,
) -> PyramidSlide:
    errors = []
    for opener in openers:
        try:
            return opener(path, mpp)
        except _FINAL:
            raise
        except UnreadableSlideError as error:
            errors.append(error)
    raise UnreadableSlideError(str(path), errors[0].reason, errors[0].remedy)


def _open_part(file: Path, folder: Path, mpp: Mpp | None) -> PyramidSlide:
    _check_dicom(file, folder)
    return open_dicom(file, folder, mpp)


def _open_openslide(path: Path, mpp: Mpp | None) -> PyramidSlide:
    return OpenSlideSlide(path, mpp=mpp)


def _open_joined(parts: str, path: Path, mpp: Mpp | None) -> PyramidSlide:
    try:
        if not _suits_openslide(path, _first_bytes(path), ""):
            reason = "its index of tiles or its colours make no sense"
            raise UnreadableSlideError(str(path), reason)
        if not _holds(path, is_upright):
            raise UnreadableSlideError(str(path), "its Orientation tag is not 1")
        return OpenSlideSlide(path, mpp=mpp)
    except UnreadableSlideError as error:
        others = f"others, which would not join its {parts}, are not asked"
        said = (helps for said, helps in _REMEDIES.items() if said in error.reason)
        raise UnreadableSlideError(
            str(path), f"{error.reason}; {others}", next(said, error.remedy)
        ) from error


def _open_dicom(path: Path, mpp: Mpp | None) -> PyramidSlide:
    return _open_part(path, path, mpp)


def _open_mirax(path: Path, mpp: Mpp | None) -> PyramidSlide:
    try:
        check_mirax(path)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    return OpenSlideSlide(path, mpp=mpp)


def _open_hamamatsu(path: Path, mpp: Mpp | None) -> PyramidSlide:
    try:
        return OpenSlideSlide(path, mpp=mpp)
    except UnreadableSlideError as error:
        if _NO_LEVELS not in error.reason:
            raise
        reason = "it has no level in the focal plane z = 0, the only one that is read"
        remedy = "export that plane, or one plane alone as z = 0, from where it came"
        raise UnreadableSlideError(str(path), reason, remedy) from error


_OPENERS = {
    _DICOM: _open_dicom,
    "mirax": _open_mirax,
    "hamamatsu": _open_hamamatsu,
}


def _check_dicom(file: Path, path: Path) -> None:
    try:
        pipe = pipe_beside(file)
        if pipe is None:
            check_dicom(file)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    if pipe is not None:
        reason = f"{pipe.name} beside it is a pipe or a device, not a file"
        raise UnreadableSlideError(str(path), reason, "take that out of its folder")


def _open_tiff(path: Path, mpp: Mpp | None) -> PyramidSlide:
    return TiffSlide(path, mpp=mpp)


def _open_largest(
    opener: Callable[[Path, Mpp | None], PyramidSlide], path: Path, mpp: Mpp | None
) -> PyramidSlide:
    """Open a TIFF by what looks at its first page, if none is larger."""
    slide = opener(path, mpp)
    if not _holds(path, partial(_is_largest, slide)):
        slide.close()
        raise UnreadableSlideError(str(path), "its largest picture cannot be read")
    return slide


def _is_largest(slide: PyramidSlide, stream: BinaryIO) -> bool:
    width, height = slide.size
    is_tiff = stream.read(4) in _TIFF_STARTS
    return not is_tiff or most_pixels(stream) <= width * height


def _open_turned_tiff(path: Path, mpp: Mpp | None) -> PyramidSlide:
    """Open a TIFF whose picture is to be turned, which is left as it is stored."""
    try:
        return TiffSlide(path, mpp=mpp)
    except _FINAL:
        raise
    except UnreadableSlideError as error:
        reason = (
            f"{error.reason}; others, which would turn or scramble it, are not asked, "
            "as its Orientation tag is not 1"
        )
        remedy = "save it anew, turned upright, with Orientation 1"
        raise UnreadableSlideError(str(path), reason, remedy) from error


def _open_picture(path: Path, mpp: Mpp | None) -> PyramidSlide:
    return open_picture(path, mpp=mpp)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except OSError as error:
        raise _refused(path, error) from error


def _vendor(path: Path) -> str | None:
    try:
        vendor: str | None = openslide.OpenSlide.detect_format(path)
    except (openslide.OpenSlideError, OSError, ValueError) as error:
        raise _refused(path, error) from error
    return vendor


def _suits_openslide(path: Path, start: bytes, vendor: str) -> bool:
    """Tell whether OpenSlide reads a TIFF, and does not take it for another one."""
    if not start.startswith(_TIFF_STARTS):
        return True
    checks = [has_sound_counts, has_true_colours, has_whole_pieces, has_round_tiles]
    checks += [has_whole_index, *[has_sound_order] * (vendor == _APERIO)]
    return all(_holds(path, check) for check in checks)


def _holds(path: Path, check: Callable[[BinaryIO], bool]) -> bool:
    try:
        with path.open("rb") as stream:
            return check(stream)
    except (OSError, ValueError):
        # What opens it says what is wrong.
        return True


def _check_extent(slide: PyramidSlide, path: Path) -> None:
    width, height = slide.size
    if width * height > _MOST_PIXELS:
        slide.close()
        reason = f"it states {width} x {height} px, more than any slide has"
        raise UnreadableSlideError(str(path), reason)


def _refused(path: Path, error: Exception) -> UnreadableSlideError:
    """Word what the system or a library says of a file."""
    reason = getattr(error, "strerror", None) or reason_of(error)
    if isinstance(error, PermissionError):
        remedy = "ask for the right to read it, or copy it to where you have it"
        return UnreadableSlideError(str(path), reason, remedy)
    return UnreadableSlideError(str(path), reason)
