"""Cell tables as layers and back: the one place that swaps (x, y) and (row, column)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from napari.layers import Image

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.table_columns import first_of_each, numbers_of
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES, class_index
from napari_deepheme.plugin.cells_layer import TEXT_STYLE
from napari_deepheme.plugin.kinds import (
    cell_kinds,
    is_figure,
    kind_colours,
    quiet_kinds,
    shown_kinds,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Layer

CELLS: Final = "Cells"

FIGURES: Final = "Mitotic figures"

OVERVIEW: Final = "Cells (overview)"

METADATA_KEY: Final = "napari_deepheme"
"""Key of a layer's metadata under which the plugin keeps what is its own."""

DRAWN_ON: Final = "napari_deepheme_drawn_on"
"""Key of a layer's metadata under which stands on which slides it was drawn upon."""

_FACE_ALPHA: Final = 0.15

_RING, _THIN_RING = 0.09, 0.045
"""Width of a ring, as a part of its diameter; of a cell that is unidentified."""

FIGURE_COLOUR: Final = "#000000"
"""Outline of a mitotic figure: no class has it, and it stands out on a bright smear."""

_STAND_OFF: Final = 1.3
"""How much wider than a ring the frame of a selected cell is."""

_FIGURE_MARGIN: Final = 0.25
"""Part of a figure's size by which its outline stands off, a side."""

_NO_RINGS: Final = {
    "size": 40,
    "face_color": "transparent",
    "border_color": "white",
    "border_width": _RING,
}

_MIN_CANVAS_PX: Final = 5

FIGURE_TEXT_STYLE: Final = {"color": "black", "size": 8, "anchor": "lower_left"}
"""How the phase is written below a figure's outline."""

NO_TEXT: Final = {**TEXT_STYLE, "string": {"constant": ""}}


Frame = dict[str, Any]
"""Where a layer lies in the world: scale, units, and what else moves it."""


def result_layer(viewer: ViewerModel, role: str, slide_key: str) -> Any:
    """Return the layer with a role among a slide's results; None if there is none."""
    for layer in viewer.layers:
        own = layer.metadata.get(METADATA_KEY, {})
        if (own.get("role"), own.get("slide_key")) == (role, slide_key):
            return layer
    return None


def frame_of(layer: Layer) -> Frame:
    """Return the frame of a slide's layer; its results are given the same."""
    return {
        "scale": layer.scale[-2:],
        "translate": layer.translate[-2:],
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units[-2:],
    }


def affine_of(frame: Frame) -> Any:
    """Return how the pixels of a frame come to lie in the world, but for its affine."""
    from napari.utils.transforms import Affine

    parts = ("scale", "translate", "rotate", "shear")
    return Affine(**{part: frame[part] for part in parts})


def grid_frame(
    frame: Frame, cell_px: tuple[float, float], origin: tuple[float, float] = (0, 0)
) -> Frame:
    """Return the frame of a grid over a slide, which may be turned.

    Parameters
    ----------
    frame : Frame
        Of the slide's layer.
    cell_px : tuple of float
        Width and height of a grid cell, in level-0 pixels.
    origin : tuple of float
        x and y of the grid's upper left corner.
    """
    cell, corner = np.array(cell_px[::-1], float), np.array(origin[::-1], float)
    # Both are counted from the centre of the first pixel, or the first grid cell.
    first = corner + cell / 2 - 0.5
    return {
        **frame,
        "scale": np.asarray(frame["scale"], float) * cell,
        "translate": np.asarray(affine_of(frame)(first), float),
    }


def result_frame(layer: Layer, slide_frame: Frame) -> Frame:
    """Return where a result lies on its slide: in its pixels, or in a grid over them.

    Metadata of a grid tell `cell_px` and `origin`, as for `grid_frame`.
    """
    grid = layer.metadata[METADATA_KEY].get("grid")
    return slide_frame if grid is None else grid_frame(slide_frame, *grid)


