"""DICOM with missing parts, and index files that point to nothing."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEGBaseline8Bit,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

from bad_slides.case import SEED, BadSlide
from bad_slides.files import case
from bad_slides.samples import cells, sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TILE = 128


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _dicom()
    yield from _index_files()


@cache
def dicom(*, factor: int = 1, without: tuple[str, ...] = (), **changes: Any) -> bytes:
    """Write a level of a whole slide image."""
    pixels = cells()[::factor, ::factor]
    height, width = pixels.shape[:2]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = uid(f"instance {factor}")
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = uid("study"), uid("series")
    image.FrameOfReferenceUID = uid("frame")
    image.Modality, image.PatientID = "SM", "nobody"
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.SeriesNumber = image.InstanceNumber = 1
    image.TotalPixelMatrixColumns, image.TotalPixelMatrixRows = width, height
    image.TotalPixelMatrixFocalPlanes = 1
    image.ImagedVolumeWidth, image.ImagedVolumeHeight = 0.192, 0.16
    image.DimensionOrganizationType = "TILED_FULL"
    image.NumberOfOpticalPaths = 1
    image.OpticalPathSequence = _sequence(OpticalPathIdentifier="1")
    image.Rows = image.Columns = _TILE
    image.SamplesPerPixel, image.PhotometricInterpretation = 3, "YBR_FULL_422"
    image.PlanarConfiguration = image.PixelRepresentation = 0
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit = 7
    spacing = 0.00025 * factor
    image.SharedFunctionalGroupsSequence = _sequence(
        PixelMeasuresSequence=_sequence(PixelSpacing=[spacing, spacing])
    )
    frames = _frames(pixels)
    image.NumberOfFrames = len(frames)
    image.PixelData = encapsulate(frames)
    image["PixelData"].is_undefined_length = True
    for name, value in changes.items():
        setattr(image, name, value)
    for name in without:
        delattr(image, name)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def uid(what: str) -> str:
    """Give the same number for the same words."""
    return str(generate_uid(entropy_srcs=[f"{SEED} {what}"]))


def _sequence(**values: Any) -> list[Dataset]:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return [item]


def _frames(pixels: Any) -> list[bytes]:
    frames = []
    height, width = pixels.shape[:2]
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            tile = Image.new("RGB", (_TILE, _TILE), (240, 240, 240))
            part = pixels[top : top + _TILE, left : left + _TILE]
            tile.paste(Image.fromarray(part.copy()), (0, 0))
            stream = io.BytesIO()
            tile.save(stream, "JPEG", subsampling="4:2:2")
            frames.append(stream.getvalue())
    return frames


def _in_folder(files: Callable[[], dict[str, bytes]]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "slide").mkdir()
        for name, data in files().items():
            (folder / "slide" / name).write_bytes(data)
        return folder / "slide"

    return make


def _dicom() -> Iterator[BadSlide]:
    kind = "DICOM with missing parts"
    for name in (
        "TotalPixelMatrixColumns",
        "NumberOfFrames",
        "PixelData",
        "SharedFunctionalGroupsSequence",
        "OpticalPathSequence",
        "SeriesInstanceUID",
        "Rows",
    ):
        data = dicom(without=(name,))
        yield case(kind, f"without {name}", "dcm", data, words=("--mpp", "0.25"))
    for share in (0.2, 0.7):
        data = dicom()[: int(len(dicom()) * share)]
        yield case(kind, f"cut off at {share}", "dcm", data)
    for what, files in (
        ("smaller level alone", lambda: {"b.dcm": dicom(factor=4)}),
        ("one level cut off", lambda: _pair(dicom(), dicom(factor=4)[:4000])),
        ("largest level cut off", lambda: _pair(dicom()[:4000], dicom(factor=4))),
        ("first file is text", lambda: {"a.dcm": b"text", "b.dcm": dicom()}),
        ("two levels", lambda: _pair(dicom(), dicom(factor=4))),
        ("a level twice", lambda: _pair(dicom(), dicom())),
    ):
        yield BadSlide(kind, what, _in_folder(files))
    kind = "DICOM that contradicts itself"
    for what, changes in (
        ("more frames than there are", {"NumberOfFrames": 500}),
        ("fewer frames", {"NumberOfFrames": 3}),
        ("frames of no size", {"Rows": 0, "Columns": 0}),
        ("no pixels", {"TotalPixelMatrixColumns": 0}),
        ("2^31 px", {"TotalPixelMatrixColumns": 1 << 31, "NumberOfFrames": 1 << 28}),
        ("16 bits", {"BitsAllocated": 16, "BitsStored": 16}),
        ("one sample", {"SamplesPerPixel": 1}),
        ("sparse", {"DimensionOrganizationType": "TILED_SPARSE"}),
        ("a scan of the chest", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}),
        ("an unknown colour", {"PhotometricInterpretation": "PALETTE COLOR"}),
    ):
        data = dicom(**changes)
        alone = what == "2^31 px"
        yield case(kind, what, "dcm", data, words=("--mpp", "0.25"), alone=alone)


def _pair(one: bytes, other: bytes) -> dict[str, bytes]:
    return {"a.dcm": one, "b.dcm": other}


_VMS = """[Virtual Microscope Specimen]
NoLayers=1
NoJpegColumns=1
NoJpegRows=1
ImageFile=slide.jpg
MapFile=map.jpg
OptimisationFile=slide.opt
PhysicalWidth=1000
PhysicalHeight=1000
"""
_VMU = """[Uncompressed Virtual Microscope Specimen]
NoLayers=1
ImageFile=slide.ngr
MapFile=map.ngr
BitsPerPixel=36
PixelOrder=RGB
"""
SLIDEDAT = """[GENERAL]
SLIDE_VERSION = 01.02
SLIDE_ID = 0123456789
IMAGENUMBER_X = 4
IMAGENUMBER_Y = 4
CameraImageDivisionsPerSide = 1
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
INDEXFILE = Index.dat
HIER_0_NAME = Slide zoom level
HIER_0_COUNT = 1
HIER_0_VAL_0 = ZoomLevel_0
HIER_0_VAL_0_SECTION = LAYER_0_LEVEL_0_SECTION
[DATAFILE]
FILE_COUNT = 1
FILE_0 = Data0000.dat
[LAYER_0_LEVEL_0_SECTION]
OVERLAP_X = 0
OVERLAP_Y = 0
MICROMETER_PER_PIXEL_X = 0.25
MICROMETER_PER_PIXEL_Y = 0.25
IMAGE_FILL_COLOR_BGR = 16777215
DIGITIZER_WIDTH = 256
DIGITIZER_HEIGHT = 256
IMAGE_FORMAT = JPEG
IMAGE_CONCAT_FACTOR = 0
"""


def _mirax(**files: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "slide").mkdir()
        for name, data in files.items():
            (folder / "slide" / name.replace("_", ".")).write_bytes(data)
        (folder / "slide.mrxs").write_bytes(sound()["jpg"])
        return folder / "slide.mrxs"

    return make


def _beside(name: str, text: str, **others: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for other, data in others.items():
            (folder / other.replace("_", ".")).write_bytes(data)
        (folder / name).write_text(text)
        return folder / name

    return make


def _index_files() -> Iterator[BadSlide]:
    kind, words = "index files that point to nothing", ("--mpp", "0.25")
    slidedat = SLIDEDAT.encode()
    for what, make in (
        ("vms", _beside("slide.vms", _VMS)),
        ("vms, pictures of another kind", _beside("slide.vms", _VMS, **_JPEGS)),
        ("vms, away", _beside("slide.vms", _VMS.replace("slide.jpg", "../../x"))),
        ("vms without its facts", _beside("slide.vms", _VMS[:32])),
        ("vmu", _beside("slide.vmu", _VMU)),
        ("mrxs, an empty folder", _mirax()),
        ("mrxs, its list alone", _mirax(Slidedat_ini=slidedat)),
        ("mrxs, no data", _mirax(Slidedat_ini=slidedat, Index_dat=b"01.020123456789")),
        ("mrxs, an empty list", _mirax(Slidedat_ini=b"")),
        ("mrxs, half a list", _mirax(Slidedat_ini=slidedat[:150])),
    ):
        yield BadSlide(kind, what, make, words)
    for ending in ("ndpi", "scn", "bif"):
        data = sound()["svs"][: len(sound()["svs"]) // 2]
        yield case(kind, f"half an svs named {ending}", ending, data, words=words)
    yield case(kind, "ndpis", "ndpis", b"[NanoZoomer Digital Pathology Image Set]\n")


_JPEGS = {"slide_jpg": b"no picture", "map_jpg": b"no picture", "slide_opt": b""}
