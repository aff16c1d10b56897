"""The dock widget in a viewer, on the screen that is there."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from bad_slides.case import DONE, FAILED_TILES, LIMIT_SECONDS, WRONG, Outcome
from bad_slides.judged import judge_line
from bad_slides.run import prepare
from bad_slides.stand_ins import stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bad_slides.case import BadSlide

_KEPT: Final = ("SITTINGS", "CONFIG", "MODELS", "CACHE")
_MOST_SECONDS: Final = 3 * LIMIT_SECONDS
"""For a case that is opened, and classified twice."""


class Screen:
    """A viewer with the dock widget, whose models are stand-ins; for one process.

    Parameters
    ----------
    folder : Path
        Where sittings and settings go.
    """

    def __init__(self, folder: Path) -> None:
        for name in _KEPT:
            os.environ[f"NAPARI_DEEPHEME_{name}"] = str(folder / name.lower())
        os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
        import napari

        from napari_deepheme.plugin import widget

        mock.patch.object(widget, "load_kept", stand_ins).start()
        self._viewer = napari.Viewer(show=False)
        _, self._widget = self._viewer.window.add_plugin_dock_widget(
            "napari-deepheme", "Classify cells"
        )

    def close(self) -> None:
        """Close the viewer."""
        self._viewer.close()

    def classify(self, case: BadSlide, path: Path) -> Outcome:
        """Open a slide, classify what is in view, then the whole, and take it away."""
        from napari.utils.notifications import notification_manager

        started = time.monotonic()
        notification_manager.records.clear()
        prepare(case)
        try:
            ending, detail = self._classified(case, path)
            self._viewer.layers.clear()
            self._let_go_on()
        except BaseException:
            ending, detail = WRONG, traceback.format_exc()
        for one in notification_manager.records:
            if one.severity == "error":
                ending, detail = WRONG, str(one)
        return Outcome(ending, detail, time.monotonic() - started)

    def _classified(self, case: BadSlide, path: Path) -> tuple[str, str]:
        session, controller = self._widget.session, self._widget.controller
        session.mpp = 0.0
        controller.open_slide(path)
        if not session.slide:
            return judge_line(session.message, path)
        if case.opened is not None:
            case.opened(path)
        if session.needs_mpp and "--mpp" in case.words:
            controller.set_mpp(0.25)
        endings = [
            self._run(ask, path)
            for ask in (controller.classify_region, controller.classify_slide)
        ]
        wrong = [one for one in endings if one[0] == WRONG]
        return wrong[0] if wrong else endings[-1]

    def _run(self, ask: Any, path: Path) -> tuple[str, str]:
        session = self._widget.session
        ask()
        ends = time.monotonic() + LIMIT_SECONDS
        while session.running:
            self._let_go_on()
            if time.monotonic() > ends:
                return WRONG, f"hangs: {session.message}"
        self._let_go_on()
        message = session.message
        if session.message_kind != "error":
            return DONE, message
        if re.search(r"places? could not be read", message):
            return FAILED_TILES, message
        if "Enter micrometres per pixel" in message:
            return DONE, message
        return judge_line(message, path)

    def _let_go_on(self) -> None:
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        time.sleep(0.005)


def in_one_viewer(
    cases: Sequence[BadSlide],
) -> Iterator[tuple[BadSlide, Outcome]]:
    """Give all to one viewer, one after the other; a new one when it ends early.

    Parameters
    ----------
    cases : sequence of BadSlide
        What may be opened in a process that goes on.
    """
    left = list(cases)
    while left:
        with tempfile.TemporaryDirectory(prefix="bad-slides-") as name:
            folder = Path(name)
            child = os.fork()
            if not child:
                _go_through(left, folder)
            n = 0
            for n, outcome in _told(child, folder, len(left)):
                yield left[n - 1], outcome
            if n < len(left):
                said = (folder / "log").read_text(errors="replace")[-2000:]
                yield left[n], Outcome(WRONG, f"the viewer ended or hangs: {said}")
            left = left[n + 1 :]


def _go_through(cases: Sequence[BadSlide], folder: Path) -> None:
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    screen = Screen(folder / "user")
    for n, case in enumerate(cases, 1):
        (folder / str(n)).mkdir()
        os.chdir(folder / str(n))
        outcome = screen.classify(case, case.make(folder / str(n)))
        partial = folder / "partial"
        partial.write_text(json.dumps(asdict(outcome)))
        partial.replace(folder / f"outcome-{n}")
    screen.close()
    sys.exit(0)


def _told(child: int, folder: Path, n_cases: int) -> Iterator[tuple[int, Outcome]]:
    """Give outcomes as they come; end when the child does, or hangs."""
    n, ends, pid = 1, time.monotonic() + _MOST_SECONDS, 0
    while n <= n_cases or not pid:
        told = folder / f"outcome-{n}"
        if told.exists():
            yield n, Outcome(**json.loads(told.read_text()))
            n, ends = n + 1, time.monotonic() + _MOST_SECONDS
        elif pid:
            return
        elif time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        else:
            pid, _ = os.waitpid(child, os.WNOHANG)
            time.sleep(0.02)
