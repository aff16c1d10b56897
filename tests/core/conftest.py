"""Painted discs, a detector that finds them, a classifier that names their colour."""

import io
import struct
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_deepheme.core.models.protocols import (
    ClassifierSpec,
    CropProbabilities,
    DetectorSpec,
    Models,
)
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index

MPP = 0.25
GLASS = 240
COLOURS = {"M6": (120, 30, 60), "ER4": (30, 60, 120), "L2": (30, 110, 40)}


class DiscDetector:
    """Boxes each dark patch; one that the window cuts is boxed as far as it is seen."""

    spec = DetectorSpec("discs 1", mpp=0.5, halo_um=16, alignment_px=4, min_score=0.3)

    def detect(self, pixels):
        patches, _ = ndimage.label(pixels.min(axis=2) < 140)
        boxes, scores = [], []
        for rows, columns in ndimage.find_objects(patches):
            height, width = rows.stop - rows.start, columns.stop - columns.start
            boxes.append((columns.start, rows.start, width, height))
            scores.append(min(width, height) / max(width, height))
        return (
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(scores, np.float32),
        )


class ColourClassifier:
    """Names a cell by the colour in the middle of the crop."""

    spec = ClassifierSpec("colours 1", mpp=0.25, crop_px=32)

    def classify(self, crops, *, batch_size):
        middle = crops[:, 14:18, 14:18].mean(axis=(1, 2))[:, None]
        distance = abs(middle - np.array(list(COLOURS.values()))).sum(axis=2)
        probabilities = np.full((len(crops), len(CLASS_CODES)), 0.005, np.float32)
        columns = np.array([class_index(code) for code in COLOURS])
        rows = np.arange(len(crops))
        probabilities[rows, columns[distance.argmin(axis=1)]] = 1 - 22 * 0.005
        return CropProbabilities.of_classes(probabilities)


@dataclass
class Painting:
    """A picture with discs: x and y of the middle, radius, class code."""

    discs: list = field(default_factory=list)
    width: int = 1100
    height: int = 900

    @property
    def pixels(self):
        picture = np.full((self.height, self.width, 3), GLASS, np.uint8)
        y, x = np.mgrid[: self.height, : self.width] + 0.5
        for disc_x, disc_y, radius, code in self.discs:
            inside = (x - disc_x) ** 2 + (y - disc_y) ** 2 < radius**2
            picture[inside] = COLOURS[code]
        return picture

    @property
    def middles(self):
        return np.array([(x, y) for x, y, _, _ in self.discs])

    @property
    def codes(self):
        return [code for _, _, _, code in self.discs]


def paint_discs(seed=0, n=70):
    """Scatter discs that do not touch; some lie on the borders of tiles."""
    rng = np.random.default_rng(seed)
    painting = Painting(
        [(512, 512, 20, "M6"), (256, 256, 18, "L2"), (512, 100, 24, "ER4")]
    )
    tried = 0
    while len(painting.discs) < n and tried < 10_000:
        tried += 1
        x = float(rng.integers(30, painting.width - 30))
        y = float(rng.integers(30, painting.height - 30))
        radius = float(rng.integers(10, 27))
        if all(
            np.hypot(x - a, y - b) > radius + r + 6 for a, b, r, _ in painting.discs
        ):
            code = list(COLOURS)[len(painting.discs) % len(COLOURS)]
            painting.discs.append((x, y, radius, code))
    assert len(painting.discs) == n
    return painting


@pytest.fixture(scope="session")
def painting():
    return paint_discs()


@pytest.fixture(scope="session")
def painted_pixels(painting):
    pixels = painting.pixels
    pixels.flags.writeable = False
    return pixels


@pytest.fixture
def disc_slide(painted_pixels):
    return ArraySlide(painted_pixels, mpp=MPP, name="discs")


@pytest.fixture(scope="session")
def disc_models():
    return Models(DiscDetector(), ColourClassifier())


MIRAX_LIST = """[GENERAL]
SLIDE_VERSION = 01.02
SLIDE_ID = {number}
IMAGENUMBER_X = {n_tiles}
IMAGENUMBER_Y = {n_tiles}
OBJECTIVE_MAGNIFICATION = 40
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
INDEXFILE = Index.dat
HIER_0_NAME = Slide zoom level
HIER_0_COUNT = 2
HIER_0_VAL_0_SECTION = LEVEL_0
HIER_0_VAL_1_SECTION = LEVEL_1
[DATAFILE]
FILE_COUNT = 1
FILE_0 = Data0000.dat
"""

MIRAX_LEVEL = """[LEVEL_{level}]
OVERLAP_X = 0
OVERLAP_Y = 0
MICROMETER_PER_PIXEL_X = {mpp}
MICROMETER_PER_PIXEL_Y = {mpp}
IMAGE_FILL_COLOR_BGR = 16777215
DIGITIZER_WIDTH = 128
DIGITIZER_HEIGHT = 128
IMAGE_FORMAT = JPEG
IMAGE_CONCAT_FACTOR = {level}
"""


def write_mirax(path, pixels, *, number="0" * 32, overview=b""):
    """Write a MIRAX slide of two levels of a square picture; return its folder."""
    folder, side = path.with_suffix(""), len(pixels)
    folder.mkdir()
    path.write_bytes(overview)
    head, n_tiles = f"01.02{number}".encode(), side // 128
    data, pages = bytearray(head + bytes(99)), []
    for level in (0, 1):
        picture = Image.fromarray(pixels).reduce(1 << level)
        page = []
        for place in range(0, n_tiles * n_tiles):
            y, x = divmod(place, n_tiles)
            if y % (1 << level) or x % (1 << level):
                continue
            left, top = (at * 128 >> level for at in (x, y))
            stream = io.BytesIO()
            picture.crop((left, top, left + 128, top + 128)).save(stream, "JPEG")
            page.append((place, len(data), stream.tell(), 0))
            data += stream.getvalue()
        pages.append(page)
    (folder / "Data0000.dat").write_bytes(data)
    (folder / "Index.dat").write_bytes(head + mirax_index(len(head), pages))
    text = MIRAX_LIST.format(number=number, n_tiles=n_tiles)
    text += MIRAX_LEVEL.format(level=0, mpp=MPP) + MIRAX_LEVEL.format(level=1, mpp=0.5)
    (folder / "Slidedat.ini").write_text(text)
    return folder


def mirax_index(start, pages):
    """Give what follows the head of an index, which ends at a byte."""
    levels = start + 8
    at, starts, content = levels + 4 * len(pages), [], b""
    for page in pages:
        starts.append(at + len(content))
        # An empty page, which names the first one.
        content += struct.pack("<4i", 0, starts[-1] + 8, len(page), 0)
        content += b"".join(struct.pack("<4i", *tile) for tile in page)
    return struct.pack(f"<2i{len(pages)}i", levels, 0, *starts) + content


@pytest.fixture(name="write_mirax")
def mirax_writer():
    return write_mirax
