"""Files that are dropped together: what is opened, where, and what is said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.sittings.sitting_file import read_sitting
from napari_deepheme.plugin.dropped import Dropped
from napari_deepheme.plugin.returning import AS_LEFT


@pytest.fixture
def made(make_controller):
    return make_controller()


@pytest.fixture
def drop(made):
    return Dropped(made.session, made.desk.slides, made.returning).open


@pytest.fixture
def left(make_controller, slide_path, tmp_path):
    """A folder with the slide, its cells and its sitting."""
    before = make_controller()
    before.open_slide(slide_path)
    before.classify_slide()
    before.desk.export(tmp_path / "out")
    before.desk.keeping.save_as(tmp_path / "out" / "mine.deepheme")
    before.close()
    return tmp_path / "out"


@pytest.mark.parametrize("is_another_open", [False, True])
def test_a_table_lies_on_the_slide_that_is_dropped_with_it(
    is_another_open, made, drop, left, slide_path
):
    if is_another_open:
        other = slide_path.with_name("case 2.svs")
        other.write_bytes(slide_path.read_bytes() + b" ")
        made.open_slide(other)
    drop([left / "cells.csv", slide_path])
    assert made.session.message == AS_LEFT
    assert made.session.slide == "case 1.svs"
    assert made.session.n_cells == 4
    assert read_sitting(made.session.sitting).slide.name == "case 1.svs"


def test_all_that_fails_is_told_whatever_is_opened_after_it(
    made, drop, slide_path, tmp_path
):
    log = tmp_path / "run.log"
    log.write_text("no slide")
    drop([tmp_path, log, slide_path])
    assert made.session.slide == "case 1.svs"
    assert made.session.message_kind == "error"
    assert str(tmp_path) in made.session.message
    assert "run.log" in made.session.message


def test_what_fails_without_any_slide_is_told(made, drop, tmp_path):
    drop([tmp_path])
    assert made.session.slide == ""
    assert made.session.message_kind == "error"
    made.session.say("")
    bad = tmp_path / "bad.deepheme"
    bad.write_bytes(b"no sitting")
    drop([tmp_path, bad])
    assert str(tmp_path) in made.session.message
    assert "bad.deepheme is not a sitting" in made.session.message


def test_a_table_whose_slide_could_not_be_opened_lies_on_no_other(
    made, drop, left, slide_path, tmp_path
):
    made.open_slide(slide_path)
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    drop([broken, left / "cells.csv"])
    assert not made.session.can_export
    assert "broken.svs" in made.session.message
    assert "cells.csv was not opened" in made.session.message
    # A sitting knows its own slide.
    drop([broken, left / "mine.deepheme"])
    assert made.session.can_export
    assert "broken.svs" in made.session.message


@pytest.fixture
def unsized(make_controller, tmp_path):
    """A picture without a pixel size, and its sitting, which has one."""
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((1000, 1000, 3), 230, np.uint8)).save(picture)
    before = make_controller()
    before.open_slide(picture)
    before.set_mpp(0.25)
    before.classify_slide()
    before.close()
    return picture, Path(before.session.sitting)


def test_a_pixel_size_that_the_sitting_brings_is_not_asked_for(made, drop, unsized):
    drop(unsized)
    assert made.session.mpp == 0.25
    assert made.session.message == AS_LEFT
    assert made.session.message_kind == "info"


def test_a_pixel_size_that_is_not_known_at_the_end_is_asked_for(
    made, drop, unsized, left
):
    picture, _ = unsized
    drop([picture, left / "mine.deepheme"])
    assert made.session.slide == "case 1.svs"
    assert "picture.png states no pixel size" in made.session.message
    assert made.session.message_kind == "error"


def test_several_tables_are_opened_in_turn_and_none_hides_what_is_amiss(
    made, drop, left, slide_path, tmp_path
):
    bad = tmp_path / "bad.csv"
    bad.write_text("x,y\n1,2\n")
    drop([slide_path, bad, left / "cells.csv"])
    assert made.session.n_cells == 4
    assert made.session.message_kind == "error"
    assert "bad.csv" in made.session.message


@pytest.fixture
def another_slide(slide_path):
    other = slide_path.with_name("case 2.svs")
    other.write_bytes(slide_path.read_bytes() + b" ")
    return other


def test_of_two_slides_a_table_lies_on_the_one_that_its_summary_names(
    made, drop, left, slide_path, another_slide
):
    drop([slide_path, another_slide, left / "cells.csv"])
    assert made.session.message == AS_LEFT
    assert made.session.slide == "case 1.svs"
    assert made.session.n_cells == 4


def test_of_two_slides_a_table_lies_on_the_one_that_is_called_as_it_is(
    made, drop, left, slide_path, another_slide, tmp_path
):
    table = (left / "cells.geojson").rename(tmp_path / "case 1.geojson")
    drop([slide_path, another_slide, table])
    assert made.session.slide == "case 1.svs"
    assert made.session.n_cells == 4


def test_a_table_that_names_neither_of_two_slides_lies_on_none(
    made, drop, left, slide_path, another_slide, tmp_path
):
    table = (left / "cells.csv").rename(tmp_path / "mine.csv")
    drop([slide_path, another_slide, table])
    assert not made.session.can_export
    assert "mine.csv was not opened: it names none" in made.session.message
    assert made.session.message_kind == "error"


def test_the_summary_that_is_dropped_with_its_cells_is_passed_over(
    made, drop, left, slide_path
):
    drop([slide_path, left / "cells.csv", left / "summary.json"])
    assert made.session.message == AS_LEFT
    drop([left / "summary.json"])
    assert "summary.json" in made.session.message
    assert made.session.message_kind == "error"


def test_what_is_dropped_in_the_middle_of_a_run_is_told_and_left(
    made, drop, left, slide_path
):
    made.open_slide(slide_path)
    made.session.running = True
    drop([left / "cells.csv", left / "mine.deepheme"])
    for name in ("cells.csv", "mine.deepheme"):
        assert f"{name} was not opened, since a run goes on." in made.session.message
    assert made.session.message_kind == "error"
    assert not made.session.can_export


def test_a_sitting_is_known_by_its_ending_in_capitals(made, left):
    path = (left / "mine.deepheme").rename(left / "MINE.DEEPHEME")
    made.returning.open_sitting(path)
    assert made.session.message == AS_LEFT
    assert made.session.slide == "case 1.svs"
    assert Path(made.session.sitting) == path
