"""Files that are asked for while others are still written."""

import pytest
from tests.plugin.conftest import InlineTask

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.review.corrections import judged_classes
from napari_deepheme.plugin.reviewing import saving


class Waiting(InlineTask):
    """Does its work when it is told to, or when another one waits for it."""

    def __init__(self, *work):
        super().__init__()
        self.work = work

    def wait(self, seconds):
        work, self.work = self.work, None
        if work:
            self.run(*work)
        return True


@pytest.fixture
def reviewed(make_controller, slide_path):
    """Make a review whose files are all asked for, and then begun the last one first.

    `reviewed.finish` begins them.
    """
    made, tasks = make_controller(), []
    made.open_slide(slide_path)
    made.classify_slide()

    def start(items, *, on_item, on_end):
        tasks.append(Waiting(items, on_item, on_end))
        return tasks[-1]

    def finish():
        for task in reversed(tasks):
            task.wait(None)
        return messages

    made.desk.saving._start, made.finish = start, finish
    messages = []
    made.session.events.message.connect(messages.append)
    return made


@pytest.fixture
def no_geojson(monkeypatch):
    table = saving._table

    def fail(kind, path, *values, **options):
        if kind == "geojson":
            raise CannotWriteError(str(path), "no space left on device")
        table(kind, path, *values, **options)

    monkeypatch.setattr(saving, "_table", fail)


def given(path):
    return judged_classes(read_csv(path))[0]


def test_of_two_files_at_one_path_the_one_that_was_asked_for_last_stays(
    reviewed, tmp_path
):
    path = tmp_path / "cells.csv"
    reviewed.desk.saving.save("csv", path)
    reviewed.desk.review.correct([0], "M3")
    reviewed.desk.saving.save("csv", path)
    reviewed.finish()
    assert given(path) == "M3"


def test_of_two_exports_into_one_folder_the_last_one_stays(
    reviewed, tmp_path, monkeypatch
):
    monkeypatch.setattr(saving, "FEW_CELLS", 0)
    for code in ("M3", "M4"):
        reviewed.desk.review.correct([0], code)
        reviewed.desk.export(tmp_path / "out")
    assert reviewed.session.message == "Saving …"
    assert not (tmp_path / "out").exists()
    messages = reviewed.finish()
    assert given(tmp_path / "out" / "cells.csv") == "M4"
    assert messages[-1].startswith("Written to")


def test_few_cells_are_exported_at_once_unless_a_file_is_being_saved(
    reviewed, tmp_path
):
    reviewed.desk.export(tmp_path / "out")
    assert (tmp_path / "out" / "summary.json").exists()
    reviewed.desk.saving.save("csv", tmp_path / "later" / "cells.csv")
    reviewed.desk.export(tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_a_file_that_failed_is_told_until_all_are_done(reviewed, tmp_path, no_geojson):
    paths = [tmp_path / name for name in ("a.csv", "b.geojson", "c.csv")]
    for path in paths:
        reviewed.desk.saving.save(path.suffix[1:], path)
    messages = reviewed.finish()
    failed = str(CannotWriteError(str(paths[1]), "no space left on device"))
    assert messages[-3:] == [
        f"Saved: {paths[0]}\nSaving …",
        f"{failed}\nSaving …",
        f"{failed}\nSaved: {paths[2]}",
    ]
    assert reviewed.session.message_kind == "error"
    reviewed.desk.saving.save("csv", paths[0])
    assert reviewed.session.message == "Saving …"
    assert reviewed.session.message_kind == "info"
