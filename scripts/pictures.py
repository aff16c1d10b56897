"""Take the pictures of the documentation: a sitting on the sample slide, step by step.

Run by ``make pictures`` on a virtual screen of 1600 x 1000 px. The slide is rendered,
so no picture holds a patient's cells; what the reader says is the slide's own truth.
The steps are those of ``docs/a-sitting.md``. Leaves docs/images/.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from camera import OUT, Sitting, take_pages, wait, wait_for
from qtpy.QtCore import QPoint

from napari_deepheme.core.counts.reference_ranges import read_reference_ranges
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom

HOME = Path(tempfile.mkdtemp())
NEAR = (500.0, 500.0, 3.0)
"""Where cells of many kinds lie apart: x and y in µm, zoom."""
SEVERAL = ((300.0, 250.0, 250.0, 300.0), (620.0, 480.0, 280.0, 320.0))
"""Regions to set side by side: x, y, width and height in µm."""
RANGES = """name,low,high
blasts,0,5
promyelocytes,1,4
bands and neutrophils,15,50
eosinophils,0,6
erythroid precursors,15,40
lymphocytes,5,25
plasma cells,0,2
M:E,1.5,4.5
"""
"""Invented, and called so in the picture: the project ships no reference ranges."""
LARGE = Size(9_000, 9_000)
"""Of the slide that has parts where nothing is counted."""


def main() -> None:
    """Go through the sitting, and photograph its steps."""
    for name in ("CACHE", "CONFIG", "SITTINGS", "MODELS"):
        # The user's keys, looks, models and sittings stay out of it.
        os.environ[f"NAPARI_DEEPHEME_{name}"] = str(HOME / name.lower())
    OUT.mkdir(exist_ok=True)
    sitting = Sitting()
    for step in STEPS:
        started = time.monotonic()
        step(sitting)
        print(f"{step.__name__}: {time.monotonic() - started:.0f} s", flush=True)
    sitting.viewer.close()
    for path in sorted(OUT.glob("*.jpg")):
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


def open_the_slide(sitting: Sitting) -> None:
    """Show the slide, with nothing found yet."""
    sitting.take("open")


def classify(sitting: Sitting) -> None:
    """Find all cells, look at some."""
    sitting.run(sitting.widget.view.slide_button.click)
    sitting.look(*NEAR)
    sitting.take("classified")


def look_through_the_gallery(sitting: Sitting) -> None:
    """Look at all cells of a class."""
    gallery = sitting.dock("Gallery")
    gallery.show_group("M3")
    rows = gallery.grouped.rows("M3", gallery.order)
    sitting.look_at(int(next(r for r in rows[2:] if sitting.is_inside(r))), 4)
    sitting.take("gallery")
    sitting.close_dock(gallery)


def correct_by_keys(sitting: Sitting) -> None:
    """Name cells anew."""
    wrong = sitting.wrong_rows()
    for row, code in wrong:
        sitting.look_at(row, 5)
        sitting.press(code)
    sitting.take("corrected")


def go_through_the_doubtful(sitting: Sitting) -> None:
    """Step through unidentified cells, move the threshold, name some."""
    sitting.press("next")
    for _ in range(len(sitting.review.doubtful())):
        if sitting.is_inside(sitting.review.selected[0]):
            break
        sitting.press("next")
    sitting.look_at(sitting.review.selected[0], 5)
    sitting.take("doubtful")
    view = sitting.widget.view
    view.corrections.threshold_slider.setValue(700)
    wait(1)
    view.legend.scrollToBottom()
    sitting.take_part("threshold", view.legend, view.corrections)
    view.legend.scrollToTop()
    for _ in range(6):
        sitting.press("next")
        sitting.press(sitting.truth_of(sitting.review.selected[0]))


def judge_mitoses(sitting: Sitting) -> None:
    """Go through the mitotic figures."""
    panel = sitting.dock("Mitoses")
    for _ in range(2):
        panel.step(1)
        panel.confirm_button.click()
        wait(0.5)
    panel.step(1)
    sitting.look_at(sitting.review.selected[0], 4.5)
    sitting.take("mitoses")
    sitting.close_dock(panel)


def read_the_differential(sitting: Sitting) -> None:
    """Read percentages beside ranges, then of two regions."""
    path = HOME / "invented ranges.csv"
    path.write_text(RANGES)
    sitting.widget.docks.differentials.use_ranges(read_reference_ranges(path))
    sitting.look_at_all()
    panel = sitting.dock("Differential")
    sitting.widen(panel)
    sitting.look_at_all()
    sitting.take("differential")
    corners = [
        [[y, x], [y, x + w], [y + h, x + w], [y + h, x]] for x, y, w, h in SEVERAL
    ]
    drawn = sitting.viewer.add_shapes(
        corners,
        name="Regions",
        units=("um", "um"),
        edge_color="black",
        face_color="transparent",
    )
    drawn.edge_width = 4
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    wait(1)
    sitting.take("regions")
    panel.scope_box.setCurrentIndex(0)
    sitting.viewer.layers.remove(drawn)
    sitting.close_dock(panel)


def explain_a_call(sitting: Sitting) -> None:
    """Ask what the model saw."""
    panel = sitting.dock("Explain")
    panel.compare_button.click()
    wait_for(lambda: not sitting.widget.docks.space.running)
    codes = sitting.review.cells.class_codes
    rows = [r for r in range(len(codes)) if codes[r] == "M3" and sitting.is_inside(r)]
    sitting.look_at(rows[0], 4)
    wait_for(lambda: panel.explaining.explanation is not None)
    panel.view_buttons[1].click()
    wait(5)
    sitting.take("explained")
    sitting.close_dock(panel)


def map_the_cells(sitting: Sitting) -> None:
    """Lay alike cells together."""
    panel = sitting.dock("Map")
    panel.map_button.click()
    wait_for(lambda: not sitting.widget.docks.space.running)
    panel.all_button.click()
    sitting.take("map")
    sitting.close_dock(panel)


def see_where_they_lie(sitting: Sitting) -> None:
    """Show where the red cells' precursors are dense."""
    panel = sitting.dock("Density")
    sitting.look_at_all()
    index = panel.choice_box.findText("erythroid cells")
    panel.choice_box.setCurrentIndex(index)
    results = [sitting.viewer.layers[n] for n in ("Cells", "Mitotic figures")]
    for layer in results:
        layer.visible = False
    wait(2)
    sitting.take("density")
    for layer in results:
        layer.visible = True
    panel.choice_box.setCurrentIndex(0)
    sitting.close_dock(panel)


