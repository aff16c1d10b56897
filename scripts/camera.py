"""The camera of `pictures`: napari with the sample slide, and photographs of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, QSize, Qt
from qtpy.QtGui import QImage
from qtpy.QtPdf import QPdfDocument
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.phantom import Smear
from napari_deepheme.plugin.sample_data import SAMPLE_SEED, SAMPLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = Path(__file__).parents[1] / "docs" / "images"
WINDOW = (1400, 875)
LAYER_LIST_PX = 210
WIDE_PX = 560
LONGEST_SECONDS = 300.0
LARGEST_BYTES = 200_000
READER = "A. Reader"


class Sitting:
    """The viewer, the widget, and a camera before them."""

    def __init__(self) -> None:
        self._truth = {
            (c.x + c.width // 2, c.y + c.height // 2): c.class_code
            for c in Smear(SAMPLE_SIZE, SAMPLE_SEED).cells(Region(0, 0, *SAMPLE_SIZE))
        }
        self.begin()

    def begin(self) -> None:
        """Open napari, the sample slide and the widget."""
        self.viewer = napari.Viewer(title="napari")
        self.window = self.viewer.window._qt_window
        # At the right border of the screen, so that menus open within the window.
        self.window.move(200, 0)
        self.viewer.window.resize(*WINDOW)
        self.viewer.open_sample("napari-deepheme", "marrow-phantom")
        _, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-deepheme", "Classify cells"
        )
        qt_viewer = self.viewer.window._qt_viewer
        qt_viewer.dockLayerControls.setVisible(False)
        self.viewer.canvas.overlays.scale_bar.visible = True
        self.review = self.widget.desk.review
        wait(1)
        layers = [qt_viewer.dockLayerList]
        self.window.resizeDocks(layers, [LAYER_LIST_PX], Qt.Orientation.Horizontal)
        wait(1)
        self.viewer.reset_view()
        self.widget.view.corrections.reader_box.setText(READER)
        self.widget.view.corrections.reader_given.emit(READER)

    def look(self, x_um: float, y_um: float, zoom: float) -> None:
        """Bring a place to the middle of the canvas."""
        camera = self.viewer.scene.camera
        camera.center, camera.zoom = (y_um, x_um), zoom
        wait(1)

    def look_at(self, row: int, zoom: float) -> None:
        """Select a cell, and bring it to the middle of the canvas."""
        self.review.go_to(row)
        x, y = self.review.cells.centres[row] * self.review.mpp
        self.look(x, y, zoom)

    def look_at_all(self) -> None:
        """Show the whole slide, with nothing selected."""
        self.review.select(())
        self.viewer.reset_view()
        wait(1)

    def run(self, start: Callable[[], object]) -> None:
        """Start a run, and wait until it has ended."""
        start()
        wait_for(lambda: not self.widget.session.running)
        wait(1.5)

    def dock(self, name: str) -> Any:
        """Open a dock."""
        widget = self.widget.docks.open(name)
        wait(1.5)
        return widget

    def close_dock(self, widget: QWidget) -> None:
        """Close a dock, so that the next has room."""
        while not isinstance(widget, QDockWidget):
            widget = widget.parentWidget()
        widget.close()
        wait(0.5)

    def widen(self, widget: QWidget) -> None:
        """Give a dock more room, as one does with the mouse."""
        while not isinstance(widget, QDockWidget):
            widget = widget.parentWidget()
        self.window.resizeDocks([widget], [WIDE_PX], Qt.Orientation.Horizontal)
        wait(0.5)

    def press(self, name: str) -> None:
        """Do what a key or a button of the review does."""
        self.widget.desk.actions.do(name)
        wait(0.5)

    def is_inside(self, row: int) -> bool:
        """Tell whether a cell lies well within the slide."""
        half = np.array(SAMPLE_SIZE) / 2
        return bool((np.abs(self.review.cells.centres[row] - half) < 0.7 * half).all())

    def truth_of(self, row: int) -> str:
        """Return what a cell is: the renderer knows; an artefact where it drew none."""
        apart = np.abs(np.array(list(self._truth)) - self.review.cells.centres[row])
        nearest = int(apart.max(axis=1).argmin())
        is_near = apart[nearest].max() < 20
        return list(self._truth.values())[nearest] if is_near else "U1"

    def wrong_rows(self) -> list[tuple[int, str]]:
        """Return cells that the model named wrongly, and what they are."""
        codes = self.review.cells.class_codes
        pairs = [(r, self.truth_of(r)) for r in range(len(codes)) if self.is_inside(r)]
        return [(row, code) for row, code in pairs if code not in (codes[row], "U1")]

    def shot(self) -> Any:
        """Return the pixels of the window."""
        wait(0.6)
        return np.asarray(self.viewer.screenshot(canvas_only=False, flash=False))

    def take(self, name: str) -> None:
        """Photograph the window."""
        save(self.shot(), name)

    def take_part(self, name: str, *widgets: QWidget, margin: int = 6) -> None:
        """Photograph the part of the window in which some widgets lie."""
        shot, frame = self.shot(), None
        for widget in widgets:
            placed = widget.rect().translated(widget.mapTo(self.window, QPoint(0, 0)))
            frame = placed if frame is None else frame.united(placed)
        frame = frame.adjusted(-margin, -margin, margin, margin)
        frame = frame.intersected(self.window.rect())
        save(shot[frame.top() : frame.bottom(), frame.left() : frame.right()], name)

    def take_screen(self, name: str) -> None:
        """Photograph the screen where the window is, with a menu that is open."""
        wait(0.6)
        place = self.window.geometry()
        corner_and_size = (place.x(), place.y(), place.width(), place.height())
        screen = QApplication.primaryScreen()
        save(pixels(screen.grabWindow(0, *corner_and_size).toImage()), name)


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
    document, shots = QPdfDocument(None), []
    document.load(str(path))
    for page in pages:
        size = document.pagePointSize(page) * 1.2
        drawn = document.render(page, QSize(round(size.width()), round(size.height())))
        page_pixels = pixels(drawn).astype(float)
        cover = page_pixels[..., 3:] / 255
        shots.append(page_pixels[..., :3] * cover + 255 * (1 - cover))
    gap = np.full((len(shots[0]), 20, 3), 120.0)
    joined = [part for shot in shots for part in (gap, shot)][1:]
    save(np.concatenate(joined, axis=1).astype(np.uint8), name)


def pixels(image: QImage) -> Any:
    """Return the pixels of an image of Qt, (height, width, RGBA)."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    bits = np.array(image.bits().asarray(image.sizeInBytes()), np.uint8)
    rows = bits.reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width()]


def save(shot: Any, name: str) -> None:
    """Write a picture as JPEG, as good as its largest size allows."""
    picture, path = Image.fromarray(shot[..., :3]), OUT / f"{name}.jpg"
    for quality in (90, 85, 80, 75, 70, 65, 60, 50):
        picture.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return
    sys.exit(f"{path} is too large.")
