"""Cases in processes of their own: each is a fork of one that has loaded everything.

The process of a case ends as any program of Python does, so what keeps one from ending
is seen. Its memory is measured, its address space limited, its time, too.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bad_slides import doors
from bad_slides.case import LIMIT_BYTES, LIMIT_SECONDS, WRONG, Outcome, most_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bad_slides.case import BadSlide

    Job = tuple[BadSlide, str]

_GRACE_SECONDS: Final = 10
"""To load and to end, on a busy machine."""

_ROOM_BYTES: Final = 2 * LIMIT_BYTES
"""Of address space; what is reserved is not used."""


def outcomes(jobs: Iterable[Job], at_once: int) -> Iterator[tuple[Job, Outcome]]:
    """Run cases, each in a fork; give what came of it as soon as it is there.

    Parameters
    ----------
    jobs : iterable of (BadSlide, str)
        The case, and one of `doors.ACTIONS`.
    at_once : int
        Processes at one time.
    """
    # Loaded once, for all.
    import napari.components

    import napari_deepheme.plugin.reader  # noqa: F401

    assert napari.components
    # Else each child would go through all that was loaded before its first line.
    gc.collect()
    gc.freeze()
    left, running = list(jobs)[::-1], []
    while left or running:
        while left and len(running) < at_once:
            running.append(_Running(left.pop()))
        for one in list(running):
            outcome = one.outcome()
            if outcome is not None:
                running.remove(one)
                yield one.job, outcome
        time.sleep(0.005)


@dataclass(slots=True)
class _Running:
    job: Job
    folder: Path = field(init=False)
    child: int = field(init=False)
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bad-slide-"))
        (self.folder / "in").mkdir()
        self.ends = time.monotonic() + most_seconds() + _GRACE_SECONDS
        self.child = os.fork()
        if not self.child:
            _do(self.job, self.folder)
            # Up to the end of the program, as any does.
            sys.exit(0)

    def outcome(self) -> Outcome | None:
        """Give the outcome, if there is one by now."""
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if not pid:
            if time.monotonic() < self.ends:
                return None
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        outcome = self._outcome(status if pid else None)
        for root, _, _ in os.walk(self.folder):
            with suppress(OSError):
                os.chmod(root, 0o700)
        shutil.rmtree(self.folder, ignore_errors=True)
        return outcome

    def _outcome(self, status: int | None) -> Outcome:
        log, told = self.folder / "log", self.folder / "outcome"
        said = log.read_text(errors="replace") if log.exists() else ""
        known = Outcome(**json.loads(told.read_text())) if told.exists() else None
        if status is None:
            return Outcome(WRONG, f"hangs; {known}; {said[-500:]}", LIMIT_SECONDS)
        if status or known is None:
            return Outcome(WRONG, f"process ended by {status}: {said[-2000:]}")
        if said:
            return Outcome(WRONG, f"said outside of its run: {said[-2000:]}")
        if known.n_bytes > LIMIT_BYTES and known.ending != WRONG:
            what = f"takes too much: {known.ending}, {known.detail}"
            return Outcome(WRONG, what, known.seconds, known.n_bytes)
        return known


def _do(job: Job, folder: Path) -> None:
    case, action = job
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY, 0o600)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(descriptor, number)
    os.chdir(folder / "in")
    path = case.make(folder / "in")
    room = _status_kb("VmSize") * 1024 + _ROOM_BYTES
    if action != "bundled":
        # Networks reserve more than they use.
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_kb("VmHWM")
    outcome = doors.ACTIONS[action](case, folder / "in", path)
    grown = (_status_kb("VmHWM") - before) * 1024
    told = asdict(outcome) | {"n_bytes": grown}
    (folder / "outcome").write_text(json.dumps(told))


def _status_kb(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
