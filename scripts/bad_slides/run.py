"""One bad slide through ``classify`` and the viewer's reader, in this process."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from bad_slides.case import DONE, LIMIT_SECONDS, WRONG, Outcome, most_seconds
from bad_slides.judged import Said, judge, judge_line
from bad_slides.stand_ins import stand_ins
from napari_deepheme import cli
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.runs import slide_run
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.patience import TIMEOUT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bad_slides.case import BadSlide


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
        said = caught(lambda: cli.run(["classify", str(path), *words]))
        seconds = time.monotonic() - started
    ending, detail = judge(said, path, out)
    if seconds > most_seconds():
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
    out_text, err = (
        part.decode(errors="replace") for part in (done.stdout, done.stderr)
    )
    ending, detail = judge(Said(done.returncode, out_text, err), path, out)
    return Outcome(ending, detail, time.monotonic() - started)


def show(case: BadSlide, folder: Path, path: Path) -> Outcome:
    """Open a slide as the viewer does, and look at it from afar and from near."""
    prepare(case)
    started = time.monotonic()
    try:
        _look(case, path)
    except DeephemeError as error:
        ending, detail = judge_line(str(error), path)
        return Outcome(ending, detail, time.monotonic() - started)
    except BaseException:
        return Outcome(WRONG, traceback.format_exc(), time.monotonic() - started)
    return Outcome(DONE, "", time.monotonic() - started)


def _look(case: BadSlide, path: Path) -> None:
    from napari.components import ViewerModel

    from napari_deepheme.plugin.reader import get_slide_reader
    from napari_deepheme.plugin.slide_layers.slides import slide_kwargs, slide_of

    reader = get_slide_reader(str(path))
    if reader is None:
        # As "Open slide…" does.
        kwargs = slide_kwargs(open_slide(path))
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


def prepare(case: BadSlide) -> None:
    """Set what a case asks for before the slide is opened otherwise than by words."""
    if "--read-timeout" in case.words:
        os.environ[TIMEOUT_VARIABLE] = case.words[-1]
    if case.before is not None:
        case.before()


def caught(call: Callable[[], int]) -> Said:
    """Call with both outputs caught, also what C libraries print."""
    status, left = None, ""
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
            left = traceback.format_exc()
        finally:
            os.dup2(before, 2)
            os.close(before)
        native.seek(0)
        printed = native.read().decode(errors="replace")
    return Said(status, out.getvalue(), err.getvalue() + printed, left)


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
