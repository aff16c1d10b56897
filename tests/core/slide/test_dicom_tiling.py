"""Levels of DICOM slides whose numbers contradict each other."""

import struct
from dataclasses import dataclass

import pytest

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide.dicom_slide import open_dicom
from napari_deepheme.core.slide.dicom_tiling import counted_levels

SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6\0"


def value(group, element, kind, content):
    content += b" " * (len(content) % 2)
    return struct.pack("<HH2sH", group, element, kind, len(content)) + content


def number(group, element, n, kind=b"UL"):
    return value(group, element, kind, struct.pack("<H" if kind == b"US" else "<I", n))


@dataclass(frozen=True)
class Level:
    """What a file says of its tiles."""

    size: tuple = (2220, 2967)
    tile: tuple = (240, 240)
    n_frames: int = 130
    first: int | None = None
    part_of: bytes = b""
    n_paths: int | None = 1
    n_planes: int | None = 1
    kind: bytes | None = b"TILED_FULL"
    flavour: bytes = b"VOLUME"
    has_places: bool = False

    def content(self):
        places = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, 0)
        items = [
            bytes(128) + b"DICM",
            value(8, 8, b"CS", b"ORIGINAL\\PRIMARY\\" + self.flavour + b"\\NONE"),
            value(8, 0x16, b"UI", SLIDE),
            value(0x20, 0xE, b"UI", b"1.2"),
            value(0x20, 0x9161, b"UI", self.part_of) if self.part_of else b"",
            b"" if self.first is None else number(0x20, 0x9228, self.first),
            b"" if self.kind is None else value(0x20, 0x9311, b"CS", self.kind),
            value(0x28, 8, b"IS", str(self.n_frames).encode()),
            number(0x28, 0x10, self.tile[1], b"US"),
            number(0x28, 0x11, self.tile[0], b"US"),
            number(0x48, 6, self.size[0]),
            number(0x48, 7, self.size[1]),
            b"" if self.n_paths is None else number(0x48, 0x302, self.n_paths, b"US"),
            b"" if self.n_planes is None else number(0x48, 0x303, self.n_planes),
            places if self.has_places else b"",
        ]
        return b"".join(items)


def written(folder, *levels):
    paths = [folder / f"{at}.dcm" for at in range(len(levels))]
    for path, level in zip(paths, levels, strict=True):
        path.write_bytes(level.content())
    return paths


def parts(*frames):
    return [Level(first=first, n_frames=n, part_of=b"1.2.3") for first, n in frames]


@pytest.mark.parametrize(
    "levels",
    [
        [Level()],
        [Level(kind=None, n_paths=None, n_planes=None)],
        [Level(size=(2161, 3120)), Level(size=(555, 742), n_frames=12)],
        [Level(n_frames=780, n_paths=2, n_planes=3)],
        [Level(n_paths=2, n_planes=0)],
        [Level(first=0)],
        parts((0, 50), (50, 50), (100, 30)),
        parts((100, 30), (0, 100), (0, 100)),
        [Level(n_frames=7, kind=b"TILED_SPARSE", has_places=True)],
        [Level(n_frames=7, kind=None, has_places=True)],
        *[[Level(), Level(n_frames=7, flavour=f)] for f in (b"LABEL", b"THUMBNAIL")],
        [Level(size=(0, 0))],
    ],
)
def test_levels_with_as_many_tiles_as_they_need_are_let_through(tmp_path, levels):
    counted_levels(written(tmp_path, *levels))


@pytest.mark.parametrize(
    ("level", "n_due"),
    [
        (Level(size=(1110, 2967)), 65),
        (Level(size=(4440, 2967)), 247),
        (Level(size=(2460, 2967)), 143),
        (Level(size=(2220, 2727)), 120),
        (Level(tile=(120, 240)), 247),
        (Level(n_frames=129), 130),
        (Level(n_frames=129, kind=None, n_paths=None), 130),
        (Level(n_frames=390, n_paths=2), 260),
    ],
)
def test_a_level_of_more_or_fewer_tiles_is_refused_with_the_numbers(
    tmp_path, level, n_due
):
    (path,) = written(tmp_path, level)
    with pytest.raises(UnreadableSlideError) as caught:
        open_dicom(path, path, None)
    width, height = level.size
    assert caught.value.reason.startswith(f"0.dcm states {level.n_frames} frames, of")
    assert f" {width} x {height} px in" in caught.value.reason
    assert caught.value.reason.endswith(f" are {n_due}")


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([Level(first=10)], "frames of 0.dcm begin at 10, not 0"),
        (parts((0, 100), (110, 20)), "frames of 1.dcm begin at 110, not 100"),
        (parts((0, 100), (90, 30)), "frames of 1.dcm begin at 90, not 100"),
        (parts((0, 100), (100, 20)), "0.dcm and its other parts state 120 frames"),
    ],
)
def test_parts_of_a_level_that_do_not_follow_each_other_are_refused(
    tmp_path, levels, said
):
    with pytest.raises(ValueError, match=said):
        counted_levels(written(tmp_path, *levels))
