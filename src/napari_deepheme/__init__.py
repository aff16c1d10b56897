"""Find, classify and count the cells of bone marrow slides. Research use only."""

from importlib.metadata import version

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.classify_slide import classify
from napari_deepheme.core.config import RunConfig
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.cells_file import read_cells, write_cells
from napari_deepheme.core.geometry import Mpp, Point, Region, Size
from napari_deepheme.core.mitoses import mitotic_index
from napari_deepheme.core.models.registry import list_models, load_models
from napari_deepheme.core.pipeline import analyze_region, iter_region
from napari_deepheme.core.report import differential, me_ratio
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.taxonomy import CELL_CLASSES

__version__ = version("napari-deepheme")

__all__ = [
    "CELL_CLASSES",
    "ArraySlide",
    "CellTable",
    "DeephemeError",
    "Mpp",
    "Point",
    "Region",
    "RunConfig",
    "Size",
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
