"""Files of cells that people change by hand, and what is said of the wrong ones."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pandas
import pytest

from napari_deepheme.core import table_columns
from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.export.cells_file import read_cells, write_cells
from napari_deepheme.core.export.csv_table import holds_cells, read_csv, write_csv
from napari_deepheme.core.export.geojson import (
    read_geojson,
    read_qupath,
    write_geojson,
)
from napari_deepheme.core.export.parquet import read_parquet, write_parquet
from napari_deepheme.core.further_columns import FURTHER_COLUMNS, MITOSIS_WORDS
from napari_deepheme.core.taxonomy import CELL_CLASSES

HEADER = "x,y,width,height,class_code"
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [5, 0], [5, 5], [0, 5]]]}
M2 = {"metadata": {"class_code": "M2"}}


@pytest.fixture
def csv_of(tmp_path):
    def read(text, encoding="utf-8"):
        path = tmp_path / "cells.csv"
        path.write_text(text, newline="", encoding=encoding)
        return read_csv(path)

    return read


@pytest.fixture
def geojson_of(tmp_path):
    def read(content):
        path = tmp_path / "cells.geojson"
        path.write_text(json.dumps(content))
        return read_geojson(path)

    return read


def feature(properties=M2, geometry=SQUARE):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_a_csv_has_the_columns_that_scripts_rely_on(make_table, tmp_path):
    table = make_table((10, 20, 30, 40, "M2", 0.98765, 0.5), (5, 60, 9, 9, "U4"))
    write_csv(table, tmp_path / "cells.csv")
    assert (tmp_path / "cells.csv").read_bytes().decode().split("\n") == [
        "cell_id,x,y,width,height,score,class_code,class_name,probability",
        "1,10,20,30,40,0.9876,M2,promyelocyte,0.5000",
        "2,5,60,9,9,0.9000,U4,mitotic body,0.8000",
        "",
    ]
    assert len(COLUMNS) == 9


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_csv_of_a_spreadsheet_comes_in(csv_of, encoding, newline):
    rows = ["class_code,note,height,width,y,x", "L4,größer,40,30,20,10", ""]
    cells = csv_of(newline.join(rows), encoding)
    assert cells.boxes.tolist() == [[10, 20, 30, 40]]
    assert cells.class_codes == ("L4",)
    assert cells.scores.tolist() == cells.probabilities.tolist() == [1]
    assert cells.further["note"].tolist() == ["größer"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_csv_with_semicolons_or_tabs_and_decimal_commas_comes_in(csv_of, separator):
    header = "x,y,width,height,class_code,score,note".replace(",", separator)
    row = separator.join(["1", "2,0", "3", "4", "M2", "0,75", "a, b"])
    cells = csv_of(f"{header}\r\n{row}\r\n", "utf-8-sig")
    assert cells.boxes.tolist() == [[1, 2, 3, 4]]
    assert cells.scores.tolist() == [0.75]
    assert cells.further["note"].tolist() == ["a, b"]


@pytest.mark.parametrize("name", ["a;b;c;d;e;f;g;h;i;j;k;l", "\t" * 20, '";;;;;;;;;;;'])
def test_a_name_full_of_separators_does_not_separate(tmp_path, make_table, name):
    further = {f"x{name}": np.array(["1;2\t3"])}
    table = replace(make_table((1, 2, 3, 4, "M2")), further=further)
    write_csv(table, tmp_path / "cells.csv")
    assert holds_cells(tmp_path / "cells.csv")
    assert read_csv(tmp_path / "cells.csv") == table


def test_names_with_commas_come_in_between_semicolons(csv_of):
    table = csv_of("x;y;width;height;class_code;a,b,c,d,e,f\n1;2;3;4;M2;g,h\n")
    assert table.boxes.tolist() == [[1, 2, 3, 4]]
    assert table.further["a,b,c,d,e,f"].tolist() == ["g,h"]


@pytest.mark.parametrize("text", ["1.140", "1,140", " 12.345.678 ", "-1.140"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_thousands_that_a_spreadsheet_separated_are_refused(csv_of, separator, text):
    table = f"{HEADER.replace(',', ';')}\n{text};2;3;4;M2\n"
    with pytest.raises(InvalidTableError, match=r"under x, .* may be in thousands"):
        csv_of(table.replace(";", separator))


@pytest.mark.parametrize("text", ["114,6", "114.6", "0,950", "1140", "2.0"])
def test_numbers_that_cannot_be_in_thousands_come_in(csv_of, text):
    cells = csv_of(f"{HEADER.replace(',', ';')}\n{text};2;3;4;M2\n")
    assert cells.boxes[0, 0] == round(float(text.replace(",", ".")))


def test_a_field_that_is_too_long_is_refused(csv_of, geojson_of, monkeypatch):
    table = f"{HEADER},note\n1,2,3,4,M2,%s\n"
    assert csv_of(table % ("x" * 10_000)).further["note"].tolist() == ["x" * 10_000]
    with pytest.raises(InvalidTableError, match="10,001 letters, and 10,000 are held"):
        csv_of(table % ("x" * 10_001))
    noted = {"metadata": {"class_code": "M2", "note": "x" * 10_001}}
    with pytest.raises(InvalidTableError, match="column 'note' has 10,001 letters"):
        geojson_of([feature(noted)])
    monkeypatch.setattr(table_columns, "_LARGEST_COLUMN", 100)
    many = table % ("x" * 11) + "1,2,3,4,M2,\n" * 9
    with pytest.raises(InvalidTableError, match="10 are held at most of 10 cells"):
        csv_of(many)


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (None, "object 2: it has no outline"),
        ({"type": "Polygon", "coordinates": [[]]}, "object 2: it has no outline"),
        ("round", "object 2: its outline is 'round': draw it anew"),
        (
            {"type": "Polygon"},
            "object 2: its outline, a Polygon, has no coordinates",
        ),
    ],
)
def test_an_object_without_a_shape_is_told_by_its_number(geojson_of, geometry, told):
    with pytest.raises(InvalidTableError, match=told):
        geojson_of([feature(), feature(geometry=geometry)])


def test_geojson_with_a_byte_order_mark_comes_in(tmp_path):
    text = json.dumps([feature()])
    (tmp_path / "cells.geojson").write_text(text, "utf-8-sig")
    assert len(read_geojson(tmp_path / "cells.geojson")) == 1


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (gzip.compress, "it is compressed: unpack it"),
        (lambda content: content.decode().encode("utf-16"), "save it as UTF-8"),
        (lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"), "UTF-16"),
    ],
    ids=["gzip", "utf-16", "utf-16-be"],
)
def test_geojson_that_is_kept_otherwise_is_told(kept, told, tmp_path):
    path = tmp_path / "cells.geojson"
    path.write_bytes(kept(json.dumps([feature()]).encode()))
    with pytest.raises(InvalidTableError, match=told):
        read_geojson(path)


def test_rows_that_were_emptied_are_passed_over(csv_of):
    assert len(csv_of(f"{HEADER}\n1,2,3,4,M2\n,,,,\n\n,,\n")) == 1


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("L4", "L4"),
        ("l4 ", "L4"),
        ("Plasma cell", "L4"),
        ("Not-a-cell", "not-a-cell"),
        ("DELETED", "deleted"),
        (" ", ""),
    ],
)
def test_a_class_that_a_person_wrote_is_understood(csv_of, word, meant):
    cells = csv_of(f"{HEADER},reader_class\n1,2,3,4,M2,{word}\n")
    assert cells.further["reader_class"].tolist() == [meant]


def test_a_doubt_that_a_person_wrote_is_understood(csv_of):
    cells = csv_of(f"{HEADER},identified\n1,2,3,4,M2,No \n1,2,3,4,M2,YES\n")
    assert cells.further["identified"].tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("name", "word", "meant"),
    [
        ("identified", "FALSE", "no"),
        ("identified", " True ", "yes"),
        ("identified", "", ""),
        ("added", "TRUE", "yes"),
        ("mitotic_phase", " Metaphase", "metaphase"),
        ("mitotic_lineage", "Erythroid", "erythroid"),
        ("reader_phase", "Unknown", "unknown"),
    ],
)
def test_a_word_that_a_spreadsheet_wrote_is_understood(csv_of, name, word, meant):
    cells = csv_of(f"{HEADER},{name}\n1,2,3,4,M2,{word}\n")
    assert cells.further[name].tolist() == [meant]


@pytest.mark.parametrize(
    ("name", "word", "words"),
    [
        ("identified", "maybe", "yes, no or nothing"),
        ("added", "1", "yes, no or nothing"),
        (
            "mitotic_phase",
            "foo",
            "prophase, metaphase, anaphase, telophase or nothing",
        ),
        ("mitotic_lineage", "foo", "erythroid, neutrophil, eosinophil or nothing"),
        ("reader_lineage", "foo", "eosinophil, unknown or nothing"),
    ],
)
def test_a_word_without_a_meaning_is_refused_in_each_kind_of_table(
    csv_of, tmp_path, make_table, name, word, words
):
    told = f"'{word}' under {name} .*{words}"
    with pytest.raises(InvalidTableError, match=f"line 4: {told}"):
        csv_of(f"{HEADER},{name}\n1,2,3,4,M2,\n,,,,,\n1,2,3,4,M2,{word}\n")
    cells = make_table((0, 0, 9, 9, "M2"), (9, 9, 9, 9, "M2"))
    cells = replace(cells, further={name: np.array(["", word])})
    write_parquet(cells, tmp_path / "cells.parquet")
    with pytest.raises(InvalidTableError, match=f"row 2: {told}"):
        read_parquet(tmp_path / "cells.parquet")


@pytest.mark.parametrize("name", ["plasma cell", "foo", "Not a cell", "L4"])
def test_a_class_name_that_is_not_the_codes_is_told_in_each_kind_of_table(
    csv_of, tmp_path, caplog, name
):
    told = (
        f"class_code M2 is promyelocyte, but class_name says {name!r} (and 1 row more):"
        " class_code counts; a correction is made under reader_class"
    )
    rows = "1,2,3,4,M2,promyelocyte\n,,,,,\n" + 2 * f"1,2,3,4,M2,{name}\n"
    assert csv_of(f"{HEADER},class_name\n{rows}").class_codes == ("M2", "M2", "M2")
    frame = pandas.DataFrame({side: [1, 2, 3] for side in HEADER.split(",")[:4]})
    frame = frame.assign(class_code="M2", class_name=[None, name, name])
    frame.to_parquet(tmp_path / "cells.parquet")
    read_parquet(tmp_path / "cells.parquet")
    assert caplog.messages == [f"line 4: {told}", f"row 2: {told}"]


@pytest.mark.parametrize("name", ["", "  ", " PLASMA Cell ", "Plasma_cell", "l4"])
def test_a_class_name_may_be_empty_or_in_another_spelling(csv_of, caplog, name):
    cells = csv_of(f"{HEADER}, Class_Name\n1,2,3,4,L4,{name}\n")
    assert cells.class_codes == ("L4",)
    assert caplog.messages == []


def test_a_row_that_is_there_twice_is_refused_by_its_number(csv_of, tmp_path):
    rows = "1,1,2,3,4,M2\n2,9,9,3,4,M2\n"
    with pytest.raises(InvalidTableError, match="line 2 and line 4 are both cell_id 1"):
        csv_of(f"cell_id,{HEADER}\n{rows}{rows}")
    assert len(csv_of(f"cell_id,{HEADER}\n{rows},1,2,3,4,M2\n,1,2,3,4,M2\n")) == 4
    frame = pandas.DataFrame({name: [1, 2] for name in HEADER.split(",")[:4]})
    frame = frame.assign(class_code="M2", cell_id=7)
    frame.to_parquet(tmp_path / "cells.parquet")
    with pytest.raises(InvalidTableError, match="row 1 and row 2 are both cell_id 7"):
        read_parquet(tmp_path / "cells.parquet")


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [(("7,0", "12,0", "31,0"), [7, 12, 31]), (("7.0", "12.0", ""), [7, 12, 13])],
)
def test_numbers_of_cells_are_read_as_spreadsheets_write_them(csv_of, ids, numbers):
    header = f"cell_id,{HEADER}".replace(",", ";")
    rows = "".join(f"{one};{9 * i};2;3;4;M2\n" for i, one in enumerate(ids))
    assert csv_of(f"{header}\n{rows}").cell_ids.tolist() == numbers


def test_numbers_of_cells_in_thousands_are_refused_as_coordinates_are(csv_of):
    header = f"cell_id,{HEADER}".replace(",", ";")
    with pytest.raises(InvalidTableError, match=r"cell_id, '1.002' may be in thousan"):
        csv_of(f"{header}\n999;1;2;3;4;M2\n1.002;1;2;3;4;M2\n")
    with pytest.raises(InvalidTableError, match="line 3: '1,002' under cell_id is no"):
        csv_of(f'cell_id,{HEADER}\n9,1,2,3,4,M2\n"1,002",1,2,3,4,M2\n')


def test_a_number_that_cells_of_a_geojson_share_is_that_of_the_first(geojson_of):
    def ours(number, x):
        ring = [[x, 0], [x + 9, 0], [x + 9, 9]]
        metadata = {"class_code": "M2", "cell_id": number}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        return feature({"metadata": metadata}, geometry)

    objects = [ours("12", 0), ours("7", 20), ours("12", 40), ours("31", 60)]
    assert geojson_of(objects).cell_ids.tolist() == [12, 7, 32, 31]
    with pytest.raises(InvalidTableError, match=r"object 2: '7\.5' under cell_id"):
        geojson_of([ours("12", 0), ours("7.5", 20)])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_first_line_for_excel_says_the_separator(csv_of, separator):
    text = f"sep=;\r\n{HEADER};note, more\r\n1;2;3;4;M2;a, b\r\n"
    text = text.replace(",", ";", HEADER.count(","))
    text = text.replace("sep=;", f"sep={separator}").replace(";", separator)
    if separator == ",":
        text = text.replace(", ", "-")
    assert csv_of(text, "utf-8-sig").boxes.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(InvalidTableError, match="line 4 has 1 values"):
        csv_of(f"{text}5\r\n")


def test_a_header_in_upper_case_or_with_blanks_is_understood(csv_of):
    cells = csv_of(" X,Y ,WIDTH,height,Class_Code,Identified,Note \n1,2,3,4,M2,No,a\n")
    assert cells.boxes.tolist() == [[1, 2, 3, 4]]
    assert {k: v.tolist() for k, v in cells.further.items()} == {
        "identified": ["no"],
        "Note ": ["a"],
    }
    cells = csv_of(f"X,{HEADER}\n9,1,2,3,4,M2\n")
    assert cells.boxes.tolist() == [[1, 2, 3, 4]]
    assert cells.further["X"].tolist() == ["9"]
    with pytest.raises(InvalidTableError, match="two columns"):
        csv_of("X, x,y,width,height,class_code\n9,1,2,3,4,M2\n")


@pytest.mark.parametrize("kind", ["csv", "parquet", "geojson"])
def test_each_column_that_has_a_meaning_is_known_in_upper_case(
    make_table, tmp_path, kind
):
    words = dict.fromkeys(FURTHER_COLUMNS, "Ann") | {
        name: next(iter(words)) for name, words in MITOSIS_WORDS.items()
    }
    words |= {"identified": "no", "added": "yes", "reader_class": "M3"}
    words |= {"mitotic_phase": "anaphase", "mitotic_lineage": "erythroid"}
    further = {name: np.array(["", word]) for name, word in words.items()}
    cells = make_table((0, 0, 9, 9, "M2"), (20, 0, 9, 9, "U4"))
    cells, path = replace(cells, further=further), tmp_path / f"cells.{kind}"
    write_cells(cells, path)
    if kind == "csv":
        header, rows = path.read_text().split("\n", 1)
        path.write_text(f"{header.upper()}\n{rows}")
    elif kind == "parquet":
        pandas.read_parquet(path).rename(columns=str.upper).to_parquet(path)
    else:
        text = path.read_text()
        for name in FURTHER_COLUMNS:
            text = text.replace(f'"{name}":"', f'"{name.upper()}":"')
        path.write_text(text)
    assert read_cells(path) == cells


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        (HEADER, True),
        (f"sep=;\n{HEADER.replace(',', ';')}\n", True),
        (HEADER.upper(), True),
        ("name,low,high\n", False),
        ('"', False),
        ("", False),
    ],
)
def test_a_table_of_cells_is_known_by_its_header(tmp_path, text, is_table):
    (tmp_path / "cells.csv").write_text(text)
    assert holds_cells(tmp_path / "cells.csv") == is_table
    assert not holds_cells(tmp_path / "none.csv")


def test_a_csv_of_a_header_alone_is_an_empty_table(csv_of):
    assert csv_of(HEADER) == CellTable.empty()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns class_code"),
        ("x,y,width,height\n1,2,3,4\n", "lacks the column class_code"),
        (HEADER.replace(",", "|"), "lacks the columns"),
        (f"{HEADER},reader_class\n1,2,3,4,M2,plasm\n", "'plasm' under reader_class"),
        (f"{HEADER},x\n1,2,3,4,M2,5\n", "two columns"),
        (f"{HEADER}\n1,2,3,4,M2\n1,2,3,4\n", "line 3"),
        (f"{HEADER}\n1,2,3,4,M2,5\n", "line 2"),
        (f"{HEADER}\n1,2,3,4,M9\n", "M9"),
        (f"{HEADER}\n1,two,3,4,M2\n", "column y"),
        (f"{HEADER}\n1,2,,4,M2\n", "column width"),
        (f"{HEADER}\n1,2,0,4,M2\n", "width must be at least 1"),
        (f"{HEADER}\n1,2,3,-4,M2\n", "height must be at least 1"),
        (f"{HEADER}\n1,nan,3,4,M2\n", "column y holds something that is no number"),
        (f"{HEADER}\n1_000,2,3,4,M2\n", "column x holds something that is no number"),
        (f"{HEADER}\n1e99,2,3,4,M2\n", "column x"),
        (f"{HEADER},score\n1,2,3,4,M2,1.5\n", "score must lie between 0 and 1"),
        (f"{HEADER},probability\n1,2,3,4,M2,nan\n", "probability must lie"),
        (f'{HEADER}\n1,2,3,4,"M2\n', "end of data"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_by_what_is_wrong(csv_of, text, message):
    with pytest.raises(InvalidTableError, match=message) as caught:
        csv_of(text)
    assert caught.value.path.endswith("cells.csv")
    assert len(str(caught.value).splitlines()) == 1


def test_a_csv_of_other_letters_is_refused_by_what_to_do(csv_of):
    with pytest.raises(InvalidTableError, match="save it as CSV UTF-8"):
        csv_of(f"{HEADER},note\n1,2,3,4,M2,größer\n", "latin-1")


@pytest.mark.parametrize("read", [read_csv, read_geojson])
def test_a_missing_file_and_a_folder_are_refused(read, tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(InvalidTableError) as refused:
            read(path)
        assert "Errno" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["a\rb", "a\nb", 'a "b"', "a,b", " a ", "\u2028", "'", "", "ß" * 500]
)
def test_notes_of_any_letters_come_back(text, tmp_path):
    further = {"note, or what": np.array([text, "other"])}
    boxes = [[1, 2, 3, 4], [5, 6, 7, 8]]
    table = CellTable.from_arrays(boxes, [1, 1], [1, 2], [1, 1], further)
    for write, read in ((write_csv, read_csv), (write_geojson, read_geojson)):
        write(table, tmp_path / "cells")
        first = (tmp_path / "cells").read_bytes()
        assert read(tmp_path / "cells") == table
        write(table, tmp_path / "cells")
        assert (tmp_path / "cells").read_bytes() == first


@pytest.mark.parametrize(
    "content",
    [
        None,
        5,
        "cells",
        {},
        {"features": None},
        [None],
        [{"type": "FeatureCollection", "features": [feature()]}],
        [feature(geometry=None)],
        [feature(geometry={"coordinates": []})],
        [feature(geometry={"coordinates": "abc"})],
        [feature(geometry={"coordinates": [[1]]})],
        [feature(geometry={"coordinates": [[1, "a"]]})],
        [feature(geometry={"coordinates": [1e300, 1]})],
        [feature({"metadata": {"class_code": "M9"}})],
        [feature({"metadata": {"class_code": ["M2"]}})],
        [feature({"classification": "plasma cell"})],
        [feature({"classification": {"name": ["plasma cell"]}})],
        [feature({"classification": {"names": [5]}})],
        [feature({"metadata": ["M2"]})],
        [feature("M2")],
        [feature({**M2, "measurements": 5})],
        [feature({**M2, "measurements": [{"name": "score"}]})],
        [feature({**M2, "measurements": {"score": "high"}})],
        [feature({**M2, "measurements": {"score": 1.5}})],
        [feature({**M2, "measurements": {"probability": None}})],
        {"features": [feature()], "napari_deepheme": None},
        {"features": [feature()], "napari_deepheme": {"bounds_origin": []}},
        {"features": [feature()], "napari_deepheme": {"bounds_origin": [1e300, 0]}},
    ],
)
def test_json_that_is_wrong_is_refused_in_one_line(geojson_of, content):
    with pytest.raises(InvalidTableError) as caught:
        geojson_of(content)
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    if isinstance(content, list):
        assert "object 1: " in told
    for word in ("NoneType", "tuple", "index out", "argument", "nested"):
        assert word not in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"id": "d085"},
            r"object 2 \(id d085\): its class_code 'XX' is no class: give",
        ),
        ({}, r"object 2 \(cell_id 17\): its class_code 'XX' is no class: give"),
    ],
)
def test_what_is_wrong_is_told_with_the_object_it_is_of(geojson_of, change, told):
    wrong = feature({"metadata": {"class_code": "XX", "cell_id": "17"}}) | change
    with pytest.raises(InvalidTableError, match=told):
        geojson_of([feature(), wrong])


def test_a_word_of_the_model_without_a_meaning_is_told_with_its_object(geojson_of):
    wrong = feature({"metadata": {"class_code": "M2", "identified": "maybe"}})
    with pytest.raises(InvalidTableError, match="object 2: 'maybe' under identified"):
        geojson_of([feature(), wrong])


def test_an_object_that_is_there_twice_is_refused(geojson_of):
    ours = feature({"metadata": {"class_code": "M2", "cell_id": "4"}})
    with pytest.raises(InvalidTableError, match=r"object 2 .*it is object 1 once more"):
        geojson_of([ours, ours])
    drawn = feature({"classification": {"name": "M2"}}) | {"id": "d085"}
    with pytest.raises(InvalidTableError, match=r"object 2 .*it is object 1 once more"):
        geojson_of([drawn, drawn])
    # Two runs number their cells from 1.
    elsewhere = {"type": "Polygon", "coordinates": [[[9, 9], [12, 9], [12, 12]]]}
    assert len(geojson_of([ours, ours | {"geometry": elsewhere}])) == 2


def test_one_feature_alone_is_read(geojson_of):
    assert geojson_of(feature()) == geojson_of([feature()])


def test_numbers_that_are_none_are_read_where_nobody_needs_them(tmp_path):
    path = tmp_path / "cells.geojson"
    measured = {**M2, "measurements": {"score": 0.5, "Nucleus: Area": float("nan")}}
    measured["measurements"]["Ratio"] = -float("inf")
    path.write_text(json.dumps([feature(measured)]))
    assert "NaN" in path.read_text()
    assert read_geojson(path).scores.tolist() == [0.5]
    for none in (float("nan"), "NaN"):
        measured["measurements"]["score"] = none
        path.write_text(json.dumps([feature(measured)]))
        read = read_qupath(path)
        assert (read.cells.scores.tolist(), read.n_unmeasured) == ([1], 1)
    for text in ("[NaN", '["\\ud800", NaN]', "[" * 300 + "NaN" + "]" * 300):
        path.write_text(text)
        with pytest.raises(InvalidTableError, match="not GeoJSON of cells"):
            read_geojson(path)


def test_json_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "cells.geojson"
    for depth in (200, 100_000):
        path.write_text("[" * depth + "]" * depth)
        with pytest.raises(InvalidTableError):
            read_geojson(path)


def test_measurements_of_older_qupath_are_read(geojson_of):
    measurements = [
        {"name": "score", "value": 0.5},
        {"name": "probability", "value": 0.25},
    ]
    cells = geojson_of([feature({**M2, "measurements": measurements})])
    assert (cells.scores.tolist(), cells.probabilities.tolist()) == ([0.5], [0.25])


def test_a_class_set_in_qupath_is_found_by_each_name(geojson_of):
    drawn = [feature({"classification": {"name": c.name}}) for c in CELL_CLASSES]
    assert geojson_of(drawn).class_codes == tuple(c.code for c in CELL_CLASSES)


def test_features_without_a_class_of_ours_are_left_out(geojson_of):
    others = [{}, None, {"classification": None}, {"classification": {"name": "?"}}]
    assert len(geojson_of([feature(properties) for properties in others])) == 0


def test_a_note_that_some_features_lack_is_empty_there(geojson_of):
    noted = feature({"metadata": {"class_code": "M2", "note": "odd"}})
    cells = geojson_of([feature(), noted])
    assert cells.further["note"].tolist() == ["", "odd"]