def change_the_look(sitting: Sitting) -> None:
    """Open dark nuclei."""
    panel = sitting.dock("Display")
    sitting.widget.docks.seeing.change(
        gamma=0.7, stain_strength=1.4, white_balance=True
    )
    sitting.look(*NEAR)
    sitting.take("display")
    sitting.widget.docks.seeing.reset()
    sitting.close_dock(panel)


def save_and_report(sitting: Sitting) -> None:
    """Save the sitting, and write the report."""
    button = sitting.widget.view.more_button
    button.menu().popup(button.mapToGlobal(QPoint(0, button.height())))
    sitting.take_screen("save")
    button.menu().close()
    report = HOME / "report.pdf"
    sitting.widget.desk.saving.save("pdf", report)
    wait_for(report.exists)
    wait(2)
    take_pages("report", report, 0, 3)


def come_back(sitting: Sitting) -> None:
    """Open napari again."""
    sitting.widget.desk.keeping.save()
    wait(2)
    sitting.viewer.close()
    wait(1)
    sitting.begin()
    view = sitting.widget.view
    wait_for(view.earlier_button.isVisible)
    sitting.take_part("come-back", view.open_button, view.slide_button)
    view.earlier_button.click()
    wait(3)


def show_where_to_count(sitting: Sitting) -> None:
    """Show the map of a larger slide."""
    path = HOME / "large.svs"
    write_phantom(path, LARGE, 4)
    sitting.viewer.close()
    wait(1)
    sitting.begin()
    sitting.viewer.layers.clear()
    sitting.widget.controller.open_slide(path)
    wait(2)
    sitting.widget.view.map_button.click()
    wait_for(lambda: "Where to count" in sitting.viewer.layers)
    sitting.viewer.reset_view()
    wait(2)
    sitting.take("where-to-count")


STEPS = (
    open_the_slide,
    classify,
    look_through_the_gallery,
    correct_by_keys,
    go_through_the_doubtful,
    judge_mitoses,
    read_the_differential,
    explain_a_call,
    map_the_cells,
    see_where_they_lie,
    change_the_look,
    save_and_report,
    come_back,
    show_where_to_count,
)


if __name__ == "__main__":
    main()
