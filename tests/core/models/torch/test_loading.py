"""A torch that cannot be loaded is told in one line, wherever models are asked for."""

import gc
import os
import subprocess
import sys
import threading

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.errors import TorchNotLoadedError
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.memory import count_gpus
from napari_deepheme.core.models.registry import (
    find_model,
    load_card,
    load_classifier,
    load_models,
)
from napari_deepheme.core.models.torch.loading import need_torch

ASKING = [
    load_models,
    load_classifier,
    lambda: load_card(find_model("litenet-marrow"), "cpu"),
    lambda: import_model("fold.pt"),
    count_gpus,
]


@pytest.mark.parametrize("ask", ASKING)
def test_a_torch_that_is_broken_is_told_where_models_are_loaded(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TorchNotLoadedError, match=r"\(install it anew, or close"):
        ask()


def test_a_library_that_is_missing_is_told(monkeypatch):
    def lack(*_):
        raise OSError("libtorch_cpu.so: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr("builtins.__import__", lack)
    with pytest.raises(TorchNotLoadedError, match=r"libtorch_cpu\.so: cannot open"):
        count_gpus()


def test_an_import_that_fails_without_a_word_is_told(monkeypatch):
    def fail(*_):
        raise SystemError("returned NULL without setting an exception")

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr("builtins.__import__", fail)
    with pytest.raises(TorchNotLoadedError, match="where memory is short"):
        need_torch()


def test_a_fit_tells_it_before_it_reads_a_cell(monkeypatch, tmp_path, capfd):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.chdir(tmp_path)
    words = ["train", "classifier", "--data", "none", "--out", "out"]
    assert run(words) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "torch cannot be loaded" in line


@pytest.mark.not_on_windows
def test_a_current_folder_that_is_gone_is_told_before_torch_ends_the_process(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        "import os; os.chdir('gone'); os.rmdir('../gone')\n"
        "from napari_deepheme.core.models.registry import load_models\n"
        "load_models()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"NAPARI_DEEPHEME_MODELS": str(tmp_path)},
    )
    told = done.stderr.splitlines()[-1]
    assert "the current folder is gone (go to a folder that is there)" in told


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_library_is_in_the_process_before_torch_is_imported():
    code = (
        "import sys\n"
        "from napari_deepheme.core.models.torch import loading\n"
        "paths = loading.torch_libraries()\n"
        "loading.load_libraries((*paths, paths[0].with_name('none.so')))\n"
        "loaded = open('/proc/self/maps').read()\n"
        "print(all(str(path) in loaded for path in paths), 'torch' in sys.modules)"
    )
    assert _printed_by(code) == "True False"


def test_torch_that_a_thread_loads_computes_and_garbage_is_searched_for_again():
    code = (
        "import gc, threading\n"
        "from napari_deepheme.core.models.torch.loading import need_torch\n"
        "loading = threading.Thread(target=need_torch)\n"
        "loading.start(), loading.join()\n"
        "import torch\n"
        "print(gc.isenabled(), gc.get_freeze_count(), int(torch.ones(2, 3).sum()))"
    )
    assert _printed_by(code) == "True 0 6"


def test_a_thread_that_cannot_load_torch_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    told = []

    def load():
        try:
            need_torch()
        except TorchNotLoadedError as error:
            told.append(error)

    loading = threading.Thread(target=load)
    loading.start()
    loading.join()
    assert len(told) == 1
    assert gc.isenabled()


def _printed_by(code):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()
