"""File > Save of the result layers, as CSV or GeoJSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import pandas as pd

from napari_deepheme.core.errors import CannotWriteError, InvalidTableError
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.geojson import write_geojson
from napari_deepheme.plugin.layers import cells_of_features, origin_of

_WHOLE_NAME: Final = "choose another name, or give this one whole to replace it"


def write_cells_csv(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the cells of a result layer as ``cells.csv`` has them."""
    cells, path = _cells(path, meta), _with_ending(path, ".csv")
    write_csv(cells, path)
    return [path]


def write_cells_geojson(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the cells of a result layer as GeoJSON that QuPath opens."""
    cells, path = _cells(path, meta), _with_ending(path, ".geojson", ".json")
    write_geojson(cells, path, bounds_origin=origin_of(meta.get("metadata", {})))
    return [path]


def _with_ending(path: str, ending: str, *others: str) -> str:
    """Return a path with its ending, which is added if it has none that will do.

    Napari's dialog asks whether to replace the file whose name was typed, and no other.
    """
    if path.lower().endswith((ending, *others)):
        return path
    whole = f"{path}{ending}"
    if os.path.lexists(whole):
        raise CannotWriteError(whole, "it is there already", _WHOLE_NAME)
    return whole


def _cells(path: str, meta: dict[str, Any]) -> Any:
    try:
        return cells_of_features(pd.DataFrame(meta["features"]))
    except KeyError as error:
        reason = f"the layer has no {error}: only layers of DeepHeme are saved so"
        raise InvalidTableError(Path(path).name, reason) from error
