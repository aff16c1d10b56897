"""Sound slides in odd places, and what is no slide at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from bad_slides.case import BadSlide
from bad_slides.files import case, needs_mpp
from bad_slides.samples import sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENDINGS = ("svs", "ndpi", "mrxs", "scn", "bif", "vms", "svslide", "dcm", "tif", "png")


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _names()
    yield from _long()
    yield from _read_only()
    yield from _special()
    yield from _links()
    for ending in _ENDINGS:
        yield case("empty file", ending, ending, b"")
    for ending in _ENDINGS:
        text = f"this is no {ending}\n".encode() * 50
        yield case("text with the ending of a slide", ending, ending, text)
    yield from _others()


def _named(name: str, form: str = "svs") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound()[form])
        return path

    return make


def _names() -> Iterator[BadSlide]:
    kind = "odd names"
    for name in (
        "two words.svs",
        "骨髓 塗抹.svs",
        "é\u0301 ñ ß.svs",
        "\U0001f9b4.svs",
        "new\nline.svs",
        "'\"`$(ls);&|.svs",
        "%s %d {0}.svs",
        "tab\there.svs",
        "no-ending",
        ".svs",
        "UPPER.SVS",
        "a.b.c..svs",
        os.fsdecode(b"not \xff utf-8.svs"),
        " leading and trailing .svs ",
    ):
        yield BadSlide(kind, repr(name), _named(name))


def _long() -> Iterator[BadSlide]:
    kind = "paths of 300 letters and more"
    for what, name in (
        ("a name of 255", "n" * 251 + ".svs"),
        ("a name of 300", "n" * 296 + ".svs"),
        ("folders of 300", "/".join(["f" * 60] * 5) + "/slide.svs"),
        ("folders of 2000", "/".join(["f" * 100] * 20) + "/slide.svs"),
        ("255 bytes of two-byte letters", "é" * 125 + ".svs"),
    ):
        yield BadSlide(kind, what, _long_path(name))
    yield BadSlide(kind, "5000", lambda folder: folder / ("f/" * 2500 + "a.svs"))


def _long_path(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        try:
            return _named(name)(folder)
        except OSError:
            return folder / name

    return make


def _read_only() -> Iterator[BadSlide]:
    kind = "read-only media"
    for form in ("svs", "ome.tif", "png"):
        yield BadSlide(kind, f"{form}, its folder", _locked(form), needs_mpp(form))
    yield BadSlide(kind, "no permission", _closed)
    yield BadSlide(kind, "results in /proc", _named("a.svs"), ("--out", "/proc/out"))
    yield BadSlide(
        kind, "results on /sys", _named("a.svs"), ("--out", "/sys/deepheme/out")
    )
    yield BadSlide(
        kind, "results in a file", _named("a.svs"), ("--out", "/dev/null/out")
    )


def _locked(form: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = _named(f"disc/slide.{form}", form)(folder)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        return path

    return make


def _closed(folder: Path) -> Path:
    path = _named("slide.svs")(folder)
    path.chmod(0)
    return path


def _special() -> Iterator[BadSlide]:
    kind = "folders, pipes and devices"
    for name in (
        "/dev/null",
        "/dev/zero",
        "/dev/urandom",
        "/dev/tty",
        "/proc/self/mem",
    ):
        yield BadSlide(kind, name, lambda folder, name=name: Path(name), alone=True)
    yield BadSlide(kind, "a folder", _folder, alone=True)
    yield BadSlide(kind, "a folder of slides", _folder_of_slides, alone=True)
    yield BadSlide(kind, "a pipe", _pipe, alone=True)
    yield BadSlide(kind, "a pipe in a folder of DICOM", _pipe_in_folder, alone=True)
    yield BadSlide(kind, "a socket", _socket, alone=True)
    yield BadSlide(kind, "nothing", lambda folder: folder / "none.svs")
    yield BadSlide(kind, "standard input", lambda folder: Path("-"), alone=True)


def _folder(folder: Path) -> Path:
    (folder / "slide.svs").mkdir()
    return folder / "slide.svs"


def _folder_of_slides(folder: Path) -> Path:
    for name in ("a.svs", "b.svs"):
        (folder / name).write_bytes(sound()["svs"])
    return folder


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "slide.svs")
    return folder / "slide.svs"


def _pipe_in_folder(folder: Path) -> Path:
    (folder / "slide").mkdir()
    os.mkfifo(folder / "slide" / "a.dcm")
    return folder / "slide"


def _socket(folder: Path) -> Path:
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("slide.svs")
    finally:
        os.chdir(before)
    return folder / "slide.svs"


def _links() -> Iterator[BadSlide]:
    kind = "links"

    def link(target: str) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            (folder / "slide.svs").symlink_to(target)
            return folder / "slide.svs"

        return make

    for target in ("slide.svs", "gone.svs", "/dev/zero", "../", "/root/secret.svs"):
        yield BadSlide(kind, f"to {target}", link(target), alone=True)

    def ring(folder: Path) -> Path:
        (folder / "a.svs").symlink_to("b.svs")
        (folder / "b.svs").symlink_to("a.svs")
        return folder / "a.svs"

    def sound_one(folder: Path) -> Path:
        (folder / "real.svs").write_bytes(sound()["svs"])
        return link("real.svs")(folder)

    yield BadSlide(kind, "in a ring", ring, alone=True)
    yield BadSlide(kind, "to a sound slide", sound_one)


def _others() -> Iterator[BadSlide]:
    kind = "another file by the ending of a slide"
    for what, content in (
        ("zip", b"PK\x03\x04" + bytes(500)),
        ("pdf", b"%PDF-1.7\n" + b"x" * 500),
        ("html", b"<html><body>Please log in</body></html>" * 20),
        ("gzip", b"\x1f\x8b\x08" + bytes(99)),
        ("zeros", bytes(100_000)),
        ("ones", b"\xff" * 100_000),
        ("sqlite", b"SQLite format 3\0" + bytes(4000)),
        ("git lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(4000)),
        ("czi", b"ZISRAWFILE\0\0\0\0\0\0" + bytes(4000)),
        ("gif", b"GIF89a" + bytes(200)),
        ("webp", b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(200)),
    ):
        yield case(kind, what, "svs", content)
    yield case(kind, "png named svs", "svs", sound()["png"], words=("--mpp", "0.25"))
    yield case(kind, "svs named png", "png", sound()["svs"])
