"""Names left out on request: every byte of what is written is looked through for them.

The slide's file and folders, what it says of itself, its cells' notes and who corrected
them all hold names here.
"""

import io
import json
import zlib
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pyarrow.parquet
import pydicom
import pytest
import tifffile
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import StreamObject

from napari_deepheme.cli import run
from napari_deepheme.core.counts.reference_ranges import read_reference_ranges
from napari_deepheme.core.deidentify import nameless, nameless_cells
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import InvalidKeyError, InvalidTableError
from napari_deepheme.core.export.crop_folder import write_crop_folder
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import NO_SHIFT, write_geojson
from napari_deepheme.core.export.summary import RunFacts, summarize, write_summary
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.pseudonyms import KEY_NAME, Pseudonyms
from napari_deepheme.core.report_file import gather_report
from napari_deepheme.core.slide import open_slide
from napari_deepheme.plugin.choices import SAVES
from napari_deepheme.plugin.reviewing.saving import Saving
from napari_deepheme.plugin.session import Session

WORDS = ("Doeringer", "Janetta", "S24-1234", "19700229", "Mustermann", "Waldklinik")
"""Of the patient, the sample, the reader and the laboratory: none may be written."""

SLIDE_NAME = "Doeringer^Janetta 19700229 S24-1234.svs"

FAST = ["--device", "cpu", "--backend", "torch"]


@pytest.fixture(autouse=True)
def a_key_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def slide_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Waldklinik") / "Doeringer S24-1234"
    folder.mkdir()
    path = folder / SLIDE_NAME
    write_phantom(path, Size(700, 600), 5)
    with tifffile.TiffFile(path) as file:
        said = file.pages[0].description
    told = f"{said}|Patient = Doeringer^Janetta|Title = S24-1234|User = Mustermann"
    tifffile.tiffcomment(path, told.encode())
    return path


@pytest.fixture
def cells(make_table):
    """Cells that Dr. Mustermann corrected, with notes of all kinds."""
    codes = ("M6", "M2", "ER4", "L4", "U4")
    table = make_table(*((100 * i + 50, 90, 40, 40, c) for i, c in enumerate(codes)))
    further = {
        "reader_class": ["M5", "", "not-a-cell", "", ""],
        "reader": ["Dr. Mustermann", "", "Janetta", "", ""],
        "read_at": ["2026-03-01T09:30:00Z", "", "2026-03-01T09:31:00Z", "", ""],
        "read_from": ["M6", "", "Doeringer", "", ""],
        "mitotic_phase": ["", "", "", "", "metaphase"],
        "reader_phase": ["", "", "", "", "anaphase"],
        "reader_lineage": ["", "", "", "", "erythroid"],
        "mitosis_reader": ["", "", "", "", "Dr. Mustermann"],
        "mitosis_read_at": ["", "", "", "", "2026-03-01T09:32:00Z"],
        "mitosis_read_from": ["", "", "", "S24-1234", "metaphase"],
        "patient": ["Doeringer^Janetta"] * 5,
    }
    return replace(table, further={k: np.array(v) for k, v in further.items()})


@pytest.fixture
def done(tmp_path, slide_path, cells):
    """Make the files of a run with names in them, as they lie on the computer."""
    folder = tmp_path / "Doeringer run"
    folder.mkdir()
    write_csv(cells, folder / "cells.csv")
    write_geojson(cells, folder / "cells.geojson")
    write_summary(summarize(*known(cells)), folder / "summary.json")
    return folder


def known(cells):
    region, mpp = Region(0, 0, 700, 600), Mpp(0.25, 0.25)
    model = "/home/Mustermann/net 2"
    facts = RunFacts(SLIDE_NAME, model, "finder 1", Compute(), bounds_origin=NO_SHIFT)
    return RegionResult(region, mpp, cells, (), True, 1.0), facts


def forms(word):
    for text in {word, word.upper(), word.lower()}:
        for code in ("utf-8", "utf-16-le", "utf-16-be"):
            yield text.encode(code)


