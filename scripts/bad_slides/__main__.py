"""All bad slides run, and the table of the docs written: ``make corpus``."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bad_slides.case import SEED, WRONG
from bad_slides.corpus import all_cases, of_real_slides
from bad_slides.forks import outcomes
from bad_slides.many_slides import in_one_batch
from bad_slides.mutants import many
from bad_slides.screen import in_one_viewer
from bad_slides.table import write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bad_slides.case import BadSlide, Outcome

    Job = tuple[BadSlide, str]

_AT_ONCE = 2

# What takes many slides in one process.
_TOGETHER = {"widget": in_one_viewer, "batch": in_one_batch}


def main() -> int:
    """Run the cases; status 1 if one ended otherwise than it may."""
    options = _options()
    started, ended = time.monotonic(), {}
    cases = [
        case
        for case in _cases(options)
        if any(part in case.name for part in options.only.split("|"))
    ]
    doors = list(filter(None, options.action.split(",")))
    jobs = [(case, door) for door in doors for case in cases]
    together: list[tuple[str, list[BadSlide]]] = []
    for door in filter(None, options.sampled.split(",")):
        sample = _sample(cases, options.sample, door)
        if door in _TOGETHER:
            together.append((door, sample))
        else:
            jobs += [(case, door) for case in sample]
    for job, outcome in outcomes(jobs, _AT_ONCE):
        _note(options, ended, job, outcome)
    for door, sample in together:
        for case, outcome in _TOGETHER[door](sample):
            _note(options, ended, (case, door), outcome)
    return _close(options, ended, time.monotonic() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bad_slides")
    parser.add_argument("--only", default="", help="parts of names, between bars")
    parser.add_argument("--action", default="classify,show", help="doors for all")
    parser.add_argument("--sampled", default="", help="doors for a sample")
    parser.add_argument("--sample", type=int, default=60, metavar="N")
    parser.add_argument(
        "--slides", type=_absolute, help="a folder of real slides to break"
    )
    parser.add_argument(
        "--mutants", type=int, metavar="N", help="so many, and no other"
    )
    parser.add_argument("--seed", type=int, default=1000, help="of --mutants")
    parser.add_argument("--table", type=Path, help="the page to write")
    parser.add_argument("--json", type=Path, help="a line a case")
    return parser.parse_args()


def _absolute(path: str) -> Path:
    # Each case has a folder of its own to work in.
    return Path(path).resolve()


def _cases(options: argparse.Namespace) -> Sequence[BadSlide]:
    if options.mutants:
        return list(many(options.seed, options.mutants))
    real = of_real_slides(options.slides) if options.slides else ()
    return [*all_cases(), *real]


def _sample(cases: Sequence[BadSlide], n: int, door: str) -> list[BadSlide]:
    """Choose cases that need no hand in the process."""
    plain = [
        case
        for case in cases
        if not (case.before or case.opened or case.meanwhile or "--out" in case.words)
    ]
    return random.Random(f"{SEED} {door}").sample(plain, min(n, len(plain)))


def _note(
    options: argparse.Namespace, ended: dict[Job, Outcome], job: Job, outcome: Outcome
) -> None:
    ended[job] = outcome
    if options.json is not None:
        line = {"case": job[0].name, "action": job[1]} | asdict(outcome)
        with options.json.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    if outcome.ending == WRONG:
        print(_worded(job, outcome), flush=True)


def _close(
    options: argparse.Namespace, ended: dict[Job, Outcome], seconds: float
) -> int:
    endings = Counter((action, o.ending) for (_, action), o in ended.items())
    for (action, ending), n in sorted(endings.items()):
        print(f"{action}: {n} {ending}")
    print(f"{seconds:.0f} s")
    if any(o.ending == WRONG for o in ended.values()):
        return 1
    if options.table is not None:
        write_table(options.table, ended)
    return 0


def _worded(job: Job, outcome: Outcome) -> str:
    facts = f"{outcome.seconds:.1f} s, {outcome.n_bytes >> 20} MB"
    return f"{job[1]}, {job[0].name} ({facts}): {outcome.ending}: {outcome.detail}"


if __name__ == "__main__":
    sys.exit(main())
