"""A library that is interrupted while it is loaded is not said to be missing."""

import builtins
import sys

import pytest

from napari_deepheme.core.export.anndata_file import _need_anndata
from napari_deepheme.core.export.cohort import check_parquet
from napari_deepheme.core.export.dicom_annotations import _need_highdicom
from napari_deepheme.core.export.parquet import _need_pyarrow
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.models.onnx.runner import quiet_options
from napari_deepheme.core.models.openvino.runner import import_openvino
from napari_deepheme.core.models.torch.loading import need_torch
from napari_deepheme.dask_cluster import BatchConfig, open_client


def _open_client():
    with open_client(BatchConfig(n_workers=1)):
        pass


LOADING = {
    "openvino": import_openvino,
    "onnxruntime": quiet_options,
    "torch": need_torch,
    "anndata": _need_anndata,
    "highdicom": _need_highdicom,
    "pyarrow": _need_pyarrow,
    "pyarrow.parquet": check_parquet,
    "distributed": _open_client,
}


@pytest.mark.parametrize("library", LOADING)
def test_an_interrupt_while_a_library_is_loaded_stays_one(library, monkeypatch):
    real = builtins.__import__

    def interrupted(name, *words, **named):
        if name.split(".")[0] == library.split(".")[0]:
            # As pybind11 and Python itself word it.
            raise ImportError("initialization failed") from KeyboardInterrupt()
        return real(name, *words, **named)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LOADING[library]()


def test_an_interrupt_is_found_behind_what_was_raised_meanwhile():
    wrapped = RuntimeError("no frontend")
    wrapped.__context__ = ImportError("initialization failed")
    wrapped.__context__.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        raise_interrupt(wrapped)


def test_errors_that_were_raised_from_each_other_are_none():
    one, other = ImportError("a"), ImportError("b")
    one.__cause__, other.__context__ = other, one
    assert raise_interrupt(one) is None
