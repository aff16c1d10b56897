"""File > Save of the result layers, as CSV or GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.geojson import write_geojson
from napari_deepheme.plugin.layers import cells_of_features, origin_of


def write_cells_csv(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the cells of a result layer as ``cells.csv`` has them."""
    write_csv(_cells(path, meta), path)
    return [path]


def write_cells_geojson(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the cells of a result layer as GeoJSON that QuPath opens."""
    origin = origin_of(meta.get("metadata", {}))
    write_geojson(_cells(path, meta), path, bounds_origin=origin)
    return [path]


def _cells(path: str, meta: dict[str, Any]) -> Any:
    try:
        return cells_of_features(pd.DataFrame(meta["features"]))
    except KeyError as error:
        reason = f"the layer has no {error}: only layers of DeepHeme are saved so"
        raise InvalidTableError(Path(path).name, reason) from error
