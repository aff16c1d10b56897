import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.cli import run
from napari_deepheme.core.cell_table import COLUMNS
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.taxonomy import CLASS_CODES

SUMMARY_KEYS = {
    "slide",
    "region",
    "mpp",
    "model",
    "device",
    "n_cells",
    "counts",
    "differential",
    "me_ratio",
    "mitotic_figures",
    "mitotic_index",
    "seconds",
    "failed_tiles",
    "failed_regions",
    "complete",
}


def test_a_region_gives_its_files_as_the_contract_has_them(
    phantom, tmp_path, read_rows
):
    arguments = ["classify", str(phantom), "--region", "100,100,600,500"]
    assert run([*arguments, "--out", "deep/out"]) == 0
    out = tmp_path / "deep" / "out"
    assert {p.name for p in out.iterdir()} == {
        "cells.csv",
        "cells.geojson",
        "journal.jsonl",
        "summary.json",
    }
    rows = read_rows(out / "cells.csv")
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert [int(r["cell_id"]) for r in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        x = int(row["x"]) + int(row["width"]) / 2
        y = int(row["y"]) + int(row["height"]) / 2
        assert 100 <= x < 700
        assert 100 <= y < 600
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) >= SUMMARY_KEYS
    assert summary["n_cells"] == len(rows) == sum(summary["counts"].values())
    assert list(summary["counts"]) == list(CLASS_CODES)
    assert summary["complete"] is True
    assert summary["slide"] == phantom.name


def test_the_same_command_gives_the_same_bytes_in_its_default_folder(phantom, tmp_path):
    out = tmp_path / "smear é-deepheme"
    assert run(["classify", str(phantom)]) == 0
    first = [(out / n).read_bytes() for n in ("cells.csv", "cells.geojson")]
    assert run(["classify", str(phantom)]) == 0
    assert first == [(out / n).read_bytes() for n in ("cells.csv", "cells.geojson")]


def test_a_photograph_needs_its_pixel_size(tmp_path, refused):
    Image.new("RGB", (300, 200), (230, 230, 230)).save("photo.png")
    assert "--mpp" in refused(["classify", "photo.png"])
    assert list(tmp_path.iterdir()) == [tmp_path / "photo.png"]
    assert run(["classify", "photo.png", "--mpp", "0.25"]) == 0
    summary = json.loads((tmp_path / "photo-deepheme" / "summary.json").read_text())
    assert summary["n_cells"] == 0
    assert summary["me_ratio"] is None
    assert summary["mitotic_index"] is None
    assert set(summary["differential"]["percent"].values()) == {None}


@pytest.mark.parametrize(
    "content", [b"", b"not a slide at all", b"II*\x00\x08\x00\x00"]
)
def test_what_is_no_slide_is_refused(tmp_path, content, refused):
    (tmp_path / "bad.svs").write_bytes(content)
    assert "bad.svs" in refused(["classify", "bad.svs"])
    assert [p.name for p in tmp_path.iterdir()] == ["bad.svs"]


