"""Numbers beside drawn regions, by which columns of counts are tied to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.plugin.viewport import CLOSED

if TYPE_CHECKING:
    from napari.layers import Shapes

_STYLE: Final = {"color": "black", "size": 14, "anchor": "upper_left"}


def number_shapes(shapes: Shapes, first: int) -> int:
    """Write beside each closed shape its number, from `first` on; return the next one.

    Words that the user wrote beside shapes stay.
    """
    words, number = [], first
    for kind in shapes.shape_type:
        words.append(str(number) if kind in CLOSED else "")
        number += kind in CLOSED
    # Napari types what is read as what may be set.
    text: Any = shapes.text
    written = [str(word) for word in np.atleast_1d(text.values)]
    is_ours = all(not word or word.isdecimal() for word in written)
    if is_ours and written != words:
        text = {**_STYLE, "string": words}
        shapes.text = text
    return number
