"""Slides broken at places that chance chooses: those of code, and real ones.

Any number of them can be made from a seed; the corpus has 15 of a kind.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from bad_slides.big_tiff import big
from bad_slides.case import SEED, BadSlide
from bad_slides.dicom_folders import levels
from bad_slides.files import needs_mpp
from bad_slides.samples import sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Break = Callable[[bytes, np.random.Generator], bytes]

_HEAD: Final = 4096
_SECTOR: Final = 4096
_ODD: Final = (0, 1, 0x7F, 0x80, 0xFF)


def cases() -> Iterator[BadSlide]:
    """Yield some of those that are made of slides of ours."""
    for name in BREAKS:
        for n in range(15):
            yield of_code(SEED + n, name)


def many(seed: int, n: int) -> Iterator[BadSlide]:
    """Yield any number of those that are made of slides of ours."""
    names = list(BREAKS)
    for i in range(n):
        yield of_code(seed + i, names[i % len(names)])


def of_code(seed: int, name: str) -> BadSlide:
    """Break one of our slides."""
    forms = sorted(_forms())
    form = forms[seed % len(forms)]
    rng = np.random.default_rng([seed, len(name)])
    kind = f"by chance: {name}"
    if form == "dicom":
        make = partial(_broken_folder, levels, name, seed)
        return BadSlide(kind, f"DICOM folder, seed {seed}", make, alone=True)
    make_file = partial(_broken_file, form, name, rng)
    return BadSlide(
        kind, f"{form}, seed {seed}", make_file, needs_mpp(form), alone=True
    )


def real(folder: Path) -> Iterator[BadSlide]:
    """Break the slides of a folder, files and folders of DICOM.

    Each case of them is made twice alike, from its name.
    """
    slides = [path for path in sorted(folder.iterdir()) if path.suffix == ".svs"]
    slides += [path for path in sorted(folder.iterdir()) if list(path.glob("*.dcm"))]
    for name in BREAKS:
        for n in range(15 if slides else 0):
            slide = slides[n % len(slides)]
            kind, seed = f"real slide: {name}", SEED + n
            make = partial(_broken_copy, slide, name, seed)
            yield BadSlide(kind, f"{slide.name}, seed {seed}", make, alone=True)


def _forms() -> dict[str, Callable[[], bytes] | None]:
    forms: dict[str, Callable[[], bytes] | None] = {
        form: partial(sound().__getitem__, form) for form in sound()
    }
    return forms | {"big.tif": big, "dicom": None}


def _broken_file(form: str, name: str, rng: np.random.Generator, folder: Path) -> Path:
    source = _forms()[form]
    assert source is not None
    path = folder / f"slide.{form}"
    path.write_bytes(BREAKS[name](source(), rng))
    return path


def _broken_folder(
    source: Callable[[], dict[str, bytes]], name: str, seed: int, folder: Path
) -> Path:
    rng, files = np.random.default_rng([seed, len(name)]), source()
    (folder / "slide").mkdir()
    chosen = sorted(files)[int(rng.integers(len(files)))]
    files = files | {chosen: BREAKS[name](files[chosen], rng)}
    for file, data in files.items():
        (folder / "slide" / file).write_bytes(data)
    return folder / "slide"


def _broken_copy(slide: Path, name: str, seed: int, folder: Path) -> Path:
    if slide.is_dir():
        files = {file.name: file.read_bytes() for file in slide.glob("*.dcm")}
        return _broken_folder(lambda: files, name, seed, folder)
    rng, path = np.random.default_rng([seed, len(name)]), folder / slide.name
    shutil.copyfile(slide, path)
    path.write_bytes(BREAKS[name](path.read_bytes(), rng))
    return path


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    broken = bytearray(data)
    for at in rng.integers(0, len(data), int(rng.choice([1, 10, 100, 1000]))):
        broken[at] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def _flip_head(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits of the first or last bytes, where headers and directories are."""
    broken, n = bytearray(data), min(_HEAD, len(data))
    start = int(rng.choice([0, len(data) - n]))
    for at in rng.integers(start, start + n, int(rng.choice([1, 4, 16, 64]))):
        broken[at] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def _numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Write absurd numbers over those of headers."""
    broken, n = bytearray(data), min(_HEAD, len(data))
    start = int(rng.choice([0, len(data) - n]))
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.choice([1, 2, 4, 8]))
        at = int(rng.integers(start, start + n - size + 1))
        broken[at : at + size] = bytes([int(rng.choice(_ODD))]) * size
    return bytes(broken)


def _sectors(data: bytes, rng: np.random.Generator) -> bytes:
    """Lose sectors of a disk, or put others in their place."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, max(1, len(data) // _SECTOR))) * _SECTOR
        n = min(_SECTOR, len(data) - at)
        other = int(rng.integers(0, max(1, len(data) - n)))
        kept = data[other : other + n] if rng.random() < 0.5 else bytes(n)
        broken[at : at + n] = kept
    return bytes(broken)


def _shift(data: bytes, rng: np.random.Generator) -> bytes:
    """Lose or add some bytes, as a transfer in the mode for text does."""
    if rng.random() < 0.3:
        return data.replace(b"\n", b"\r\n")
    at, n = int(rng.integers(0, len(data))), int(rng.choice([1, 7, 4096]))
    if rng.random() < 0.5:
        return data[:at] + data[at + n :]
    return data[:at] + rng.bytes(n) + data[at:]


BREAKS: Final[dict[str, Break]] = {
    "cut off": _cut,
    "flipped bits": _flip,
    "flipped bits of headers": _flip_head,
    "absurd numbers in headers": _numbers,
    "lost sectors": _sectors,
    "lost or added bytes": _shift,
}
