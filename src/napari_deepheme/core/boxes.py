"""Boxes in arrays: a row is x, y, width and height."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def box_centres(
    boxes: npt.NDArray[np.integer[Any] | np.floating[Any]],
) -> npt.NDArray[Any]:
    """Return the centre x and y of each box, shape (n, 2), in the unit of the boxes.

    Whole numbers give float64; others stay as wide as they are.

    Examples
    --------
    >>> import numpy as np
    >>> box_centres(np.array([[0, 0, 3, 2], [10, 10, 4, 4]]))
    array([[ 1.5,  1. ],
           [12. , 12. ]])
    """
    centres: npt.NDArray[Any] = boxes[:, :2] + boxes[:, 2:] / 2
    return centres
