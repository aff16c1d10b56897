import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.further_columns import READER_CLASS
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.training.cells import corrections
from napari_deepheme.core.training.cells.corrections import export_corrections
from napari_deepheme.core.training.cells.named import read_own_cells

FINE = Mpp(0.25, 0.25)


def slide_of(name="slide é.svs"):
    pixels = np.full((400, 500, 3), 230, np.uint8)
    pixels[100:140, 100:140] = (90, 40, 140)
    pixels[200:240, 300:340] = (150, 40, 60)
    return ArraySlide(pixels, mpp=0.25, name=name)


def table(*reader_classes):
    boxes = [(100, 100, 40, 40), (300, 200, 40, 40), (400, 300, 20, 20), (5, 5, 9, 9)]
    n = len(reader_classes)
    further = {READER_CLASS: np.array(reader_classes, np.str_)}
    return CellTable.from_arrays(boxes[:n], [0.9] * n, [13] * n, [0.5] * n, further)


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_named_cells_are_cut_out_with_what_the_reader_and_the_model_said(tmp_path):
    cells = table("M3", "not-a-cell", "unidentified", "")
    n = export_corrections(slide_of(), cells, tmp_path, mpp=FINE, patient="P1")
    assert n == 3
    rows = rows_of(tmp_path)
    assert [row["classes"] for row in rows] == [
        "M3",
        "not-a-cell",
        "unidentified",
        "unnamed",
    ]
    first = rows[0]
    assert (first["source"], first["label"]) == ("slide é.svs", "M2")
    assert [first[k] for k in ("x", "y", "width", "height")] == [
        "100",
        "100",
        "40",
        "40",
    ]
    with Image.open(tmp_path / first["file"]) as picture:
        pixels = np.asarray(picture)
    # 30 um at the slide's own 0.25 um/px, the cell in the centre.
    assert pixels.shape == (120, 120, 3)
    assert pixels[60, 60].tolist() == [90, 40, 140]
    assert pixels[38, 38].tolist() == [230, 230, 230]
    cells = read_own_cells(tmp_path)
    assert [c.targets for c in cells] == [("M3",), ("not-identifiable",), ()]
    assert {c.patient for c in cells} == {"P1"}
    assert cells[0].mpp == 0.25
    assert cells[0].background == (230, 230, 230)


def test_two_cells_of_one_corner_have_a_picture_each(tmp_path):
    boxes = [(0, 0, 24, 24), (0, 0, 42, 42)]
    further = {READER_CLASS: np.array(["M3", "L2"])}
    cells = CellTable.from_arrays(boxes, [0.9] * 2, [13] * 2, [0.5] * 2, further)
    for _ in range(2):
        assert export_corrections(slide_of(), cells, tmp_path, mpp=FINE) == 2
        rows = rows_of(tmp_path)
        assert sorted(row["classes"] for row in rows) == ["L2", "M3"]
        files = {row["file"] for row in rows}
        assert files == {path.name for path in tmp_path.glob("*.png")}
        assert len(files) == 2


def test_a_patient_whose_name_is_not_utf_8_is_spelled_out(tmp_path):
    patient = "M\udcfcller"
    export_corrections(slide_of(), table("M3"), tmp_path, mpp=FINE, patient=patient)
    assert [row["patient"] for row in rows_of(tmp_path)] == ["M\\udcfcller"]


def test_columns_of_the_cells_are_made_once_for_all_pictures(tmp_path, columns_made):
    cells = table("M3", "not-a-cell", "unidentified", "")
    assert export_corrections(slide_of(), cells, tmp_path, mpp=FINE) == 3
    assert len(columns_made) <= 3


def test_a_fine_slide_is_cut_at_fifteen_hundredths_of_a_micrometre(tmp_path):
    slide = ArraySlide(np.full((900, 900, 3), 200, np.uint8), mpp=0.1, name="fine")
    export_corrections(slide, table("M3"), tmp_path, mpp=Mpp(0.1, 0.1))
    (row,) = rows_of(tmp_path)
    assert row["mpp"] == "0.15"
    with Image.open(tmp_path / row["file"]) as picture:
        assert picture.size == (200, 200)


def test_a_second_export_replaces_what_stands_at_the_same_place(tmp_path):
    export_corrections(slide_of(), table("M3", "M4"), tmp_path, mpp=FINE)
    export_corrections(slide_of("other"), table("L2"), tmp_path, mpp=FINE)
    n = export_corrections(
        slide_of(), table("M2", "", "M6"), tmp_path, mpp=FINE, n_unnamed=0
    )
    assert n == 2
    found = {(row["source"], row["x"]): row["classes"] for row in rows_of(tmp_path)}
    assert found == {
        ("other", "100"): "L2",
        ("slide é.svs", "100"): "M2",
        ("slide é.svs", "400"): "M6",
    }
    listed = {row["file"] for row in rows_of(tmp_path)}
    assert {path.name for path in tmp_path.glob("*.png")} == listed


def moved(cells, by):
    return replace(cells, boxes=cells.boxes + np.array([by, 0, 0, 0], np.int32))


