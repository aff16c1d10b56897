"""A disk that fails at a chosen moment, and a slide with its cells to work on."""

import errno
import io
import json
import logging
import os
import random
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.cli import run
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom

HERE = Path(__file__).parent

SAMPLE, SEED = 24, 7
"""How many are run with all other tests: the long ones are not among them."""


def pytest_collection_modifyitems(config, items):
    """Take a sample, unless this folder or a file of it is asked for by name."""
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    if any("faults" in word for word in config.invocation_params.args):
        return
    quick = [item for item in ours if not item.get_closest_marker("slow")]
    chosen = random.Random(SEED).sample(quick, min(SAMPLE, len(quick)))
    left_out = set(ours) - set(chosen)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


class Disk:
    """Fails at the k-th operation of a kind on files below a folder.

    Root may write wherever it likes, so nothing depends on the mode of a folder.
    """

    def __init__(self, folder):
        self._folder = os.path.realpath(folder)
        self._names = {}
        self.moment, self.left, self.count = "", -1, 0

    @contextmanager
    def failing(self, moment, k):
        """Fail at the k-th such operation, counted from 0; None to count alone."""
        self.moment, self.left, self.count = moment, -1 if k is None else k, 0
        with pytest.MonkeyPatch.context() as patch:
            self._install(patch)
            yield self
        self.moment, self.left = "", -1

    def _step(self, moment, path):
        if isinstance(path, int):
            path = self._names.get(path, "")
        if {"refuse": "create"}.get(self.moment, self.moment) != moment:
            return
        inside = os.path.realpath(os.fspath(path)).startswith(self._folder)
        if not path or not inside:
            return
        self.count += 1
        self.left -= 1
        if self.left == -1:
            code = errno.EACCES if self.moment == "refuse" else errno.ENOSPC
            raise OSError(code, os.strerror(code), os.fspath(path))

    def _install(self, patch):
        opened, open_, step = os.open, io.open, self._step

        def open_fd(path, flags, *rest, **options):
            if flags & os.O_CREAT:
                step("create", path)
            handle = opened(path, flags, *rest, **options)
            self._names[handle] = path
            return handle

        def open_stream(file, mode="r", *rest, **options):
            writes = any(letter in mode for letter in "wax+")
            if not writes:
                return open_(file, mode, *rest, **options)
            if not isinstance(file, int):
                step("create", file)
            stream = open_(file, mode, *rest, **options)
            name = self._names.get(file, "") if isinstance(file, int) else file
            self._names[stream.fileno()] = name
            return _Stream(stream, name, step) if "b" in mode else stream

        def watched(name, moment, which=0):
            function = getattr(os, name)

            def step_first(*arguments, **options):
                step(moment, arguments[which])
                return function(*arguments, **options)

            patch.setattr(os, name, step_first)

        patch.setattr(os, "open", open_fd)
        patch.setattr(io, "open", open_stream)
        patch.setattr("builtins.open", open_stream)
        watched("mkdir", "create")
        watched("fsync", "sync")
        watched("replace", "rename", 1)
        watched("rename", "rename", 1)


class _Stream(io.BufferedIOBase):
    """A stream of bytes whose writes can fail."""

    def __init__(self, stream, name, step):
        self._stream, self._name, self._step = stream, name, step

    def write(self, content):
        self._step("write", self._name)
        return self._stream.write(content)

    def flush(self):
        if not self._stream.closed:
            self._step("flush", self._name)
            self._stream.flush()

    def close(self):
        # Closed it is, whatever is lost.
        self._stream.close()

    @property
    def closed(self):
        return self._stream.closed

    def readable(self):
        return self._stream.readable()

    def writable(self):
        return True

    def seekable(self):
        return self._stream.seekable()

    def read(self, *size):
        return self._stream.read(*size)

    def seek(self, *where):
        return self._stream.seek(*where)

    def tell(self):
        return self._stream.tell()

    def truncate(self, *size):
        return self._stream.truncate(*size)

    def fileno(self):
        return self._stream.fileno()


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("MODELS", "SITTINGS", "CONFIG"):
        folder = tmp_path / "user" / variable.lower()
        monkeypatch.setenv(f"NAPARI_DEEPHEME_{variable}", str(folder))


@pytest.fixture(autouse=True)
def loggers_as_they_were(monkeypatch):
    for name in (None, "napari_deepheme"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", list(logger.handlers))
        monkeypatch.setattr(logger, "level", logger.level)


@pytest.fixture(scope="session")
def slide(tmp_path_factory):
    """Path of a small smear."""
    path = tmp_path_factory.mktemp("slides") / "smear.svs"
    write_phantom(path, Size(700, 600), 6)
    return path


@pytest.fixture
def run_folder(tmp_path, make_table):
    """A run of that slide as it lies on the disk."""
    folder = tmp_path / "run"
    folder.mkdir()
    codes = ("M6", "M2", "ER4", "L4")
    table = make_table(*((90 * i + 50, 90, 40, 40, c) for i, c in enumerate(codes)))
    write_csv(table, folder / "cells.csv")
    summary = {"slide": "smear.svs", "mpp": [0.25, 0.25], "model": "net 1"}
    summary |= {"region": [0, 0, 700, 600], "complete": True}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder by class of pictures of single cells."""
    rng = np.random.default_rng(0)
    for code, colour in {"M3": (150, 60, 120), "L2": (60, 40, 130)}.items():
        folder = tmp_path / "cells" / code
        folder.mkdir(parents=True)
        for i in range(4):
            pixels = np.full((24, 24, 3), 235.0)
            pixels[6:18, 6:18] = colour
            pixels += rng.normal(0, 8, pixels.shape)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / f"{i}.png")
    return tmp_path / "cells"


@pytest.fixture(scope="session")
def scripts():
    """Let what makes the bad slides be imported."""
    sys.path.insert(0, str(HERE.parents[1] / "scripts"))


@pytest.fixture(scope="session")
def dicom_folder(tmp_path_factory, scripts):
    """Path of a slide in a folder of DICOM, as the bad slides have it before."""
    from bad_slides.dicom_folders import levels

    folder = tmp_path_factory.mktemp("dicom")
    for name, data in levels().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def told(capfd):
    """Run a command that must fail: one line that says so, and no traceback."""

    def refused(words, status=1):
        capfd.readouterr()
        assert run(words) == status
        err = capfd.readouterr().err
        assert "Traceback" not in err
        line = err.splitlines()[-1]
        assert line.startswith("napari-deepheme: ")
        return line

    return refused
