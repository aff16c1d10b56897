"""What is read is data: no reader runs code that lies in a file, and none could.

Files that would run code if they were unpickled or evaluated go to every reader; and
the source is looked through for calls that could.
"""

import ast
import io
import json
import os
import pickle
import re
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import napari_deepheme
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.reference_ranges import read_reference_ranges
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.anndata_file import read_anndata
from napari_deepheme.core.export.cells_file import read_cells
from napari_deepheme.core.export.crop_folder import write_crop_folder
from napari_deepheme.core.export.facts import facts_beside
from napari_deepheme.core.export.geojson import read_qupath
from napari_deepheme.core.export.parquet import read_parquet
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.bringing.hub import read_index
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.weight_files import read_weights
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.pseudonyms import KEY_NAME, Pseudonyms
from napari_deepheme.core.report_file.known_run import known_run
from napari_deepheme.core.runs.journal_records import NAME, read_past
from napari_deepheme.core.sittings.sitting_file import (
    read_mark_and_change,
    read_sitting,
)
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.slide.shown.kept_looks import read_looks
from napari_deepheme.core.training.cells.boxed import read_boxes
from napari_deepheme.core.training.cells.manifest import read_manifest
from napari_deepheme.core.training.fitting.loop import FitConfig, fit
from napari_deepheme.core.training.own.loop import LoopConfig, Task, iter_loop
from napari_deepheme.core.training.tensor_files import write_checkpoint
from napari_deepheme.core.training.training_error import TrainingError
from napari_deepheme.plugin.reviewing.keys import read_keys

SOURCE = Path(napari_deepheme.__file__).parent


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def torch_file(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def array_file(save, content):
    stream = io.BytesIO()
    save(stream, content)
    return stream.getvalue()


def zipped(bomb):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../gone-off", b"written elsewhere")
        archive.writestr("archive/data.pkl", pickle.dumps(bomb))
        archive.writestr("archive/version", b"3")
    return stream.getvalue()


BOMBS = {
    "pickle": pickle.dumps,
    "old pickle": lambda bomb: pickle.dumps(bomb, 0),
    "pickle and a record": lambda bomb: b"%s\n{}" % pickle.dumps(bomb, 2),
    "torch": torch_file,
    "torch, with weights": lambda bomb: torch_file({"a": torch.ones(2), "step": bomb}),
    "old torch": lambda b: torch_file(b, _use_new_zipfile_serialization=False),
    "zip": zipped,
    "npy": lambda bomb: array_file(np.save, np.array([bomb], object)),
    "npz": lambda bomb: array_file(np.savez, np.array([bomb], object)),
    "yaml": lambda bomb: b'!!python/object/apply:os.mkdir ["%s"]' % bomb.path.encode(),
    "python": lambda bomb: f"__import__('os').mkdir({bomb.path!r})".encode(),
    "json": lambda bomb: json.dumps(
        {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [bomb.path]}]}
    ).encode(),
}


def known(path):
    slide = ArraySlide(np.full((8, 8, 3), 230, np.uint8), mpp=0.25, name="s")
    facts_beside(path)
    return known_run(CellTable.empty(), slide, path)


def crops(path):
    slide = ArraySlide(np.full((8, 8, 3), 230, np.uint8), mpp=0.25, name="s")
    write_crop_folder(CellTable.empty(), path.parent, slide, mpp=Mpp(0.25, 0.25))


def with_card(path):
    """Load weights whose card was read before, as a model of one's own is."""
    path.with_suffix(".json").write_text("{}")
    return find_model(str(path))


def settings(read):
    def read_in(path):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NAPARI_DEEPHEME_CONFIG", str(path.parent))
            return read()

    return read_in


def line():
    return nn.Linear(1, 1, bias=False)


def batch(_):
    return torch.ones(2, 1), torch.ones(2, 1)


def begin_fit(path):
    config = FitConfig(n_steps=2, batch_size=2, half=False)
    return fit(Squares(), pictures, loss_of, config, checkpoint=path)


