"""Slides: opened, judged, and read at a wanted mpp."""

from napari_deepheme.core.slide.array_slide import ArraySlide
from napari_deepheme.core.slide.background import (
    WHITE_POINT,
    estimate_background,
    picture_background,
    whiten,
)
from napari_deepheme.core.slide.decodable import refuse_undecodable
from napari_deepheme.core.slide.mpp import plausible_mpp
from napari_deepheme.core.slide.open import open_slide
from napari_deepheme.core.slide.picture import PICTURE_SUFFIXES
from napari_deepheme.core.slide.protocol import Level, SlideReader
from napari_deepheme.core.slide.scaled.centred import CropRaster, read_centred
from napari_deepheme.core.slide.scaled.grid import PixelGrid
from napari_deepheme.core.slide.scaled.resample import resample_at_once
from napari_deepheme.core.slide.scaled.sampling import (
    GridPixels,
    LevelPixels,
    best_level,
    hold_level,
    read_grid,
)
from napari_deepheme.core.slide.shown.level_array import LevelArray, slide_levels

__all__ = [
    "PICTURE_SUFFIXES",
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
    "refuse_undecodable",
    "resample_at_once",
    "slide_levels",
    "whiten",
]
