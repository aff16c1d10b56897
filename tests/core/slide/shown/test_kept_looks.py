"""What is remembered of looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.shown.kept_looks import (
    MAX_SLIDES,
    KeptLooks,
    look_key,
    looks_path,
    read_looks,
    write_looks,
)
from napari_deepheme.core.slide.shown.look import Look
from napari_deepheme.core.user_folders import CONFIG_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

DARK, PICKED = Look(gamma=2), Look(white_balance=True, white_point=(200, 210, 220))


def test_each_slide_has_its_own_look() -> None:
    kept = KeptLooks().with_look("a", DARK).with_look("b", PICKED)
    assert [kept.look_of(key) for key in "abc"] == [DARK, PICKED, Look()]
    assert "a" not in kept.with_look("a", Look()).by_slide


def test_one_look_for_all_leaves_each_slide_its_white_and_its_own_look() -> None:
    kept = KeptLooks().with_look("a", DARK).with_same_for_all(True, PICKED)
    assert kept.look_of("a") == kept.look_of("z") == Look(white_balance=True)
    kept = kept.with_look("z", PICKED)
    assert kept.look_of("a").white_point is None
    assert kept.with_same_for_all(False, PICKED).look_of("a") == DARK


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    kept = KeptLooks().with_look("a", PICKED).with_same_for_all(True, DARK)
    path = tmp_path / "not yet there" / "looks.json"
    write_looks(kept, path)
    assert read_looks(path) == kept
    assert [one.name for one in path.parent.iterdir()] == ["looks.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"by_slide": 7}',
        '{"by_slide": {"a": {"gamma": 1e9}}}',
        '{"for_all": {"gamma": NaN}}',
        '{"for_all": {"white_point": "red"}}',
        "\x00\xff",
    ],
)
def test_a_broken_file_is_forgotten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "looks.json"
    path.write_text(text, "latin-1")
    assert read_looks(path) == KeptLooks()


def test_a_file_that_is_not_there_is_nothing_remembered(tmp_path: Path) -> None:
    assert read_looks(tmp_path / "looks.json") == KeptLooks()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWriteError):
        write_looks(KeptLooks(), tmp_path / "file" / "looks.json")


def test_the_slides_changed_last_are_remembered() -> None:
    kept = KeptLooks()
    for i in range(MAX_SLIDES + 5):
        kept = kept.with_look(str(i), DARK)
    assert len(kept.by_slide) == MAX_SLIDES
    assert kept.look_of("4") == Look()
    assert kept.look_of(str(MAX_SLIDES + 4)) == DARK


def test_a_slide_is_known_by_name_and_size_and_its_name_is_not_kept() -> None:
    key = look_key("patient.svs", Size(30, 40))
    assert key == look_key("patient.svs", Size(30, 40))
    assert key != look_key("patient.svs", Size(40, 30))
    assert key != look_key("other.svs", Size(30, 40))
    assert "patient" not in key


def test_the_folder_can_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    assert looks_path() == tmp_path / "looks.json"
