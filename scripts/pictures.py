"""Take the pictures of the documentation: a sitting on the sample slide, step by step.

Run by ``make pictures`` on a virtual screen of 1600 x 1000 px. The slide is rendered, so
the pictures hold no patient's cells. The steps are those of ``docs/a-sitting.md``; the
corrections are the slide's own truth. Leaves docs/images/, with no file over 250 KB.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HOME = Path(tempfile.mkdtemp())
for name in ("CACHE", "CONFIG", "SITTINGS", "MODELS"):
    # A sitting of its own: the user's keys, looks, models and sittings stay out of it.
    os.environ[f"NAPARI_DEEPHEME_{name}"] = str(HOME / name.lower())

import napari  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from qtpy.QtCore import QPoint, QSize  # noqa: E402
from qtpy.QtGui import QImage  # noqa: E402
from qtpy.QtPdf import QPdfDocument  # noqa: E402
from qtpy.QtWidgets import QApplication, QWidget  # noqa: E402

from napari_deepheme.core.geometry import Region  # noqa: E402
from napari_deepheme.core.phantom import Smear  # noqa: E402
from napari_deepheme.core.reference_ranges import read_reference_ranges  # noqa: E402
from napari_deepheme.plugin.sample_data import (  # noqa: E402
    SAMPLE_SEED,
    SAMPLE_SIZE,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path(__file__).parents[1] / "docs" / "images"
WINDOW = (1400, 875)
READER = "A. Reader"
LONGEST_SECONDS = 300.0
LARGEST_BYTES = 250_000
NEAR = (500, 500, 3.0)
"""Where cells of many kinds lie apart: x and y in µm, zoom."""
DENSITY = 4
RANGES = """name,low,high
blasts,0,5
promyelocytes,1,8
bands and neutrophils,15,50
eosinophils,0,6
erythroid precursors,15,40
lymphocytes,5,25
plasma cells,0,4
M:E,1.5,4.5
"""
"""Invented, and named so in the picture: the project ships no reference ranges."""


class Sitting:
    """The viewer, the widget and a camera."""

    def __init__(self) -> None:
        self._truth: dict[tuple[int, int], str] = {
            (c.x + c.width // 2, c.y + c.height // 2): c.class_code
            for c in Smear(SAMPLE_SIZE, SAMPLE_SEED).cells(Region(0, 0, *SAMPLE_SIZE))
        }
        self.docks: dict[str, QWidget] = {}
        self.begin()

    def begin(self) -> None:
        """Open napari, the sample slide and the widget."""
        self.viewer = napari.Viewer(title="napari")
        self.window = self.viewer.window._qt_window
        self.viewer.window.resize(*WINDOW)
        self.viewer.open_sample("napari-deepheme", "marrow-phantom")
        _, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-deepheme", "Classify cells"
        )
        self.viewer.window._qt_viewer.dockLayerControls.setVisible(False)
        self.viewer.canvas.overlays.scale_bar.visible = True
        self.review = self.widget.desk.review
        wait(2)
        self.widget.view.corrections.reader_box.setText(READER)
        self.widget.view.corrections.reader_given.emit(READER)

    def look(self, x_um: float, y_um: float, zoom: float) -> None:
        """Bring a place to the middle of the canvas."""
        camera = self.viewer.scene.camera
        camera.center, camera.zoom = (y_um, x_um), zoom
        wait(1)

    def run(self, start: Callable[[], object]) -> None:
        """Start a run, and wait until it has ended."""
        start()
        wait_for(lambda: not self.widget.session.running)
        wait(1.5)

    def dock(self, name: str, height: int = 0) -> Any:
        """Open a dock."""
        widget = self.docks[name] = self.widget.docks.open(name)
        wait(1.5)
        return widget

    def close_dock(self, name: str) -> None:
        """Close a dock, so that the next has room."""
        self.docks.pop(name).parentWidget().close()
        wait(0.5)

    def press(self, name: str) -> None:
        """Do what a key or a button of the review does."""
        self.widget.desk.actions.do(name)
        wait(0.7)

    def look_at(self, row: int, zoom: float) -> None:
        """Bring a cell to the middle of the canvas."""
        x, y = self.review.cells.centres[row] * self.review.mpp
        self.look(x, y, zoom)

    def first(self, code: str) -> int:
        """Return a cell of a class that lies well within the slide."""
        cells = self.review.cells
        inside = (np.abs(cells.centres - 2000) < 1400).all(axis=1)
        found = inside & (np.array(cells.class_codes) == code)
        return int(np.flatnonzero(found)[0])

    def truth_of(self, row: int) -> str:
        """Return what a cell is: the renderer knows."""
        places = np.array(list(self._truth))
        apart = np.abs(places - self.review.cells.centres[row]).max(axis=1)
        nearest = int(apart.argmin())
        return list(self._truth.values())[nearest] if apart[nearest] < 20 else "U1"

    def wrong_rows(self) -> list[tuple[int, str]]:
        """Return the cells that the model named wrongly, and what they are."""
        codes = self.review.cells.class_codes
        pairs = [(row, self.truth_of(row)) for row in range(len(codes))]
        return [(row, code) for row, code in pairs if code not in (codes[row], "U1")]

    def take(self, name: str) -> None:
        """Photograph the window."""
        wait(0.6)
        save(np.asarray(self.viewer.screenshot(canvas_only=False, flash=False)), name)

    def take_screen(self, name: str) -> None:
        """Photograph the screen where the window is, with an open menu."""
        wait(0.6)
        screen = QApplication.primaryScreen()
        place = self.window.frameGeometry()
        shot = screen.grabWindow(
            0, place.x(), place.y(), place.width(), place.height()
        ).toImage()
        save(_pixels(shot), name)

    def take_part(self, name: str, *widgets: QWidget, margin: int = 6) -> None:
        """Photograph the part of the window in which some widgets lie."""
        wait(0.6)
        shot = np.asarray(self.viewer.screenshot(canvas_only=False, flash=False))
        corners = []
        for widget in widgets:
            place = widget.mapTo(self.window, QPoint(0, 0))
            size = widget.size()
            corners.append(
                (place.x(), place.y(), place.x() + size.width(), place.y() + size.height())
            )
        left, top = (max(0, min(c[i] for c in corners) - margin) for i in (0, 1))
        right, bottom = (max(c[i] for c in corners) + margin for i in (2, 3))
        save(shot[top:bottom, left:right], name)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    sitting = Sitting()
    for step in STEPS:
        started = time.monotonic()
        step(sitting)
        print(f"{step.__name__}: {time.monotonic() - started:.0f} s", flush=True)
    sitting.viewer.close()


def open_the_slide(sitting: Sitting) -> None:
    sitting.take("open")


def classify_a_region(sitting: Sitting) -> None:
    sitting.look(500, 500, 0.82)
    sitting.run(sitting.widget.view.slide_button.click)
    sitting.look(*NEAR)
    sitting.take("classified")


def look_through_the_gallery(sitting: Sitting) -> None:
    gallery = sitting.dock("Gallery")
    gallery.show_group("M3")
    row = sitting.first("M3")
    sitting.review.go_to(row)
    sitting.take("gallery")


def correct_by_keys(sitting: Sitting) -> None:
    sitting.close_dock("Gallery")
    wrong = sitting.wrong_rows()
    for row, code in wrong[:6]:
        sitting.review.go_to(row)
        sitting.press(code)
    row, code = wrong[6]
    sitting.review.go_to(row)
    sitting.look_at(row, 5)
    sitting.press(code)
    sitting.take("corrected")


def go_through_the_doubtful(sitting: Sitting) -> None:
    sitting.press("next")
    sitting.look_at(sitting.review.selected[0], 5)
    panel = sitting.widget.view.corrections
    sitting.take("doubtful")
    panel.threshold_slider.setValue(700)
    wait(1)
    sitting.take_part("threshold", sitting.widget.view.legend, panel)
    for _ in range(5):
        sitting.press("next")
        sitting.press(sitting.truth_of(sitting.review.selected[0]))


def judge_mitoses(sitting: Sitting) -> None:
    panel = sitting.dock("Mitoses")
    panel.step(1)
    panel.confirm_button.click()
    panel.step(1)
    wait(0.5)
    sitting.look_at(sitting.review.selected[0], 7)
    sitting.take("mitoses")
    sitting.close_dock("Mitoses")


def read_the_differential(sitting: Sitting) -> None:
    path = HOME / "invented ranges.csv"
    path.write_text(RANGES)
    sitting.widget.docks.differentials.use_ranges(read_reference_ranges(path))
    sitting.dock("Differential")
    sitting.look(500, 500, 0.82)
    sitting.take("differential")
    sitting.close_dock("Differential")


def explain_a_call(sitting: Sitting) -> None:
    row = sitting.first("M2")
    sitting.review.go_to(row)
    sitting.look_at(row, 5)
    panel = sitting.dock("Explain")
    wait_for(lambda: panel.explaining.explanation is not None)
    panel.compare_button.click()
    wait_for(lambda: not sitting.widget.docks.space.running)
    panel.view_buttons[1].click()
    wait(4)
    sitting.take("explained")
    sitting.close_dock("Explain")


def map_the_cells(sitting: Sitting) -> None:
    panel = sitting.dock("Map")
    panel.map_button.click()
    wait_for(lambda: not sitting.widget.docks.space.running)
    panel.all_button.click()
    sitting.take("map")
    sitting.close_dock("Map")


def see_where_they_lie(sitting: Sitting) -> None:
    panel = sitting.dock("Density")
    sitting.look(500, 500, 0.82)
    panel.choice_box.setCurrentIndex(DENSITY)
    wait(2)
    sitting.take("density")
    panel.choice_box.setCurrentIndex(0)
    sitting.close_dock("Density")


def change_the_look(sitting: Sitting) -> None:
    panel = sitting.dock("Display")
    sitting.widget.docks.seeing.change(gamma=0.7, stain=1.4)
    sitting.look(*NEAR)
    sitting.take("display")
    sitting.widget.docks.seeing.reset()
    sitting.close_dock("Display")


def save_the_sitting(sitting: Sitting) -> None:
    view = sitting.widget.view
    sitting.look(*NEAR)
    menu = view.more_button.menu()
    menu.popup(view.more_button.mapToGlobal(QPoint(0, view.more_button.height())))
    sitting.take_screen("save")
    menu.close()
    report = HOME / "report.pdf"
    sitting.widget.desk.saving.save("pdf", report)
    wait_for(report.exists)
    wait(2)
    take_pages("report", report, 0, 1)
    sitting.widget.desk.keeping.save()
    wait(2)


def come_back(sitting: Sitting) -> None:
    sitting.viewer.close()
    wait(1)
    sitting.begin()
    sitting.take("come-back")
    sitting.widget.view.earlier_button.click()
    wait(3)
    sitting.look(*NEAR)
    sitting.take("gone-on")


STEPS = (
    open_the_slide,
    classify_a_region,
    look_through_the_gallery,
    correct_by_keys,
    go_through_the_doubtful,
    judge_mitoses,
    read_the_differential,
    explain_a_call,
    map_the_cells,
    see_where_they_lie,
    change_the_look,
    save_the_sitting,
    come_back,
)


def wait(seconds: float) -> None:
    """Let the viewer work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Let the viewer work until something is so."""
    wait(0.3)
    started = time.monotonic()
    while not is_so():
        wait(0.1)
        if time.monotonic() - started > LONGEST_SECONDS:
            sys.exit("It takes too long.")


def take_pages(name: str, path: Path, *pages: int) -> None:
    """Picture pages of a PDF side by side."""
    document = QPdfDocument(None)
    document.load(str(path))
    shots = []
    for page in pages:
        size = document.pagePointSize(page) * 1.2
        drawn = document.render(page, QSize(round(size.width()), round(size.height())))
        pixels = _pixels(drawn)
        white = pixels[..., 3:] / 255
        shots.append((pixels[..., :3] * white + 255 * (1 - white)).astype(np.uint8))
    gap = np.full((len(shots[0]), 20, 3), 120, np.uint8)
    joined = [part for shot in shots for part in (gap, shot)][1:]
    save(np.concatenate(joined, axis=1), name)


def _pixels(image: QImage) -> Any:
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    bits = np.array(image.bits().asarray(image.sizeInBytes()), np.uint8)
    rows = bits.reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width()]


def save(shot: Any, name: str) -> None:
    """Write a picture as JPEG, as good as its largest size allows."""
    picture, path = Image.fromarray(shot[..., :3]), OUT / f"{name}.jpg"
    for quality in (90, 85, 80, 75, 70, 60, 50):
        picture.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return
    sys.exit(f"{path} is too large.")


if __name__ == "__main__":
    main()
