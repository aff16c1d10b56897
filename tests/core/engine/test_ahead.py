"""A stage on a thread of its own."""

import threading
import time

import pytest

from napari_deepheme.core.engine.ahead import Ahead


def stages():
    return [t for t in threading.enumerate() if t.name == "deepheme-stage"]


def test_items_come_in_order_and_then_end():
    with Ahead(iter(range(50)), depth=3) as items:
        assert list(items) == list(range(50))
        assert list(items) == []
    assert not stages()


def test_no_more_is_made_than_may_wait():
    made = []
    with Ahead((made.append(i) for i in range(100)), depth=4) as items:
        next(items)
        time.sleep(0.3)
        # One given, four that wait, one in hand.
        assert len(made) <= 6


def test_an_error_is_raised_where_its_item_is_asked_for():
    def items():
        yield 1
        raise RuntimeError("broken")

    with Ahead(items(), depth=5) as ahead:
        assert next(ahead) == 1
        with pytest.raises(RuntimeError, match="broken"):
            next(ahead)
    assert not stages()


def test_leaving_early_ends_the_thread_and_closes_what_it_went_through():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Ahead(endless(), depth=2) as items:
        next(items)
    assert closed.is_set()
    assert not stages()


def test_one_stage_can_feed_another():
    with (
        Ahead(iter(range(30)), depth=2) as numbers,
        Ahead((n * n for n in numbers), depth=2) as squares,
    ):
        assert next(squares) == 0
        assert next(squares) == 1
    assert not stages()
