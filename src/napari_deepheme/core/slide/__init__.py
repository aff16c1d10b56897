"""Slides: opened, judged, and read at a wanted mpp."""

from napari_deepheme.core.slide.array_slide import ArraySlide
from napari_deepheme.core.slide.background import (
    WHITE_POINT,
    estimate_background,
    picture_background,
    whiten,
)
from napari_deepheme.core.slide.centred import CropRaster, read_centred
from napari_deepheme.core.slide.grid import PixelGrid
from napari_deepheme.core.slide.level_array import LevelArray, slide_levels
from napari_deepheme.core.slide.mpp import plausible_mpp
from napari_deepheme.core.slide.open import open_slide
from napari_deepheme.core.slide.protocol import Level, SlideReader
from napari_deepheme.core.slide.resample import resample_at_once
from napari_deepheme.core.slide.sampling import (
    GridPixels,
    LevelPixels,
    best_level,
    hold_level,
    read_grid,
)

__all__ = [
    "WHITE_POINT",
    "ArraySlide",
    "CropRaster",
    "GridPixels",
    "Level",
    "LevelArray",
    "LevelPixels",
    "PixelGrid",
    "SlideReader",
    "best_level",
    "estimate_background",
    "hold_level",
    "open_slide",
    "picture_background",
    "plausible_mpp",
    "read_centred",
    "read_grid",
    "resample_at_once",
    "slide_levels",
    "whiten",
]