def test_a_cell_whose_box_moved_stands_once_under_its_newer_name(tmp_path):
    export_corrections(slide_of(), table("M3", "M4", ""), tmp_path, mpp=FINE)
    export_corrections(slide_of(), moved(table("M2", "", ""), 2), tmp_path, mpp=FINE)
    found = {(row["x"], row["classes"]) for row in rows_of(tmp_path)}
    # The second keeps its name and is not unnamed as well; the third is cut out anew.
    assert found == {("102", "M2"), ("300", "M4"), ("402", "unnamed")}
    listed = {row["file"] for row in rows_of(tmp_path)}
    assert {path.name for path in tmp_path.glob("*.png")} == listed


def export_meanwhile(monkeypatch, folder, slide, cells):
    """Have another window keep its cells while the pictures of the next are made."""
    write = corrections.write_training_crop

    def called(*words, **named):
        monkeypatch.setattr(corrections, "write_training_crop", write)
        export_corrections(slide, cells, folder, mpp=FINE)
        return write(*words, **named)

    monkeypatch.setattr(corrections, "write_training_crop", called)


def test_cells_that_another_window_keeps_meanwhile_stay(tmp_path, monkeypatch):
    export_meanwhile(monkeypatch, tmp_path, slide_of("other"), table("L2", "", "M4"))
    export_corrections(slide_of(), table("M3", "M4"), tmp_path, mpp=FINE)
    found = [(row["source"], row["classes"]) for row in rows_of(tmp_path)]
    assert sorted(found) == [
        ("other", "L2"),
        ("other", "M4"),
        ("other", "unnamed"),
        ("slide é.svs", "M3"),
        ("slide é.svs", "M4"),
    ]
    listed = {row["file"] for row in rows_of(tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} == {*listed, "manifest.csv"}


def test_a_cell_that_another_window_names_meanwhile_is_not_unnamed_as_well(
    tmp_path, monkeypatch
):
    named = moved(table("", "M4"), 2)
    export_meanwhile(monkeypatch, tmp_path, slide_of(), named)
    export_corrections(slide_of(), table("M3", ""), tmp_path, mpp=FINE)
    found = {(row["x"], row["classes"]) for row in rows_of(tmp_path)}
    assert found == {("100", "M3"), ("302", "M4")}
    listed = {row["file"] for row in rows_of(tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} == {*listed, "manifest.csv"}


def test_the_lock_of_a_window_that_was_killed_is_no_picture(tmp_path):
    export_corrections(slide_of(), table("M3"), tmp_path, mpp=FINE)
    (tmp_path / ".pictures.lock").touch()
    assert [cell.targets for cell in read_own_cells(tmp_path)] == [("M3",)]
    export_corrections(slide_of(), table("M4"), tmp_path, mpp=FINE)
    assert not (tmp_path / ".pictures.lock").exists()


def test_a_cell_that_was_taken_away_leaves_and_is_no_example(tmp_path):
    export_corrections(slide_of(), table("M3", "M4"), tmp_path, mpp=FINE)
    gone = table("deleted", "M4", "deleted")
    assert export_corrections(slide_of(), gone, tmp_path, mpp=FINE) == 1
    assert [row["classes"] for row in rows_of(tmp_path)] == ["M4"]


def test_a_row_whose_place_cannot_be_read_stays(tmp_path):
    export_corrections(slide_of(), table("M3"), tmp_path, mpp=FINE)
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("100,100", "1e2,"))
    export_corrections(slide_of(), table("M4"), tmp_path, mpp=FINE)
    assert [row["classes"] for row in rows_of(tmp_path)] == ["M3", "M4"]


def test_corrections_of_another_slide_of_the_same_name_stay(tmp_path):
    folder = tmp_path / "kept"
    for place, colour in (("pa", "red"), ("pb", "blue"), ("pa", "red")):
        path = tmp_path / place / "slide.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (500, 400), colour).save(path)
        with open_slide(path) as slide:
            export_corrections(slide, table("M3"), folder, mpp=FINE, patient=place)
    found = {row["patient"]: row["file"] for row in rows_of(folder)}
    assert len(rows_of(folder)) == len(set(found.values())) == 2
    with Image.open(folder / found["pa"]) as one, Image.open(folder / found["pb"]) as b:
        assert (one.getpixel((9, 9)), b.getpixel((9, 9))) == ((255, 0, 0), (0, 0, 255))
    listed = {row["file"] for row in rows_of(folder)}
    assert {path.name for path in folder.glob("*.png")} == listed


def test_a_table_of_another_kind_is_left_as_it_is(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,classes\n")
    with pytest.raises(InvalidTableError, match="another folder"):
        export_corrections(slide_of(), table("M3"), tmp_path, mpp=FINE)
    assert (tmp_path / "manifest.csv").read_text() == "file,classes\n"


def test_nothing_named_writes_no_cell(tmp_path):
    assert export_corrections(slide_of(), table("", ""), tmp_path, mpp=FINE) == 0
    assert rows_of(tmp_path) == []
    assert list(tmp_path.glob("*.png")) == []


def test_cells_of_a_slide_whose_name_is_not_utf8_are_cut_out_and_replaced(tmp_path):
    slide = slide_of("a\udce9.svs")
    assert export_corrections(slide, table("M3"), tmp_path, mpp=FINE) == 1
    assert export_corrections(slide, table("M4"), tmp_path, mpp=FINE) == 1
    (row,) = rows_of(tmp_path)
    assert (row["source"], row["classes"]) == (r"a\udce9.svs", "M4")
    assert [cell.targets for cell in read_own_cells(tmp_path)] == [("M4",)]
