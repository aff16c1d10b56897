"""What a command said and left, and whether it may end so."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bad_slides.case import DONE, FAILED_TILES, TOLD, WRONG
from bad_slides.told import names, wants

if TYPE_CHECKING:
    from pathlib import Path

CLASSIFIED: Final = frozenset(
    {"cells.csv", "cells.geojson", "summary.json", "journal.jsonl"}
)

_DOUBT: Final = re.compile(
    "napari-deepheme: (The slide could not be read|The cells are measured at .*|"
    r"left out: [\d,]+ cells? could not be read|"
    r"[\d,]+ of [\d,]+ cells beyond the edge of the slide: .*)\.?"
)
"""What a command that is done may say of the slide."""

_GIVEN: Final = re.compile(
    r"napari-deepheme: slide states [\d.]+ µm per pixel, [\d.]+ are taken, as given"
)
"""And of a pixel size that it was given."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended.

    Attributes
    ----------
    status : int or None
        Its exit status, if it has one.
    out, err : str
        What it printed.
    caught : str
        The traceback of an exception that left it.
    """

    status: int | None
    out: str
    err: str
    caught: str = ""


def judge(said: Said, path: Path, out: Path) -> tuple[str, str]:
    """Tell how ``classify`` ended, and whether it may."""
    left = _left(out)
    wrong = _wrong(said, left - CLASSIFIED)
    if wrong:
        return WRONG, wrong
    if said.status == 0:
        return _done(said, left, out)
    if left - {"journal.jsonl"}:
        return WRONG, f"failed, but left {left}"
    return judge_told(said, path)


def judge_file(said: Said, path: Path, out: Path) -> tuple[str, str]:
    """Tell how a command that writes one file, or one folder, ended."""
    left = _left(out.parent)
    wrong = _wrong(said, left - {out.name})
    if wrong:
        return WRONG, wrong
    if said.status == 0:
        is_empty = out.is_file() and not out.stat().st_size
        odd = [line for line in said.err.splitlines() if not _DOUBT.fullmatch(line)]
        if left != {out.name} or is_empty or odd:
            return WRONG, f"done, but left {left}, and said {said.err}"
        return DONE, said.out.strip()
    if left:
        return WRONG, f"failed, but left {left}"
    return judge_told(said, path)


def judge_told(said: Said, path: Path) -> tuple[str, str]:
    """Tell whether a failure was told as it should be."""
    lines = said.err.strip().splitlines()
    if len(lines) != 1 or said.out:
        return WRONG, f"{len(lines)} lines: {said.err} {said.out}"
    return judge_line(lines[0].removeprefix("napari-deepheme: "), path)


def judge_line(line: str, path: Path) -> tuple[str, str]:
    """Tell whether a line names the file, the cause and the remedy."""
    if len(line.splitlines()) != 1:
        return WRONG, f"no line: {line}"
    if not names(path, line):
        return WRONG, f"it does not name the file: {line}"
    lacking = wants(line)
    return (WRONG, f"{lacking}: {line}") if lacking else (TOLD, line)


def _left(out: Path) -> set[str]:
    return {p.name for p in out.iterdir()} if out.is_dir() else set()


def _wrong(said: Said, odd: set[str]) -> str:
    if said.caught or "Traceback" in said.err + said.out:
        return said.caught or said.err + said.out
    if odd:
        return f"left {odd}"
    if said.status not in (0, 1):
        return f"status {said.status}: {said.err}"
    return ""


def _done(said: Said, left: set[str], out: Path) -> tuple[str, str]:
    odd = [line for line in said.err.splitlines() if not _GIVEN.fullmatch(line)]
    if odd:
        return WRONG, f"done, but said {said.err}"
    if left != CLASSIFIED:
        return WRONG, f"done, but left {left}"
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    json.loads((out / "cells.geojson").read_text("utf-8"))
    n_rows = (out / "cells.csv").read_text("utf-8").count("\n") - 1
    if n_rows != summary["n_cells"]:
        return WRONG, f"{n_rows} rows of {summary['n_cells']} cells"
    n_failed = summary["failed_tiles"]
    what = f"{summary['n_cells']} cells, {n_failed} blocks failed"
    return (FAILED_TILES if n_failed else DONE), what
