"""Two windows at one slide: neither takes away what the other one saved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.sittings.sitting_file import read_sitting
from napari_deepheme.plugin.reviewing.keeping import sittings_folder


def n_said():
    """Return how many cells were corrected in each of the sittings on disk."""
    files = sittings_folder().glob("*.deepheme")
    return sorted(read_sitting(path).corrected.n_corrected for path in files)


@pytest.fixture
def windows(make_controller, slide_path):
    """Run in one window; go on with its sitting in another, and correct there."""
    one, other = make_controller(), make_controller()
    one.open_slide(slide_path)
    one.classify_slide()
    other.open_slide(slide_path)
    other.returning.open_sitting(Path(one.session.sitting))
    other.desk.review.correct([0, 1], "M3")
    other.desk.keeping.save()
    return one, other


def test_a_run_leaves_what_another_window_saved_in_the_sitting_before(windows):
    one, other = windows
    path = one.session.sitting
    other.close()
    one.classify_slide()
    assert one.session.sitting != path
    assert read_sitting(path).corrected.n_corrected == 2


def test_a_run_knows_what_another_window_said_in_the_sitting_of_this_one(
    make_controller, slide_path
):
    one, other = make_controller(), make_controller()
    one.open_slide(slide_path)
    one.classify_slide()
    one.desk.review.correct([3], "ER2")
    one.desk.keeping.save()
    other.open_slide(slide_path)
    other.returning.open_sitting(Path(one.session.sitting))
    other.desk.review.correct([0, 1], "M3")
    other.close()
    one.classify_slide()
    assert one.session.n_corrected == 3


def test_what_is_done_again_and_not_saved_yet_is_known_to_the_next_run(
    make_controller, slide_path
):
    window = make_controller()
    window.open_slide(slide_path)
    window.classify_slide()
    window.desk.review.correct([3], "ER2")
    window.desk.keeping.save()
    window.desk.actions.do("undo")
    window.desk.keeping.save()
    window.desk.actions.do("redo")
    window.classify_slide()
    assert window.session.n_corrected == 1


def test_a_run_does_not_take_the_sitting_from_the_window_that_opened_it_last(windows):
    one, other = windows
    one.classify_slide()
    other.desk.review.correct([2], "M3")
    other.desk.keeping.save()
    assert other.session.not_saved == ""
    assert max(n_said()) == 3


def test_a_sitting_that_another_window_opened_is_left_to_it(
    make_controller, slide_path
):
    one, other = make_controller(), make_controller()
    one.open_slide(slide_path)
    one.classify_slide()
    other.open_slide(slide_path)
    other.returning.open_sitting(Path(one.session.sitting))
    one.classify_slide()
    assert one.session.sitting != other.session.sitting
    other.desk.review.correct([2], "M3")
    other.desk.keeping.save()
    assert (other.session.not_saved, n_said()) == ("", [0, 1])


def test_a_run_leaves_a_sitting_that_began_with_a_reviewed_table(
    make_controller, slide_path, tmp_path, core
):
    window = make_controller()
    window.open_slide(slide_path)
    window.classify_slide()
    cells = window.desk.review.cells
    said = {"reader_class": np.array(["L4", "L4", *[""] * (len(cells) - 2)])}
    write_csv(replace(cells, further=said), tmp_path / "cells.csv")
    window.returning.open_sitting(tmp_path / "cells.csv")
    path = window.session.sitting
    assert n_said()[-1] == 2
    # The next run does not find these cells.
    core.cells = core.cells.take([2, 3])
    window.classify_slide()
    window.close()
    assert read_sitting(path).corrected.n_corrected == 2
