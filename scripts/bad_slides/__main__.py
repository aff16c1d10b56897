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
from bad_slides.corpus import all_cases
from bad_slides.forks import outcomes
from bad_slides.table import write_table

if TYPE_CHECKING:
    from bad_slides.case import BadSlide, Outcome

_AT_ONCE = 2


def main() -> int:
    """Run the cases; status 1 if one ended otherwise than it may."""
    parser = argparse.ArgumentParser("bad_slides")
    parser.add_argument("--only", default="", help="parts of names, between bars")
    parser.add_argument("--action", default="classify,show")
    parser.add_argument("--bundled", type=int, metavar="N", help="with its models, too")
    parser.add_argument("--table", type=Path, help="the page to write")
    parser.add_argument("--json", type=Path, help="a line a case")
    options = parser.parse_args()
    started, ended = time.monotonic(), {}
    jobs = [
        (case, action)
        for case in all_cases()
        for action in options.action.split(",")
        if any(part in case.name for part in options.only.split("|"))
    ]
    if options.bundled:
        jobs += [(case, "bundled") for case in _sample(options.bundled)]
    for job, outcome in outcomes(jobs, _AT_ONCE):
        ended[job] = outcome
        if outcome.ending == WRONG:
            print(_worded(job, outcome), flush=True)
    return _close(options, ended, time.monotonic() - started)


def _sample(n: int) -> list[BadSlide]:
    """Choose cases that need no hand in the process."""
    plain = [
        case
        for case in all_cases()
        if not (case.before or case.opened or case.meanwhile or "--out" in case.words)
    ]
    return random.Random(SEED).sample(plain, n)


def _close(
    options: argparse.Namespace,
    ended: dict[tuple[BadSlide, str], Outcome],
    seconds: float,
) -> int:
    if options.json is not None:
        lines = [
            json.dumps({"case": case.name, "action": action} | asdict(outcome))
            for (case, action), outcome in ended.items()
        ]
        options.json.write_text("\n".join(lines) + "\n")
    endings = Counter((action, o.ending) for (_, action), o in ended.items())
    for (action, ending), n in sorted(endings.items()):
        print(f"{action}: {n} {ending}")
    print(f"{seconds:.0f} s")
    if any(o.ending == WRONG for o in ended.values()):
        return 1
    if options.table is not None:
        write_table(options.table, ended)
    return 0


def _worded(job: tuple[BadSlide, str], outcome: Outcome) -> str:
    facts = f"{outcome.seconds:.1f} s, {outcome.n_bytes >> 20} MB"
    return f"{job[1]}, {job[0].name} ({facts}): {outcome.ending}: {outcome.detail}"


if __name__ == "__main__":
    sys.exit(main())
