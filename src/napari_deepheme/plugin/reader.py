"""napari opens slides, and brings exported cells back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.csv_table import holds_cells, read_csv
from napari_deepheme.core.export.qupath import NO_SHIFT, log_left_out, read_qupath
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.mpp import is_plausible
from napari_deepheme.plugin.layers import (
    METADATA_KEY,
    frame_of,
    points_kwargs,
    shapes_kwargs,
)
from napari_deepheme.plugin.slide_layers.slides import (
    is_slide_layer,
    owners,
    slide_key,
    slide_kwargs,
    slide_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Point
    from napari_deepheme.core.slide import SlideReader

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
    """Bring cells back onto the slide that is meant."""
    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        layer = _open_slide()
        cells, origin = _cells(Path(one), None if layer is None else slide_of(layer))
        frame, key = ({}, "") if layer is None else (frame_of(layer), slide_key(layer))
        for role, kwargs, kind in (
            ("cells", points_kwargs(cells, frame, {}), "points"),
            ("figures", shapes_kwargs(cells, frame, {}), "shapes"),
        ):
            own = {"role": role, "slide_key": key, "facts": {"bounds_origin": origin}}
            kwargs["metadata"] = {METADATA_KEY: own}
            layers.append((kwargs.pop("data"), kwargs, kind))
    return layers


def _cells(path: Path, slide: SlideReader | None) -> tuple[CellTable, Point | None]:
    """Read a file; return its cells, and what `layers.origin_of` is to give of them."""
    origin = NO_SHIFT if slide is None else slide.bounds_origin
    if path.suffix.lower() == ".csv":
        return read_csv(path), origin
    stated = None if slide is None else slide.mpp
    mpp = min(stated) if stated and is_plausible(stated) else None
    read = read_qupath(path, mpp=mpp, bounds_origin=origin)
    log_left_out(path, read)
    return read.cells, read.stated_origin if slide is None else origin


def _open_slide() -> Image | None:
    """Return the layer of the slide that is meant; None if none is, or any may be.

    It is the active layer or what that lies on, else the one that is seen, as the
    slide that is chosen in the widget is.
    """
    viewer = napari.current_viewer()
    if viewer is None:
        return None
    slides = [layer for layer in viewer.layers if is_slide_layer(layer)]
    active = viewer.layers.selection.active
    if active in slides:
        return active
    keys = owners(active) if active is not None else ()
    meant = [layer for layer in slides if slide_key(layer) in keys] or slides
    meant = [layer for layer in meant if layer.visible] or meant
    is_one = len({slide_key(layer) for layer in meant}) == 1
    return meant[0] if is_one else None


def _is_pyramid(path: Path) -> bool:
    try:
        with open_slide(path) as slide:
            return len(slide.levels) > 1
    except DeephemeError:
        return False
