"""The bars of a cell's likeliest classes, as they are drawn."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtGui import QColor

from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.plugin.understanding.probability_bars import ProbabilityBars

TOP = (("M6", 0.8), ("M5", 0.4), ("L2", 0.2), ("ER4", 0.1), ("E4", 0.0))


@pytest.fixture
def bars(qtbot):
    made = ProbabilityBars()
    qtbot.addWidget(made)
    made.resize(500, made.sizeHint().height())
    return made


def seen(spans):
    spans = np.array(spans, np.float32)
    return SimpleNamespace(top=TOP, disagreement=spans)


def pixels(widget):
    image = widget.grab().toImage()
    columns = range(image.width())
    drawn = np.array(
        [[image.pixel(x, y) for x in columns] for y in range(image.height())], np.int64
    )
    return np.stack([drawn >> shift & 255 for shift in (16, 8, 0)], axis=-1)


def lengths(widget):
    """Count the pixels of each row's bar that have its class's colour."""
    drawn = pixels(widget)
    height = len(drawn) / len(TOP)
    found = []
    for i, (code, _) in enumerate(TOP):
        colour = QColor(CLASS_BY_CODE[code].colour)
        line = drawn[round((i + 0.34) * height)]
        wanted = (colour.red(), colour.green(), colour.blue())
        found.append(int((np.abs(line - wanted).max(axis=1) < 6).sum()))
    return found


def test_a_bar_is_as_long_as_its_class_is_likely(bars):
    bars.show_cell(seen([(p, p) for _, p in TOP]))
    longest, *others = lengths(bars)
    assert longest > 100
    for (_, p), length in zip(TOP[1:], others, strict=True):
        assert length == pytest.approx(longest * p / 0.8, abs=3)
    told = bars.accessibleDescription()
    assert told.startswith("M6 segmented neutrophil 80 %, M5 band neutrophil 40 %")
    assert told.endswith("E4 mature eosinophil < 1 %")


def test_a_line_shows_how_far_the_members_lie_apart(bars):
    agreed = [(p, p) for _, p in TOP]
    bars.show_cell(seen(agreed))
    before = pixels(bars)
    bars.show_cell(seen([(0.5, 0.95), *agreed[1:]]))
    changed = (pixels(bars) != before).any(axis=2)
    height = len(before) // len(TOP)
    assert not changed[height:].any()
    columns = np.flatnonzero(changed.any(axis=0))
    left, length = 0.46 * bars.width(), bars.width() * 0.54 - 50
    assert columns[0] == pytest.approx(left + 0.5 * length, abs=4)
    assert columns[-1] == pytest.approx(left + 0.95 * length, abs=4)


def test_without_a_cell_nothing_is_drawn(bars):
    bars.show_cell(None)
    drawn = pixels(bars)
    assert (drawn == drawn[0, 0]).all()
    assert bars.accessibleDescription() == "No cell is explained."
