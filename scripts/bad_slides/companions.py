"""Slides of several files, some of them gone or another's; and odd headers."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from bad_slides.case import BadSlide
from bad_slides.files import case
from bad_slides.samples import cells, ome, picture, sound, tiff
from bad_slides.vendors import SLIDEDAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MPP: Final = ("--mpp", "0.25")
_MAKE, _SOFTWARE, _XML = 271, 305, 700
_SOURCE_LENS, _FOCUS = 65421, 65422

_SCN: Final = (
    '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
    "<collection><image><pixels/></image></collection></scn>"
)
_OME: Final = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    '><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
    'SizeX="768" SizeY="640" SizeC="3" SizeZ="{z}" SizeT="1" PhysicalSizeX="0.25" '
    'PhysicalSizeY="0.25"><Channel ID="Channel:0" SamplesPerPixel="3"/>{data}</Pixels>'
    "</Image></OME>"
)


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _mirax()
    yield from _mirax_numbers()
    yield from _ome()
    yield from _headers()


def _files(files: Callable[[], dict[str, bytes]], name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for one, data in files().items():
            path = folder / one
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / name

    return make


def _mirax() -> Iterator[BadSlide]:
    kind = "mrxs and its folder"
    lists = SLIDEDAT.encode()
    jpg = sound()["jpg"]
    whole = {
        "slide/Slidedat.ini": lists,
        "slide/Index.dat": b"01.020123456789" + bytes(400),
        "slide/Data0000.dat": jpg,
    }
    away = "no such file or folder"
    for what, files, name in (
        ("no folder", {}, "slide.mrxs"),
        ("folder renamed", _moved(whole, "Slide 1"), "slide.mrxs"),
        ("folder in capitals", _moved(whole, "SLIDE"), "slide.mrxs"),
        ("mrxs renamed", whole, "other.mrxs"),
        ("a file in the folder's place", {"slide": b"x"}, "slide.mrxs"),
        ("mrxs is text", whole, "text.mrxs"),
        ("index of zeros", whole, "slide.mrxs"),
        ("index elsewhere", _listed(whole, "Index.dat", "../../x"), "slide.mrxs"),
        ("data elsewhere", _listed(whole, "Data0000.dat", "/etc/passwd"), "slide.mrxs"),
        ("data not there", _listed(whole, "Data0000.dat", away), "slide.mrxs"),
        ("pixels of no size", _listed(whole, "= 0.25", "= 0"), "slide.mrxs"),
        ("sizes that are words", _listed(whole, "= 256", "= large"), "slide.mrxs"),
        ("another slide's index", _other_index(whole), "slide.mrxs"),
        ("lists in UTF-16", _utf16(whole), "slide.mrxs"),
    ):
        content = b"text" if what == "mrxs is text" else jpg
        every = {**files, name: content}
        yield BadSlide(kind, what, _files(lambda e=every: e, name), _MPP, alone=True)


def _mirax_numbers() -> Iterator[BadSlide]:
    kind = "mrxs that states absurd numbers"
    for name in (
        "IMAGENUMBER_X",
        "IMAGENUMBER_Y",
        "CameraImageDivisionsPerSide",
        "FILE_COUNT",
        "HIER_0_COUNT",
        "NONHIER_COUNT",
        "DIGITIZER_WIDTH",
    ):
        for number in (-1, 2_000_000_000):
            files = _files(lambda n=name, i=number: _stating(n, i), "slide.mrxs")
            yield BadSlide(kind, f"{name} = {number}", files, _MPP, alone=True)


def _stating(name: str, number: int) -> dict[str, bytes]:
    lists = re.sub(rf"(?m)^{name} = .*$", f"{name} = {number}", SLIDEDAT)
    return {
        "slide/Slidedat.ini": lists.encode(),
        "slide/Index.dat": b"01.020123456789" + bytes(400),
        "slide/Data0000.dat": sound()["jpg"],
        "slide.mrxs": sound()["jpg"],
    }


def _moved(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {path.replace("slide/", f"{name}/"): data for path, data in files.items()}


def _listed(files: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    text = files["slide/Slidedat.ini"].decode().replace(old, new)
    return files | {"slide/Slidedat.ini": text.encode()}


def _other_index(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"slide/Index.dat": b"01.02another    " + bytes(400)}


def _utf16(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"slide/Slidedat.ini": SLIDEDAT.encode("utf-16")}


def _ome() -> Iterator[BadSlide]:
    kind = "OME-TIFF and its companions"
    rgb = {"photometric": "rgb"}
    beside = '<TiffData IFD="0" PlaneCount="1"><UUID FileName="{}">urn:uuid:{}</UUID>'
    gone = beside.format("gone.ome.tif", "1-2") + "</TiffData>"
    up = beside.format("../../../etc/passwd", "1-2") + "</TiffData>"
    ring = beside.format("slide.ome.tif", "1-2") + "</TiffData>"
    every = '<TiffData IFD="0" PlaneCount="1000000000"/>'
    only = '<BinaryOnly MetadataFile="{}" UUID="urn:uuid:1-2"/>'
    for what, text in (
        ("pixels in a file that is gone", _OME.format(z=1, data=gone)),
        ("a plane in a file that is gone", _OME.format(z=2, data=gone)),
        ("a file above the folder", _OME.format(z=1, data=up)),
        ("itself, under another number", _OME.format(z=1, data=ring)),
        ("a page that is not there", _OME.format(z=1, data='<TiffData IFD="99"/>')),
        ("no plane", _OME.format(z=1, data="")),
        ("10^9 planes", _OME.format(z=10**9, data="<TiffData/>")),
        ("10^9 planes of a page", _OME.format(z=1, data=every)),
        ("no planes", _OME.format(z=0, data="<TiffData/>")),
        ("words gone", _OME.format(z=1, data=only.format("gone.companion.ome"))),
        ("words cut off", _OME.format(z=1, data="<TiffData/>")[:300]),
        ("words that grow", _laughs()),
        ("words of another kind", "<OME/>"),
    ):
        data = tiff(description=text.encode(), **rgb)
        yield case(kind, what, "ome.tif", data, words=_MPP, alone=True)
    yield case(kind, "words without pixels", "companion.ome", b"<OME/>")
    yield case(kind, "levels gone", "ome.tif", _without_levels(), alone=True)


def _laughs() -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9))
    return (
        f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY l0 "ha">{entities}]>'
        "<OME><Image><Description>&l8;</Description></Image></OME>"
    )


def _without_levels() -> bytes:
    data = ome()
    return data[: len(data) // 2]


def _headers() -> Iterator[BadSlide]:
    kind = "a scanner's header over something else"
    grey = cells()[..., 0].copy()
    scn = {"description": _SCN, "photometric": "rgb", "tile": (128, 128)}
    for i, (ending, how) in enumerate(
        (
            (
                "ndpi",
                {"extratags": [(_MAKE, "s", 10, "Hamamatsu", True), *_ndpi(40.0)]},
            ),
            ("ndpi", {"extratags": [(_MAKE, "s", 10, "Hamamatsu", True), *_ndpi(0.0)]}),
            ("scn", scn),
            ("scn", {**scn, "description": _SCN.replace("<pixels/>", "")}),
            ("scn", {**scn, "description": _SCN[:140]}),
            (
                "bif",
                {"extratags": [(_XML, "s", 0, "<iScan Magnification='40'/>", True)]},
            ),
            ("bif", {"extratags": [(_XML, "s", 0, "<iScan", True)]}),
            ("tif", {"software": "MedScan", "description": "Background Color=x;"}),
            ("tiff", {"software": "Philips DP v1.0", "description": "<DataObject/>"}),
            ("svs", {"description": "Aperio", "tile": (128, 128)}),
            ("svs", {"description": "Aperio |MPP", "tile": (128, 128)}),
            ("svs", {"description": "Aperio " + "|a=b" * 20_000, "tile": (128, 128)}),
        )
    ):
        described = str(how.get("description", ""))[:24]
        what = f"{ending}, {i}: {described or how.get('extratags')}"
        options = {"photometric": "rgb"} | how
        yield case(kind, what[:80], ending, tiff(**options), words=_MPP, alone=True)
    data = tiff(grey, photometric="minisblack", description=_SCN)
    yield case(kind, "scn, grey", "scn", data, words=_MPP, alone=True)
    garbage = b"II*\0" + struct.pack("<I", 8) + bytes(range(256)) * 300
    yield case(kind, "ndpi, numbers in a row", "ndpi", garbage, words=_MPP, alone=True)
    data = picture("JPEG")
    yield case(kind, "svslide, a JPEG", "svslide", data, words=_MPP)


def _ndpi(lens: float) -> list[tuple[int, str, int, float, bool]]:
    return [(_SOURCE_LENS, "f", 1, lens, True), (_FOCUS, "i", 1, 0, True)]
