import csv

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.phantom import render_cell
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.manifest import (
    OUTPUTS,
    load_crops,
    read_manifest,
    target_matrix,
)
from napari_deepheme.core.training.cells.nuclei import (
    Nucleus,
    join_lobes,
    segment_nuclei,
)
from napari_deepheme.core.training.cells.phantom_cells import lay_on

HEADER = ("file", "source", "label", "classes", "split", "mpp")


def write_manifest(folder, *rows):
    path = folder / "manifest.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows((HEADER, *rows))
    return path


def test_a_manifest_gives_sets_of_classes(tmp_path):
    Image.new("RGB", (144, 144), (200, 100, 50)).save(tmp_path / "a.png")
    path = write_manifest(tmp_path, ("a.png", "lab", "EOS", "E1|E4", "val", "0.15"))
    (cell,) = read_manifest(path)
    assert cell.targets == ("E1", "E4")
    row = target_matrix([cell])[0]
    assert [OUTPUTS[i] for i in np.flatnonzero(row)] == ["E1", "E4"]
    crops = load_crops([cell], size_px=96, mpp=0.225)
    assert crops.shape == (1, 96, 96, 3)
    assert (crops == (200, 100, 50)).all()


@pytest.mark.parametrize(
    "row",
    [
        ("a.png", "lab", "EOS", "E9", "val", "0.15"),
        ("a.png", "lab", "EOS", "E1", "val", "wide"),
    ],
)
def test_a_manifest_with_an_unknown_class_or_number_is_refused(tmp_path, row):
    with pytest.raises(InvalidTableError):
        read_manifest(write_manifest(tmp_path, row))


@pytest.mark.parametrize("mpp", ["0", "-1", "nan", "250"])
def test_a_pixel_size_that_cannot_be_right_is_told_with_its_line(tmp_path, mpp):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    rows = [("a.png", "lab", "EOS", "E1", "Train", one) for one in ("0.25", mpp)]
    with pytest.raises(InvalidTableError, match=r"line 3: mpp is .*leave it empty"):
        read_manifest(write_manifest(tmp_path, *rows), mpp=0.25)
    (cell,) = read_manifest(write_manifest(tmp_path, rows[0]))
    assert cell.split == "train"


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(InvalidTableError, match=r"manifest\.csv"):
        read_manifest(tmp_path / "manifest.csv")


def test_painted_nuclei_are_segmented_apart():
    picture = Image.new("RGB", (200, 120), (235, 235, 240))
    draw = ImageDraw.Draw(picture)
    for x, y in ((40, 60), (82, 60), (150, 40)):
        draw.ellipse((x - 22, y - 22, x + 22, y + 22), fill=(90, 40, 140))
    _, nuclei = segment_nuclei(np.asarray(picture), mpp=0.2)
    centres = sorted((n.x + n.width / 2, n.y + n.height / 2) for n in nuclei)
    assert centres == [
        (pytest.approx(40, abs=4), pytest.approx(60, abs=4)),
        (pytest.approx(82, abs=4), pytest.approx(60, abs=4)),
        (pytest.approx(150, abs=4), pytest.approx(40, abs=4)),
    ]


def test_lobes_that_lie_together_are_one_nucleus():
    def nucleus(x, width):
        return Nucleus(x, 0, width, width, 1, 1.0, at_border=False)

    lobes, large = [nucleus(0, 20), nucleus(22, 20)], nucleus(45, 50)
    apart = nucleus(120, 20)
    joined = join_lobes([*lobes, large, apart], mpp=0.2)
    assert sorted((n.x, n.width) for n in joined) == [(0, 42), (45, 50), (120, 20)]


@pytest.mark.parametrize("code", [CLASS_CODES[0], "M6", "PL2"])
def test_a_rendered_cell_lies_in_the_centre_of_its_background(code):
    background = np.full((144, 144, 3), 240, np.uint8)
    cell = render_cell(code, np.random.default_rng(3), mpp=0.15)
    picture = lay_on(background, cell, centre=(72, 72))
    dark = picture.min(axis=2) < 200
    assert dark[52:92, 52:92].mean() > 0.3
    assert (background == 240).all()
