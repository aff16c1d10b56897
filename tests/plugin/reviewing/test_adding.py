"""A missed cell that is added: its box, and whom nobody asked of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Polygon, Region, Size
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin.reviewing.adding import Adding
from napari_deepheme.plugin.worker import Failed

WIDTH, HEIGHT = 300, 200
QUARTER = Mpp(0.25, 0.25)


class Asked:
    """A session, a review and a model, which note what they are told."""

    def __init__(self, boxes=(), *, mpp=QUARTER, models=None, error=None):
        n = len(boxes)
        cells = CellTable.from_arrays(
            np.reshape(boxes, (n, 4)), [0.9] * n, [0] * n, [0.8] * n
        )
        self.said, self.added, self.words, self.error = [], [], [], error
        self.session = SimpleNamespace(
            adding=True,
            can_correct=True,
            reader_class="M3",
            message="",
            say=self.say,
            events=SimpleNamespace(can_export=self.end, running=self.end),
        )
        self.review = SimpleNamespace(
            slide=SimpleNamespace(name="a.svs", size=Size(WIDTH, HEIGHT)),
            mpp=mpp,
            models=models,
            corrected=CorrectedCells(cells),
            changed=SimpleNamespace(connect=lambda callback: None),
            ask_for_models=lambda: (False, "No model."),
            add=self.add,
        )
        self.searched, self.is_known = (Region(0, 0, WIDTH, HEIGHT),), True
        self.adding = Adding(
            self.session,
            self.review,
            result=self.result,
            name_boxes=self.name_boxes,
            start=self.start,
        )

    def result(self):
        facts = SimpleNamespace(is_known=self.is_known)
        return SimpleNamespace(outlines=self.searched), facts

    @property
    def end(self):
        """An event that tells that a run has ended."""
        return SimpleNamespace(connect=lambda told: setattr(self, "tell_end", told))

    def say(self, text, *, error=False):
        self.session.message = text
        self.said.append((text, error))

    def add(self, cells, word):
        self.added.append(cells)
        self.words.append(word)

    def name_boxes(self, slide, boxes, classifier, *, mpp):
        if self.error:
            raise self.error
        rows = [(b.x, b.y, b.width, b.height) for b in boxes]
        return CellTable.from_arrays(rows, [0], [class_index("L2")], [0.7])

    def start(self, items, *, on_item, on_end):
        try:
            for item in items():
                on_item(item)
        except Exception as error:
            on_item(Failed(error))
        on_end()


MODELS = SimpleNamespace(classifier="the model")


def test_the_model_is_asked_where_there_is_one():
    asked = Asked(models=MODELS)
    asked.adding.add_at(100, 100)
    (cells,) = asked.added
    assert cells.class_codes == ("L2",)
    assert not asked.session.adding


@pytest.mark.parametrize(
    ("word", "code", "called"),
    [
        ("M3", "M3", "M3"),
        ("", "B1", "unidentified"),
        ("unidentified", "B1", "unidentified"),
    ],
)
def test_without_a_model_the_cell_has_the_class_at_hand_or_is_unidentified(
    word, code, called
):
    asked = Asked()
    asked.session.reader_class = word
    asked.adding.add_at(100, 100)
    (cells,) = asked.added
    assert cells.class_codes == (code,)
    assert asked.words == [called]
    assert cells.probabilities.tolist() == cells.scores.tolist() == [0]


def test_a_box_has_the_usual_size_of_the_slides_cells_or_of_any():
    asked = Asked([(0, 0, 20, 30), (0, 0, 40, 30), (0, 0, 24, 90)])
    asked.adding.add_at(100, 100)
    assert asked.added[0].boxes.tolist() == [[88, 85, 24, 30]]
    # Fourteen micrometres.
    alone = Asked(mpp=Mpp(0.5, 0.7))
    alone.adding.add_at(100, 100)
    assert alone.added[0].boxes.tolist() == [[86, 86, 28, 28]]


@given(x=st.integers(-50, WIDTH + 50), y=st.integers(-50, HEIGHT + 50))
def test_a_cell_lies_on_the_slide_or_is_not_added(x, y):
    asked = Asked()
    asked.adding.add_at(x, y)
    on_slide = 0 <= x < WIDTH and 0 <= y < HEIGHT
    assert len(asked.added) == on_slide
    if on_slide:
        box = Region(*asked.added[0].boxes[0].tolist())
        assert Region(0, 0, WIDTH, HEIGHT).contains(box)
        assert box.x <= x <= box.right
        assert box.y <= y <= box.bottom


@pytest.mark.parametrize("lacks", ["slide", "mpp"])
def test_without_a_slide_or_its_scale_nothing_is_added(lacks):
    asked = Asked()
    setattr(asked.review, lacks, None)
    asked.adding.add_at(100, 100)
    assert asked.added == []
    assert not asked.session.adding


def test_what_cannot_be_read_is_told_and_what_is_a_bug_is_not_hidden():
    error = UnreadableRegionError("slide", Region(1, 2, 3, 4), "broken")
    asked = Asked(models=MODELS, error=error)
    asked.adding.add_at(100, 100)
    assert asked.said == [(str(error), True)]
    assert asked.added == []
    with pytest.raises(ZeroDivisionError):
        Asked(models=MODELS, error=ZeroDivisionError()).adding.add_at(100, 100)


def test_adding_is_turned_on_only_where_cells_can_be_corrected():
    asked = Asked()
    asked.adding.toggle()
    assert not asked.session.adding
    asked.adding.toggle()
    assert asked.session.adding
    assert asked.session.message == "Click a cell that was missed."
    asked.session.adding, asked.session.can_correct = False, False
    asked.adding.toggle()
    assert not asked.session.adding


def test_a_key_names_the_cell_that_is_to_be_added_and_no_other_one():
    asked = Asked(models=MODELS)
    asked.session.adding = False
    asked.adding.toggle()
    asked.adding.name("L4")
    assert asked.session.message == "Click the cell that was missed: L4 plasma cell."
    asked.adding.add_at(100, 100)
    asked.adding.toggle()
    asked.adding.add_at(100, 100)
    assert asked.words == ["L4", "M3"]


def test_what_was_asked_is_taken_back_when_a_cell_is_added_or_given_up():
    asked = Asked(models=MODELS)
    for end in (asked.adding.stop, lambda: asked.adding.add_at(100, 100)):
        asked.session.adding = False
        asked.adding.toggle()
        end()
        assert not asked.session.adding
        assert asked.session.message == ""
    asked.session.adding = False
    asked.adding.toggle()
    asked.say("Saved: here")
    asked.adding.stop()
    assert asked.session.message == "Saved: here"


def test_a_cell_of_a_slide_that_was_left_meanwhile_is_not_added_to_another():
    asked = Asked(models=MODELS)
    named = asked.name_boxes

    def leave(*boxes, **scale):
        asked.review.slide = SimpleNamespace(name="b.svs", size=Size(WIDTH, HEIGHT))
        return named(*boxes, **scale)

    asked.adding._name_boxes = leave
    asked.adding.add_at(100, 100)
    assert asked.added == []
    assert asked.said[-1][1]
    assert "a.svs was left" in asked.session.message


def test_a_cell_that_a_run_overtakes_is_added_when_that_has_ended():
    asked = Asked(models=MODELS)
    named = asked.name_boxes

    def run_begins(*boxes, **scale):
        asked.session.can_correct = False
        return named(*boxes, **scale)

    asked.adding._name_boxes = run_begins
    asked.adding.name("L2")
    asked.adding.add_at(100, 100)
    asked.tell_end(True)
    assert asked.added == []
    asked.adding._name_boxes = named
    asked.session.can_correct = True
    asked.tell_end(False)
    asked.tell_end(True)
    assert len(asked.added) == 1
    assert asked.words == ["L2"]


def test_beside_what_was_searched_no_cell_is_added():
    asked = Asked()
    drawn = Polygon(((100, 100), (150, 100), (150, 150), (100, 150)))
    asked.searched = (Region(0, 0, 50, 50), drawn)
    for x, y in ((49, 49), (51, 20), (149, 100), (160, 160)):
        asked.adding.add_at(x, y)
    assert len(asked.added) == 2
    told = [(text.split(":")[0], error) for text, error in asked.said]
    assert told == [("Not added", True)] * 2


def test_where_a_table_does_not_tell_what_was_searched_cells_are_added_anywhere():
    asked = Asked()
    asked.searched, asked.is_known = (Region(0, 0, 50, 50),), False
    asked.adding.add_at(160, 160)
    assert len(asked.added) == 1
