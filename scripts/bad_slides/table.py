"""The page of the docs on bad slides, with its table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from bad_slides.case import DONE, FAILED_TILES, LIMIT_BYTES, LIMIT_SECONDS, SEED, TOLD

if TYPE_CHECKING:
    from pathlib import Path

    from bad_slides.case import BadSlide, Outcome

_TEXT: Final = """# Bad slides

What comes of slides that are broken, absurd or hostile. `make corpus` makes {n} of
them by code (seed {seed}; none is kept in the repository), of {n_kinds} kinds, and
runs `napari-deepheme classify` on each, with stand-ins for the networks. This page is
written by it. Each ends in one of three ways:

- **done** (exit status 0);
- **done, with failed tiles**: `failed_tiles` and `failed_regions` say what could not be
  read, and the rest was classified (exit status 0);
- **told in one line** that names the file, the cause and what to do (exit status 1);
  the folder of results holds nothing, or the journal alone.

None takes {seconds} s or {gigabytes} GB beyond the loaded program, none ends in a
traceback or a crash, none prints anything else. Each is opened as the viewer opens it,
too: it is shown, or refused by the same line.

A read that hangs, as on a network drive that is gone, is given up after 120 s, or what
`--read-timeout SECONDS` or the variable `NAPARI_DEEPHEME_READ_TIMEOUT` says; what it
was to read is a failed region. While it still hangs, further reads have an eighth of
the time, and when eight hang at once, none is tried until one comes back. A file that
something writes to while it is read (its length or time changes) is refused when that
is seen, and the same command begins anew; one that vanishes, when a part of it is
missing, and the same command goes on when it is back.

| what is wrong | n | done | failed tiles | told | longest, s |
|---|---|---|---|---|---|
{rows}
| **all** | **{n}** | {total} | |

Of the {n_shown} that the viewer was given, {shown} were shown and {refused} were
refused by one line. With the bundled models and in a process of its own, as the command
is given, {n_bundled} were run: {bundled} were done, {bundled_told} told in one line.
"""


def write_table(path: Path, outcomes: dict[tuple[BadSlide, str], Outcome]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        The page.
    outcomes : dict
        By case and "classify" or "show".
    """
    kinds: dict[str, list[Outcome]] = {}
    for (case, action), outcome in outcomes.items():
        if action == "classify":
            kinds.setdefault(case.kind, []).append(outcome)
    shown = [o.ending for (_, action), o in outcomes.items() if action == "show"]
    whole = [o.ending for (_, action), o in outcomes.items() if action == "bundled"]
    every = [outcome for of in kinds.values() for outcome in of]
    text = _TEXT.format(
        n=len(every),
        n_kinds=len(kinds),
        seed=SEED,
        seconds=LIMIT_SECONDS,
        gigabytes=LIMIT_BYTES >> 30,
        rows="\n".join(_row(kind, of) for kind, of in kinds.items()),
        total=" | ".join(f"**{n}**" for n in _numbers(every)),
        n_shown=len(shown),
        shown=shown.count(DONE),
        refused=shown.count(TOLD),
        n_bundled=len(whole),
        bundled=len(whole) - whole.count(TOLD),
        bundled_told=whole.count(TOLD),
    )
    path.write_text(text, encoding="utf-8")


def _row(kind: str, outcomes: list[Outcome]) -> str:
    numbers = " | ".join(str(n or "") for n in _numbers(outcomes))
    longest = max(outcome.seconds for outcome in outcomes)
    return f"| {kind} | {len(outcomes)} | {numbers} | {longest:.0f} |"


def _numbers(outcomes: list[Outcome]) -> list[int]:
    endings = Counter(outcome.ending for outcome in outcomes)
    return [endings[ending] for ending in (DONE, FAILED_TILES, TOLD)]
