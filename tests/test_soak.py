"""What the soak takes for growth, and what not."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "soak.py"

spec = importlib.util.spec_from_file_location("soak", SCRIPT)
soak = importlib.util.module_from_spec(spec)
spec.loader.exec_module(soak)

N = 70
NOISE = np.random.default_rng(0).normal(0, 2, N)


def jump(at, by):
    return NOISE + by * (np.arange(N) >= at)


@pytest.mark.parametrize("at", [5, 20, 35, 50, 65])
def test_a_single_jump_is_no_growth(at):
    assert abs(soak.growth(list(jump(at, 30)))) < soak.MOST_MB / 4


def test_two_jumps_are_no_growth():
    values = list(jump(20, 30) + jump(45, 30))
    assert abs(soak.growth(values)) < soak.MOST_MB


@pytest.mark.parametrize("rate", [1.2, 3, 17.5])
def test_a_leak_is_found_also_in_steps(rate):
    leak = NOISE + rate * np.arange(N)
    assert soak.growth(list(leak)) == pytest.approx(rate, abs=0.3)
    in_steps = NOISE + rate * 5 * (np.arange(N) // 5)
    assert soak.growth(list(in_steps)) > rate / 2


def test_one_thread_in_five_cycles_is_found():
    assert soak.growth([float(i // 5) for i in range(40)]) > soak.MOST_THREADS


def test_few_cycles_suffice():
    assert soak.growth([1.0, 1.0, 1.0]) == 0
