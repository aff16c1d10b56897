import pytest
from PIL import Image

from napari_deepheme.cli import crops, run


def everything_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_that_is_no_slide_is_refused(tmp_path, refused):
    (tmp_path / "folder").mkdir()
    assert "folder" in refused(["classify", "folder"])
    assert everything_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("share", [0.001, 0.02])
def test_the_beginning_of_a_slide_is_refused(phantom, tmp_path, refused, share):
    data = phantom.read_bytes()
    (tmp_path / "cut.svs").write_bytes(data[: int(len(data) * share)])
    assert "cut.svs" in refused(["classify", "cut.svs"])
    assert everything_in(tmp_path) == ["cut.svs"]


def test_a_text_file_is_no_model(phantom, tmp_path, refused):
    (tmp_path / "model.safetensors").write_text("not weights")
    words = ["--model", "model.safetensors"]
    assert "not a usable model" in refused(["classify", str(phantom), *words])
    assert everything_in(tmp_path) == ["model.safetensors"]


def test_a_text_file_beside_a_card_is_no_model(phantom, tmp_path, refused):
    (tmp_path / "model.safetensors").write_text("not weights")
    (tmp_path / "model.json").write_text("{}")
    words = ["--model", "model.safetensors"]
    assert "not a usable model" in refused(["classify", str(phantom), *words])
    assert everything_in(tmp_path) == ["model.json", "model.safetensors"]


def test_a_file_in_the_way_of_a_parent_folder_is_told(phantom, tmp_path, refused):
    (tmp_path / "file").write_text("mine")
    assert "cannot write" in refused(["classify", str(phantom), "--out", "file/out"])
    assert everything_in(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "region",
    [
        "-5,0,10,10",
        "0,-5,10,10",
        "0,0,901,800",
        "899,799,2,2",
        "5000,5000,10,10",
        "99999999999999999999,0,10,10",
        f"0,0,{10**30},{10**30}",
    ],
)
def test_a_region_that_leaves_the_slide_is_refused(phantom, tmp_path, refused, region):
    words = [f"--region={region}"]
    assert "leaves the slide" in refused(["classify", str(phantom), *words])
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ["--region", "here"],
        ["--region", ""],
        ["--region", "1,2,3"],
        ["--region", "1,2,3,4,5"],
        ["--region", "1.5,2,3,4"],
        ["--region", "1,2,3,0"],
        ["--region=1,2,-3,4"],
        ["--region", "9" * 5000 + ",0,1,1"],
        ["--mpp", "nan"],
        ["--mpp", "inf"],
        ["--mpp"],
        ["--read-timeout", "0"],
        ["--read-timeout", "1e-9"],
        ["--read-timeout", "soon"],
        ["--read-timeout", "inf"],
        ["--device", "CUDA:0"],
        ["--max-cells", "0"],
        ["--max-cells", str(2**31)],
        ["--max-cells", str(2**64)],
        ["--max-cells", "9" * 5000],
        ["--max-cells", "0" * 5000],
        ["--out", ""],
        ["--model", ""],
        ["--detector", ""],
        ["another.svs"],
    ],
)
def test_a_word_that_cannot_be_meant_is_wrong_usage(phantom, tmp_path, refused, words):
    assert "usage:" in refused(["classify", str(phantom), *words], status=2)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ["classify", ""],
        ["report", "a.svs", "--cells", "", "--out", "a.html"],
        ["report", "a.svs", "--cells", "cells.csv", "--out", ""],
        ["report", "a.svs", "--cells", "a.csv", "--out", "a.pdf", "--reference", ""],
        ["batch", "a.svs", "", "--out", "out"],
        ["batch", "a.svs", "--out", "out", "--scheduler", ""],
        ["classify-crops", "", "--mpp", "0.25", "--out", "out.csv"],
        ["export", "", "--to", "csv", "--out", "a.csv"],
        ["export", "cells.csv", "--to", "crops", "--out", "a", "--slide", ""],
        ["evaluate", "--cells", "", "--out", "out"],
        ["evaluate", "--model", "", "--out", "out"],
        ["train", "classifier", "--data", "", "--out", "out"],
        ["train", "classifier", "--data", "a", "--out", "out", "--from", ""],
        ["train", "classifier", "--data", "a", "--out", "out", "--name", ""],
        ["phantom", ""],
        ["models", "info", ""],
        ["models", "remove", ""],
        ["models", "import", ""],
        ["models", "import", "a.pt", "--name", ""],
        ["models", "download", "", "--index", "a.json"],
        ["models", "download", "a", "--index", ""],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_not_taken_for_none_at_all(tmp_path, refused, words):
    assert "it is empty: give a name" in refused(words, status=2)
    assert everything_in(tmp_path) == []


EXPORT = "export cells.csv --out a --to"
TRAIN = "train classifier --data a --out out"
DETECTOR = "train detector --data a --out out"
EVALUATE = "evaluate --out out"


