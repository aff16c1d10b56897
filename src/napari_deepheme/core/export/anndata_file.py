"""``cells.h5ad``: one row a cell, for scanpy, squidpy and the rest of scverse."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    InvalidTableError,
    InvalidVariableError,
    MissingExtraError,
)
from napari_deepheme.core.export.facts import NOTICE, TableFacts
from napari_deepheme.core.files import atomic_file, check_regular
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.review.corrections import standing_rows
from napari_deepheme.core.spreadsheets import why_unreadable
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata
    import numpy.typing as npt
    import pandas

_NO_FACTS: Final = TableFacts()

_CODED: Final = {
    "class_code": list(CLASS_CODES),
    "class_name": [c.name for c in CELL_CLASSES],
}


_RENAMED: Final = "renamed_columns"
"""In `uns`: names of columns as they were, by the names that HDF5 takes."""

_NOT_A_NAME: Final = ("", ".", "_index")


def to_anndata(
    cells: CellTable,
    features: npt.NDArray[np.floating] | None = None,
    *,
    feature_names: Sequence[str] | None = None,
    facts: TableFacts = _NO_FACTS,
) -> anndata.AnnData:
    """Return cells as AnnData, without those that the reader took away.

    Parameters
    ----------
    cells : CellTable
        One row of `obs` each, with the columns of ``cells.csv``: the index is the
        `cell_id`, as text; others are renamed where HDF5 cannot take a name (`uns` has
        the names then). `obsm` holds their "boxes" (x, y, width, height) and, as
        "spatial", their centres, both in level-0 pixels.
    features : ndarray of float, shape (n, d), optional
        What a network said of each cell, such as the probabilities of the 23 classes:
        `X`. Without it, `X` has no column: a table of cells holds no measurement from
        which neighbours or clusters could be told.
    feature_names : sequence of str, optional
        Names of the d columns; the class codes where there are 23 columns, else
        "feature_0" and so on.
    facts : TableFacts
        Slide, mpp and model, for `uns`.

    Raises
    ------
    MissingExtraError
        If anndata is not installed.
    ValueError
        If features or names do not fit the cells.
    """
    _need_anndata()
    import anndata

    matrix = np.empty((len(cells), 0), np.float32) if features is None else features
    if matrix.ndim != 2 or len(matrix) != len(cells):
        raise ValueError(f"features must be ({len(cells)}, d), not {matrix.shape}")
    rows = standing_rows(cells)
    names = _names(matrix.shape[1]) if feature_names is None else list(feature_names)
    if len(names) != matrix.shape[1]:
        raise ValueError(f"{len(names)} names for {matrix.shape[1]} features")
    obs = _obs(cells.take(rows), cells.cell_ids[rows])
    taken = dict(zip(_storable(list(obs.columns)), obs.columns, strict=True))
    renamed = {new: old for new, old in taken.items() if new != old}
    obs.columns = _texts(list(taken))
    return anndata.AnnData(
        X=matrix[rows],
        obs=obs,
        var=_frame(names),
        obsm={"boxes": cells.boxes[rows], "spatial": cells.centres[rows]},
        uns={
            "slide": facts.slide_text,
            "mpp": np.array(facts.mpp or (), np.float64),
            "model": facts.model,
            "notice": NOTICE,
            **({_RENAMED: json.dumps(renamed)} if renamed else {}),
        },
    )


def write_anndata(
    cells: CellTable,
    path: Path | str,
    features: npt.NDArray[np.floating] | None = None,
    *,
    feature_names: Sequence[str] | None = None,
    facts: TableFacts = _NO_FACTS,
) -> None:
    """Write cells as ``.h5ad``; parameters are those of `to_anndata`.

    Raises
    ------
    MissingExtraError
        If anndata is not installed.
    ValueError
        If features or names do not fit the cells.
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    data = to_anndata(cells, features, feature_names=feature_names, facts=facts)
    content = _h5ad_bytes(data)
    with atomic_file(path) as stream:
        stream.write(content)


def _h5ad_bytes(data: anndata.AnnData) -> memoryview:
    """Make the file in memory: on a disk that is full, HDF5 does not let go of it."""
    import anndata
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        anndata.io.write_elem(file, "/", data)
    return content.getbuffer()


def read_anndata(path: Path | str) -> CellTable:
    """Read the cells of a file that `write_anndata` wrote, without the features.

    Raises
    ------
    MissingExtraError
        If anndata is not installed.
    InvalidTableError
        If its `obs` is not such a table.
    """
    _need_anndata()
    import anndata

    try:
        check_regular(Path(path))
        data = anndata.read_h5ad(path)
        renamed = json.loads(data.uns.get(_RENAMED, "{}"))
        obs = data.obs.rename(columns=renamed).assign(cell_id=list(data.obs_names))
        return CellTable.from_pandas(obs)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error


def _obs(cells: CellTable, numbers: npt.NDArray[np.int64]) -> pandas.DataFrame:
    import pandas

    plain = cells.to_pandas().drop(columns="cell_id")
    obs = _frame(numbers.astype(str).tolist()).rename_axis("cell_id")
    for name in plain.columns:
        values = plain[name].tolist()
        if plain[name].dtype.kind in "if":
            obs[name] = plain[name].to_numpy()
        else:
            # HDF5 holds no text with a zero in it.
            values = [value.replace("\0", "\u2400") for value in values]
            words = _CODED.get(name) or sorted(set(values))
            dtype = pandas.CategoricalDtype(_texts(words))
            obs[name] = pandas.Categorical(_texts(values), dtype=dtype)
    return obs


def _storable(names: list[str]) -> list[str]:
    """Return names that HDF5 takes for columns, each another, in place of names."""
    stored: list[str] = []
    for name in names:
        plain = name.replace("/", "_").replace("\0", "\u2400")
        new = f"column{plain}" if plain in _NOT_A_NAME else plain
        while new in stored or (new != name and new in names):
            new += "_"
        stored.append(new)
    return stored


def _frame(names: list[str]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(index=_texts(names))


def _texts(values: list[str]) -> Any:
    # As objects: not every anndata writes the texts of pandas 3.
    import pandas

    return pandas.Index(values, dtype=object)


def _names(n_features: int) -> list[str]:
    if n_features == len(CLASS_CODES):
        return list(CLASS_CODES)
    return [f"feature_{i}" for i in range(n_features)]


def _need_anndata() -> None:
    try:
        import anndata  # noqa: F401
    except ImportError as error:
        raise_interrupt(error)
        raise MissingExtraError("exchange", "anndata") from error
    except AttributeError as error:
        if sys.flags.optimize < 2:
            raise
        # It reads docstrings as it is loaded.
        reason = "with which anndata cannot be loaded"
        raise InvalidVariableError("PYTHONOPTIMIZE", "2", reason) from error
