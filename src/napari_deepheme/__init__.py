"""Find, classify and count the cells of bone marrow slides. Research use only."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.counts.mitoses import mitotic_index
    from napari_deepheme.core.counts.report import Differential, differential, me_ratio
    from napari_deepheme.core.engine.config import (
        ClassifyConfig,
        DetectConfig,
        RunConfig,
        TileConfig,
    )
    from napari_deepheme.core.engine.pipeline import analyze_region, iter_region
    from napari_deepheme.core.engine.results import (
        RegionResult,
        ResultCollector,
        TileResult,
    )
    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.errors import DeephemeError
    from napari_deepheme.core.export.cells_file import read_cells, write_cells
    from napari_deepheme.core.geometry import Mpp, Point, Region, Size
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.models.registry import list_models, load_models
    from napari_deepheme.core.runs.classify_slide import classify
    from napari_deepheme.core.slide import ArraySlide, SlideReader, open_slide
    from napari_deepheme.core.taxonomy import CELL_CLASSES

    __version__: str

__all__ = [
    "CELL_CLASSES",
    "ArraySlide",
    "CellTable",
    "ClassifyConfig",
    "DeephemeError",
    "DetectConfig",
    "Differential",
    "Models",
    "Mpp",
    "Point",
    "Region",
    "RegionResult",
    "ResultCollector",
    "RunConfig",
    "Size",
    "SlideReader",
    "Tile",
    "TileConfig",
    "TileResult",
    "__version__",
    "analyze_region",
    "classify",
    "differential",
    "iter_region",
    "list_models",
    "load_models",
    "me_ratio",
    "mitotic_index",
    "open_slide",
    "read_cells",
    "write_cells",
]

_HOMES = {
    "CellTable": "core.cell_table",
    "classify": "core.runs.classify_slide",
    "RunConfig": "core.engine.config",
    "DeephemeError": "core.errors",
    "read_cells": "core.export.cells_file",
    "write_cells": "core.export.cells_file",
    "Mpp": "core.geometry",
    "Point": "core.geometry",
    "Region": "core.geometry",
    "Size": "core.geometry",
    "mitotic_index": "core.counts.mitoses",
    "list_models": "core.models.registry",
    "load_models": "core.models.registry",
    "analyze_region": "core.engine.pipeline",
    "iter_region": "core.engine.pipeline",
    "differential": "core.counts.report",
    "me_ratio": "core.counts.report",
    "ArraySlide": "core.slide",
    "open_slide": "core.slide",
    "ClassifyConfig": "core.engine.config",
    "DetectConfig": "core.engine.config",
    "TileConfig": "core.engine.config",
    "RegionResult": "core.engine.results",
    "TileResult": "core.engine.results",
    "ResultCollector": "core.engine.results",
    "Tile": "core.engine.tiling",
    "Models": "core.models.protocols",
    "SlideReader": "core.slide",
    "Differential": "core.counts.report",
    "CELL_CLASSES": "core.taxonomy",
}


# Loaded when first asked for: a command that is stopped while it still loads can end
# as one that was stopped, not in a traceback.
def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("napari-deepheme")
    elif name in _HOMES:
        value = getattr(import_module(f"napari_deepheme.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
