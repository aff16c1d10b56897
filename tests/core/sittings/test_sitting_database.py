"""What a killed window left half saved is undone, and gets into no other sitting."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import CannotWriteError, InvalidSittingError
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.geometry import Mpp, Point, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.sittings import sitting_file
from napari_deepheme.core.sittings.sitting import Sitting, SlideMark
from napari_deepheme.core.sittings.sitting_file import (
    create_sitting,
    is_corrected_sitting,
    read_mark_and_change,
    read_searched_px,
    read_sitting,
)
from napari_deepheme.core.sittings.sitting_rows import read_cells

BEGUN = """
    UPDATE meta SET value = '"of a save that was cut short"';
    DELETE FROM corrections;
    WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO corrections SELECT i, 1, '', 'M3', 'AB', '', 0 FROM n;
"""
"""More than SQLite's cache holds where that is one page: it syncs the journal then, and
writes pages into the file, which is locked."""


def a_sitting(name="a.svs", mpp=0.25, n=8):
    boxes = [(30 * i, 5, 20, 21) for i in range(n)]
    cells = CellTable.from_arrays(boxes, np.full(n, 0.9), [13] * n, np.full(n, 0.8))
    corrected = CorrectedCells(cells).correct([1], "M3", reader="AB", at="2026-01-02")
    return Sitting(
        SlideMark(name, f"/somewhere/{name}", {"size": [9, n], "sha256": name}),
        RunFacts(name, "namer", "finder", Compute(), bounds_origin=Point(0, 0)),
        RegionResult(Region(0, 0, 30 * n, 400), Mpp(mpp, mpp), cells, (), True, 1.0),
        corrected,
    )


def began(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(f"PRAGMA cache_size = 1; BEGIN IMMEDIATE; {BEGUN}")
    return database


def ran(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


def cut_short(path, mode="DELETE"):
    """Let a process end in the middle of saving; return the journals that it leaves."""
    code = """
        import os, sqlite3, sys
        database = sqlite3.connect(sys.argv[1], isolation_level=None)
        database.executescript(sys.argv[2])
        os._exit(0)
    """
    begin = f"PRAGMA journal_mode = {mode}; PRAGMA cache_size = 1; BEGIN IMMEDIATE;"
    ran(code, path, begin + BEGUN + ("COMMIT;" if mode == "WAL" else ""))
    left = beside(path)
    assert left
    # SQLite leaves a journal alone that was not synced and begins with zero.
    assert all(path.with_name(name).read_bytes()[0] for name in left)
    return left


def beside(path):
    return sorted(p.name for p in path.parent.iterdir() if p.name != path.name)


def said(sitting):
    return sitting.slide, sitting.facts, sitting.result.mpp, sitting.corrected.cells


def content(path):
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return list(database.iterdump())


READ = {
    "sitting": lambda path: said(read_sitting(path)),
    "mark": read_mark_and_change,
    "searched": read_searched_px,
    "corrected": is_corrected_sitting,
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_sitting_whose_window_was_killed_in_a_save_is_as_before_it(tmp_path, read):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    before = read(path)
    assert cut_short(path) == ["a.deepheme-journal"]
    assert read(path) == before
    assert beside(path) == []
    assert said(read_sitting(path)) == said(a_sitting())


def test_a_save_that_goes_on_is_not_undone_by_who_reads_meanwhile(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    with closing(began(path)) as database:
        assert beside(path) == ["a.deepheme-journal"]
        # To read it in the same process must not take the locks of that away.
        with pytest.raises(InvalidSittingError, match="locked"):
            read_sitting(path)
        code = """
            import functools, sqlite3, sys
            from napari_deepheme.core.errors import InvalidSittingError
            from napari_deepheme.core.sittings.sitting_file import read_sitting
            sqlite3.connect = functools.partial(sqlite3.connect, timeout=0)
            try:
                read_sitting(sys.argv[1])
            except InvalidSittingError as error:
                print(error.reason)
        """
        assert ran(code, path).strip() == "database is locked"
        with pytest.raises(CannotWriteError, match="locked"):
            create_sitting(path, a_sitting("b.svs"))
        database.execute("COMMIT")
        n_rows = database.execute("SELECT count(*) FROM corrections").fetchone()[0]
        assert n_rows == 4991
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_cannot_be_undone_where_nothing_may_be_written_says_so(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    cut_short(path)
    left = path.read_bytes()
    connect = sqlite3.connect

    def connect_to_read(address, **how):
        # As SQLite does by itself with what may only be read.
        return connect(address.replace("mode=rw", "mode=ro"), **how)

    monkeypatch.setattr(sqlite3, "connect", connect_to_read)
    with pytest.raises(InvalidSittingError, match=r"written: .* a\.deepheme-journal"):
        read_sitting(path)
    assert path.read_bytes() == left
    assert beside(path) == ["a.deepheme-journal"]
    monkeypatch.undo()
    assert said(read_sitting(path)) == said(a_sitting())


@pytest.mark.not_on_windows
def test_a_save_that_was_cut_short_in_a_folder_closed_by_now_says_so(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    cut_short(path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InvalidSittingError, match="nothing may be written"):
            read_sitting(path)
    finally:
        tmp_path.chmod(0o700)
    assert said(read_sitting(path)) == said(a_sitting())


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("n", [3, 8, 900])
def test_a_sitting_in_the_place_of_one_cut_short_holds_nothing_of_it(tmp_path, n, mode):
    path, new = tmp_path / "a.deepheme", a_sitting("b.svs", 0.5, n)
    create_sitting(path, a_sitting())
    cut_short(path, mode)
    create_sitting(path, new)
    assert beside(path) == []
    assert said(read_sitting(path)) == said(new)
    assert any("b.svs" in line for line in content(path))


@pytest.mark.parametrize("other", [None, b"", b"cells" * 1000])
def test_a_journal_beside_what_is_no_database_gets_into_no_sitting(tmp_path, other):
    path, new = tmp_path / "a.deepheme", a_sitting("b.svs", 0.5)
    create_sitting(path, a_sitting())
    cut_short(path)
    path.unlink()
    if other is not None:
        path.write_bytes(other)
    create_sitting(path, new)
    assert beside(path) == []
    assert said(read_sitting(path)) == said(new)


@pytest.mark.not_on_windows
def test_a_journal_beside_what_a_link_leads_to_gets_into_no_sitting(tmp_path):
    path, link = tmp_path / "a.deepheme", tmp_path / "links" / "b.deepheme"
    create_sitting(path, a_sitting())
    cut_short(path)
    link.parent.mkdir()
    link.symlink_to(path)
    create_sitting(link, a_sitting("b.svs", 0.5))
    assert link.is_symlink()
    assert beside(path) == ["links"]
    assert said(read_sitting(path)) == said(a_sitting("b.svs", 0.5))


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_sitting_cut_short_that_is_not_replaced_after_all_is_as_it_was(
    tmp_path, monkeypatch, mode
):
    path, copy = tmp_path / "own" / "a.deepheme", tmp_path / "copy" / "a.deepheme"
    create_sitting(path, a_sitting())
    cut_short(path, mode)
    shutil.copytree(path.parent, copy.parent)

    def refused(self, target):
        assert beside(path) == [self.name]
        # As it lies there for whoever comes after a kill just now.
        shutil.copytree(path.parent, tmp_path / "killed")
        raise PermissionError(13, "denied", str(target))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(CannotWriteError, match="denied"):
        create_sitting(path, a_sitting("b.svs", 0.5))
    assert beside(path) == []
    killed = tmp_path / "killed" / "a.deepheme"
    assert content(path) == content(killed) == content(copy)


@pytest.mark.not_on_windows
def test_nobody_saves_to_a_sitting_while_another_takes_its_place(tmp_path, monkeypatch):
    path = tmp_path / "a.deepheme"
    create_sitting(path, a_sitting())
    replace, tried = Path.replace, []

    def replaced(self, target):
        with closing(sqlite3.connect(target, timeout=0)) as database:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                database.execute("BEGIN IMMEDIATE")
            tried.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    create_sitting(path, a_sitting("b.svs", 0.5))
    assert tried == [path]
    assert said(read_sitting(path)) == said(a_sitting("b.svs", 0.5))


def test_a_sitting_that_is_saved_while_it_is_read_is_read_as_it_was(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.deepheme"
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    file, before, read = create_sitting(path, a_sitting()), a_sitting(), read_cells
    more = before.corrected.add(before.result.cells.take([0]), "M3")

    def saved_meanwhile(database):
        cells = read(database)
        # It waits for who reads; without any time to, it is told.
        with suppress(CannotWriteError):
            file.sync(more)
        return cells

    monkeypatch.setattr(sitting_file, "read_cells", saved_meanwhile)
    assert said(read_sitting(path)) == said(before)
    monkeypatch.undo()
    file.sync(more)
    assert said(read_sitting(path))[-1] == more.cells
