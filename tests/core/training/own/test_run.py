"""The folder of a training run whose state somebody or a disk spoilt."""

from dataclasses import replace
from pathlib import Path

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.models.torch.weights import load_networks
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


def test_what_a_run_was_begun_with_goes_behind_its_checkpoints(
    write_tiny_model, tmp_path, monkeypatch
):
    run = RunFolder(tmp_path, "ours")
    run.begin({}, overwrite=False)
    for fold in range(2):
        run.checkpoint(fold).touch()
    unlink = Path.unlink

    def killed(path, missing_ok=False):
        unlink(path, missing_ok)
        if path.suffix in (".pt", ".run"):
            raise KeyboardInterrupt

    for n_left in (1, 0):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", killed)
            with pytest.raises(KeyboardInterrupt):
                run.finish(write_tiny_model())
        assert len(list(tmp_path.glob("*.pt"))) == n_left
        run.begin({}, overwrite=False)
    run.finish(write_tiny_model())
    assert not (tmp_path / "ours.run").exists()


def test_a_finished_model_in_the_way_is_told_how_to_be_registered(
    write_tiny_model, tmp_path
):
    run = RunFolder(tmp_path / "my models", "ours")
    run.begin({}, overwrite=False)
    run.finish(write_tiny_model())
    with pytest.raises(TrainingError) as refused:
        run.begin({}, overwrite=False)
    path = tmp_path / "my models" / "ours.json"
    assert str(refused.value).endswith(f"models import '{path}'")


def test_what_a_kill_left_of_files_that_were_being_written_goes_at_the_end(tmp_path):
    run = RunFolder(tmp_path, "ours")
    left = [".ours.fold1-68p76e9g.pt", ".ours-h6lu0_lm.run", "ours.fold2.pt"]
    others = [".ours-2.fold1-68p76e9g.pt", ".ours-2-h6lu0_lm.run", "ours-2.fold1.pt"]
    for name in (*left, *others):
        (tmp_path / name).touch()
    run.begin({}, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {*others, "ours.run"}


def test_a_model_that_is_replaced_keeps_its_weights_until_the_new_card_is_there(
    write_tiny_model, tmp_path
):
    def trained(seed):
        return [load_networks(write_tiny_model(seed=seed))[0].state_dict()]

    run = RunFolder(tmp_path, "ours")
    card = write_tiny_model()
    for number, seed in enumerate((1, 2, 3)):
        run.begin({"seed": seed}, overwrite=True)
        weights = run.write_weights(trained(seed))
        if number:
            # The disk fills, or the run is killed, before the new card is written.
            assert load_networks(find_model(str(tmp_path / "ours.json")))
        run.finish(replace(card, name="ours", weights=weights))
        assert load_networks(find_model(str(tmp_path / "ours.json")))
        assert len(list(tmp_path.glob("*.safetensors"))) == 1
