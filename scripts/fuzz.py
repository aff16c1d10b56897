"""Feeds broken files to a parser of our own, guided by what its code does with them.

usage: python scripts/fuzz.py PARSER [--seconds N]; PARSER "all": each in turn

A parser may raise nothing but its own DeephemeError. Needs atheris. What is learned
goes into a folder of its own and is forgotten; the seeds lie in tests/fuzz_corpus.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parents[1] / "tests" / "fuzz_corpus"


def parse_csv(content: bytes, folder: Path) -> None:
    """Read cells as CSV."""
    from napari_deepheme.core.export.csv_table import read_csv

    read_csv(_put(folder / "cells.csv", content))


def parse_geojson(content: bytes, folder: Path) -> None:
    """Read cells as GeoJSON."""
    from napari_deepheme.core.export.geojson import read_geojson

    read_geojson(_put(folder / "cells.geojson", content))


def parse_qupath(content: bytes, folder: Path) -> None:
    """Read what QuPath exported."""
    from napari_deepheme.core.export.geojson import read_qupath

    read_qupath(_put(folder / "cells.geojson", content), mpp=0.25)


def parse_ranges(content: bytes, folder: Path) -> None:
    """Read reference ranges of a laboratory."""
    from napari_deepheme.core.counts.reference_ranges import read_reference_ranges

    read_reference_ranges(_put(folder / "ranges.csv", content))


def parse_card(content: bytes, folder: Path) -> None:
    """Read the card of a model."""
    from napari_deepheme.core.models.cards.card import ModelCard

    ModelCard.read(_put(folder / "card.json", content))


def parse_journal(content: bytes, folder: Path) -> None:
    """Read a journal; each line of JSON is given the checksum that it needs."""
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.runs.journal_records import NAME, read_past
    from napari_deepheme.core.runs.run_settings import settings_of

    lines = [line for line in content.split(b"\n") if line]
    whole = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
    _put(folder / NAME, whole)
    past = read_past(folder)
    if past is not None:
        settings_of(past, folder, Region(0, 0, 10**6, 10**6))
    _put(folder / NAME, content)
    read_past(folder)


def parse_looks(content: bytes, folder: Path) -> None:
    """Read looks that are remembered; what cannot be read is forgotten."""
    from napari_deepheme.core.slide.shown.kept_looks import read_looks

    read_looks(_put(folder / "looks.json", content))


def parse_keys(content: bytes, folder: Path) -> None:
    """Read the keys of a user; what cannot be read is forgotten."""
    from napari_deepheme.plugin.reviewing.keys import read_keys

    os.environ["NAPARI_DEEPHEME_CONFIG"] = str(folder)
    _put(folder / "keys.json", content)
    read_keys()


def parse_summary(content: bytes, folder: Path) -> None:
    """Read the summary beside cells, for a report and for an export."""
    import numpy as np

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.errors import DeephemeError
    from napari_deepheme.core.export.facts import facts_beside
    from napari_deepheme.core.report_file.known_run import known_run
    from napari_deepheme.core.slide import ArraySlide

    path = _put(folder / "summary.json", content)
    facts_beside(folder / "cells.csv")
    slide = ArraySlide(np.full((8, 8, 3), 230, np.uint8), mpp=0.25, name="s")
    with contextlib.suppress(DeephemeError):
        known_run(CellTable.empty(), slide, path)


def parse_sitting(content: bytes, folder: Path) -> None:
    """Read a sitting in which a value is replaced, or bytes of the file."""
    from napari_deepheme.core.sittings.sitting_file import read_sitting

    path = _put(folder / "a.deepheme", _sitting_bytes())
    place, rest = int.from_bytes(content[:3], "little"), content[3:]
    if place % 4 == 0:
        whole = bytearray(path.read_bytes())
        at = (place // 4) % len(whole)
        whole[at : at + len(rest)] = rest[: len(whole) - at]
        path.write_bytes(whole)
    else:
        _replace_value(path, place // 4, rest)
    read_sitting(path)


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    "csv": parse_csv,
    "geojson": parse_geojson,
    "qupath": parse_qupath,
    "ranges": parse_ranges,
    "card": parse_card,
    "journal": parse_journal,
    "looks": parse_looks,
    "keys": parse_keys,
    "summary": parse_summary,
    "sitting": parse_sitting,
}


def feed(parser: str, content: bytes, folder: Path) -> None:
    """Have a parser read something; what it may raise is no failure."""
    from napari_deepheme.core.errors import DeephemeError

    with contextlib.suppress(DeephemeError):
        PARSERS[parser](content, folder)


def _put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


_made: list[bytes] = []


def _sitting_bytes() -> bytes:
    """Make a sitting of three cells, two of them corrected, once."""
    if not _made:
        from napari_deepheme.core.cell_table import CellTable
        from napari_deepheme.core.engine.results import RegionResult
        from napari_deepheme.core.export.summary import RunFacts
        from napari_deepheme.core.geometry import Mpp, Point, Polygon, Region
        from napari_deepheme.core.models.compute import Compute
        from napari_deepheme.core.review.corrected_cells import CorrectedCells
        from napari_deepheme.core.sittings.sitting import DrawnShape, Sitting, SlideMark
        from napari_deepheme.core.sittings.sitting_file import create_sitting

        boxes = [[30 * i, 5, 20, 21] for i in range(3)]
        base = CellTable.from_arrays(boxes, [0.5] * 3, [13] * 3, [0.5] * 3)
        at = "2026-01-02T03:04:05Z"
        corrected = CorrectedCells(base).correct([0, 1], "M3", reader="AB", at=at)
        region, mpp = Region(0, 0, 300, 300), Mpp(0.25, 0.25)
        result = RegionResult(region, mpp, base, (), True, 1.0)
        mark = SlideMark("a.svs", "/a.svs", {"size": [300, 300], "sha256": "ab"})
        words = ("a.svs", "namer 2", "finder 1")
        facts = RunFacts(*words, Compute(), bounds_origin=Point(0, 0))
        shape = DrawnShape("mine", Polygon(((0.0, 0.0), (9.5, 0.0), (0.0, 9.0))))
        sitting = Sitting(mark, facts, result, corrected, (shape,), {"hidden": []})
        with tempfile.TemporaryDirectory() as folder:
            create_sitting(Path(folder) / "a.deepheme", sitting)
            _made.append((Path(folder) / "a.deepheme").read_bytes())
    return _made[0]


def _replace_value(path: Path, place: int, value: bytes) -> None:
    text: object = value.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, RecursionError):
        number = json.loads(value)
        # As SQLite can hold it; other JSON goes in as text.
        if isinstance(number, int | float) and abs(number) < 2**63:
            text = number
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        table = ("meta", "cells", "corrections", "shapes")[place % 4]
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        rows = [r for (r,) in database.execute(f"SELECT rowid FROM {table}")]
        name = names[place // 4 % len(names)]
        if table == "meta":
            name = "value"
        row = rows[place // 64 % len(rows)]
        with contextlib.suppress(sqlite3.Error, OverflowError):
            sql = f'UPDATE {table} SET "{name}" = ? WHERE rowid = ?'
            database.execute(sql, (text, row))


def _fuzz(parser: str, seconds: int) -> None:
    import atheris

    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["napari_deepheme"]):
        feed(parser, b"", Path(tempfile.mkdtemp()))
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as found:
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20"]
        options += [f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{parser}-"]
        folders = [found, str(CORPUS / parser)]
        atheris.Setup(
            [sys.argv[0], *options, *folders],
            lambda content: feed(parser, content, Path(work)),
        )
        atheris.Fuzz()


def main() -> int:
    """Fuzz a parser; the exit status is not 0 if it crashed."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("parser", choices=(*PARSERS, "all"))
    words.add_argument("--seconds", type=int, default=60)
    options = words.parse_args()
    if options.parser != "all":
        _fuzz(options.parser, options.seconds)
        return 0
    failed = []
    for parser in PARSERS:
        command = [sys.executable, __file__, parser, "--seconds", str(options.seconds)]
        if subprocess.run(command, check=False).returncode:
            failed.append(parser)
    print(f"crashed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
