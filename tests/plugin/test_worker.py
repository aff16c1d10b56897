from threading import Event, current_thread, main_thread

import pytest
from qtpy.QtCore import QThreadPool

from napari_deepheme.plugin.worker import Failed, start


@pytest.fixture
def run(qtbot):
    def run_to_end(items, on_item=None):
        seen, ends = [], []
        handle = seen.append if on_item is None else on_item
        task = start(items, on_item=handle, on_end=lambda: ends.append(True))
        yield task
        qtbot.waitUntil(lambda: bool(ends), timeout=5000)
        assert ends == [True]
        yield seen

    return run_to_end


def test_items_arrive_in_order(run):
    _, seen = run(lambda: iter([1, 2, 3]))
    assert seen == [1, 2, 3]


def test_an_error_is_the_last_item_also_when_qt_would_drop_it(run):
    def items():
        yield 1
        raise RuntimeError("out of memory")

    _, seen = run(items)
    assert seen[0] == 1
    assert isinstance(seen[1], Failed)
    assert str(seen[1].error) == "out of memory"


def test_a_task_stops_at_the_next_item(run, qtbot):
    def endless():
        while True:
            yield 1

    steps = run(endless)
    task = next(steps)
    qtbot.wait(50)
    task.quit()
    assert set(next(steps)) == {1}


@pytest.fixture
def busy(qtbot):
    """All threads of Qt have other work to do until they may end."""
    release, begun, ends = Event(), [], []

    def work():
        begun.append(True)
        release.wait()
        yield

    n = QThreadPool.globalInstance().maxThreadCount()
    for _ in range(n):
        start(work, on_item=lambda _: None, on_end=lambda: ends.append(True))
    qtbot.waitUntil(lambda: len(begun) == n, timeout=5000)
    yield release
    release.set()
    qtbot.waitUntil(lambda: len(ends) == n, timeout=5000)


def test_what_has_a_thread_of_its_own_waits_for_no_other_work(qtbot, busy):
    seen, ends = [], []

    def items():
        yield current_thread()
        raise RuntimeError("odd")

    start(
        items,
        on_item=lambda item: seen.append((item, current_thread())),
        on_end=lambda: ends.append(current_thread()),
        alone=True,
    )
    qtbot.waitUntil(lambda: bool(ends), timeout=5000)
    (thread, where), (failed, there) = seen
    assert where is there is ends[0] is main_thread()
    assert thread is not main_thread()
    assert str(failed.error) == "odd"


def test_what_waits_for_a_thread_is_done_at_once_and_not_again(qtbot, busy):
    made, seen, ends = [], [], []

    def items():
        made.append(current_thread())
        return iter([1, 2])

    task = start(items, on_item=seen.append, on_end=lambda: ends.append(True))
    task.hurry()
    assert task.wait(0)
    task.hurry()
    busy.set()
    qtbot.waitUntil(lambda: bool(ends), timeout=5000)
    assert (made, seen) == ([main_thread()], [1, 2])


def test_without_memory_for_a_thread_it_is_done_on_this_one(qtbot, monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", fail)
    seen, ends = [], []
    start(
        lambda: iter([current_thread()]),
        on_item=seen.append,
        on_end=lambda: ends.append(True),
        alone=True,
    )
    assert (seen, ends) == ([main_thread()], [True])
