"""Pictures by class, as a fit takes them."""

import csv
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidTableError,
    UnreadableRegionError,
    UnreadableSlideError,
)
from napari_deepheme.core.export import crop_folder
from napari_deepheme.core.export.crop_folder import write_crop_folder
from napari_deepheme.core.geometry import Mpp, Point, Region
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.core.training.cells.named import read_own_cells

QUARTER = Mpp(0.25, 0.25)


@pytest.fixture
def slide():
    """White glass with a disc at each place of `cells`, by its class's colour."""
    pixels = np.full((400, 500, 3), 240, np.uint8)
    y, x = np.mgrid[:400, :500] + 0.5
    for i in range(6):
        pixels[(x - 70 - 70 * i) ** 2 + (y - 200) ** 2 < 20**2] = (100, 40 * i, 60)
    return ArraySlide(pixels, mpp=0.25, name="smear.svs")


@pytest.fixture
def cells():
    codes = ["M2", "M3", "M2", "L2", "L2", "L4"]
    return CellTable.from_arrays(
        [[50 + 70 * i, 180, 40, 40] for i in range(6)],
        [0.9] * 6,
        [class_index(code) for code in codes],
        [0.8] * 6,
        {
            "identified": np.array(["yes", "yes", "yes", "no", "no", "yes"]),
            "reader_class": np.array(
                ["", "M4", "not-a-cell", "", "M5", "unidentified"]
            ),
        },
    )


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def rows(folder):
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_cell_lies_in_the_folder_of_the_class_that_counts(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    written = write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert written.by_class == {"M2": 1, "M4": 1, "M5": 1}
    assert names(folder) == [
        "M2/smear.svs-1.png",
        "M4/smear.svs-2.png",
        "M5/smear.svs-5.png",
        "manifest.csv",
    ]
    picture = np.asarray(Image.open(folder / "M5" / "smear.svs-5.png"))
    assert picture.shape == (120, 120, 3)
    assert picture[60, 60].tolist() == [100, 160, 60]
    assert stat.S_IMODE(os.stat(folder).st_mode) & 0o700 == 0o700


def test_columns_of_the_cells_are_made_once_for_all_pictures(
    slide, cells, tmp_path, columns_made
):
    many = cells.take(np.resize([0, 1, 4], 12)).numbered_anew()
    write_crop_folder(many, tmp_path / "crops", slide, mpp=QUARTER)
    assert len(rows(tmp_path / "crops")) == 12
    assert len(columns_made) <= 3


def test_a_fit_takes_the_folder_as_it_is(slide, cells, tmp_path):
    write_crop_folder(cells, tmp_path / "crops", slide, mpp=QUARTER, patient="7")
    read = read_own_cells(tmp_path / "crops")
    assert [cell.targets for cell in read] == [("M2",), ("M4",), ("M5",)]
    assert {cell.mpp for cell in read} == {0.25}
    assert {cell.source for cell in read} == {"smear.svs"}
    assert {cell.patient for cell in read} == {"7"}
    assert [cell.label for cell in read] == ["M2", "M3", "L2"]
    assert read[0].background == pytest.approx((240, 240, 240), abs=1)


def test_a_patient_whose_name_is_not_utf_8_is_spelled_out(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER, patient="M\udcfcller")
    assert {row["patient"] for row in rows(folder)} == {"M\\udcfcller"}
    nameless = tmp_path / "nameless"
    write_crop_folder(
        cells, nameless, slide, mpp=QUARTER, patient="M\udcfcller", deidentify=True
    )
    (patient,) = {row["patient"] for row in rows(nameless)}
    assert patient.startswith("patient-")


def test_what_a_reader_took_away_is_never_written(slide, cells, tmp_path):
    deleted = np.array(["deleted", *cells.further["reader_class"][1:]])
    gone = replace(cells, further={**cells.further, "reader_class": deleted})
    written = write_crop_folder(gone, tmp_path / "crops", slide, mpp=QUARTER)
    assert written.by_class == {"M4": 1, "M5": 1}


class TornSlide(ArraySlide):
    """A slide of which nothing from some column on can be read."""

    torn_from = 0

    def read_region(self, location, level, size_level):
        if location.x + size_level.width > self.torn_from:
            raise UnreadableRegionError(self.name, Region(*location, *size_level), "")
        return super().read_region(location, level, size_level)


def test_cells_that_cannot_be_read_are_counted(slide, cells, tmp_path):
    torn = TornSlide(slide.read_region(Point(0, 0), 0, slide.size), name="smear.svs")
    torn.torn_from = 350
    written = write_crop_folder(cells, tmp_path / "crops", torn, mpp=QUARTER)
    assert written.by_class == {"M2": 1, "M4": 1}
    assert written.left_out == "1 cell could not be read"


def test_a_slide_of_which_no_cell_can_be_read_is_refused(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    torn = TornSlide(np.zeros((400, 500, 3), np.uint8), name="smear.svs")
    with pytest.raises(UnreadableSlideError, match="none of its cells"):
        write_crop_folder(cells, folder, torn, mpp=QUARTER)
    assert not folder.exists()
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    with pytest.raises(UnreadableSlideError):
        write_crop_folder(cells, folder, torn, mpp=QUARTER)
    assert len(read_own_cells(folder)) == 3


def test_a_slide_without_a_cell_to_learn_from_gives_no_picture(slide, tmp_path):
    written = write_crop_folder(
        CellTable.empty(), tmp_path / "crops", slide, mpp=QUARTER
    )
    assert (written.by_class, written.left_out) == ({}, "")


def test_only_what_a_reader_named_is_written_when_asked(slide, cells, tmp_path):
    written = write_crop_folder(
        cells, tmp_path / "crops", slide, mpp=QUARTER, corrected_only=True
    )
    assert written.by_class == {"M4": 1, "M5": 1}


def test_another_slide_is_added_and_the_same_one_replaced(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    pixels = np.random.default_rng(0).integers(200, 250, (400, 500, 3), np.uint8)
    other = ArraySlide(pixels, mpp=0.25, name="b é.svs")
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    write_crop_folder(cells, folder, other, mpp=QUARTER)
    assert len(read_own_cells(folder)) == 6
    write_crop_folder(cells.take(np.arange(1)), folder, slide, mpp=QUARTER)
    assert sorted(row["source"] for row in rows(folder)) == [
        "b é.svs",
        "b é.svs",
        "b é.svs",
        "smear.svs",
    ]
    assert len(names(folder)) == 5
    assert all((folder / row["file"]).is_file() for row in rows(folder))


def add_meanwhile(monkeypatch, cells, folder, slide):
    """Have another command add a slide while the pictures of the next are made."""
    pixels = slide.read_region(Point(0, 0), 0, slide.size)
    other = ArraySlide(pixels, mpp=0.25, name="other.svs")
    write = crop_folder.write_training_crop

    def called(*words, **named):
        monkeypatch.setattr(crop_folder, "write_training_crop", write)
        write_crop_folder(cells, folder, other, mpp=QUARTER)
        return write(*words, **named)

    monkeypatch.setattr(crop_folder, "write_training_crop", called)


def test_cells_that_another_command_adds_meanwhile_stay(
    slide, cells, tmp_path, monkeypatch
):
    folder = tmp_path / "crops"
    write_crop_folder(cells.take(np.arange(1)), folder, slide, mpp=QUARTER)
    add_meanwhile(monkeypatch, cells, folder, slide)
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert sorted({row["source"] for row in rows(folder)}) == ["other.svs", "smear.svs"]
    listed = sorted([*(row["file"] for row in rows(folder)), "manifest.csv"])
    assert len(listed) == 7
    assert names(folder) == listed


def test_names_that_another_command_adds_meanwhile_are_not_joined_by_pseudonyms(
    slide, cells, tmp_path, monkeypatch
):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER, deidentify=True)
    add_meanwhile(monkeypatch, cells, folder, slide)
    with pytest.raises(InvalidTableError, match="there are names in it"):
        write_crop_folder(cells, folder, slide, mpp=QUARTER, deidentify=True)


@pytest.mark.parametrize("failing", ["write_training_crop", "_write_manifest"])
def test_a_full_disk_is_told_of_the_folder_that_was_asked_for(
    slide, cells, tmp_path, monkeypatch, failing
):
    def full(*words, **_):
        (path,) = (word for word in words if isinstance(word, Path))
        raise CannotWriteError(str(path), "No space left on device")

    monkeypatch.setattr(crop_folder, failing, full)
    with pytest.raises(CannotWriteError) as refused:
        write_crop_folder(cells, tmp_path / "crops", slide, mpp=QUARTER)
    assert refused.value.path == str(tmp_path / "crops")


def test_a_folder_whose_name_is_too_long_is_told(slide, cells, tmp_path):
    with pytest.raises(CannotWriteError):
        write_crop_folder(cells, tmp_path / ("x" * 300), slide, mpp=QUARTER)


def slide_file(folder, colour):
    """Write a picture called slide.png into a folder."""
    folder.mkdir()
    Image.new("RGB", (500, 400), colour).save(folder / "slide.png")
    return open_slide(folder / "slide.png")


def test_another_slide_of_the_same_name_is_added(cells, tmp_path):
    folder, places = tmp_path / "crops", (tmp_path / "pa", tmp_path / "pb")
    with slide_file(places[0], "red") as one, slide_file(places[1], "blue") as other:
        for _ in range(2):
            write_crop_folder(cells, folder, one, mpp=QUARTER, patient="a")
            write_crop_folder(cells, folder, other, mpp=QUARTER, patient="b")
    assert sorted(row["patient"] for row in rows(folder)) == [*"aaa", *"bbb"]
    assert len({row["file"] for row in rows(folder)}) == 6
    assert len(names(folder)) == 7
    for row in rows(folder):
        with Image.open(folder / row["file"]) as picture:
            seen = picture.getpixel((60, 60))
        assert seen == {"a": (255, 0, 0), "b": (0, 0, 255)}[row["patient"]]


def test_a_name_in_other_capitals_is_another_slides(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    pixels = slide.read_region(Point(0, 0), 0, slide.size)
    other = ArraySlide(pixels, mpp=0.25, name="SMEAR.svs")
    for one in (slide, other):
        write_crop_folder(cells, folder, one, mpp=QUARTER)
    assert len({name.casefold() for name in names(folder)}) == 7


def test_a_folder_of_before_takes_its_slide_by_name(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    table = [{k: v for k, v in row.items() if k != "identity"} for row in rows(folder)]
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert len(rows(folder)) == 3
    assert len(names(folder)) == 4


@pytest.mark.parametrize("failing", ["write_training_crop", "_write_manifest"])
def test_a_slide_exported_anew_and_broken_off_leaves_the_folder_as_it_was(
    slide, cells, tmp_path, monkeypatch, failing
):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    n_written, real = [], getattr(crop_folder, failing)

    def full(*words, **named):
        n_written.append(1)
        if failing == "_write_manifest" or len(n_written) == 3:
            raise CannotWriteError("x", "No space left on device")
        return real(*words, **named)

    with monkeypatch.context() as patched:
        patched.setattr(crop_folder, failing, full)
        with pytest.raises(CannotWriteError):
            write_crop_folder(cells, folder, slide, mpp=Mpp(0.5, 0.5))
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    write_crop_folder(cells, folder, slide, mpp=Mpp(0.5, 0.5))
    assert {row["mpp"] for row in rows(folder)} == {"0.5"}
    assert len(names(folder)) == 4
    for row in rows(folder):
        with Image.open(folder / row["file"]) as picture:
            assert picture.size == (60, 60)


def test_the_same_cells_exported_again_keep_their_names(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    before = rows(folder)
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert rows(folder) == before
    assert names(folder) == sorted([*(row["file"] for row in before), "manifest.csv"])


def test_an_export_that_is_broken_off_leaves_nothing(
    slide, cells, tmp_path, monkeypatch
):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "napari_deepheme.core.export.crop_folder._write_manifest", stopped
    )
    with pytest.raises(KeyboardInterrupt):
        write_crop_folder(cells, tmp_path / "crops", slide, mpp=QUARTER)
    assert not list(tmp_path.iterdir())


def test_an_addition_that_is_broken_off_leaves_the_folder_as_it_read(
    slide, cells, tmp_path, monkeypatch
):
    folder = tmp_path / "crops"
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    before = read_own_cells(folder)

    def full(*_):
        raise CannotWriteError("manifest.csv", "No space left on device")

    monkeypatch.setattr("napari_deepheme.core.export.crop_folder._write_manifest", full)
    other = ArraySlide(np.full((400, 500, 3), 240, np.uint8), mpp=0.25, name="b.svs")
    with pytest.raises(CannotWriteError):
        write_crop_folder(cells, folder, other, mpp=QUARTER)
    assert read_own_cells(folder) == before


def test_a_folder_of_something_else_is_left_alone(slide, cells, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CannotWriteError, match="not an empty folder"):
        write_crop_folder(cells, tmp_path, slide, mpp=QUARTER)
    (tmp_path / "manifest.csv").write_text("file,price\na,1\n")
    with pytest.raises(InvalidTableError, match="another folder"):
        write_crop_folder(cells, tmp_path, slide, mpp=QUARTER)
    assert names(tmp_path) == ["manifest.csv", "notes.txt"]


def test_an_empty_folder_is_filled(slide, cells, tmp_path):
    folder = tmp_path / "crops"
    folder.mkdir()
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert len(rows(folder)) == 3
    with pytest.raises(CannotWriteError):
        write_crop_folder(cells, tmp_path / "no" / "crops", slide, mpp=QUARTER)


@pytest.mark.parametrize(
    "name", ["../mine.png", "{}/mine.png", "M2\\..\\..\\mine.png", "C:mine.png", ""]
)
def test_a_manifest_that_names_files_elsewhere_is_refused(slide, cells, tmp_path, name):
    folder, mine = tmp_path / "crops", tmp_path / "mine.png"
    write_crop_folder(cells, folder, slide, mpp=QUARTER)
    mine.write_bytes(b"mine")
    text = (folder / "manifest.csv").read_text()
    first = rows(folder)[0]["file"]
    named = text.replace(first, name.format(tmp_path))
    (folder / "manifest.csv").write_text(named)
    with pytest.raises(InvalidTableError, match="does not lie in its folder"):
        write_crop_folder(cells, folder, slide, mpp=QUARTER)
    assert mine.read_bytes() == b"mine"
