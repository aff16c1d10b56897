"""Viewers that are killed in a run, and while cells are corrected."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.sittings.sitting_file import read_sitting

VIEWER = """
    import sys, time
    from pathlib import Path
    import napari
    from qtpy.QtWidgets import QApplication
    viewer = napari.Viewer(show=False)
    add = viewer.window.add_plugin_dock_widget
    _, widget = add("napari-deepheme", "Classify cells")
    application, session = QApplication.instance(), widget.session
    session.events.n_done.connect(lambda n, *_: print(n, flush=True))
    session.events.message.connect(lambda text, *_: print("said", text, flush=True))
    widget.controller.open_slide(Path(sys.argv[1]))
    widget.view.slide_button.click()
    while not (session.can_export and session.sitting):
        application.processEvents()
        time.sleep(0.01)
    widget.controller.close()
    print("sitting", session.sitting, flush=True)
"""


SITTING = """
    import sys, time
    from pathlib import Path
    import napari
    from qtpy.QtWidgets import QApplication
    viewer = napari.Viewer(show=False)
    add = viewer.window.add_plugin_dock_widget
    _, widget = add("napari-deepheme", "Classify cells")
    application = QApplication.instance()

    def until(condition):
        while not condition():
            application.processEvents()
            time.sleep(0.01)

    widget._saving.setInterval(500)
    widget.controller.open_slide(Path(sys.argv[1]))
    widget.view.slide_button.click()
    until(lambda: widget.session.can_export and widget.session.sitting)
    print(widget.session.sitting, flush=True)
    n = 0
    while True:
        widget.desk.review.correct([n % 5], ("M3", "L2")[n % 2])
        n += 1
        print(n, time.time(), flush=True)
        end = time.time() + 0.05
        until(lambda: time.time() > end)
"""


@pytest.fixture
def start_viewer(tmp_path):
    script = tmp_path / "viewer.py"
    script.write_text(textwrap.dedent(VIEWER))

    def start(slide, sittings):
        return subprocess.Popen(
            [sys.executable, str(script), str(slide)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NAPARI_DEEPHEME_SITTINGS": str(tmp_path / sittings)},
        )

    return start


def ended(process):
    """Return what a viewer said, and the cells of its sitting, whole."""
    lines = process.communicate(timeout=300)[0].splitlines()
    assert process.returncode == 0
    sitting = read_sitting(lines[-1].removeprefix("sitting "))
    assert sitting.result.complete
    return lines, sitting.corrected.cells


@pytest.mark.slow
@pytest.mark.not_on_windows
def test_a_viewer_killed_in_a_run_goes_on_and_finds_the_same_cells(
    start_viewer, tmp_path
):
    slide = tmp_path / "slide.svs"
    write_phantom(slide, Size(3000, 2000), 5)
    # By a process as well: of other threads, another way to compute may be chosen.
    _, in_one_go = ended(start_viewer(slide, "whole"))
    process = start_viewer(slide, "kept")
    for line in process.stdout:
        if line.strip() == "2":
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list((tmp_path / "kept").glob("*.deepheme"))
    lines, cells = ended(start_viewer(slide, "kept"))
    (said,) = [line for line in lines if "Going on with" in line]
    n_done = int(said.split()[4])
    assert said == f"said Going on with {n_done} of 6 tiles done."
    assert 2 <= n_done < 6
    assert len(cells) == len(in_one_go) > 50
    assert cells == in_one_go
    assert not list((tmp_path / "kept" / "unfinished").iterdir())


@pytest.mark.not_on_windows
@pytest.mark.slow
def test_a_viewer_that_is_killed_loses_no_more_than_the_last_seconds(
    phantom_svs, tmp_path
):
    script = tmp_path / "sitting.py"
    script.write_text(textwrap.dedent(SITTING))
    environment = {**os.environ, "NAPARI_DEEPHEME_SITTINGS": str(tmp_path / "kept")}
    process = subprocess.Popen(
        [sys.executable, str(script), str(phantom_svs)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    path = process.stdout.readline().strip()
    said = []
    begun = time.time()
    while time.time() - begun < 3:
        n, at = process.stdout.readline().split()
        said.append((int(n), float(at)))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    steps = read_sitting(path).corrected.steps
    assert steps
    last = said[-1][1]
    lost = [at for n, at in said if n > len(steps)]
    assert not lost or last - lost[0] < 1.5
    for number, step in enumerate(steps):
        assert step.after == (("M3", "L2")[number % 2],)
