import subprocess
import sys
from threading import Barrier, current_thread, main_thread

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


def test_an_error_is_the_last_item(run):
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


def test_each_has_a_thread_of_its_own_and_is_heard_on_the_main_one(qtbot):
    n_at_once = QThreadPool.globalInstance().maxThreadCount() + 1
    together, seen, ends = Barrier(n_at_once), [], []

    def items():
        together.wait()
        yield current_thread()

    for _ in range(n_at_once):
        start(
            items,
            on_item=lambda item: seen.append((item, current_thread())),
            on_end=lambda: ends.append(current_thread()),
        )
    qtbot.waitUntil(lambda: len(ends) == n_at_once, timeout=5000)
    assert len({thread for thread, _ in seen} - {main_thread()}) == n_at_once
    assert {where for _, where in seen} | set(ends) == {main_thread()}


ENDS_AFTER_THE_WINDOW = """
from threading import main_thread

from qtpy.QtCore import QCoreApplication

from napari_deepheme.plugin.worker import start

def job():
    yield "begun"
    main_thread().join()
    yield "late"
    print("done", flush=True)

app = QCoreApplication([])
start(job, on_item=lambda _: app.quit(), on_end=lambda: None)
app.exec()
"""


def test_what_ends_after_the_window_ends_in_peace():
    # In a process of its own, which ends.
    words = [sys.executable, "-c", ENDS_AFTER_THE_WINDOW]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_without_memory_for_a_thread_it_is_done_on_this_one(qtbot, monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", fail)
    seen, ends = [], []
    start(
        lambda: iter([current_thread()]),
        on_item=seen.append,
        on_end=lambda: ends.append(True),
    )
    assert (seen, ends) == ([main_thread()], [True])