@pytest.mark.parametrize(
    ("command", "options", "told"),
    [
        (f"{EXPORT} csv", "--corrected-only", "only with --to crops"),
        (
            "batch a.svs --out out --scheduler tcp://127.0.0.1:9",
            "--workers 2 --threads 3",
            "only without --scheduler",
        ),
        (EVALUATE, "--data a --slides b", "only with --recipe bundled"),
        (EVALUATE, "--data cells.csv", "give named cells by --cells"),
        (
            f"{EVALUATE} --recipe bundled",
            "--cells no-such --mpp 0.2 --split test",
            "only without --recipe bundled",
        ),
        (f"{EVALUATE} --recipe bundled", "--model a --model b", "one --model"),
        *(
            (f"{words} --recipe bundled", option, "only without --recipe bundled")
            for words in (TRAIN, DETECTOR)
            for option in (
                "--mpp 0.3 --from mine --name mine --device cuda",
                "--overwrite --register",
                "--folds 2 --snapshots 2 --patience 2",
                "--epochs 1",
            )
        ),
        (TRAIN, "--without pbc", "only with train classifier --recipe bundled"),
        (f"{DETECTOR} --recipe bundled", "--without pbc", "only with train classifier"),
        (DETECTOR, "--folds 2 --snapshots 2", "only with train classifier"),
        (DETECTOR, "--from none", "leave --from none out"),
        (f"{TRAIN} --snapshots 3", "--patience 5", "only without --snapshots"),
        (
            "models import a.pt",
            "--normalisation deployed --mean 0,0,0 --std 1,1,1",
            "leave one of them out",
        ),
    ],
)
def test_an_option_without_an_effect_is_wrong_usage(
    tmp_path, refused, command, options, told
):
    line = refused([*command.split(), *options.split()], status=2).splitlines()[-1]
    assert told in line
    assert all(option in line for option in options.split() if option[:2] == "--")
    assert everything_in(tmp_path) == []


def test_an_option_is_taken_as_it_is_by_default_and_where_it_has_an_effect(
    tmp_path, refused
):
    for words in (
        f"{DETECTOR} --folds 1 --snapshots 1",
        f"{TRAIN} --snapshots 1 --patience 5",
        f"{EXPORT} parquet --mpp 0.3 --patient P1",
        "export cells.geojson --out a.csv --to csv --mpp 0.3",
        f"{EXPORT} crops --slide a.svs --patient P1 --corrected-only --mpp 0.3",
        "models import a.pt --normalisation deployed --std 1,1,1",
    ):
        # Nothing lies there.
        assert "usage:" not in refused(words.split())
    assert everything_in(tmp_path) == []


def test_a_missing_folder_of_pictures_is_told(tmp_path, refused):
    words = ["--mpp", "0.25", "--out", "out.csv"]
    told = refused(["classify-crops", "nowhere", *words])
    assert "nowhere: there is no such folder" in told
    assert everything_in(tmp_path) == []
    (tmp_path / "a.png").write_bytes(b"")
    assert "a.png: it is no folder" in refused(["classify-crops", "a.png", *words])
    words[-1] = "out.xlsx"
    told = refused(["classify-crops", ".", *words])
    assert "out.xlsx: the ending tells" in told
    assert everything_in(tmp_path) == ["a.png"]


@pytest.mark.parametrize("out", ["nowhere/out.csv", "crops"])
def test_a_table_of_pictures_that_cannot_be_written_is_told_before_they_are_classified(
    tmp_path, refused, out, monkeypatch
):
    def classifies(*_, **__):
        pytest.fail("classified")
        yield

    monkeypatch.setattr(crops, "iter_crops", classifies)
    (tmp_path / "crops").mkdir()
    Image.new("RGB", (90, 90), (200, 150, 200)).save(tmp_path / "crops" / "a.png")
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", out]
    assert "cannot write" in refused(words)
    assert everything_in(tmp_path) == ["crops", "crops/a.png"]


def test_each_unreadable_picture_is_named_when_none_is_left(tmp_path, capfd):
    (tmp_path / "crops").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "crops" / name).write_bytes(b"no picture")
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", "out.csv"]
    assert run(words) == 1
    first, second, last = capfd.readouterr().err.splitlines()
    assert "a.png" in first
    assert "b.jpg" in second
    assert "no picture" in last
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("mpp", ["0", "50", "-1"])
def test_pictures_with_an_impossible_pixel_size_are_told(tmp_path, refused, mpp):
    (tmp_path / "crops").mkdir()
    Image.new("RGB", (90, 90), (200, 150, 200)).save(tmp_path / "crops" / "a.png")
    words = ["classify-crops", "crops", "--mpp", mpp, "--out", "out.csv"]
    assert "--mpp" in refused(words)
    assert everything_in(tmp_path) == ["crops", "crops/a.png"]


@pytest.mark.parametrize("out", ["nowhere/p.svs", "file/p.svs"])
def test_a_phantom_that_cannot_be_written_is_told(tmp_path, refused, out):
    (tmp_path / "file").write_text("mine")
    words = ["phantom", out, "--size", "2000,2000"]
    assert "cannot write" in refused(words)
    assert everything_in(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "1999,2000"],
        ["--size", "2000,100001"],
        ["--size", "wide,2000"],
        ["--size", "2000"],
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--seed", str(2**64)],
    ],
)
def test_a_phantom_of_an_impossible_size_or_seed_is_wrong_usage(refused, words):
    assert "usage:" in refused(["phantom", "p.svs", *words], status=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--steps", "0"), ("--steps", "-3"), ("--steps", "few"), ("--seed", "-1")],
)
def test_training_needs_possible_numbers(refused, option, value):
    words = ["--data", "d", "--out", "o", option, value]
    assert option in refused(["train", "classifier", *words], status=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("READ_TIMEOUT", "abc"),
        ("MODELS", "a.svs"),
        ("CONFIG", "a.svs"),
        ("CACHE", "a.svs"),
    ],
)
def test_a_variable_that_cannot_be_obeyed_is_told_by_its_name(
    name, value, refused, tmp_path, monkeypatch
):
    (tmp_path / "a.svs").write_text("mine")
    monkeypatch.setenv(f"NAPARI_DEEPHEME_{name}", value)
    told = refused(["models", "list"])
    assert f"the variable NAPARI_DEEPHEME_{name} is '{value}'" in told
