"""Slides whose pixels, levels or pixel sizes are not what one expects."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from bad_slides.files import case
from bad_slides.samples import aperio, cells, ome, picture, reduced, svs, tiff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_TILED: dict[str, Any] = {"tile": (128, 128)}


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _types()
    yield from _colours()
    yield from _jpeg_2000()
    yield from _tiny()
    yield from _levels()
    yield from _mpp()


def _types() -> Iterator[BadSlide]:
    kind, rgb = "16 bits and other types", cells()
    for dtype in ("uint16", "uint32", "int8", "int16", "float16", "float32", "float64"):
        values = rgb.astype(dtype) * (257 if dtype == "uint16" else 1)
        data = tiff(values, photometric="rgb", **_TILED)
        yield case(kind, dtype, "tif", data)
    unit = rgb.astype(np.float32) / 255
    for what, values in (
        ("float 0 to 1", unit),
        ("float with NaN", np.where(unit > 0.9, np.float32("nan"), unit)),
        ("complex", unit.astype("complex64")),
        ("bool", rgb[..., 0] > 128),
    ):
        how = {} if values.ndim == 2 else {"photometric": "rgb"}
        yield case(kind, what, "tif", tiff(values, **how))
    twelve = (rgb.astype("u4") * 4095 // 255).astype("u2")
    for what, tags in (
        ("12 bits of 16", []),
        ("12 bits of 16, as a tag says", [(281, "H", 1, 4095, True)]),
    ):
        data = tiff(twelve, photometric="rgb", extratags=tags, **_TILED)
        yield case(kind, what, "tif", data)
    for n_bits in (8, 12, 15):
        tags = [(281, "H", 1, (1 << n_bits) - 1, True)]
        data = tiff(rgb.astype("u2") * 257, photometric="rgb", extratags=tags, **_TILED)
        what = f"{n_bits} of 16, as a tag says"
        yield case("fewer bits stated than used", what, "tif", data)
    yield case(kind, "uint16 svs", "svs", svs(rgb.astype("u2") * 257, compression=None))
    yield case(kind, "uint16 png", "png", picture("PNG", rgb[..., 0].astype("u2")))


def _colours() -> Iterator[BadSlide]:
    rgb = cells()
    grey, alpha = rgb[..., 1], np.full(rgb.shape[:2], 255, np.uint8)
    alpha[:200] = 0
    for form, how in (("tif", {}), ("svs", {}), ("ome.tif", {})):
        make = {"tif": tiff, "svs": svs, "ome.tif": ome}[form]
        how = {"photometric": "minisblack", **_TILED}
        yield case("grey", form, form, make(grey, **how))
    yield case("grey", "white is 0", "tif", tiff(255 - grey, photometric="miniswhite"))
    yield case("grey", "png", "png", picture("PNG", grey))
    yield case("grey", "jpg", "jpg", picture("JPEG", grey))
    rgba = np.dstack([rgb, alpha])
    for form, data in (
        ("tif", tiff(rgba, photometric="rgb", extrasamples=["unassalpha"])),
        ("ome.tif", ome(rgba, extrasamples=["assocalpha"])),
        ("svs", svs(rgba, compression=None, extrasamples=["unassalpha"])),
        ("png", picture("PNG", rgba)),
    ):
        yield case("RGBA", form, form, data)
    yield case("RGBA", "all transparent", "png", picture("PNG", rgba * 0))
    clear = np.dstack([rgb, alpha * 0])
    data = tiff(clear, photometric="rgb", extrasamples=["unassalpha"], **_TILED)
    yield case("RGBA", "tif, all transparent", "tif", data)
    yield from _print_colours(rgb)
    yield from _channels(rgb)


def _print_colours(rgb: Any) -> Iterator[BadSlide]:
    image = Image.fromarray(rgb)
    for kind, mode in (("CMYK", "CMYK"), ("CMYK", "LAB"), ("palette", "P")):
        for form in ("TIFF", "JPEG", "PNG"):
            if (mode, form) in {("LAB", "JPEG"), ("LAB", "PNG"), ("CMYK", "PNG")} or (
                mode == "P" and form == "JPEG"
            ):
                continue
            stream = io.BytesIO()
            made = (
                _lab(rgb)
                if mode == "LAB"
                else image.quantize(16)
                if mode == "P"
                else image.convert(mode)
            )
            made.save(stream, form)
            ending = {"TIFF": "tif", "JPEG": "jpg", "PNG": "png"}[form]
            words = ("--mpp", "0.25")
            what = f"{mode} as {form}"
            yield case(kind, what, ending, stream.getvalue(), words=words)
    cmyk = np.dstack([255 - rgb, rgb[..., 0] * 0])
    data = tiff(cmyk, photometric="separated", **_TILED)
    yield case("CMYK", "in tiles", "tif", data)
    for what, how in (("tiles", _TILED), ("strips", {"rowsperstrip": 32})):
        data = _after_overview(cmyk, photometric="separated", **how)
        yield case("CMYK", f"{what}, overview first", "tif", data)
        turned = {"extratags": [(274, "H", 1, 6, True)]}
        data = tiff(cmyk, photometric="separated", **how, **turned)
        yield case("CMYK", f"{what}, turned", "tif", data)
        wide = cmyk.astype("u2") * 257
        data = tiff(wide, photometric="separated", compression="zlib", **how)
        yield case("CMYK", f"{what}, 16 bits", "tif", data)
    data = svs(cmyk, photometric="separated", compression=None)
    yield case("CMYK", "svs", "svs", data)
    table = np.random.default_rng(1).integers(0, 65535, (3, 256)).astype("u2")
    numbers = rgb[..., 0]
    how = {"photometric": "palette", "colormap": table}
    yield case("palette", "in tiles", "tif", tiff(numbers, **how, **_TILED))
    yield case("palette", "svs", "svs", svs(numbers, compression=None, **how))
    short = {"photometric": "palette", "colormap": table * 0}
    yield case("palette", "all black", "tif", tiff(numbers, **short))


def _after_overview(pixels: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tif:
        for page in (reduced(pixels, 4), pixels):
            of_page = {"resolution": (4e4, 4e4), "resolutionunit": 3}
            tif.write(page, metadata=None, **of_page, **how)
    return stream.getvalue()


def _lab(rgb: Any) -> Image.Image:
    return Image.frombytes("LAB", rgb.shape[1::-1], rgb.tobytes())


def _channels(rgb: Any) -> Iterator[BadSlide]:
    kind, grey = "channels other than red, green, blue", rgb[..., 0]
    planes = np.moveaxis(rgb, 2, 0)
    yield case(
        kind,
        "apart",
        "tif",
        tiff(planes.copy(), photometric="rgb", planarconfig="separate", **_TILED),
    )
    for n in (2, 5, 12):
        stack = np.stack([grey] * n)
        data = ome(
            stack, factors=(), photometric="minisblack", metadata={"axes": "CYX"}
        )
        yield case(kind, f"{n} fluorescent", "ome.tif", data)
    stack = np.stack([rgb] * 4)
    data = ome(stack, factors=(), metadata={"axes": "ZYXS"})
    yield case(kind, "4 focal planes", "ome.tif", data)
    for n in (3, 7):
        data = tiff(np.stack([grey] * n), photometric="minisblack")
        yield case(kind, f"{n} pages", "tif", data)
    yield case(kind, "coloured blue, green, red", "ome.tif", _coloured(planes))


def _coloured(planes: Any) -> bytes:
    # Blue, green and red with opacity, as OME has them: signed numbers of 32 bits.
    colours = {"Color": [0x0000FFFF, 0x00FF00FF, 0xFF0000FF - (1 << 32)]}
    metadata = {"axes": "CYX", "Channel": colours}
    how: dict[str, Any] = {"photometric": "minisblack", "metadata": metadata}
    return ome(planes[::-1].copy(), factors=(), **how)


def _jpeg_2000() -> Iterator[BadSlide]:
    kind, rgb = "JPEG 2000", cells()
    for code in ("jpeg2000", "aperio_jp2000_rgb", "aperio_jp2000_ycbc"):
        for form, make in (("svs", svs), ("tif", tiff)):
            data = make(rgb, compression=code, photometric="rgb", **_TILED)
            yield case(kind, f"{code} in {form}", form, data)
            broken = bytearray(data)
            middle = len(data) // 3
            broken[middle : middle + 4000] = bytes(4000)
            yield case(kind, f"{code} in {form}, broken", form, bytes(broken))
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG2000")
    yield case(kind, "a plain jp2", "jp2", stream.getvalue(), words=("--mpp", "0.25"))


def _tiny() -> Iterator[BadSlide]:
    kind = "one pixel, or hardly more"
    for width, height in ((1, 1), (1, 500), (500, 1), (3, 2)):
        rgb = cells()[:height, :width].copy()
        yield case(kind, f"{width} x {height} png", "png", picture("PNG", rgb))
        yield case(kind, f"{width} x {height} tif", "tif", tiff(rgb, photometric="rgb"))
        yield case(kind, f"{width} x {height} svs", "svs", svs(rgb, factors=()))


def _levels() -> Iterator[BadSlide]:
    rgb = cells(2400, 1600, 5)
    for factors in ((), (16,), (3, 7), (2, 4, 8, 16, 32, 64)):
        what = f"{len(factors)} smaller, by {factors}"
        make = partial(svs, rgb, factors=factors)
        yield case("missing levels", f"svs, {what}", "svs", make)
        make = partial(ome, rgb, factors=factors)
        yield case("missing levels", f"ome, {what}", "ome.tif", make)
    for order in ((16, 4, 1), (4, 1, 16), (1, 16, 4), (1, 1, 4), (1, 4, 4, 4)):
        pages = [reduced(rgb, factor) for factor in order]
        make = partial(_pages, pages, rgb.shape)
        yield case("levels in a wrong order", f"svs, {order}", "svs", make)
        make = partial(_pages, pages, None)
        yield case("levels in a wrong order", f"tif, {order}", "tif", make)
    other = cells(900, 1700, 6)
    for what, pages in (
        ("turned", [rgb, np.rot90(reduced(rgb, 4)).copy()]),
        ("of another slide", [rgb, other]),
        ("stretched", [rgb, np.ascontiguousarray(rgb[::4, ::8])]),
        ("grey", [rgb, reduced(rgb, 4)[..., 0].copy()]),
        ("of one pixel", [rgb, rgb[:1, :1].copy()]),
    ):
        for form, shape in (("svs", rgb.shape), ("tif", None)):
            make = partial(_pages, pages, shape)
            yield case("a level unlike the others", f"{form}, {what}", form, make)
    yield from _other_colours()


def _other_colours() -> Iterator[BadSlide]:
    kind, rgb = "a level unlike the others", cells()
    grey, small = rgb[..., 1].copy(), reduced(rgb, 2)
    ycbcr = np.asarray(Image.fromarray(small).convert("YCbCr"))
    how = {"photometric": "ycbcr", "subsampling": (1, 1)}
    data = _sub_ifd(rgb, ycbcr, {"photometric": "rgb"}, how)
    yield case(kind, "ome, YCbCr", "ome.tif", data)
    how = {"photometric": "minisblack"}
    data = _sub_ifd(grey, 255 - grey[::2, ::2], how, {"photometric": "miniswhite"})
    yield case(kind, "ome, white is 0", "ome.tif", data)
    how = {"photometric": "rgb"}
    for what, level in (
        ("turned", np.ascontiguousarray(small[::-1, ::-1])),
        ("a part", rgb[:320, :96].copy()),
    ):
        data = _sub_ifd(rgb, level, how, how)
        yield case(kind, f"ome, {what}", "ome.tif", data)


def _sub_ifd(pixels: Any, level: Any, of_full: Any, of_level: Any) -> bytes:
    """Write an OME-TIFF with a level of its own kind."""
    stream, mpp = io.BytesIO(), {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(stream, ome=True) as tif:
        tif.write(pixels, subifds=1, metadata=mpp, **_TILED, **of_full)
        tif.write(level, subfiletype=1, **_TILED, **of_level)
    return stream.getvalue()


def _pages(pages: list[Any], shape: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tif:
        for page in pages:
            how: dict[str, Any] = {"metadata": None, **_TILED}
            how |= {"photometric": "rgb" if page.ndim == 3 else "minisblack"}
            if shape is not None:
                how |= {"description": aperio(shape[1], shape[0])}
            else:
                how |= {"resolution": (4e4, 4e4), "resolutionunit": 3}
            tif.write(page, compression="jpeg", **how)
    return stream.getvalue()


def _mpp() -> Iterator[BadSlide]:
    kind = "absurd pixel size"
    for value in ("0", "-0.25", "nan", "inf", "1e-9", "250", "0,25", "um", "9" * 400):
        yield case(kind, f"svs, {value[:9]}", "svs", lambda v=value: svs(mpp=v))
    for number in (1e-5, 1e6, 300.0):
        yield case(kind, f"tif, {number:g}", "tif", tiff(mpp=number, photometric="rgb"))
    for words in (("--mpp", "0"), ("--mpp", "-1"), ("--mpp", "1e300")):
        yield case(kind, f"given, {words[1]}", "svs", svs(), words=words)
    kind = "contradictory pixel sizes"
    for number in (0.01, 1.0, 4.0, 100.0):
        how = {"resolution": (1e4 / number, 1e4 / number), "resolutionunit": 3}
        yield case(kind, f"svs 0.25, tag {number:g}", "svs", svs(**how))
        text = aperio(768, 640, number)
        data = tiff(mpp=0.25, photometric="rgb", description=text)
        yield case(kind, f"description {number:g}, tag 0.25", "tif", data)
    for unit in ("km", "", "pixel", "µm"):
        metadata = {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": "µm"}
        data = ome(metadata=metadata)
        yield case(kind, f"ome, x in {unit or 'nothing'}", "ome.tif", data)
    kind = "pixels that are not square"
    for x, y in ((0.25, 0.3), (0.25, 0.5), (0.25, 25.0), (0.5, 0.1), (0.25, 0.0)):
        data = ome(metadata={"PhysicalSizeX": x, "PhysicalSizeY": y})
        yield case(kind, f"ome, {x:g} x {y:g}", "ome.tif", data)
        if y:
            how: dict[str, Any] = {"resolution": (1e4 / x, 1e4 / y)}
            data = tiff(mpp=None, photometric="rgb", resolutionunit=3, **how)
            yield case(kind, f"tif, {x:g} x {y:g}", "tif", data)
