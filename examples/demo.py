"""Open the sample slide, press "Classify region", export what was found.

Run by ``make demo``. On a screen the viewer stays open; on a virtual one it closes.
Leaves demo-output/ with cells.csv, cells.geojson, summary.json, screenshot.png and
truth.csv, the true cells of the sample slide in the same region.
"""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.phantom import Smear
from napari_deepheme.plugin.sample_data import SAMPLE_SEED, SAMPLE_SIZE

OUT = Path("demo-output")
CENTRE_UM, ZOOM = (225.0, 190.0), 2.2
LONGEST_SECONDS = 600.0


def main() -> None:
    viewer = napari.Viewer(title="napari-deepheme")
    viewer.window.resize(1560, 960)
    viewer.open_sample("napari-deepheme", "marrow-phantom")
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-deepheme", "Classify cells"
    )
    wait(1.0)
    camera = viewer.scene.camera
    camera.center, camera.zoom = CENTRE_UM, ZOOM
    wait(1.0)
    widget.view.region_button.click()
    started = time.monotonic()
    while widget.session.running and time.monotonic() - started < LONGEST_SECONDS:
        wait(0.1)
    wait(1.5)
    widget.controller.desk.export(OUT)
    wait(0.2)
    viewer.screenshot(OUT / "screenshot.png", canvas_only=False, flash=False)
    write_truth()
    counts = widget.view.progress_label.text()
    print(f"{widget.session.message} {counts}\nFiles are in {OUT}/.")
    if os.environ.get("NAPARI_DEEPHEME_NO_SCREEN"):
        viewer.close()
    else:
        napari.run()


def wait(seconds: float) -> None:
    """Let the viewer work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def write_truth() -> None:
    """Write the true cells of the region that was classified."""
    summary = json.loads((OUT / "summary.json").read_text())
    cells = Smear(SAMPLE_SIZE, SAMPLE_SEED).cells(Region(*summary["region"]))
    with (OUT / "truth.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("x", "y", "width", "height", "class_code"))
        writer.writerows((c.x, c.y, c.width, c.height, c.class_code) for c in cells)


if __name__ == "__main__":
    main()