def test_a_truncated_slide_is_refused_or_done_without_its_missing_parts(
    phantom, tmp_path, capfd
):
    whole = phantom.read_bytes()
    (tmp_path / "cut.svs").write_bytes(whole[: len(whole) // 2])
    status = run(["classify", "cut.svs"])
    err = capfd.readouterr().err
    assert "Traceback" not in err
    if status:
        assert status == 1
        assert len(err.splitlines()) == 1
    else:
        summary = json.loads((tmp_path / "cut-deepheme" / "summary.json").read_text())
        assert summary["failed_tiles"] > 0


def test_a_slide_of_which_nothing_can_be_read_is_refused(phantom, tmp_path, refused):
    data = bytearray(phantom.read_bytes())
    with tifffile.TiffFile(phantom) as tiff:
        page = tiff.pages[0]
        parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    for start, length in parts:
        data[start : start + length] = bytes(length)
    (tmp_path / "gone.svs").write_bytes(data)
    assert "nothing of it" in refused(["classify", "gone.svs"])
    assert [p.name for p in tmp_path.iterdir()] == ["gone.svs"]


def test_training_without_data_is_told(tmp_path, refused):
    commands = ("train classifier --data", "train detector --data", "evaluate --cells")
    for words in commands:
        assert "nowhere" in refused([*words.split(), "nowhere", "--out", "out"])
    assert "which cells to judge" in refused(["evaluate", "--out", "out"])


def test_one_broken_tile_costs_its_neighbourhood(phantom, tmp_path):
    data = bytearray(phantom.read_bytes())
    with tifffile.TiffFile(phantom) as tiff:
        page = tiff.pages[0]
        tile = len(page.dataoffsets) // 2
        start, length = page.dataoffsets[tile], page.databytecounts[tile]
    data[start : start + length] = bytes(length)
    (tmp_path / "hole.svs").write_bytes(data)
    assert run(["classify", "hole.svs"]) == 0
    summary = json.loads((tmp_path / "hole-deepheme" / "summary.json").read_text())
    assert summary["failed_tiles"] > 0
    assert len(summary["failed_regions"]) == summary["failed_tiles"]
    assert summary["complete"] is True
    assert summary["n_cells"] > 5


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--region", "800,0,200,200"], "leaves the slide"),
        (["--region", "-5,0,20,20"], "leaves the slide"),
        (["--region", "0,0,99999999999,5"], "leaves the slide"),
        (["--mpp", "0"], "--mpp"),
        (["--mpp", "50"], "--mpp"),
        (["--model", "nobody"], "nobody"),
    ],
)
def test_foreseen_failures_are_told_in_one_line(
    phantom, tmp_path, words, hint, refused
):
    assert hint in refused(["classify", str(phantom), *words])
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_not_there_is_told(phantom, monkeypatch, refused):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "cuda" in refused(["classify", str(phantom), "--device", "cuda"])


def test_a_folder_that_cannot_be_made_is_told(phantom, tmp_path, refused):
    (tmp_path / "out").write_text("in the way")
    words = ["--out", "out", "--region", "0,0,300,300"]
    assert "cannot write" in refused(["classify", str(phantom), *words])
    assert (tmp_path / "out").read_text() == "in the way"


def test_no_such_slide_is_told(tmp_path, refused):
    assert "no such slide" in refused(["classify", "none.svs"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["classify"],
        ["classify", "a.svs", "--colour", "red"],
        ["classify", "a.svs", "--device", "banana"],
        ["classify", "a.svs", "--mpp", "wide"],
        ["classify", "a.svs", "--region", "1,2,3"],
        ["classify", "a.svs", "--region", "1,2,0,4"],
        ["phantom", "a.svs", "--size", "100,100"],
        ["phantom", "a.svs", "--size", "200000,2000"],
        ["classify-crops", "folder", "--out", "a.csv"],
        ["paint"],
        [],
    ],
)
def test_wrong_usage_ends_with_2(words, refused):
    refused(words, status=2)


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_an_option_that_a_command_does_not_have_is_told_with_those_that_it_has(capfd):
    assert run(["classify", "slide.svs", "--count", "500"]) == 2
    told = capfd.readouterr().err
    assert "--max-cells N" in told
    assert "classify: error: unrecognized arguments: --count 500" in told


def test_a_picture_whose_name_is_not_utf8_is_spelled_out(tmp_path, read_rows):
    (tmp_path / "crops").mkdir()
    picture = Image.new("RGB", (90, 90), (200, 150, 200))
    for name in (b"Pr\xfcfung.png", b"plain.png"):
        path = os.fsdecode(os.fsencode(tmp_path / "crops") + b"/" + name)
        picture.save(path)
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", "out.csv"]
    assert run([*words, "--device", "cpu", "--backend", "torch"]) == 0
    names = [row["file"] for row in read_rows(tmp_path / "out.csv")]
    assert names == [r"Pr\udcfcfung.png", "plain.png"]


