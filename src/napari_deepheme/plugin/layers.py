"""Cell tables as layers and back: the one place that swaps (x, y) and (row, column)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_CODES,
    MITOTIC_CODE,
    class_index,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt
    from napari.layers import Layer, Points, Shapes

CELLS: Final = "Cells"

FIGURES: Final = "Mitotic figures"

METADATA_KEY: Final = "napari_deepheme"
"""Key of a layer's metadata under which the plugin keeps what is its own."""

COLOURS: Final = np.array(
    [[int(c.colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in CELL_CLASSES],
    np.float32,
)

_FACE_ALPHA: Final = 0.15

FIGURE_COLOUR: Final = "#000000"
"""Outline of a mitotic figure: no class has it, and it stands out on a bright smear."""

_FIGURE_MARGIN: Final = 0.25
"""Part of a figure's size by which its outline stands off, a side."""

_NO_RINGS: Final = {"size": 40, "face_color": "transparent", "border_color": "white"}

_MIN_CANVAS_PX: Final = 5

TEXT_STYLE: Final = {"color": "black", "size": 9, "anchor": "center"}
"""How class codes are written."""

NO_TEXT: Final = {**TEXT_STYLE, "string": {"constant": ""}}


Frame = dict[str, Any]
"""Where a layer lies in the world: scale, units, and what else moves it."""


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


def points_kwargs(
    cells: CellTable, frame: Frame, metadata: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of the "Cells" layer.

    One ring a cell, as wide as its box, in the colour of its class: the cell stays
    visible within. At low zoom the rings keep a size that can be seen.
    """
    return {
        "data": centres_rc(cells),
        "name": CELLS,
        "features": features(cells),
        **(ring_arrays(cells) if len(cells) else _NO_RINGS),
        "border_width": 0.09,
        "border_width_is_relative": True,
        "canvas_size_limits": (_MIN_CANVAS_PX, 10_000),
        "antialiasing": 1.5,
        **frame,
        "metadata": metadata,
        "text": NO_TEXT,
    }


def ring_arrays(cells: CellTable) -> dict[str, npt.NDArray[Any]]:
    """Return size and colours of the rings; napari takes none for an empty layer."""
    return {
        "size": _diameters(cells),
        "face_color": _with_alpha(cells.class_indices, _FACE_ALPHA),
        "border_color": _with_alpha(cells.class_indices, 1.0),
    }


def shapes_kwargs(
    cells: CellTable, frame: Frame, metadata: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of the "Mitotic figures" layer."""
    figures = mitotic_figures(cells)
    return {
        "data": outlines_rc(figures),
        "ndim": 2,
        "name": FIGURES,
        "shape_type": "rectangle",
        "features": features(figures),
        "face_color": "transparent",
        "edge_color": FIGURE_COLOUR,
        "edge_width": 4,
        **frame,
        "metadata": metadata,
    }


def features(cells: CellTable) -> pd.DataFrame:
    """Return the columns of ``cells.csv`` as a features table."""
    x, y, width, height = cells.boxes.T
    columns = {
        "cell_id": np.arange(1, len(cells) + 1),
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "score": cells.scores,
        "class_code": np.array(CLASS_CODES)[cells.class_indices],
        "class_name": np.array([c.name for c in CELL_CLASSES])[cells.class_indices],
        "probability": cells.probabilities,
        **cells.further,
    }
    return pd.DataFrame(columns)


def cells_of_features(table: pd.DataFrame) -> CellTable:
    """Return the cells of a features table.

    Raises
    ------
    KeyError
        If it is not one of the plugin's.
    """
    return CellTable.from_arrays(
        table[["x", "y", "width", "height"]].to_numpy(),
        table["score"].to_numpy(),
        [class_index(str(code)) for code in table["class_code"]],
        table["probability"].to_numpy(),
        {
            str(name): table[name].to_numpy(str)
            for name in table.columns
            if name not in COLUMNS
        },
    )


def is_cell_layer(layer: Points | Shapes) -> bool:
    """Tell whether a layer carries the plugin's features."""
    return {"x", "y", "width", "height", "class_code"} <= set(layer.features.columns)


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


def mitotic_figures(cells: CellTable) -> CellTable:
    """Return the cells that are mitotic figures."""
    return cells.take(cells.class_indices == class_index(MITOTIC_CODE))


def shown(
    class_codes: Collection[str], hidden: frozenset[str]
) -> npt.NDArray[np.bool_]:
    """Tell which cells are shown when some classes are switched off."""
    codes = np.array(list(class_codes), np.str_)
    visible: npt.NDArray[np.bool_] = ~np.isin(codes, list(hidden))
    return visible


def _with_alpha(
    class_indices: npt.NDArray[np.uint8], alpha: float
) -> npt.NDArray[np.float32]:
    colours = np.empty((len(class_indices), 4), np.float32)
    colours[:, :3] = COLOURS[class_indices]
    colours[:, 3] = alpha
    return colours


def _diameters(cells: CellTable) -> npt.NDArray[np.float64]:
    diameters: npt.NDArray[np.float64] = cells.boxes[:, 2:].mean(axis=1)
    return diameters
