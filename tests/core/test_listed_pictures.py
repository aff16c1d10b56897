"""Pictures of a folder and their table, changed by one at a time."""

import pytest

from napari_deepheme.core import locks
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.listed_pictures import (
    failures_named,
    held_table,
    new_pictures,
)


def test_a_table_that_another_holds_for_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_LOCK_SECONDS", 0)
    with (
        held_table(tmp_path),
        pytest.raises(CannotWriteError, match="other commands are at it") as refused,
        held_table(tmp_path),
    ):
        pass
    assert refused.value.path == str(tmp_path)
    with held_table(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_failure_names_the_folder_in_the_place_of_what_is_hidden(tmp_path):
    with pytest.raises(CannotWriteError) as refused, new_pictures(tmp_path) as new:
        raise CannotWriteError(str(new / "M2" / "a.png"), "No space left on device")
    assert refused.value.args[:2] == (str(tmp_path), "No space left on device")
    seen = str(tmp_path / "M2" / "a.png")
    with (
        pytest.raises(CannotWriteError) as refused,
        failures_named(tmp_path / ".new", tmp_path),
    ):
        raise CannotWriteError(seen, "No space left on device")
    assert refused.value.path == seen
