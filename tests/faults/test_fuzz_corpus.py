"""What the fuzzer starts from, and broken forms of it, through every parser of ours."""

import importlib.util
import random
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)

SEEDS = sorted(path for path in fuzz.CORPUS.glob("*/*") if path.is_file())

SPLICES = (b"\0", b"1e400", b"9" * 400, b"null", b"[", b'"', b",", b"\n", b"-1", b"{}")


def test_every_parser_has_seeds_and_they_are_small():
    assert {path.parent.name for path in SEEDS} == set(fuzz.PARSERS)
    assert sum(path.stat().st_size for path in SEEDS) < 100_000


@pytest.mark.parametrize("seed", SEEDS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_broken_file_is_refused_by_an_error_of_ours_or_read(seed, tmp_path):
    content, rng = seed.read_bytes(), random.Random(seed.name)
    fuzz.feed(seed.parent.name, content, tmp_path)
    for splice in SPLICES * 6:
        at = rng.randrange(len(content))
        n = rng.choice((0, 1, 2, 5))
        broken = content[:at] + splice + content[at + n :]
        fuzz.feed(seed.parent.name, broken, tmp_path)
