"""The folder of a training run whose state somebody or a disk spoilt."""

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.training.own.run import RunFolder
from napari_deepheme.core.training.training_error import TrainingError


def test_a_state_that_is_no_text_is_another_runs(tmp_path):
    run, state = RunFolder(tmp_path, "ours"), tmp_path / "ours.run"
    state.write_bytes(b"\xff\xfe\x80\x81")
    with pytest.raises(TrainingError, match="with other settings or cells"):
        run.begin({}, overwrite=False)
    run.begin({}, overwrite=True)
    run.begin({}, overwrite=False)


def test_a_folder_in_the_place_of_the_state_goes_if_nothing_is_in_it(tmp_path):
    run, state = RunFolder(tmp_path, "ours"), tmp_path / "ours.run"
    state.mkdir()
    (state / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="with other settings or cells"):
        run.begin({}, overwrite=False)
    with pytest.raises(CannotWriteError) as refused:
        run.begin({}, overwrite=True)
    assert refused.value.path == str(state)
    assert (state / "notes.txt").read_text() == "mine"
    (state / "notes.txt").unlink()
    run.begin({}, overwrite=True)
    assert state.is_file()
