"""Boxes that a person placed, named by the model."""

import pytest

from napari_deepheme.core.engine.name_boxes import name_boxes
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Region

PLACED = Mpp(0.25, 0.25)


def box_of(x, y, radius, _):
    return Region(int(x - radius), int(y - radius), int(2 * radius), int(2 * radius))


def test_each_box_is_named_for_what_lies_in_it(disc_slide, disc_models, painting):
    boxes = [box_of(*disc) for disc in painting.discs[:9]]
    cells = name_boxes(disc_slide, boxes, disc_models.classifier, mpp=PLACED)
    assert list(cells.class_codes) == painting.codes[:9]
    assert cells.boxes.tolist() == [[b.x, b.y, b.width, b.height] for b in boxes]
    # No detector found them.
    assert (cells.scores == 0).all()
    assert cells.probabilities == pytest.approx(1 - 22 * 0.005)


def test_no_box_gives_no_cell(disc_slide, disc_models):
    assert len(name_boxes(disc_slide, [], disc_models.classifier, mpp=PLACED)) == 0


def test_a_box_that_cannot_be_read_is_named_with_its_place(
    disc_slide, disc_models, painting, monkeypatch
):
    read = type(disc_slide).read_region
    broken = box_of(*painting.discs[1])

    def fail(self, location, level, size):
        window = Region(*location, *size)
        if level == 0 and window.intersection(broken).area:
            raise UnreadableRegionError("discs", window, "broken")
        return read(self, location, level, size)

    monkeypatch.setattr(type(disc_slide), "read_region", fail)
    with pytest.raises(UnreadableRegionError, match="part of the cell") as told:
        name_boxes(disc_slide, [broken], disc_models.classifier, mpp=PLACED)
    assert told.value.region == broken
