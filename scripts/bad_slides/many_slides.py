"""Many bad slides in one ``batch``, a sound one among them, by the bundled models."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bad_slides.case import DONE, FAILED_TILES, WRONG, Outcome
from bad_slides.judged import judge_line
from bad_slides.samples import sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bad_slides.case import BadSlide

_SECONDS_A_SLIDE: Final = 60


def in_one_batch(cases: Sequence[BadSlide]) -> Iterator[tuple[BadSlide, Outcome]]:
    """Give all to one command; each must end as it does alone, and the sound be done.

    Parameters
    ----------
    cases : sequence of BadSlide
        What need no hand in the process.
    """
    if not cases:
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bad-slides-") as name:
        folder = Path(name)
        paths = [_made(case, folder / str(i)) for i, case in enumerate(cases)]
        good = folder / "sound.svs"
        good.write_bytes(sound()["svs"])
        middle = len(paths) // 2
        told = _run([*paths[:middle], good, *paths[middle:]], folder)
        rows = _rows(folder / "out")
        seconds = (time.monotonic() - started) / len(cases)
        is_good = rows.pop(middle, {}).get("status") == "done" if rows else False
        ordered = [rows.get(i + (i >= middle), {}) for i in range(len(paths))]
    for case, path, row in zip(cases, paths, ordered, strict=True):
        ending, detail = _judged(row, path, told)
        if not is_good:
            ending, detail = WRONG, f"the sound one is not done: {told}"
        yield case, Outcome(ending, detail, seconds)


def _made(case: BadSlide, folder: Path) -> Path:
    folder.mkdir()
    return case.make(folder)


def _run(paths: Sequence[Path], folder: Path) -> str:
    words = ["batch", *map(str, paths), "--out", str(folder / "out"), "--mpp", "0.25"]
    words += ["--device", "cpu", "--read-timeout", "20"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "napari_deepheme", *words],
            capture_output=True,
            timeout=_SECONDS_A_SLIDE * len(paths),
            check=False,
            env=os.environ | {"PYTHONUTF8": "1"},
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    told = done.stderr.decode(errors="replace")
    return told if done.returncode == 1 else f"status {done.returncode}: {told}"


def _rows(out: Path) -> dict[int, dict[str, Any]]:
    table = out / "cohort.csv"
    if not table.exists():
        return {}
    with table.open(newline="", encoding="utf-8") as stream:
        return dict(enumerate(csv.DictReader(stream)))


def _judged(row: dict[str, Any], path: Path, told: str) -> tuple[str, str]:
    if "Traceback" in told or not row:
        return WRONG, told or "no row of the table"
    if row["status"] != "done":
        return judge_line(row["reason"], path)
    n_failed = int(row["failed_tiles"])
    return (FAILED_TILES if n_failed else DONE), f"{row['n_cells']} cells"
