"""What a file of cells states beside the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from napari_deepheme.core.files import check_regular
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide.mpp import stated_mpp
from napari_deepheme.core.table_columns import COORDINATE_LIMIT
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_deepheme.core.geometry import Mpp

NOTICE: Final = "Research use only. Not for diagnosis."

SUMMARY: Final = "summary.json"
"""What a run writes of itself beside its cells."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Where the cells of a table are from.

    Attributes
    ----------
    slide : str
        File name of the slide; empty where it is not known.
    mpp : Mpp or None
        Micrometres per pixel of level 0.
    model : str
        Name and version of the classifier; empty where it is not known.
    bounds_origin : Point or None
        The slide's, from which QuPath counts; None where it is not known.
    """

    slide: str = ""
    mpp: Mpp | None = None
    model: str = ""
    bounds_origin: Point | None = None

    @property
    def slide_text(self) -> str:
        """The slide's name as UTF-8: a name that is not is spelled out."""
        return spelled_out(self.slide)


def mpp_words(mpp: Mpp) -> str:
    """Word a pixel size."""
    if mpp.x == mpp.y:
        return f"{mpp.x:.4g} µm per pixel"
    return f"{mpp.x:.4g} µm per pixel along x, {mpp.y:.4g} along y"


def summary_beside(path: Path) -> dict[str, Any]:
    """Return the ``summary.json`` beside a file of cells, whatever it holds.

    Raises
    ------
    OSError, ValueError
        If it is not there, or no JSON.
    """
    beside = path.parent / SUMMARY
    check_regular(beside)
    summary: dict[str, Any] = orjson.loads(beside.read_bytes())
    return summary


def facts_beside(
    path: Path, *, tell: Callable[[str], object] | None = None
) -> TableFacts:
    """Return what the ``summary.json`` beside a file of cells states, if there is one.

    Parameters
    ----------
    path : Path
        The file of cells.
    tell : callable, optional
        Told in words if there is one that cannot be understood: it states nothing.
    """
    try:
        summary = summary_beside(path)
        mpp = stated_mpp(*summary["mpp"])
        slide, model = str(summary["slide"]), str(summary["model"])
        return TableFacts(slide, mpp, model, _origin(summary))
    except FileNotFoundError:
        return TableFacts()
    except (OSError, ValueError, TypeError, LookupError) as error:
        if tell is not None:
            beside = path.parent / SUMMARY
            tell(f"{beside} is not the summary of a run, and left out: {_amiss(error)}")
        return TableFacts()


def _origin(summary: dict[str, Any]) -> Point | None:
    """Return from where QuPath counts; None in summaries of earlier versions."""
    given = summary.get("bounds_origin")
    return None if given is None else origin_from_json(given)


def origin_from_json(given: Any) -> Point:
    """Return a slide's `bounds_origin` as files hold it.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not (
        isinstance(given, list)
        and len(given) == 2
        and all(type(n) is int and abs(n) < COORDINATE_LIMIT for n in given)
    ):
        raise ValueError("bounds_origin is no pair of whole numbers")
    return Point(*given)


def _amiss(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return getattr(error, "strerror", None) or str(error)
