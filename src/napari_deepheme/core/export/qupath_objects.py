"""What an object of a GeoJSON file says of itself, as QuPath and this program write."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

from napari_deepheme.core.export.shapes import shape_of
from napari_deepheme.core.further_columns import (
    FURTHER_COLUMNS,
    IDENTIFIED,
    READ_AT,
    READ_FROM,
    READER,
    READER_CLASS,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.spreadsheets import plain_header, refuse_double
from napari_deepheme.core.taxonomy import CLASS_CODES

_REMEMBERED: Final = 1 << 10
"""Sets of names that come again: most objects of a file have the same."""


def object_name(feature: Any, number: int) -> str:
    """Return what an object is called where something is wrong with it."""
    found = f"object {number}"
    try:
        if given := feature.get("id"):
            return f"{found} (id {str(given)[:40]})"
        given = feature["properties"]["metadata"]["cell_id"]
        return f"{found} (cell_id {str(given)[:40]})"
    except (LookupError, TypeError, AttributeError):
        return found


def shape_in(feature: Any) -> dict[str, Any]:
    """Return the geometry of an object."""
    if not isinstance(feature, dict):
        raise ValueError("it is no Feature: export the objects anew")
    if "features" in feature:
        raise ValueError("it is a collection itself: put its objects in its place")
    return shape_of(feature)


def part_of(of: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a member that holds others; empty where nothing stands."""
    part = of.get(name) or {}
    if not isinstance(part, dict):
        told = str(part)[:40]
        raise ValueError(f"its {name}: {told!r}, where names with values belong")
    return part


def metadata_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata by the names of further columns that are meant."""
    metadata = part_of(properties, "metadata")
    return dict(zip(_meant_names(tuple(metadata)), metadata.values(), strict=True))


@lru_cache(_REMEMBERED)
def _meant_names(names: tuple[str, ...]) -> list[str]:
    meant = plain_header(names, FURTHER_COLUMNS)
    refuse_double(meant)
    return meant


def class_code(metadata: dict[str, Any]) -> str | None:
    """Return the class that a model gave a cell of ours, None for what was drawn."""
    code = metadata.get("class_code")
    if code is not None and code not in CLASS_CODES:
        told = str(code)[:40]
        raise ValueError(f"its class_code {told!r} is no class: give a code such as M2")
    return code


def is_doubted_of_ours(properties: dict[str, Any], told: str) -> bool:
    """Tell by its name, such as "M2?", that nobody named a cell without metadata."""
    return str(properties.get("name")).startswith(f"{told}?")


def note_reader(metadata: dict[str, Any], code: Any, told: str | None) -> None:
    """Put down the class as the reader's, unless it is the one that counted before."""
    before = metadata.get(READER_CLASS)
    given = before if before in READER_CLASSES else None
    if told is None or told == (given or code):
        return
    metadata[READER_CLASS] = told
    # Who and when of the class before are not those of this one.
    metadata.update({name: "" for name in (READER, READ_AT) if name in metadata})
    if code is not None:
        model = UNIDENTIFIED if metadata.get(IDENTIFIED) == "no" else code
        metadata[READ_FROM] = given or model


def class_name(properties: dict[str, Any]) -> str:
    """Return what the class is called, empty without one."""
    classification = part_of(properties, "classification")
    # QuPath from 0.5 on writes derived classes as a list of names.
    name, names = classification.get("name") or "", classification.get("names") or []
    if isinstance(names, list) and all(isinstance(w, str) for w in (name, *names)):
        return (name or ": ".join(names)).strip()
    told = str(name or names)[:40]
    raise ValueError(f"its class is called {told!r}: give a name such as plasma cell")


def measurements(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the measurements by name, but for those that QuPath has as NaN."""
    measured = properties.get("measurements") or {}
    try:
        if isinstance(measured, list):
            # QuPath before 0.4 wrote a list of names and values.
            measured = {m["name"]: m["value"] for m in measured}
        return {name: value for name, value in measured.items() if value != "NaN"}
    except (LookupError, TypeError, AttributeError):
        told = str(measured)[:40]
        raise ValueError(f"its measurements are {told!r}: write it anew") from None


def share_in(measured: dict[str, Any], name: str, missing: float) -> float:
    """Return a measurement that lies between 0 and 1."""
    value = measured.get(name, missing)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        told = "null" if value is None else repr(str(value)[:40])
        raise ValueError(f"its {name} is {told}: give a number from 0 to 1")
    return number
