"""napari opens slides, and brings exported cells back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.csv_table import holds_cells, read_csv
from napari_deepheme.core.export.geojson import read_geojson
from napari_deepheme.core.slide import open_slide
from napari_deepheme.plugin.layers import (
    METADATA_KEY,
    Frame,
    frame_of,
    points_kwargs,
    shapes_kwargs,
)
from napari_deepheme.plugin.slide_layers.slides import (
    is_slide_layer,
    slide_key,
    slide_kwargs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]
    Reader = Callable[[Any], list[LayerData]]


_OF_MANY = frozenset({".tif", ".tiff", ".dcm"})
"""Endings that slides share with other images."""


def get_slide_reader(path: str | list[str]) -> Reader | None:
    """Give the reader of slides; it opens one slide a path.

    A TIFF or DICOM file that is no pyramid is left to napari and to other plugins: it
    may be anything, and "Open slide…" opens it all the same.
    """
    first = Path(path if isinstance(path, str) else path[0])
    if first.suffix.lower() in _OF_MANY and not _is_pyramid(first):
        return None
    return _read_slides


def get_cells_reader(path: str | list[str]) -> Reader | None:
    """Give the reader of exported cells, ``.csv`` and ``.geojson``."""
    first = path if isinstance(path, str) else path[0]
    if Path(first).suffix.lower() == ".csv" and not holds_cells(Path(first)):
        return None
    return _read_cells


def _read_slides(path: str | list[str]) -> list[LayerData]:
    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        kwargs = slide_kwargs(open_slide(Path(one)))
        layers.append((kwargs.pop("data"), kwargs, "image"))
    return layers


def _read_cells(path: str | list[str]) -> list[LayerData]:
    """Bring cells back onto the slide that is open."""
    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        is_csv = Path(one).suffix.lower() == ".csv"
        cells = read_csv(one) if is_csv else read_geojson(one)
        frame, key = _open_slide()
        for role, kwargs, kind in (
            ("cells", points_kwargs(cells, frame, {}), "points"),
            ("figures", shapes_kwargs(cells, frame, {}), "shapes"),
        ):
            kwargs["metadata"] = {METADATA_KEY: {"role": role, "slide_key": key}}
            layers.append((kwargs.pop("data"), kwargs, kind))
    return layers


def _open_slide() -> tuple[Frame, str]:
    """Return frame and key of the slide that is open: the active one, or the last."""
    viewer = napari.current_viewer()
    slides = [x for x in viewer.layers if is_slide_layer(x)] if viewer else []
    if not slides:
        return {}, ""
    layer = slides[-1]
    if viewer.layers.selection.active in slides:
        layer = viewer.layers.selection.active
    return frame_of(layer), slide_key(layer)


def _is_pyramid(path: Path) -> bool:
    try:
        with open_slide(path) as slide:
            return len(slide.levels) > 1
    except DeephemeError:
        return False
