"""A disk that is full, or a folder that is read-only, at every write of every command.

Afterwards nothing lies there but whole files, and the same command succeeds as if
nothing had been.
"""

import re
import shutil

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_model

MOMENTS = ("create", "refuse", "write", "flush", "sync", "rename")
"""Making a file on a full disk, or where one may not; and what follows."""

ALL = frozenset(MOMENTS)

SLOW = frozenset({"refuse", "write", "rename"})
"""Of commands that take seconds."""

EXPORT = "export run/cells.csv"
CPU = "--device cpu"
COMMANDS = {
    "classify": (
        f"classify SLIDE --region 0,0,200,200 --backend torch {CPU} --out out",
        ALL,
    ),
    "classify-crops": (f"classify-crops cells --mpp 0.9 {CPU} --out out.csv", ALL),
    "csv": (f"{EXPORT} --to csv --out out.csv", ALL),
    "geojson": (f"{EXPORT} --to geojson --out out.geojson", ALL),
    "parquet": (f"{EXPORT} --to parquet --out out.parquet", ALL),
    "h5ad": (f"{EXPORT} --to h5ad --out out.h5ad", ALL),
    "dicom": (f"{EXPORT} --to dicom --slide DICOM --out out.dcm", ALL),
    "crops": (f"{EXPORT} --to crops --slide SLIDE --out out", ALL),
    "html": ("report SLIDE --cells run/cells.csv --date 1 --out out.html", ALL),
    "pdf": ("report SLIDE --cells run/cells.csv --date 1 --out out.pdf", ALL),
    "import": ("models import WEIGHTS --name out --min-score 0.5", ALL),
    "train": (
        f"train classifier --data cells --mpp 0.9 {CPU} --steps 1 --out out",
        SLOW,
    ),
    "evaluate": (f"evaluate --cells cells --mpp 0.9 {CPU} --out out", SLOW),
    "phantom": ("phantom out.svs --size 300,300", ALL - {"sync"}),
}

CASES = [(name, moment) for name in COMMANDS for moment in MOMENTS]
CASES = [
    pytest.param(
        name,
        moment,
        # These load their networks again and again.
        marks=[pytest.mark.slow] * (name in ("classify-crops", "train", "evaluate")),
    )
    for name, moment in CASES
    if moment in COMMANDS[name][1]
]

UNFINISHED = {"journal.jsonl", "own-classifier.fold1.pt", "own-classifier.run"}
"""What a run leaves to go on from."""

SECONDS = re.compile(rb'"seconds": [\d.]+')


@pytest.fixture
def words_of(slide, dicom_folder, run_folder, pictures, monkeypatch):
    monkeypatch.setattr("napari_deepheme.cli.phantom.SMALLEST_PX", 300)
    weights = find_model(DEFAULT_DETECTOR).weights[0].path
    places = {"SLIDE": str(slide), "WEIGHTS": str(weights), "DICOM": str(dicom_folder)}
    return lambda name: [places.get(w, w) for w in COMMANDS[name][0].split()]


def outputs(folder, inputs):
    """Return what a command wrote, by name; how long it took is left out."""
    return {
        path: SECONDS.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path not in inputs
    }


def cleared(folder, inputs):
    for path in folder.iterdir():
        if path not in inputs:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(("name", "moment"), CASES)
def test_what_cannot_be_written_is_told_and_leaves_whole_files_or_none(
    name, moment, words_of, disk, tmp_path, capfd
):
    words = words_of(name)
    inputs = {path for path in tmp_path.rglob("*") if "user" not in path.parts}
    with disk.failing(moment, None):
        assert run(words) == 0
    n, whole = disk.count, outputs(tmp_path, inputs)
    assert n
    cleared(tmp_path, inputs)
    for k in sorted({0, n // 2, n - 1}):
        capfd.readouterr()
        with disk.failing(moment, k):
            status = run(words)
        err = capfd.readouterr().err
        assert "Traceback" not in err
        left = outputs(tmp_path, inputs)
        if status:
            assert status == 1
            assert "cannot write" in err.splitlines()[-1]
        else:
            # It was but a file that quickens the next run.
            assert left.keys() == whole.keys()
            cleared(tmp_path, inputs)
        for path, content in left.items():
            assert path in whole or path.name in UNFINISHED, path
            if path.name not in UNFINISHED and name not in ("train", "dicom"):
                assert content == whole[path], path
    assert run(words) == 0
    assert outputs(tmp_path, inputs).keys() == whole.keys()
    if name not in ("h5ad", "dicom", "train", "evaluate"):
        assert outputs(tmp_path, inputs) == whole
