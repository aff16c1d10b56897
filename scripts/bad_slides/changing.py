"""Slides that vanish, shrink or change while they are read, and those that hang."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openslide

from bad_slides.case import BadSlide
from bad_slides.files import needs_mpp, writes
from bad_slides.samples import cells, many_tiles, svs
from napari_deepheme.core.slide.tiff import stream as tiff_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORMS = ("svs", "ome.tif", "png")
_LIMIT = ("--read-timeout", "1")


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    for kind, change in (
        ("vanishes during the run", Path.unlink),
        ("shrinks during the run", _shrink),
        ("is emptied during the run", _empty),
        ("is replaced during the run", _replace),
        ("is overwritten during the run", _overwrite),
        ("grows during the run", _grow),
    ):
        for form in _FORMS:
            words, make = needs_mpp(form), writes(f"slide.{form}", _large(form))
            what = f"{form}, once it is open"
            yield BadSlide(kind, what, make, words, opened=change, alone=True)
            what = f"{form}, after a tile"
            yield BadSlide(kind, what, make, words, meanwhile=change, alone=True)
    yield from _counts()
    yield from _stalls()


def _large(form: str) -> Callable[[], bytes]:
    return lambda: many_tiles("svs" if form == "svs" else form)


def _counts() -> Iterator[BadSlide]:
    words = ("--max-cells", "20")
    make = writes("slide.svs", _large("svs"))
    for kind, change in (
        ("vanishes during the run", Path.unlink),
        ("is emptied during the run", _empty),
    ):
        what = "counting in the best areas"
        yield BadSlide(kind, what, make, words, opened=change, alone=True)


def _shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(svs(cells(700, 900, 9)))
    other.replace(path)


def _overwrite(path: Path) -> None:
    time.sleep(0.02)
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 4)
        stream.write(bytes(path.stat().st_size // 4))


def _grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(bytes(50_000))


def _stalls() -> Iterator[BadSlide]:
    kind = "a file that stops to answer"
    for n in (0, 1, 6, 30):
        yield _stalled("svs", f"read {n} and all later ones", _openslide_hangs(n))
        yield _stalled("ome.tif", f"read {n} and all later ones", _stream_hangs(n))
    yield _stalled("ome.tif", "one read alone", _stream_hangs(12, n_hung=1))
    yield _stalled("svs", "one read alone", _openslide_hangs(2, n_hung=1))
    yield _stalled("svs", "when it is looked at", _detect_hangs)
    yield _stalled("ome.tif", "when it is opened", _open_hangs)
    yield BadSlide(
        kind,
        "svs, counting",
        writes("slide.svs", _large("svs")),
        ("--max-cells", "20", *_LIMIT),
        before=_openslide_hangs(3),
        alone=True,
    )


def _stalled(form: str, what: str, before: Callable[[], None]) -> BadSlide:
    make = writes(f"slide.{form}", _large(form))
    kind = "a file that stops to answer"
    return BadSlide(kind, f"{form}, {what}", make, _LIMIT, before=before, alone=True)


def _hang() -> None:
    threading.Event().wait()


def _hanging(n_before: int, n_hung: int | None, call: Any) -> Any:
    """Return a call that never returns after so many that do."""
    count = iter(range(1 << 40))

    def hanging(*words: Any, **options: Any) -> Any:
        n = next(count)
        if n >= n_before and (n_hung is None or n < n_before + n_hung):
            _hang()
        return call(*words, **options)

    return hanging


def _openslide_hangs(n: int, n_hung: int | None = None) -> Callable[[], None]:
    def patch() -> None:
        # Not past its reader: plain tiles would be decoded without it.
        read = openslide.OpenSlide.read_region
        openslide.OpenSlide.read_region = _hanging(n, n_hung, read)
        stream = tiff_stream.TiffStream.read
        tiff_stream.TiffStream.read = _hanging(n, n_hung, stream)

    return patch


def _stream_hangs(n: int, n_hung: int | None = None) -> Callable[[], None]:
    def patch() -> None:
        read = tiff_stream.TiffStream.read
        tiff_stream.TiffStream.read = _hanging(n, n_hung, read)

    return patch


def _detect_hangs() -> None:
    openslide.OpenSlide.detect_format = lambda *_: _hang()


def _open_hangs() -> None:
    opened = Path.open

    def hanging(path: Path, *words: Any, **options: Any) -> Any:
        if path.name.startswith("slide."):
            _hang()
        return opened(path, *words, **options)

    Path.open = hanging
