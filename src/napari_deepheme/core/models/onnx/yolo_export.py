"""What an exported YOLO says of itself -> refused where it does not give boxes alone.

Networks for masks, key points, turned boxes or whole pictures are exported by the same
programs, and their outputs look like those of a detector of more classes.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TASK: Final = "detect"

_REMEDY: Final = "export a detection network (task detect), which gives boxes alone"

_LONGEST_TEXT: Final = 100_000

_MASK_AXES: Final = 4

_N_MASKS: Final = 32
"""Masks of which those of a segmentation network are mixed."""


def check_task(
    name: str, metadata: Mapping[str, str], shapes: Sequence[tuple[int, ...]] = ()
) -> None:
    """Refuse a network that was exported for something else than boxes.

    Parameters
    ----------
    name : str
        Named in errors.
    metadata : mapping of str to str
        What the file says of itself; one without a task is passed over.
    shapes : sequence of tuple of int
        Of its outputs, if they are known.

    Raises
    ------
    InvalidModelError
        If it is so.
    """
    task = metadata.get("task", "").strip()
    if task and _TASK not in task.casefold():
        reason = f"its metadata states the task {task[:40]!r}: {_REMEDY}"
        raise InvalidModelError(name, reason)
    for shape in shapes[1:2] if len(shapes) == 2 else ():
        if len(shape) == _MASK_AXES and shape[1] == _N_MASKS:
            reason = f"its second output {shape} holds masks to segment: {_REMEDY}"
            raise InvalidModelError(name, reason)


def check_n_classes(name: str, metadata: Mapping[str, str], n_scores: int) -> None:
    """Refuse a network that has another number of scores a box than it names classes.

    Parameters
    ----------
    name : str
        Named in errors.
    metadata : mapping of str to str
        What the file says of itself; one without names is passed over.
    n_scores : int
        Scores of classes that stand behind each box.

    Raises
    ------
    InvalidModelError
        If it is so.
    """
    n_names = n_named(metadata.get("names", ""))
    if n_names not in (0, n_scores):
        reason = (
            f"its metadata names {n_names} classes, but {n_scores} numbers stand "
            "behind each box, as of masks or key points, or of a file whose names are "
            f"of another network: {_REMEDY}"
        )
        raise InvalidModelError(name, reason)


def n_named(text: str) -> int:
    """Count the classes that a file names, as Python or JSON prints them; 0 for none.

    Examples
    --------
    >>> n_named("{0: 'cell', 1: 'debris'}"), n_named('["cell"]'), n_named("cells")
    (2, 1, 0)
    """
    if len(text) > _LONGEST_TEXT:
        return 0
    try:
        names = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return 0
    return len(names) if isinstance(names, dict | list | tuple) else 0