class Squares(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        return self.layer(x)


def pictures(_):
    return torch.ones(2, 3, 2, 2), torch.ones(2, 1, 2, 2)


def loss_of(outputs, targets):
    return ((outputs - targets) ** 2).mean()


def begin_loop(path):
    def loss(network, given):
        return loss_of(network(given[0]), given[1])

    task = Task(batch, loss, lambda _: (1.0, None), lambda network: network.train())
    return list(iter_loop(line(), task, LoopConfig(2, 0.1), checkpoint=path))


READERS = {
    "weights.pt": read_weights,
    "weights.pth": read_weights,
    "weights.ckpt": read_weights,
    "weights.safetensors": read_weights,
    "import.pt": import_model,
    "import.onnx": import_model,
    "import.safetensors": import_model,
    "named.pt": with_card,
    "card.json": ModelCard.read,
    "index.json": lambda path: read_index(str(path)),
    "fit.pt": begin_fit,
    "loop.pt": begin_loop,
    "cells.csv": read_cells,
    "cells.geojson": read_cells,
    "qupath.geojson": lambda path: read_qupath(path, mpp=0.25),
    "cells.parquet": read_parquet,
    "cells.h5ad": read_anndata,
    "summary.json": known,
    "ranges.csv": read_reference_ranges,
    "manifest.csv": crops,
    "own.csv": read_manifest,
    "boxes.csv": read_boxes,
    "a.deepheme": read_sitting,
    "mark.deepheme": read_mark_and_change,
    NAME: lambda path: read_past(path.parent),
    "looks.json": read_looks,
    "keys.json": settings(read_keys),
    KEY_NAME: settings(Pseudonyms.of_this_user),
    "slide.svs": open_slide,
    "slide.dcm": open_slide,
    "slide.tif": open_slide,
    "slide.png": open_slide,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_the_files_of_these_tests_do_run_code_where_one_lets_them(kind, tmp_path):
    fired = tmp_path / "fired"
    content = BOMBS[kind](Bomb(fired))
    if "pickle" in kind:
        pickle.loads(content)
    elif "torch" in kind:
        torch.load(io.BytesIO(content), weights_only=False)
    elif kind in ("npy", "npz"):
        loaded = np.load(io.BytesIO(content), allow_pickle=True)
        loaded if kind == "npy" else loaded["arr_0"]
    elif kind == "python":
        eval(content)
    else:
        assert b"fired" in content
        return
    assert fired.exists()


@pytest.mark.parametrize("name", READERS)
def test_no_reader_runs_what_lies_in_a_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "models"))
    for number, make in enumerate(BOMBS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        fired = tmp_path / f"fired-{number}"
        (folder / name).write_bytes(make(Bomb(fired)))
        try:
            READERS[name](folder / name)
        except DeephemeError as error:
            assert "\n" not in str(error)
        assert not fired.exists()
    assert not (tmp_path.parent / "gone-off").exists()
    assert not (tmp_path / "gone-off").exists()


def good_checkpoint(begin, path):
    begin(path)
    return path.read_bytes()


@pytest.mark.parametrize("begin", [begin_fit, begin_loop])
def test_a_checkpoint_that_is_none_of_the_training_is_told_in_one_line(begin, tmp_path):
    path = tmp_path / "state.pt"
    good = good_checkpoint(begin, path)
    saved = torch.load(io.BytesIO(good), weights_only=True)
    other = {**saved, "network": nn.Linear(5, 7).state_dict()}
    without = {k: v for k, v in saved.items() if k != "optimiser"}
    strange = {**saved, "step": "three", "__class__": "x"}
    for content in (other, without, strange, [1, 2], {"step": 3}):
        write = torch_file(content)
        path.write_bytes(write)
        with pytest.raises(TrainingError, match="remove it to begin anew") as told:
            begin(path)
        assert "\n" not in str(told.value)
    for length in (0, 1, 40, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(TrainingError, match="remove it to begin anew"):
            begin(path)
    path.write_bytes(good)
    begin(path)


def test_a_checkpoint_that_counts_as_nothing_can_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    begin_loop(path)
    saved = torch.load(path, weights_only=True)
    for wrong in (
        {"step": -1},
        {"finished": 1},
        {"best": {"a": 1}},
        {"members": [[1]]},
        {"best_loss": None},
        {"new": 1},
    ):
        write_checkpoint(path, {**saved, **wrong})
        with pytest.raises(TrainingError):
            begin_loop(path)


FORBIDDEN = re.compile(
    r"""
    (?:builtins\.)?(?:eval|exec|compile|__import__|execfile)
    | (?:\w+\.)*(?:c?pickle|cloudpickle|dill|joblib|marshal|shelve|jsonpickle)\.\w+
    | yaml\.(?!safe_load)\w+
    | os\.(?:system|popen|exec\w+|spawn\w+|startfile)
    | importlib\.import_module
    | runpy\.\w+
    | torch\.(?:hub|jit|package)\.\w+
    | (?:pd|pandas)\.(?:read_pickle|eval)
    | \w+\.(?:to_pickle|extractall|unpack_archive)
    | tempfile\.mktemp
    """,
    re.VERBOSE,
)

SAFE_WITH = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Calls that have to say so."""


@cache
def nodes():
    """Give what the source is made of, each with its file."""
    return [
        (path.relative_to(SOURCE).as_posix(), node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call | ast.Import | ast.ImportFrom)
    ]


def calls():
    for path, node in nodes():
        if isinstance(node, ast.Call):
            yield f"{path}:{node.lineno}", node


def imports():
    for path, node in nodes():
        if isinstance(node, ast.Import):
            yield from ((path, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield path, node.module or ""


def test_the_source_has_no_call_that_could_run_a_file():
    found = [
        f"{where} {ast.unparse(call.func)}"
        for where, call in calls()
        if FORBIDDEN.fullmatch(ast.unparse(call.func))
    ]
    assert found == []


def test_calls_that_could_are_told_not_to():
    seen = []
    for where, call in calls():
        named = {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert named.get("shell", "False") == "False", where
        assert "trust_remote_code" not in named, where
        word, value = SAFE_WITH.get(ast.unparse(call.func), ("", None))
        if word:
            assert named.get(word) == str(value), where
            seen.append(ast.unparse(call.func))
    # One reader of torch's files, two of the arrays of a process of our own.
    assert sorted(seen) == ["np.load", "np.load", "torch.load"]


def test_modules_that_unpickle_are_imported_only_for_their_errors():
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
    importing = {path for path, name in imports() if name.split(".")[0] in modules}
    # It names the error that a refused file ends in.
    assert importing == {"core/models/bringing/weight_files.py"}
