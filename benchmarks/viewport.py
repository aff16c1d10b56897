"""How soon cells are there after "Classify region", and how long 500 cells take.

Run by ``python benchmarks/viewport.py [SLIDE]``, on a screen or under ``xvfb-run -a``;
without a slide it renders one of 6,000 px squared. The canvas shows 1,920 x 1,080 px of
level 0. The models are loaded while the slide is looked at: how long that takes is
told, and how long the event loop is held at once meanwhile. The first click is told
apart; of five further ones, each at another place, the median and the longest are
given. Then "500 cells in the best areas" is run as a command, from opening the slide to
the last file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from threading import enumerate as enumerate_threads

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_deepheme import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.plugin.layers import CELLS
from napari_deepheme.plugin.viewport import visible_region
from napari_deepheme.plugin.worker import THREAD_NAME

VIEW = Size(1920, 1080)
N_CLICKS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            path = Path(sys.argv[1])
        else:
            path = Path(folder) / "phantom.svs"
            write_phantom(path, Size(6000, 6000), 90_200)
        clicks(path)
        count(path, Path(folder) / "out")


def clicks(path: Path) -> None:
    viewer = napari.Viewer()
    viewer.window.resize(1560, 960)
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-deepheme", "Classify cells"
    )
    started = time.perf_counter()
    widget.controller.open_slide(path)
    layer = viewer.layers[0]
    work(1.0)
    print(f"slide opened and drawn: {time.perf_counter() - started - 1.0:.2f} s")
    prepare()
    rng = np.random.default_rng(0)
    print(f"{'click':8} {'cells':>6} {'first cells':>12} {'all cells':>10}")
    times = []
    for number in range(1 + N_CLICKS):
        look_at(viewer, layer, rng)
        n, first, last = click(viewer, widget)
        print(f"{number or 'first':<8} {n:6} {first:10.2f} s {last:8.2f} s")
        times += [(first, last)] if number else []
    for name, column in (("first cells", 0), ("all cells", 1)):
        values = [row[column] for row in times]
        print(f"{name}: median {median(values):.2f} s, longest {max(values):.2f} s")
    viewer.close()


def prepare() -> None:
    """Look at the slide until its models are loaded."""
    started = last = time.perf_counter()
    longest = 0.0
    while THREAD_NAME in {t.name for t in enumerate_threads()} or last - started < 1.5:
        QApplication.processEvents()
        time.sleep(0.002)
        longest = max(longest, time.perf_counter() - last)
        last = time.perf_counter()
    print(f"models loaded: {last - started:.1f} s, event loop held {longest:.2f} s")


def look_at(viewer: napari.Viewer, layer, rng: np.random.Generator) -> None:
    """Show a view of `VIEW` level-0 pixels somewhere on the slide."""
    height, width = (layer.data[0] if layer.multiscale else layer.data).shape[:2]
    margin = np.array([VIEW.height, VIEW.width]) / 2
    centre = rng.uniform(margin, np.array([height, width]) - margin)
    camera = viewer.scene.camera
    camera.center = tuple(layer.data_to_world(centre))
    shown = visible_region(viewer, layer, Size(width, height))
    camera.zoom *= (shown.area / (VIEW.width * VIEW.height)) ** 0.5
    work(0.7)


def click(viewer: napari.Viewer, widget) -> tuple[int, float, float]:
    """Click, wait for the end; return cells, seconds to the first and to the last."""
    # Those of the click before stay until there are others.
    before = drawn(viewer)
    started, first = time.perf_counter(), None
    widget.view.region_button.click()
    while widget.session.running:
        QApplication.processEvents()
        # As in Qt's own loop, the worker has the processor meanwhile.
        time.sleep(0.005)
        if first is None and len(now := drawn(viewer)) and not is_same(now, before):
            first = time.perf_counter() - started
    last = time.perf_counter() - started
    return len(drawn(viewer)), first or last, last


def drawn(viewer: napari.Viewer) -> np.ndarray:
    return viewer.layers[CELLS].data.copy() if CELLS in viewer.layers else np.empty(0)


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def count(path: Path, out: Path) -> None:
    command = [sys.executable, "-m", "napari_deepheme", "classify", str(path)]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--max-cells", "500", "--out", str(out), "--device", "cpu"],
        check=True,
        capture_output=True,
    )
    print(f"500 cells of {path.name}: {time.perf_counter() - started:.1f} s in all")


def work(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


if __name__ == "__main__":
    main()
