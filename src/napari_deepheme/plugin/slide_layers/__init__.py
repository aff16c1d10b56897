"""Slides as napari layers: which is analysed, what is drawn on it, which is seen."""
