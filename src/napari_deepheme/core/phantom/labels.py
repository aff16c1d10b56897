"""The small pictures that a scanner adds: thumbnail, label and macro."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

_LABEL: Final = (387, 463)
_MACRO: Final = (1280, 431)
_THUMBNAIL: Final = (1024, 768)


def draw_thumbnail(overview: Pixels) -> Pixels:
    """Return a small picture of the whole slide, shape (h, w, 3)."""
    return np.asarray(_fitted(overview, _THUMBNAIL))


def draw_label(seed: int) -> Pixels:
    """Return the paper label, with the phantom's name, shape (463, 387, 3)."""
    picture = Image.new("RGB", _LABEL, (246, 244, 238))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((6, 6, _LABEL[0] - 7, _LABEL[1] - 7), outline=(90, 90, 90), width=2)
    lines = ("napari-deepheme", "phantom", f"seed {seed}")
    for i, line in enumerate(lines):
        draw.text((30, 90 + 90 * i), line, fill=(20, 20, 20), font=_font(34))
    return np.asarray(picture)


def draw_macro(seed: int, overview: Pixels) -> Pixels:
    """Return the slide as the naked eye sees it, shape (431, 1280, 3)."""
    picture = Image.new("RGB", _MACRO, (222, 222, 224))
    label = Image.fromarray(draw_label(seed)).resize((360, 431))
    picture.paste(label, (0, 0))
    smear = _fitted(overview, (_MACRO[0] - 440, _MACRO[1] - 60))
    picture.paste(smear, (400, (_MACRO[1] - smear.height) // 2))
    return np.asarray(picture)


def _fitted(pixels: Pixels, room: tuple[int, int]) -> Image.Image:
    """Return a picture made as large as fits, not larger than it is."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = min(1.0, room[0] / picture.width, room[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
