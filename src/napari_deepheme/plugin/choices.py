"""What can be chosen in the widget, in words."""

from __future__ import annotations

from typing import Final

from napari_deepheme.core.sittings.sitting_file import SUFFIX
from napari_deepheme.core.slide import PICTURE_SUFFIXES

_PICTURES: Final = " ".join(f"*{suffix}" for suffix in PICTURE_SUFFIXES)

SLIDES: Final = (
    "Slides and pictures (*.svs *.ndpi *.mrxs *.scn *.bif *.vms *.svslide *.dcm "
    f"{_PICTURES});;All files (*)"
)
"""What a file dialog for slides shows."""

SITTINGS: Final = f"Sittings and cells (*{SUFFIX} *.csv *.geojson);;All files (*)"
"""What a file dialog for sittings shows."""

COUNTS: Final = (
    ("every cell", 0),
    *((f"{n:,} cells in the best areas", n) for n in (200, 300, 500, 1000, 2000)),
)
"""What a whole slide can be classified for; 300 and 500 after ICSH 2008."""

DOCKS: Final = {
    "Gallery": "The cells as pictures, class by class, to look at and to move",
    "Differential": "Percentages with their intervals, ratios, stages, regions",
    "Mitoses": "The list of mitotic figures, to confirm or reject, and the indices",
    "Explain": "Why a cell was named so: probabilities, maps, its nearest cells",
    "Map": "All cells by their likeness, to choose some by a lasso",
    "Display": "Brightness, contrast, stain and white balance of the slide",
    "Density": "Where on the slide the cells of a class lie",
}
"""What can be opened beside the widget."""

SAVES: Final = {
    "html": ("Report (HTML)", ".html"),
    "pdf": ("Report (PDF)", ".pdf"),
    "sitting": ("Sitting", SUFFIX),
    "csv": ("Cells (CSV)", ".csv"),
    "geojson": ("Cells for QuPath (GeoJSON)", ".geojson"),
    "parquet": ("Cells (Parquet)", ".parquet"),
    "h5ad": ("Cells (AnnData)", ".h5ad"),
    "dicom": ("Annotations (DICOM)", ".dcm"),
    "crops": ("Pictures by class (folder)", ""),
}
"""What a sitting can be saved as: in words, and the ending; none for a folder."""

LEAVE_OUT_TIP: Final = (
    "Export… and Save as… then write pseudonyms for the slide and the readers, and no "
    "days. A sitting keeps all names: it is for going on here."
)
"""What leaving out names does."""
