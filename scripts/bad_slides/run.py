"""One bad slide classified and shown in this process, and what is said of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from bad_slides.case import DONE, FAILED_TILES, LIMIT_SECONDS, TOLD, WRONG, Outcome
from bad_slides.stand_ins import stand_ins
from napari_deepheme import cli
from napari_deepheme.core import slide_run
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.slide.patience import TIMEOUT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bad_slides.case import BadSlide

_RESULTS = {"cells.csv", "cells.geojson", "summary.json", "journal.jsonl"}


def classify(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Run ``napari-deepheme classify`` with stand-ins for its models.

    Parameters
    ----------
    case : BadSlide
        The case.
    folder : Path
        The folder it was made in, which is the working directory meanwhile.
    path : Path
        What `case.make` gave.
    """
    out = folder / "out"
    words = list(case.words)
    if "--out" in words:
        out = Path(words[words.index("--out") + 1])
    else:
        words += ["--out", str(out)]
    with _watched(case, path):
        started = time.monotonic()
        status, said, told, caught = _said(
            lambda: cli.run(["classify", str(path), *words])
        )
        seconds = time.monotonic() - started
    ending, detail = judge(status, said, told, caught, path, out)
    if seconds > LIMIT_SECONDS:
        ending, detail = WRONG, f"took {seconds:.0f} s"
    return Outcome(ending, detail, seconds)


def bundled(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Run the command as a user does: a process of its own, with the bundled models."""
    out = folder / "out"
    words = ["classify", str(path), *case.words, "--device", "cpu", "--out", str(out)]
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "napari_deepheme", *words],
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(WRONG, "hangs", LIMIT_SECONDS)
    said, told = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    ending, detail = judge(done.returncode, said, told, "", path, out)
    return Outcome(ending, detail, time.monotonic() - started)


def show(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Open a slide as the viewer does, and look at it from afar and from near."""
    from napari.components import ViewerModel

    from napari_deepheme.plugin.reader import get_slide_reader
    from napari_deepheme.plugin.slides import slide_kwargs, slide_of

    if "--read-timeout" in case.words:
        os.environ[TIMEOUT_VARIABLE] = case.words[-1]
    if case.before is not None:
        case.before()
    started = time.monotonic()
    try:
        reader = get_slide_reader(str(path))
        if reader is None:
            slide = _opened(path)
            kwargs = slide_kwargs(slide)
            layers = [(kwargs.pop("data"), kwargs, "image")]
        else:
            layers = reader(str(path))
        viewer = ViewerModel()
        for data, kwargs, _ in layers:
            layer = viewer.add_image(data, **kwargs)
            if case.opened is not None:
                case.opened(path)
            for zoom in (1e-4, 0.1, 1, 20):
                viewer.scene.camera.zoom = zoom
                layer.refresh()
            for level in layer.data if layer.multiscale else [layer.data]:
                level[:64, :64], level[-64:, -64:]
            with contextlib.suppress(DeephemeError):
                dict(layer.metadata["associated_images"])
            slide_of(layer).close()
    except DeephemeError as error:
        return _one_line(str(error), time.monotonic() - started)
    except BaseException:
        return Outcome(WRONG, traceback.format_exc(), time.monotonic() - started)
    return Outcome(DONE, "", time.monotonic() - started)


ACTIONS: Final = {"classify": classify, "show": show, "bundled": bundled}


def _opened(path: Path) -> Any:
    """Open a slide as "Open slide…" does."""
    from napari_deepheme.core.slide import open_slide

    return open_slide(path)


def judge(
    status: int | None,
    said: str,
    told: str,
    caught: str,
    path: Path,
    out: Path,
) -> tuple[str, str]:
    """Tell how a command ended, and whether it may."""
    if caught:
        return WRONG, caught
    if "Traceback" in told + said:
        return WRONG, told + said
    left = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
    odd = set(left) - _RESULTS
    if odd:
        return WRONG, f"left {odd}"
    if status == 0:
        return _done(told, left, out)
    if status != 1:
        return WRONG, f"status {status}: {told}"
    if set(left) - {"journal.jsonl"}:
        return WRONG, f"failed, but left {left}"
    line = _one_line(told, 0)
    if line.ending == WRONG or said:
        return WRONG, f"{line.detail} {said}"
    if not _names(path, told):
        return WRONG, f"does not name the file: {told}"
    return TOLD, told.strip().removeprefix("napari-deepheme: ")


def _done(told: str, left: list[str], out: Path) -> tuple[str, str]:
    if told:
        return WRONG, f"done, but said {told}"
    if set(left) != _RESULTS:
        return WRONG, f"done, but left {left}"
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    json.loads((out / "cells.geojson").read_text("utf-8"))
    n_rows = (out / "cells.csv").read_text("utf-8").count("\n") - 1
    if n_rows != summary["n_cells"]:
        return WRONG, f"{n_rows} rows of {summary['n_cells']} cells"
    n_failed = summary["failed_tiles"]
    what = f"{summary['n_cells']} cells, {n_failed} blocks failed"
    return (FAILED_TILES if n_failed else DONE), what


def _names(path: Path, told: str) -> bool:
    # A name may have letters that a terminal lacks, or that would start a line.
    plain = "".join(letter if letter.isalnum() else "" for letter in path.name)
    known = "".join(letter if letter.isalnum() else "" for letter in told)
    return plain[:40] in known or "cannot write" in told


def _one_line(told: str, seconds: float) -> Outcome:
    lines = told.strip().splitlines()
    if len(lines) != 1:
        return Outcome(WRONG, f"{len(lines)} lines: {told}", seconds)
    return Outcome(TOLD, lines[0], seconds)


def _said(call: Callable[[], int]) -> tuple[int | None, str, str, str]:
    """Call with both outputs caught, also what C libraries print."""
    status, caught = None, ""
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryFile() as native:
        before = os.dup(2)
        os.dup2(native.fileno(), 2)
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                warnings.catch_warnings(),
            ):
                status = call()
        except BaseException:
            caught = traceback.format_exc()
        finally:
            os.dup2(before, 2)
            os.close(before)
        native.seek(0)
        printed = native.read().decode(errors="replace")
    return status, out.getvalue(), err.getvalue() + printed, caught


@contextlib.contextmanager
def _watched(case: BadSlide, path: Path) -> Iterator[None]:
    """Put the stand-ins in place, and what happens to the slide meanwhile."""
    take, enter = slide_run.SlideRun.take, slide_run.SlideRun.__init__
    waiting = [case.meanwhile]

    def taking(run: Any, result: Any) -> None:
        take(run, result)
        change = waiting.pop() if waiting else None
        if change is not None:
            change(path)

    def entering(run: Any, *words: Any, **options: Any) -> None:
        enter(run, *words, **options)
        if case.opened is not None:
            case.opened(path)

    with (
        mock.patch.object(slide_run, "load_models", stand_ins),
        mock.patch.object(slide_run.SlideRun, "take", taking),
        mock.patch.object(slide_run.SlideRun, "__init__", entering),
    ):
        if case.before is not None:
            case.before()
        yield
