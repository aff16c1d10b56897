"""How long a run will still take, by a clock that the test sets."""

import pytest

from napari_deepheme.core.engine.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_the_time_left_is_right_after_a_slow_first_step(clock):
    pace = Pace()
    for n_done in range(1, 6):
        clock[0] += 20.0 if n_done == 1 else 2.0
        left = pace.seconds_left(n_done, 50)
    assert left == pytest.approx(45 * 2.0)


def test_the_time_left_is_right_where_two_steps_come_together(clock):
    pace = Pace()
    for n_done in range(1, 7):
        clock[0] += 6.0 if n_done % 2 else 0.0
        left = pace.seconds_left(n_done, 40)
        if n_done % 2 == 0:
            assert left == pytest.approx((40 - n_done) * 3.0)


def test_what_comes_within_a_step_changes_nothing(clock):
    pace = Pace()
    for n_done in (0, 0, 1, 1, 1):
        clock[0] += 3.0
        left = pace.seconds_left(n_done, 4)
    assert left == 3 * 9.0


def test_all_steps_count_where_none_warms_anything_up(clock):
    pace = Pace(n_warm=0)
    clock[0] += 10.0
    # Two workers end at once.
    assert pace.seconds_left(1, 4) == 30.0
    assert pace.seconds_left(2, 4) == 10.0
