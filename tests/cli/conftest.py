"""A rendered slide, an empty folder to work in, and commands that must fail."""

import csv
import logging
import shutil

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    path = tmp_path_factory.mktemp("a folder") / "smear é.svs"
    write_phantom(path, Size(900, 800), 6)
    return path


@pytest.fixture(scope="session")
def write_long_smear(tmp_path_factory):
    """Write a smear 3,000 px wide; of each height, one is rendered and copied."""
    rendered = tmp_path_factory.mktemp("long smears")

    def write(path, height=600):
        smear = rendered / f"{height}.svs"
        if not smear.exists():
            write_phantom(smear, Size(3000, height), 7)
        for suffix in (".svs", ".csv"):
            shutil.copyfile(smear.with_suffix(suffix), path.with_suffix(suffix))

    return write


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Not the models of whoever runs the tests.
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "own"))


@pytest.fixture(autouse=True)
def loggers_as_they_were(monkeypatch):
    for name in (None, "napari_deepheme"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", list(logger.handlers))
        monkeypatch.setattr(logger, "level", logger.level)


@pytest.fixture
def read_rows():
    def read(path):
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    return read


@pytest.fixture
def refused(capfd):
    """Run a command that must fail: one line on standard error, nothing else."""

    def run_refused(arguments, status=1):
        assert run(arguments) == status
        out, err = capfd.readouterr()
        assert out == ""
        if status == 1:
            assert len(err.splitlines()) == 1
        assert "Traceback" not in err
        return err

    return run_refused
