"""Rendered cells and slides, whose truth is known.

A phantom shows what tells the cells of a marrow smear apart, in micrometres and dyes.
It is there to try the software on, to test it, and to practise models on before they
see real cells. No phantom is evidence of how well a model reads a real smear.
"""

from napari_deepheme.core.phantom.cell import CellPicture, render_cell
from napari_deepheme.core.phantom.lookalikes import LOOKALIKES, render_lookalike
from napari_deepheme.core.phantom.smear import PhantomCell, Smear
from napari_deepheme.core.phantom.stain import Stain
from napari_deepheme.core.phantom.writer import truth_path, write_phantom

__all__ = [
    "LOOKALIKES",
    "CellPicture",
    "PhantomCell",
    "Smear",
    "Stain",
    "render_cell",
    "render_lookalike",
    "truth_path",
    "write_phantom",
]