def unpacked(path):
    """Give the bytes of a file, and what is packed within it."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".pdf":
        yield from in_pdf(path)
    elif path.suffix == ".h5ad":
        yield from in_hdf5(path)
    elif path.suffix == ".parquet":
        yield str(pyarrow.parquet.read_schema(path).metadata).encode()
        yield str(pyarrow.parquet.read_table(path).to_pydict()).encode()
    elif path.suffix == ".dcm":
        yield str(pydicom.dcmread(path)).encode()
    elif path.suffix == ".png":
        with Image.open(io.BytesIO(content)) as image:
            yield str(image.info).encode()


def in_pdf(path):
    reader = PdfReader(path)
    yield str(reader.metadata).encode()
    yield " ".join(page.extract_text() for page in reader.pages).encode()
    for number in range(1, len(reader.xref_objStm) + len(reader.xref[0]) + 1):
        found = reader.get_object(number)
        if isinstance(found, StreamObject):
            yield str(dict(found)).encode()
            with suppress(zlib.error, NotImplementedError):
                yield found.get_data()


def in_hdf5(path):
    told = []

    def tell(name, item):
        told.append((name, dict(item.attrs)))
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            told.append(np.asarray(item[()]).tolist())

    with h5py.File(path) as file:
        told.append(dict(file.attrs))
        file.visititems(tell)
    yield str(told).encode()


def named_in(place):
    """Return what of the words stands where, below a folder or in a file."""
    paths = [place] if place.is_file() else sorted(place.rglob("*"))
    assert paths
    found = []
    for path in paths:
        within = path.name if path == place else str(path.relative_to(place))
        parts = [within.encode(), *(unpacked(path) if path.is_file() else ())]
        found += [
            (within, word)
            for word in WORDS
            if any(form in part for part in parts for form in forms(word))
        ]
    return found


def test_names_are_found_where_they_are_not_left_out(done, slide_path, tmp_path):
    """What the other tests go by finds names in each kind of file."""
    assert {word for _, word in named_in(done)} == set(WORDS) - {"Waldklinik"}
    table = str(done / "cells.csv")
    for kind in ("parquet", "h5ad"):
        out = tmp_path / f"out.{kind}"
        assert run(["export", table, "--to", kind, "--out", str(out)]) == 0
        assert {"Doeringer", "Mustermann"} <= {word for _, word in named_in(out)}
    for kind in ("html", "pdf"):
        out = tmp_path / f"out.{kind}"
        words = ["--cells", table, "--out", str(out), "--date", "today"]
        assert run(["report", str(slide_path), *words]) == 0
        assert {"Doeringer", "Mustermann"} <= {word for _, word in named_in(out)}


def test_a_run_leaves_names_out_of_all_files_its_journal_and_its_folder(
    slide_path, tmp_path
):
    (tmp_path / "work").mkdir()
    region = ["--region", "0,0,400,400"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "work")
        words = ["classify", str(slide_path), *region, *FAST, "--deidentify"]
        assert run(words) == 0
    (folder,) = (tmp_path / "work").iterdir()
    files = {path.name for path in folder.iterdir()}
    assert files == {"cells.csv", "cells.geojson", "summary.json", "journal.jsonl"}
    assert named_in(tmp_path / "work") == []
    name = json.loads((folder / "summary.json").read_text())["slide"]
    assert folder.name == f"{name}-deepheme"
    with open_slide(slide_path) as slide:
        assert name == nameless(slide).name


def test_a_folder_with_names_is_not_gone_on_with_without_them(
    slide_path, tmp_path, capsys
):
    region = ["--region", "0,0,400,400", "--out", str(tmp_path / "out")]
    words = ["classify", str(slide_path), *region, *FAST]
    assert run(words) == 0
    assert run([*words, "--deidentify"]) == 1
    assert "slide-" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_report_leaves_names_and_days_out(done, slide_path, tmp_path, suffix):
    out = tmp_path / f"report{suffix}"
    (tmp_path / "Waldklinik.csv").write_text(
        "name,low,high,source\nplasma cells,0,3,Waldklinik 2019\n"
    )
    words = ["--cells", str(done / "cells.csv"), "--out", str(out), "--deidentify"]
    words += ["--reader", "Dr. Mustermann", "--reference", "Waldklinik.csv"]
    assert run(["report", str(slide_path), *words]) == 0
    assert named_in(out) == []
    text = b" ".join(unpacked(out))
    assert b"2026-03-01" not in text
    assert b"reader-" in text
    assert b"slide-" in text


@pytest.mark.parametrize("kind", ["csv", "geojson", "parquet", "h5ad", "crops"])
def test_an_export_leaves_names_and_notes_out(done, slide_path, tmp_path, kind):
    for i, table in enumerate(("cells.csv", "cells.geojson")):
        out = tmp_path / f"out-{i}.{kind}"
        words = ["--to", kind, "--out", str(out), "--patient", "Doeringer"]
        words += ["--slide", str(slide_path), "--deidentify"]
        assert run(["export", str(done / table), *words]) == 0
        assert named_in(out) == []


def test_without_the_slide_its_name_is_left_out_and_a_pseudonym_kept(
    done, slide_path, tmp_path
):
    out, summary = tmp_path / "out.parquet", done / "summary.json"
    words = ["--to", "parquet", "--deidentify", "--out", str(out)]

    def slide_in_export():
        assert run(["export", str(done / "cells.csv"), *words]) == 0
        return pyarrow.parquet.read_schema(out).metadata[b"slide"].decode()

    assert slide_in_export() == ""
    with open_slide(slide_path) as slide:
        pseudonym = nameless(slide).name
    told = json.loads(summary.read_text())
    summary.write_text(json.dumps({**told, "slide": pseudonym}))
    assert slide_in_export() == pseudonym


def test_the_viewer_leaves_names_out_of_all_that_it_saves_but_a_sitting(
    cells, slide_path, tmp_path
):
    class Keeping:
        def save_as(self, path):
            raise AssertionError("a sitting is not asked for here")

        def tell(self):
            pass

    def start(items, on_item, on_end):
        for item in items():
            on_item(item)
        on_end()

    session = Session(deidentify=True, reader="Dr. Mustermann")
    with open_slide(slide_path) as slide:
        review = SimpleNamespace(slide=slide)
        saving = Saving(
            session,
            review,
            Keeping(),
            reviewed_result=lambda: known(cells),
            reviewed_key=lambda: "slide",
            start=start,
        )
        (tmp_path / "ranges.csv").write_text(
            "name,low,high,source\nplasma cells,0,3,Waldklinik 2019\n"
        )
        ranges = read_reference_ranges(tmp_path / "ranges.csv")
        saving.ranges = replace(ranges, file="Waldklinik.csv")
        out = tmp_path / "out"
        out.mkdir()
        for kind, (_, suffix) in SAVES.items():
            if kind not in ("sitting", "dicom"):
                saving.save(kind, out / f"x{suffix}" if suffix else out)
                assert session.message_kind == "info", session.message
    assert len(list(out.iterdir())) == len(SAVES) - 2
    assert named_in(out) == []


def test_a_batch_leaves_names_out_also_of_slides_that_fail(
    slide_path, tmp_path, capsys
):
    broken = tmp_path / "Janetta 19700229.svs"
    broken.write_bytes(b"Doeringer")
    missing = tmp_path / "Doeringer S24-1234.svs"
    out = tmp_path / "out"
    words = ["batch", str(slide_path), str(broken), str(missing), "--out", str(out)]
    words += ["--max-cells", "5", *FAST, "--threads", "1", "--deidentify"]
    assert run(words) == 1
    told = capsys.readouterr()
    rows = pyarrow.parquet.read_table(out / "cohort.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["done", "failed", "failed"]
    assert [row["slide"] == row["folder"] for row in rows] == [True] * 3
    assert rows[2]["reason"] == "There is no file at the path."
    assert named_in(out) == []
    # The one who gave the command is told which is which, and what is wrong.
    assert f"{rows[0]['folder']} is {slide_path}" in told.out
    for path in (broken, missing):
        assert str(path) in told.err
    assert f"no such slide: {missing}" in told.err


def test_label_and_macro_are_not_looked_at_for_a_report(cells, slide_path):
    class Spied:
        def __init__(self, slide):
            self._slide = slide

        def __getattr__(self, name):
            assert name != "associated_images"
            return getattr(self._slide, name)

    result, facts = known(cells)
    with open_slide(slide_path) as slide:
        assert set(slide.associated_images) >= {"label", "macro"}
        for deidentify in (False, True):
            gather_report(result, facts, Spied(slide), date="", deidentify=deidentify)
        assert dict(nameless(slide).associated_images) == {}
        assert set(nameless(slide).properties) == {"vendor", "objective_power"}


def test_a_slide_has_one_pseudonym_whatever_it_is_called(slide_path, tmp_path):
    copy = tmp_path / "copy.svs"
    copy.write_bytes(slide_path.read_bytes())
    names = Pseudonyms.of_this_user()
    with open_slide(slide_path) as one, open_slide(copy) as other:
        assert nameless(one).name == nameless(other).name == names.of_path(copy)
        assert nameless(nameless(one)).name == nameless(one).name


def test_another_key_gives_another_pseudonym(slide_path):
    ours, others = Pseudonyms(b"ours"), Pseudonyms(b"others")
    with open_slide(slide_path) as slide:
        name = ours.of_slide(slide)
        assert name != others.of_slide(slide)
    assert ours.is_made(name)
    assert not others.is_made(name)


def test_the_key_is_made_once_and_only_the_user_can_read_it(tmp_path):
    first, second = Pseudonyms.of_this_user(), Pseudonyms.of_this_user()
    assert first.keyed("a") == second.keyed("a")
    key = tmp_path / "config" / KEY_NAME
    assert key.stat().st_mode & 0o077 == 0
    assert [path.name for path in key.parent.iterdir()] == [KEY_NAME]


def test_a_key_that_is_none_is_refused_in_one_line(slide_path, tmp_path, capsys):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / KEY_NAME).write_text("no key")
    with pytest.raises(InvalidKeyError, match="64 hexadecimal digits"):
        Pseudonyms.of_this_user()
    assert run(["classify", str(slide_path), "--deidentify"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_leaving_names_out_twice_changes_nothing_more(cells, tmp_path):
    once = nameless_cells(cells)
    assert nameless_cells(once) == once
    left_out = {"patient", "read_at", "mitosis_read_at"}
    assert set(once.further) == set(cells.further) - left_out
    assert once.further["reader_phase"].tolist() == ["", "", "", "", "anaphase"]
    assert once.further["mitosis_read_from"].tolist() == ["", "", "", "", "metaphase"]
    first, *_, third = once.further["reader"][:3].tolist()
    assert once.further["mitosis_reader"].tolist() == ["", "", "", "", first]
    assert first.startswith("reader-")
    assert third not in ("", first)
    write_csv(once, tmp_path / "cells.csv")
    assert nameless_cells(read_csv(tmp_path / "cells.csv")) == once


def test_a_folder_of_crops_with_names_takes_none_without(cells, slide_path, tmp_path):
    folder, mpp = tmp_path / "crops", Mpp(0.25, 0.25)
    with open_slide(slide_path) as slide:
        write_crop_folder(cells, folder, slide, mpp=mpp)
        with pytest.raises(InvalidTableError, match="there are names in it"):
            write_crop_folder(cells, folder, slide, mpp=mpp, deidentify=True)
        nameless_folder = tmp_path / "nameless"
        for _ in range(2):
            written = write_crop_folder(
                cells, nameless_folder, slide, mpp=mpp, patient="7", deidentify=True
            )
    assert sum(written.by_class.values()) == 4
    assert named_in(nameless_folder) == []
