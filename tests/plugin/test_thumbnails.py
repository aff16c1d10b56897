"""Thumbnails cut on a thread: what is wanted last first, no more kept than said."""

import threading

import numpy as np
import pytest

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.plugin import thumbnails
from napari_deepheme.plugin.thumbnails import ThumbnailStore

MPP = Mpp(0.25, 0.25)
PATIENCE = 10


class Steps:
    """Stands in for `cut_thumbnail`: notes each box, and waits to be let on."""

    def __init__(self):
        self.cut, self.allowed = [], threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def __call__(self, slide, box, mpp, *, side_px):
        self.begun.release()
        assert self.allowed.acquire(timeout=PATIENCE)
        self.cut.append(int(box[0]))
        return np.full((side_px, side_px, 3), box[0] % 256, np.uint8)

    def let(self, n):
        for _ in range(n):
            self.allowed.release()

    def wait_until_begun(self):
        assert self.begun.acquire(timeout=PATIENCE)


@pytest.fixture
def steps(monkeypatch):
    made = Steps()
    monkeypatch.setattr(thumbnails, "cut_thumbnail", made)
    yield made
    made.let(1000)


@pytest.fixture
def slide():
    return ArraySlide(np.full((400, 400, 3), 200, np.uint8), mpp=0.25)


@pytest.fixture
def ready():
    return threading.Semaphore(0)


@pytest.fixture
def make_store(slide, ready):
    made = []

    def make(**settings):
        store = ThumbnailStore(ready.release, **settings)
        store.show_slide(slide, MPP)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "deepheme-thumbnails" not in names


def boxes(*xs):
    return np.array([(x, 100, 40, 40) for x in xs], np.int32)


def wait(ready):
    assert ready.acquire(timeout=PATIENCE)


def test_a_thumbnail_is_there_when_it_has_been_cut(make_store, ready):
    store = make_store(side_px=48)
    (box,) = wanted = boxes(100)
    assert store.get(box) is None
    assert not store.is_blank(box)
    store.request(wanted)
    wait(ready)
    assert store.get(box).shape == (48, 48, 3)
    assert (store.get(box) == 200).all()


def test_what_is_wanted_now_goes_before_what_was_wanted_and_the_rest_is_dropped(
    make_store, ready, steps
):
    store = make_store()
    store.request(boxes(*range(100)))
    steps.wait_until_begun()
    store.request(boxes(300, 301))
    steps.let(1000)
    wait(ready)
    wait(ready)
    assert steps.cut == [*range(12), 300, 301]


def test_nothing_is_cut_twice(make_store, ready, steps):
    store = make_store()
    store.request(boxes(1, 2))
    steps.wait_until_begun()
    store.request(boxes(1, 2, 3))
    steps.let(1000)
    wait(ready)
    wait(ready)
    store.request(boxes(1, 2, 3))
    store.request(boxes(4))
    wait(ready)
    assert steps.cut == [1, 2, 3, 4]


def test_no_more_are_kept_than_said_and_the_ones_used_last_are(
    make_store, ready, steps
):
    store = make_store(n_kept=5)
    steps.let(1000)
    store.request(boxes(1, 2, 3, 4, 5))
    wait(ready)
    assert store.get(boxes(1)[0]) is not None
    store.request(boxes(6, 7))
    wait(ready)
    assert len(store) == 5
    kept = [x for x in range(1, 8) if store.get(boxes(x)[0]) is not None]
    assert kept == [1, 4, 5, 6, 7]


def test_cells_near_each_other_are_cut_one_after_the_other(make_store, ready, steps):
    store = make_store()
    steps.let(1000)
    store.request(boxes(5000, 100, 5100, 200, 5050, 150))
    wait(ready)
    assert steps.cut == [100, 150, 200, 5000, 5050, 5100]


def test_another_slide_forgets_the_first_ones(make_store, ready, slide):
    store = make_store()
    store.request(boxes(100))
    wait(ready)
    assert not store.show_slide(slide, MPP)
    assert len(store) == 1
    other = ArraySlide(np.full((400, 400, 3), 90, np.uint8), mpp=0.25)
    assert store.show_slide(other, MPP)
    assert store.get(boxes(100)[0]) is None
    store.request(boxes(100))
    wait(ready)
    assert (store.get(boxes(100)[0]) == 90).all()


def test_a_slide_that_changes_during_a_cut_leaves_nothing_of_the_first(
    make_store, ready, steps, slide
):
    store = make_store()
    store.request(boxes(1, 2, 3))
    steps.wait_until_begun()
    store.show_slide(None, None)
    steps.let(1000)
    wait(ready)
    assert len(store) == 0
    assert steps.cut == [1]


def test_a_slide_that_closes_leaves_blanks_and_the_thread_alive(
    make_store, ready, slide
):
    store = make_store()
    slide.close()
    store.request(boxes(100))
    wait(ready)
    assert store.is_blank(boxes(100)[0])
    other = ArraySlide(np.full((400, 400, 3), 90, np.uint8), mpp=0.25)
    store.show_slide(other, MPP)
    store.request(boxes(100))
    wait(ready)
    assert store.get(boxes(100)[0]) is not None


def test_a_blank_is_tried_again_after_a_while(make_store, ready, monkeypatch):
    cuts = [UnreadableRegionError("slide", Region(0, 0, 1, 1), "away")]

    def cut(slide, box, mpp, *, side_px):
        if cuts:
            raise cuts.pop()
        return np.zeros((side_px, side_px, 3), np.uint8)

    monkeypatch.setattr(thumbnails, "cut_thumbnail", cut)
    store, (box,) = make_store(), boxes(100)
    store.request(boxes(100))
    wait(ready)
    store.request(boxes(100))
    # Not yet: it would be cut before this one.
    store.request(boxes(100, 200))
    wait(ready)
    assert store.is_blank(box)
    monkeypatch.setattr(thumbnails, "BLANK_SECONDS", -1.0)
    store.show_slide(None, None)
    cuts.append(UnreadableRegionError("slide", Region(0, 0, 1, 1), "away"))
    store.show_slide(ArraySlide(np.zeros((400, 400, 3), np.uint8)), MPP)
    store.request(boxes(100))
    wait(ready)
    assert store.is_blank(box)
    store.request(boxes(100))
    wait(ready)
    assert store.get(box) is not None


def test_a_closed_store_is_deaf(make_store, ready):
    store = make_store()
    store.request(boxes(100))
    wait(ready)
    store.close()
    store.close()
    store.request(boxes(200))
    assert len(store) == 0


def test_without_a_slide_nothing_is_wanted(ready):
    store = ThumbnailStore(ready.release)
    store.request(boxes(1, 2))
    assert len(store) == 0
    assert not store.is_blank(boxes(1)[0])
    store.close()
