"""Whether what OpenSlide makes of a TIFF are its colours, each in its place.

It decodes tiles by libtiff, which takes almost any numbers for RGB, keeps the first 8
of 16 bits, however many of them count, and mirrors each tile in itself where the file
says that the picture lies on its side. Of JPEG tiles it takes the colours that the page
states, whatever they say of themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from napari_deepheme.core.slide.jpeg_stream import HEAD_BYTES, jpeg_colours
from napari_deepheme.core.slide.tiff.check import each_directory, tag_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 258, 259, 262, 274
_OFFSETS: Final = 324
_SAMPLES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 277, 338, 339
_LOOKED_AT: Final = frozenset(
    {
        _BITS,
        _COMPRESSION,
        _PHOTOMETRIC,
        _ORIENTATION,
        _SAMPLES,
        _OFFSETS,
        _EXTRA_SAMPLES,
        _SAMPLE_FORMAT,
    }
)

_JPEG: Final = 7
_MOST: Final = 1 << 12
_COLOURS_OF: Final = {2: "RGB", 6: "YCbCr"}
"""Those of JPEG, by Photometric."""

# Of other numbers than these, libtiff takes no notice.
_TURNED: Final = range(2, 9)

# Unsigned, and of no stated kind.
_UNSIGNED: Final = frozenset({1, 4})

_RGB: Final = 2
_SAMPLES_OF: Final = {0: 1, 1: 1, _RGB: 3, 3: 1, 5: 4, 6: 3}
"""By Photometric: grey, grey, RGB, a palette, CMYK and YCbCr."""

_MOST_BITS: Final = 8
"""Of more, OpenSlide asks neither how many count nor what the largest value is."""

_OPACITY: Final = frozenset({1, 2})

_Tags = dict[int, tuple[int, ...]]


def is_upright(stream: BinaryIO, *, of_tiles: bool = True) -> bool:
    """Tell whether every page of a TIFF has its first row at the top.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    of_tiles : bool
        Whether to look at tiled pages alone, the only ones that OpenSlide reads.
    """
    pages = _pages(stream, of_tiles=of_tiles)
    return all(page.get(_ORIENTATION, (1,))[0] not in _TURNED for page in pages)


def has_true_colours(stream: BinaryIO) -> bool:
    """Tell whether libtiff gives the colours of every tiled page as they are meant.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    pages = list(_pages(stream, of_tiles=True))
    return all(_has_true_colours(page) for page in pages) and not any(
        _contradicts_tiles(page, stream) for page in pages
    )


def _contradicts_tiles(page: _Tags, stream: BinaryIO) -> bool:
    """Tell whether the first JPEG tile states other colours than its page."""
    colours = _COLOURS_OF.get(page.get(_PHOTOMETRIC, (0,))[0])
    if page.get(_COMPRESSION, (0,))[0] != _JPEG or colours is None:
        return False
    at = next((offset for offset in page.get(_OFFSETS, ()) if offset), 0)
    stream.seek(at)
    stated = jpeg_colours(stream.read(HEAD_BYTES))
    return bool(at) and stated is not None and stated != colours


def _pages(stream: BinaryIO, *, of_tiles: bool) -> Iterator[_Tags]:
    for layout, directory in each_directory(stream):
        if directory.is_tiled or not of_tiles:
            found = {
                tag.code: tag_numbers(stream, layout, tag)
                for tag in directory.tags
                if tag.code in _LOOKED_AT
            }
            # Of the places of many tiles, the first suffice.
            yield {c: tuple(n[:_MOST].tolist()) for c, n in found.items() if n.size}


def _has_true_colours(page: _Tags) -> bool:
    if not _UNSIGNED.issuperset(page.get(_SAMPLE_FORMAT, ())):
        return False
    if any(bits > _MOST_BITS for bits in page.get(_BITS, ())):
        return False
    n_samples = page.get(_SAMPLES, (1,))[0]
    if _PHOTOMETRIC not in page:
        # By their number, libtiff takes them for grey or RGB.
        return n_samples in (1, 3)
    (photometric, *_) = page[_PHOTOMETRIC]
    if photometric == _RGB and n_samples == 4:
        # Where it is not said what the fourth is, libtiff takes it for opacity.
        return page.get(_EXTRA_SAMPLES, (0,))[0] in _OPACITY
    return n_samples == _SAMPLES_OF.get(photometric)
