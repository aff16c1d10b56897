"""Where to count: what each part of a slide is, and which parts stand for the whole."""

from napari_deepheme.core.adequacy.choice import areas_to_count
from napari_deepheme.core.adequacy.map import KINDS, AdequacyMap, map_adequacy
from napari_deepheme.core.adequacy.sharpness import measure_sharpness

__all__ = [
    "KINDS",
    "AdequacyMap",
    "areas_to_count",
    "map_adequacy",
    "measure_sharpness",
]
