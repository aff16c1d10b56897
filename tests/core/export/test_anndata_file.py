"""AnnData, as scverse reads it."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import anndata
import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidTableError,
    InvalidVariableError,
    MissingExtraError,
)
from napari_deepheme.core.export.anndata_file import (
    read_anndata,
    to_anndata,
    write_anndata,
)
from napari_deepheme.core.export.facts import TableFacts
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.taxonomy import CLASS_CODES


@pytest.fixture
def cells():
    return CellTable.from_arrays(
        [[10, 20, 30, 40], [-5, 60, 9, 9], [70, 80, 11, 12]],
        [0.9, 0.1234, 1],
        [13, 13, 22],
        [0.5, 0, 1],
        {"reader_class": np.array(["", "M3", "not-a-cell"])},
    )


@pytest.mark.parametrize("added", ["yes", ""])
def test_what_a_reader_took_away_is_left_out_and_numbers_stay(cells, added):
    cells.further["added"] = np.array([added, "", "yes"])
    cells.further["reader_class"] = np.array(["deleted", "M3", "L4"])
    made = to_anndata(cells, np.arange(3, dtype=np.float32).reshape(3, 1))
    assert made.obs_names.tolist() == ["2", "3"]
    assert made.X.tolist() == [[1], [2]]
    assert np.array_equal(made.obsm["boxes"], cells.boxes[1:])


def test_anndata_finds_cells_features_places_and_facts(cells, tmp_path):
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    facts = TableFacts("smear.svs", Mpp(0.25, 0.26), "net 1")
    path = tmp_path / "cells.h5ad"
    write_anndata(cells, path, features, feature_names=["a", "b"], facts=facts)
    read = anndata.read_h5ad(path)
    assert read.shape == (3, 2)
    assert read.obs_names.tolist() == ["1", "2", "3"]
    assert read.var_names.tolist() == ["a", "b"]
    assert np.array_equal(read.X, features)
    assert read.obs["class_code"].tolist() == ["M2", "M2", "U4"]
    assert read.obs["class_code"].cat.categories.tolist() == list(CLASS_CODES)
    assert read.obs["reader_class"].tolist() == ["", "M3", "not-a-cell"]
    assert read.obs["probability"].tolist() == [0.5, 0, 1]
    assert np.array_equal(read.obsm["boxes"], cells.boxes)
    assert read.obsm["spatial"].tolist() == [[25, 40], [-0.5, 64.5], [75.5, 86]]
    assert read.uns["slide"] == "smear.svs"
    assert read.uns["mpp"].tolist() == [0.25, 0.26]
    assert read.uns["model"] == "net 1"
    assert read.uns["notice"].startswith("Research use only")


def test_columns_whose_names_hdf5_refuses_come_back_under_their_own(cells, tmp_path):
    names = ("_index", "index", "a/b", "a_b", "", ".", "column.", "x\0y", "obs")
    further = {name: np.array([name, "two", "three"]) for name in names}
    named = replace(cells, further=further)
    path = tmp_path / "cells.h5ad"
    write_anndata(named, path)
    assert read_anndata(path).further.keys() == further.keys()
    read = anndata.read_h5ad(path)
    taken = ["column_index", "index", "a_b_", "a_b", "column", "column._"]
    assert read.obs.columns.tolist()[8:] == [*taken, "column.", "x\u2400y", "obs"]


def test_a_zero_in_a_text_is_shown_by_its_sign(cells, tmp_path):
    noted = replace(cells, further={"note": np.array(["a\0b", "", "c"])})
    write_anndata(noted, tmp_path / "cells.h5ad")
    read = read_anndata(tmp_path / "cells.h5ad")
    assert read.further["note"].tolist() == ["a\u2400b", "", "c"]


def test_without_features_there_is_no_column_of_x(cells, tmp_path):
    write_anndata(cells, tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert read.shape == (3, 0)
    assert read.uns["mpp"].size == 0


def test_23_features_are_named_by_class_and_others_are_numbered(cells):
    assert to_anndata(cells, np.ones((3, 23))).var_names.tolist() == list(CLASS_CODES)
    assert to_anndata(cells, np.ones((3, 1))).var_names.tolist() == ["feature_0"]


def test_an_h5ad_read_back_is_the_same_table(cells, tmp_path):
    for table in (cells, CellTable.empty()):
        write_anndata(table, tmp_path / "cells.h5ad")
        assert read_anndata(tmp_path / "cells.h5ad") == table


@pytest.mark.parametrize(
    ("features", "names"),
    [(np.ones((2, 2)), None), (np.ones(3), None), (np.ones((3, 2)), ["a"])],
)
def test_features_that_do_not_fit_are_refused(cells, features, names):
    with pytest.raises(ValueError, match="features"):
        to_anndata(cells, features, feature_names=names)


def test_the_index_of_obs_is_the_number_of_each_cell_also_in_pandas(cells, tmp_path):
    chosen = cells.take(np.array([2, 1]))
    write_anndata(chosen, tmp_path / "cells.h5ad")
    obs = anndata.read_h5ad(tmp_path / "cells.h5ad").obs
    assert obs.reset_index()["cell_id"].tolist() == ["3", "2"]
    assert CellTable.from_pandas(obs) == chosen
    assert CellTable.from_pandas(obs.reset_index()) == chosen
    assert read_anndata(tmp_path / "cells.h5ad") == chosen


def test_what_is_no_h5ad_is_refused_in_one_line(tmp_path):
    (tmp_path / "cells.h5ad").write_bytes(b"nothing of the kind")
    others = to_anndata(CellTable.empty())
    del others.obs["class_code"]
    others.write_h5ad(tmp_path / "others.h5ad")
    for name in ("cells.h5ad", "others.h5ad", "missing.h5ad"):
        with pytest.raises(InvalidTableError) as caught:
            read_anndata(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1


def test_without_anndata_the_extra_is_named(cells, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(MissingExtraError, match=r"napari-deepheme\[exchange\]"):
        write_anndata(cells, tmp_path / "cells.h5ad")
    assert not list(tmp_path.iterdir())


def test_a_python_without_docstrings_is_told(cells, tmp_path, monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "anndata":
                raise AttributeError("'NoneType' object has no attribute 'find'")

    monkeypatch.delitem(sys.modules, "anndata", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(AttributeError):
        write_anndata(cells, tmp_path / "cells.h5ad")
    monkeypatch.setattr(sys, "flags", SimpleNamespace(optimize=2, verbose=0))
    with pytest.raises(InvalidVariableError, match="PYTHONOPTIMIZE"):
        write_anndata(cells, tmp_path / "cells.h5ad")


def test_a_folder_that_is_not_there_cannot_be_written_to(cells, tmp_path):
    with pytest.raises(CannotWriteError):
        write_anndata(cells, tmp_path / "nowhere" / "cells.h5ad")
