"""Pictures of single cells under a folder."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.engine.crops import iter_crops, pictures_in
from napari_deepheme.core.errors import (
    NoPicturesError,
    UnknownMppError,
    UnreadableSlideError,
)
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.named import read_own_cells

COLOURS = {"M6": (120, 30, 60), "ER4": (30, 60, 120), "L2": (30, 110, 40)}


def write_cell(path, code, side=64):
    pixels = np.full((side, side, 3), 240, np.uint8)
    y, x = np.mgrid[:side, :side] + 0.5
    pixels[np.hypot(x - side / 2, y - side / 2) < side / 5] = COLOURS[code]
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def named(disc_models):
    """Classify a folder; give the code of each file, and what could not be read."""

    def name(folder, mpp=0.25):
        errors = []
        crops = iter_crops(
            folder, disc_models.classifier, mpp=mpp, on_unreadable=errors.append
        )
        codes = {c.file: CLASS_CODES[c.probabilities.argmax()] for c in crops}
        return codes, errors

    return name


def test_pictures_are_named_in_order_of_their_path(tmp_path, named):
    write_cell(tmp_path / "b.PNG", "M6")
    write_cell(tmp_path / "a" / "z.tif", "ER4", side=90)
    write_cell(tmp_path / "a" / "c.bmp", "L2", side=20)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    codes, errors = named(tmp_path)
    assert list(codes.items()) == [
        ("a/c.bmp", "L2"),
        ("a/z.tif", "ER4"),
        ("b.PNG", "M6"),
    ]
    assert errors == []


@pytest.mark.parametrize("mpp", [0.125, 0.25, 0.5])
def test_the_cell_in_the_middle_is_looked_at_whatever_the_pixel_size(
    tmp_path, named, mpp
):
    write_cell(tmp_path / "a.png", "ER4", side=round(20 / mpp))
    assert named(tmp_path, mpp) == ({"a.png": "ER4"}, [])


def test_pictures_that_cannot_be_read_are_told_and_left_out(tmp_path, named):
    write_cell(tmp_path / "good.png", "M6")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    shutil.copy(tmp_path / "good.png", tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    Image.new("L", (2001, 2000)).save(tmp_path / "vast.png")
    codes, errors = named(tmp_path)
    assert codes == {"good.png": "M6"}
    assert len(errors) == 3
    assert all(isinstance(error, OSError) for error in errors)
    vast = errors[-1]
    assert isinstance(vast, UnreadableSlideError)
    assert "too many for one cell" in str(vast)


@pytest.mark.not_on_windows
def test_links_that_lead_nowhere_are_told_as_other_pictures_that_cannot_be_read(
    tmp_path, named
):
    write_cell(tmp_path / "M6" / "good.png", "M6")
    (tmp_path / "M6" / "gone.png").symlink_to(tmp_path / "a drive" / "gone.png")
    (tmp_path / "folder.png").mkdir()
    codes, errors = named(tmp_path)
    assert codes == {"M6/good.png": "M6"}
    assert ["gone.png" in str(error) for error in errors] == [True]


def test_a_folder_below_that_cannot_be_searched_is_told(tmp_path, monkeypatch):
    write_cell(tmp_path / "M1" / "a.png", "M6")
    write_cell(tmp_path / "M6" / "a.png", "M6")
    scan = os.scandir

    def closed(path):
        if Path(path).name == "M1":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(NoPicturesError, match="M1 cannot be searched: Permission"):
        pictures_in(tmp_path)
    with pytest.raises(NoPicturesError, match="M1: it cannot be searched: Permission"):
        read_own_cells(tmp_path, mpp=0.2)


def test_a_folder_without_pictures_gives_nothing(tmp_path, named):
    assert named(tmp_path) == ({}, [])


def test_a_pixel_size_that_cannot_be_right_ends_the_run(tmp_path, named):
    write_cell(tmp_path / "a.png", "M6")
    with pytest.raises(UnknownMppError):
        named(tmp_path, mpp=50)


def test_more_pictures_than_are_read_at_once_all_come(tmp_path, named):
    write_cell(tmp_path / "000.png", "M6", side=32)
    for i in range(1, 260):
        shutil.copy(tmp_path / "000.png", tmp_path / f"{i:03}.png")
    codes, _ = named(tmp_path)
    assert list(codes) == [f"{i:03}.png" for i in range(260)]
    assert set(codes.values()) == {"M6"}
