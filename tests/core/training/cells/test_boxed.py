"""Tables of boxes: what they say of pictures, and what of them is refused."""

import csv

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.errors import InvalidTableError, UnknownMppError
from napari_deepheme.core.training.cells.boxed import read_boxes
from napari_deepheme.core.training.training_error import TrainingError

HEADER = ("file", "class", "x", "y", "width", "height", "mpp", "split", "patient")
CELL = ("a.png", "WBC", 1, 2, 9, 8, 0.75, "val", "p1")


@pytest.fixture
def write(tmp_path):
    (tmp_path / "images").mkdir()
    for path in ("a.png", "images/b.png"):
        Image.new("RGB", (40, 30), (200, 190, 210)).save(tmp_path / path)

    def written(*rows, header=HEADER):
        with (tmp_path / "boxes.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows((header, *rows))
        return tmp_path

    return written


def test_cells_are_gathered_by_picture_and_red_cells_left_out(write):
    folder = write(
        ("b.png", "RBC", 1, 2, 9, 8, 0.5, "", ""),
        CELL,
        ("a.png", "Platelets", 5, 5, 3, 3, 0.75, "val", "p1"),
        ("a.png", "", 20, 2, 9, 8, 0.75, "val", "p1"),
    )
    a, b = read_boxes(folder)
    assert a.boxes.tolist() == [[1, 2, 9, 8], [20, 2, 9, 8]]
    assert (a.mpp, a.split, a.patient) == (0.75, "val", "p1")
    # A picture without a cell says where there is none.
    assert b.boxes.shape == (0, 4)
    assert b.path == folder / "images" / "b.png"
    assert (b.pixels(whitened=False) == (200, 190, 210)).all()
    assert (b.pixels(whitened=True) == 240).all()
    assert [p.boxes.tolist() for p in read_boxes(folder / "boxes.csv")] == [
        p.boxes.tolist() for p in (a, b)
    ]


def test_one_picture_that_is_written_in_several_ways_is_one(write):
    folder = write(CELL, changed(file="./a.png", x=20), changed(file="images/../a.png"))
    (picture,) = read_boxes(folder)
    assert picture.boxes[:, 0].tolist() == [1, 20, 1]
    with pytest.raises(InvalidTableError, match=r"a\.png has more than one split"):
        read_boxes(write(CELL, changed(file="./a.png", split="train")))


@pytest.mark.parametrize("place", [{"x": 4000}, {"y": 28}, {"x": -30}])
def test_a_box_outside_its_picture_is_told(write, place):
    (picture,) = read_boxes(write(changed(**place)))
    with pytest.raises(TrainingError, match=r"40 x 30 pixels, and its box at x .*out"):
        picture.pixels(whitened=False)


def test_a_box_larger_than_its_picture_is_told(write):
    (picture,) = read_boxes(write(changed(x=-5, y=-15, width=50, height=50)))
    with pytest.raises(TrainingError, match=r"40 x 30 pixels, .*50 x 50 is larger"):
        picture.pixels(whitened=False)


@pytest.mark.parametrize(
    ("mpp", "side", "told"), [(0.1, 8, "under 0.8 micro"), (1, 120, "over 120 micro")]
)
def test_boxes_that_are_no_size_of_cells_are_refused_with_their_table(
    write, mpp, side, told
):
    row = changed(mpp=mpp, width=side, height=side)
    with pytest.raises(InvalidTableError, match=r"in pixels of the picture") as caught:
        read_boxes(write(row, row))
    assert "boxes.csv" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "word",
    ["Red Cell", "red_blood_cells", "RBCs", "mature erythrocyte", "Thrombocytes"],
)
def test_red_cells_and_platelets_are_known_in_plain_words(write, word):
    (picture,) = read_boxes(write(CELL, changed(**{"class": word}, x=20)))
    assert picture.boxes[:, 0].tolist() == [1]


def test_what_is_taken_is_told_by_word(write):
    other = [changed(**{"class": word}, x=20) for word in ("Rouge", "Rouge", "RBC", "")]
    folder, told = write(CELL, *other), []
    read_boxes(folder, tell=told.append)
    assert told == [
        f"{folder / 'boxes.csv'}: boxes taken: 4 (Rouge 2, WBC 1, without a class 1); "
        "left aside: 1 (RBC 1)"
    ]
    read_boxes(write(changed(**{"class": ""})), tell=told.append)
    assert len(told) == 1


def test_a_row_without_a_box_is_a_picture_without_a_cell(write):
    (picture,) = read_boxes(write(("a.png", "", "", "", "", "")), mpp=0.3)
    assert picture.boxes.shape == (0, 4)
    assert picture.mpp == 0.3


def changed(**words):
    return tuple(
        words.get(name, value) for name, value in zip(HEADER, CELL, strict=True)
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (changed(split="dev"), "line 2: split is 'dev'"),
        (changed(file="c.png"), "line 2: there is no picture c.png"),
        (changed(width=0), "line 2: a box needs a width and a height above 0"),
        (changed(x="nan"), "line 2: a box needs"),
        (changed(y="here"), "line 2: y is 'here': give a number of pixels"),
        (changed(height=""), "line 2: height is '': give a number of pixels"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named_with_its_line(write, row, told):
    with pytest.raises(InvalidTableError, match=r"boxes\.csv") as caught:
        read_boxes(write(row))
    assert told in str(caught.value)


def test_boxes_with_semicolons_and_decimal_commas_are_read(write, tmp_path):
    path = write(changed(x=1.5)) / "boxes.csv"
    text = path.read_text("utf-8").replace(",", ";").replace(".5", ",5")
    path.write_text(text, "utf-8")
    (picture,) = read_boxes(path)
    assert picture.boxes[0, 0] == 1.5


def test_boxes_in_other_letters_are_told_what_to_save_them_as(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_bytes("file,x,y,width,height\nZürich.png,1,2,3,4\n".encode("latin-1"))
    with pytest.raises(InvalidTableError, match="save it as CSV UTF-8"):
        read_boxes(path)


@pytest.mark.parametrize("word", ["mpp", "split", "patient"])
def test_two_rows_of_a_picture_must_agree(write, word):
    other = changed(**{word: {"mpp": 0.5, "split": "train", "patient": "p2"}[word]})
    with pytest.raises(InvalidTableError, match=rf"a\.png has more than one {word}"):
        read_boxes(write(CELL, other))


def test_a_table_that_lacks_columns_rows_or_itself_is_refused(write, tmp_path):
    with pytest.raises(InvalidTableError, match="lacks the columns height, width"):
        read_boxes(write(header=("file", "x", "y")))
    with pytest.raises(InvalidTableError, match="it holds no row"):
        read_boxes(write())
    with pytest.raises(InvalidTableError, match=r"nowhere\.csv"):
        read_boxes(tmp_path / "nowhere.csv")


def test_micrometres_that_nobody_states_are_asked_for(write):
    folder = write(changed(mpp=""))
    with pytest.raises(UnknownMppError):
        read_boxes(folder)
    assert np.isclose(read_boxes(folder, mpp=0.6)[0].mpp, 0.6)
