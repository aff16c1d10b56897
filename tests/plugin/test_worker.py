import pytest

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
