"""A sample of the bad slides; ``make corpus`` runs them all."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from bad_slides.case import MOST_OF_A_KIND, SEED, WRONG  # noqa: E402
from bad_slides.corpus import all_cases  # noqa: E402
from bad_slides.doors import ACTIONS  # noqa: E402

HERE = [case for case in all_cases() if not case.alone]
SAMPLE = random.Random(SEED).sample(HERE, 40)

DOORS = [
    (door, case)
    for door in ("show", "report", "export", "python")
    for case in random.Random(f"{SEED} {door}").sample(HERE, 6)
]

# One of each thing that would hang or fill the memory.
ALONE = (
    "one read alone|shrinks during the run: svs, after a tile|a pipe|deflate tile of|"
    "PNG of 19000|tiles beyond the file: svs, tag 325, all|raw.tif, 2147483648"
)


def test_there_are_300_of_many_kinds_and_15_of_a_kind_at_most():
    kinds = [case.kind for case in all_cases()]
    assert len(kinds) >= 300
    assert max(kinds.count(kind) for kind in kinds) <= MOST_OF_A_KIND
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names)


WANTED = (
    "cut off|flipped bits|tag of a wrong|missing levels|levels in a wrong order|"
    "absurd pixel size|contradictory pixel|not square|16 bits|grey|CMYK|RGBA|palette|"
    "JPEG 2000|one pixel|2147483648|in a circle|explode|vanishes|replaced|"
    "stops to answer|骨髓|"
    "two words|paths of 300|read-only|DICOM folder|mrxs|ndpi|scn|BigTIFF|companions|"
    "empty file|folders, pipes|in a ring|no permission|colour profiles|photographs|"
    "float|planes|odd sizes|JPEG tables|YCbCr|by chance"
)


@pytest.mark.parametrize("word", WANTED.split("|"))
def test_what_laboratories_meet_is_among_them(word):
    assert any(word in case.name for case in all_cases())


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_a_bad_slide_ends_as_it_may(case, tmp_path):
    outcome = ACTIONS["classify"](case, tmp_path, case.make(tmp_path))
    assert outcome.ending != WRONG, outcome.detail


@pytest.mark.parametrize(
    ("door", "case"), DOORS, ids=[f"{door}, {case.name}" for door, case in DOORS]
)
def test_a_bad_slide_ends_as_it_may_whatever_opens_it(door, case, tmp_path):
    outcome = ACTIONS[door](case, tmp_path, case.make(tmp_path))
    assert outcome.ending != WRONG, outcome.detail


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are set as Linux has them")
def test_what_may_hang_or_fill_the_memory_does_not():
    done = subprocess.run(
        [sys.executable, "-m", "bad_slides", "--action", "classify", "--only", ALONE],
        env=os.environ | {"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parent / 'src'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
