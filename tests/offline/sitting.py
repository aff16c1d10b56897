"""A sitting as a reader has it, from the slide to all files: python sitting.py FOLDER.

A script, not a test: test_no_network.py watches what it connects to.
"""

import sys
import time
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.plugin.choices import DOCKS, SAVES

SECONDS = 90


def wait(until):
    """Let the window live until something is so."""
    end = time.monotonic() + SECONDS
    while not until():
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end


def main(folder):
    slide = folder / "slide.svs"
    write_phantom(slide, Size(600, 500), 5)
    viewer = napari.Viewer()
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-deepheme", "Classify cells"
    )
    session, view, desk = widget.session, widget.view, widget.desk
    view.open_requested.emit(slide)
    wait(lambda: session.slide)
    view.region_button.click()
    wait(lambda: session.can_export and not session.running)
    for name in DOCKS:
        # UMAP, which Map starts, takes longer than all of this.
        if name != "Map":
            view.dock_requested.emit(name)
            QApplication.processEvents()
    desk.review.correct([0], "M2")
    assert session.n_corrected == 1
    for deidentify in (False, True):
        view.names_box.value = deidentify
        out = folder / f"out-{deidentify}"
        out.mkdir()
        view.export_requested.emit(out)
        assert (out / "summary.json").is_file(), session.message
        for kind, (_, suffix) in SAVES.items():
            # Annotations are of DICOM slides, and this is none.
            if kind != "dicom":
                session.say("")
                view.save_requested.emit(kind, out / f"a{suffix}" if suffix else out)
                wait(lambda: session.message not in ("", "Saving …"))
                assert session.message_kind == "info", session.message
    wait(lambda: session.sitting)
    view.sitting_requested.emit(folder / "out-False" / "a.deepheme")
    wait(lambda: "as they were left" in session.message)
    viewer.close()
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