def lay_in(frame: Frame, layer: Layer) -> None:
    """Lay a layer that was made earlier where a frame lies now."""
    for name, value in frame.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def points_kwargs(
    cells: CellTable,
    frame: Frame,
    metadata: dict[str, Any],
    kinds: npt.NDArray[np.uint8] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of the "Cells" layer.

    One ring a cell, as wide as its box, in the colour of its class: the cell stays
    visible within. The ring of an unidentified cell is thin and has no tint. At low
    zoom the rings keep a size that can be seen.
    """
    return {
        "data": centres_rc(cells),
        "name": CELLS,
        "features": features(cells),
        **(ring_arrays(cells, kinds) if len(cells) else _NO_RINGS),
        "border_width_is_relative": True,
        "canvas_size_limits": (_MIN_CANVAS_PX, 10_000),
        "antialiasing": 1.5,
        **frame,
        "metadata": metadata,
        "text": NO_TEXT,
    }


def ring_arrays(
    cells: CellTable, kinds: npt.NDArray[np.uint8] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return size and look of the rings; napari takes none for an empty layer.

    The kinds are those of the cells; they are found if left out.
    """
    kinds = cell_kinds(cells) if kinds is None else kinds
    edges, faces = np.ones((2, len(cells), 4), np.float32)
    edges[:, :3] = faces[:, :3] = kind_colours()[kinds]
    faces[:, 3] = np.where(quiet_kinds()[kinds], 0, _FACE_ALPHA)
    return {**ring_sizes(cells, kinds), "face_color": faces, "border_color": edges}


def ring_sizes(
    cells: CellTable,
    kinds: npt.NDArray[np.uint8],
    selected: npt.NDArray[np.bool_] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Return diameter and width of the rings.

    Selected cells have a wide frame: napari itself marks them only where their layer
    is the active one.
    """
    sizes = cells.boxes[:, 2:].mean(axis=1)
    widths = np.where(quiet_kinds()[kinds], _THIN_RING, _RING)
    if selected is not None:
        sizes[selected] *= _STAND_OFF
        widths[selected] = _RING
    return {"size": sizes, "border_width": widths}


def shapes_kwargs(
    cells: CellTable, frame: Frame, metadata: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of the "Mitotic figures" layer."""
    figures = cells.take(is_figure(cell_kinds(cells)))
    return {
        "data": outlines_rc(figures),
        "ndim": 2,
        "name": FIGURES,
        "shape_type": "rectangle",
        "features": features(figures),
        "face_color": "transparent",
        "edge_color": FIGURE_COLOUR,
        "edge_width": 4,
        "opacity": 1.0,
        **frame,
        "metadata": metadata,
    }


def overview_layer(levels: Any, frame: Frame, metadata: dict[str, Any]) -> Image:
    """Return the layer "Cells (overview)" of the levels of an `Overview`."""
    layer = Image(
        levels,
        rgb=True,
        multiscale=True,
        name=OVERVIEW,
        visible=False,
        metadata=metadata,
        **frame,
    )
    layer.editable = False
    return layer


def features(cells: CellTable) -> pd.DataFrame:
    """Return the columns of ``cells.csv`` as a features table."""
    x, y, width, height = cells.boxes.T
    names = [c.name for c in CELL_CLASSES]
    columns = {
        "cell_id": cells.cell_ids,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "score": cells.scores,
        "class_code": pd.Categorical.from_codes(cells.class_indices, CLASS_CODES),
        "class_name": pd.Categorical.from_codes(cells.class_indices, names),
        "probability": cells.probabilities,
        **cells.further,
    }
    return pd.DataFrame(columns)


def layer_cells(layer: Layer) -> CellTable | None:
    """Return the cells of a layer "Cells"; None for any other."""
    if layer.metadata.get(METADATA_KEY, {}).get("role") != "cells":
        return None
    return cells_of_features(layer.features)


def origin_of(metadata: Mapping[str, Any]) -> Point | None:
    """Return from where GeoJSON of a layer's cells counts.

    None for what was opened without its slide, of a file that does not tell: it counts
    from the slide's `bounds_origin`, which is not known yet.
    """
    facts = metadata.get(METADATA_KEY, {}).get("facts", {})
    origin = facts.get("bounds_origin", (0, 0))
    return None if origin is None else Point(*origin)


def disown_copies(found: Iterable[Layer]) -> None:
    """Take what ties results to a slide from layers that the user duplicated.

    Napari copies that, too. The results of the slide would then be sought in the copy.
    """
    for layer in found:
        own = layer.metadata.get(METADATA_KEY, {})
        if own.get("slide_key") and layer.source.parent is not None:
            layer.metadata[METADATA_KEY] = {**own, "slide_key": ""}


def of_same_file(found: Iterable[Layer], cells: Layer, slide_key: str) -> list[Layer]:
    """Return the layers of a file of cells on a slide, or opened before that.

    Parameters
    ----------
    found : iterable of Layer
        All layers.
    cells : Layer
        One of that file. Of any other layer, as of a copy that the user made, there
        are none.
    slide_key : str
        The slide's. What lies on another one is left out.
    """
    of_file = [
        layer
        for layer in found
        if layer.metadata.get(METADATA_KEY, {}).get("slide_key") in ("", slide_key)
        and layer.source.path is not None
        and layer.source.parent is None
        and layer.source == cells.source
    ]
    return of_file if cells in of_file else []


def cells_of_features(table: pd.DataFrame) -> CellTable:
    """Return the cells of a features table.

    Raises
    ------
    KeyError
        If it is not one of the plugin's.
    """
    cells = CellTable.from_arrays(
        table[["x", "y", "width", "height"]].to_numpy(),
        table["score"].to_numpy(),
        [class_index(str(code)) for code in table["class_code"]],
        table["probability"].to_numpy(),
    )
    further = {
        str(name): table[name].to_numpy(str)
        for name in table.columns
        if name not in COLUMNS
    }
    numbers = numbers_of(first_of_each(table.get("cell_id", ())))
    return replace(cells, further=further, numbers=numbers)


def centres_rc(cells: CellTable) -> npt.NDArray[np.float64]:
    """Return row and column of each box's centre, where napari draws it.

    Napari's coordinates count from the centre of the first pixel, boxes from its edge.
    """
    return cells.centres[:, ::-1] - 0.5


def outlines_rc(figures: CellTable) -> npt.NDArray[np.float64]:
    """Return the corners of an outline around each figure, shape (n, 4, 2)."""
    x, y, width, height = figures.boxes.astype(np.float64).T
    dx, dy = width * _FIGURE_MARGIN, height * _FIGURE_MARGIN
    left, right = x - dx - 0.5, x + width + dx - 0.5
    top, bottom = y - dy - 0.5, y + height + dy - 0.5
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return np.stack([np.stack(c, axis=1) for c in corners], axis=1)


def shown(cells: CellTable, hidden: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Tell which cells are shown when some classes are switched off."""
    visible: npt.NDArray[np.bool_] = shown_kinds(hidden)[cell_kinds(cells)]
    return visible