def test_crops_are_classified_and_unreadable_ones_named(tmp_path, capfd, read_rows):
    rng = np.random.default_rng(1)
    for name in ("a.png", "deep/b.webp", "deep/er/c.jpg"):
        path = tmp_path / "crops" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path)
    (tmp_path / "crops" / "bad.png").write_bytes(b"no picture")
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", "out.csv"]
    assert run(words) == 0
    assert "bad.png" in capfd.readouterr().err
    rows = read_rows(tmp_path / "out.csv")
    assert [r["file"] for r in rows] == ["a.png", "deep/b.webp", "deep/er/c.jpg"]
    columns = ("file", "class_code", "probability", *(f"p_{c}" for c in CLASS_CODES))
    assert tuple(rows[0]) == columns
    for row in rows:
        shares = [float(row[f"p_{c}"]) for c in CLASS_CODES]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert row["class_code"] == CLASS_CODES[int(np.argmax(shares))]
        # What is written gives single precision back, however small.
        again = [f"{np.float32(share):.9g}" for share in shares]
        assert again == [row[f"p_{c}"] for c in CLASS_CODES]


def test_a_folder_without_a_readable_picture_is_told(tmp_path, refused):
    (tmp_path / "crops").mkdir()
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", "out.csv"]
    assert "no picture" in refused(words)
    assert not (tmp_path / "out.csv").exists()


def test_models_are_listed_and_their_cards_printed(capfd, refused):
    assert run(["models", "list"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["litenet-marrow", "peaknet-marrow"]
    assert run(["models", "info", "litenet-marrow"]) == 0
    card = capfd.readouterr().out
    assert "Research use only" in card
    assert "CC-BY-NC-SA-4.0" in card
    assert "U4: rendered" in card
    refused(["models", "info", "nobody"])


def test_a_phantom_is_written_with_its_truth(tmp_path, read_rows):
    assert run(["phantom", "p.svs", "--size", "2000,2000", "--seed", "3"]) == 0
    rows = read_rows(tmp_path / "p.csv")
    columns = ["x", "y", "width", "height", "class_code", "mitotic_phase"]
    assert list(rows[0]) == columns
    assert {r["class_code"] for r in rows} <= set(CLASS_CODES)
    assert all(bool(r["mitotic_phase"]) == (r["class_code"] == "U4") for r in rows)


def test_a_phantom_is_a_slide_with_a_pixel_size(phantom):
    with open_slide(phantom) as slide:
        assert slide.size == (900, 800)
        assert slide.mpp == (0.25, 0.25)


@pytest.mark.parametrize(
    "command",
    [
        "classify",
        "classify-crops",
        "export",
        "models",
        "models list",
        "models info",
        "phantom",
        "train",
        "evaluate",
    ],
)
def test_each_help_shows_an_example(command, capfd):
    assert run([*command.split(), "--help"]) == 0
    assert f"example: napari-deepheme {command}" in capfd.readouterr().out


@pytest.mark.parametrize("command", ["classify", "batch", "export", "train"])
def test_help_names_no_file_that_only_the_repository_has(command, capfd):
    assert run([command, "--help"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "docs/" not in told
    assert "in the documentation" in told
    assert run(["--help"]) == 0
    address = "https://napari-deepheme.github.io/napari-deepheme/"
    assert address in capfd.readouterr().out


def in_a_fresh_process(code):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_neither_torch_napari_nor_qt():
    code = (
        "import sys, napari_deepheme; "
        "print({'torch', 'napari', 'qtpy', 'PyQt6', 'PySide6'} & set(sys.modules))"
    )
    assert in_a_fresh_process(code) == "set()"


def test_help_does_not_load_torch():
    code = (
        "import sys; from napari_deepheme.cli import run; run(['--help']); "
        "print('torch' in sys.modules)"
    )
    assert in_a_fresh_process(code).endswith("False")
