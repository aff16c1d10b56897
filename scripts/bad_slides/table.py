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
runs `napari-deepheme classify` on each, with stand-ins for the networks. The kinds
called "real slide" are of slides beside the repository, broken at places that chance
chooses; without `SLIDES=FOLDER`, they are left out. This page is written by it. Each
slide ends in one of three ways:

- **done** (exit status 0);
- **done, with failed tiles**: `failed_tiles` and `failed_regions` say what could not be
  read, and the rest was classified (exit status 0);
- **told in one line** that names the file, the cause and what to do (exit status 1);
  the folder of results holds nothing, or the journal alone. That the line has all three
  is checked by its form and its words.

None takes {seconds} s or {gigabytes} GB beyond the loaded program, none ends in a
traceback or a crash, none prints anything else.

A read that hangs, as on a network drive that is gone, is given up after 120 s, or what
`--read-timeout SECONDS` or the variable `NAPARI_DEEPHEME_READ_TIMEOUT` says; what it
was to read is a failed region. While it still hangs, further reads have an eighth of
the time, and when eight hang at once, none is tried until one comes back. A file that
something writes to while it is read (its length or time changes, or that of another
file of its slide: DICOM, MIRAX, Hamamatsu's vms) is refused when that is seen, and the
same command begins anew; one that vanishes, when a part of it is missing, and the same
command goes on when it is back.

| what is wrong | n | done | failed tiles | told | longest, s |
|---|---|---|---|---|---|
{rows}
| **all** | **{n}** | {total} | |

## Other ways in

A sample goes through the other ways in. "viewer" opens the slide as napari does and
looks at each level; "widget" opens it in the dock widget of one viewer, classifies what
is in view and then the whole; "batch" is one command with all of them and a sound
slide, which must be done; "bundled" is `classify` in a process of its own, with the
bundled networks; "python" is `open_slide`, `read_region` and `classify`.

| way in | n | done | failed tiles | told |
|---|---|---|---|---|
{doors}
"""

_DOORS: Final = {
    "show": "viewer",
    "widget": "widget",
    "python": "python",
    "report": "`report`",
    "export": "`export`",
    "batch": "`batch`",
    "bundled": "bundled",
}


def write_table(path: Path, outcomes: dict[tuple[BadSlide, str], Outcome]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        The page.
    outcomes : dict
        By case and way in.
    """
    kinds: dict[str, list[Outcome]] = {}
    doors: dict[str, list[Outcome]] = {}
    for (case, action), outcome in outcomes.items():
        of = kinds if action == "classify" else doors
        of.setdefault(case.kind if of is kinds else action, []).append(outcome)
    every = [outcome for of in kinds.values() for outcome in of]
    text = _TEXT.format(
        n=len(every),
        n_kinds=len(kinds),
        seed=SEED,
        seconds=LIMIT_SECONDS,
        gigabytes=LIMIT_BYTES >> 30,
        rows="\n".join(_row(kind, of) for kind, of in kinds.items()),
        total=" | ".join(f"**{n}**" for n in _numbers(every)),
        doors="\n".join(
            f"| {name} | {len(doors[door])} | {_cells(doors[door])} |"
            for door, name in _DOORS.items()
            if door in doors
        ),
    )
    path.write_text(text, encoding="utf-8")


def _row(kind: str, outcomes: list[Outcome]) -> str:
    longest = max(outcome.seconds for outcome in outcomes)
    return f"| {kind} | {len(outcomes)} | {_cells(outcomes)} | {longest:.0f} |"


def _cells(outcomes: list[Outcome]) -> str:
    return " | ".join(str(n or "") for n in _numbers(outcomes))


def _numbers(outcomes: list[Outcome]) -> list[int]:
    endings = Counter(outcome.ending for outcome in outcomes)
    return [endings[ending] for ending in (DONE, FAILED_TILES, TOLD)]
