"""What a detector and a classifier are shown while they learn."""

import numpy as np
import pytest
import torch

from napari_deepheme.core.taxonomy import MITOTIC_CODE, MITOTIC_PHASES
from napari_deepheme.core.training.cells.cell_set import CellSet, cells_of_figures
from napari_deepheme.core.training.cells.fields import is_held_out
from napari_deepheme.core.training.cells.manifest import OUTPUTS
from napari_deepheme.core.training.cells.scenes import Cutout, Scene, cutouts
from napari_deepheme.core.training.fitting.augment import recolour_red_cells
from napari_deepheme.core.training.fitting.detector import _turned_cutout, _with_pasted

BACKGROUND = np.full((2, 144, 144, 3), 240, np.uint8)


def picture(colour):
    values = torch.tensor(colour, dtype=torch.float32) / 255
    return values.reshape(1, 3, 1, 1).repeat(8, 1, 4, 4)


def test_red_cells_change_colour_and_nuclei_do_not():
    torch.manual_seed(0)
    red, nucleus, glass = (
        picture((190, 170, 172)),
        picture((95, 45, 140)),
        picture((240, 240, 240)),
    )
    assert (recolour_red_cells(red, 1.0) - red).abs().max() > 0.1
    assert torch.allclose(recolour_red_cells(nucleus, 1.0), nucleus, atol=0.06)
    assert torch.allclose(recolour_red_cells(glass, 1.0), glass, atol=0.02)
    assert torch.equal(recolour_red_cells(red, 0.0), red)


def test_figures_know_their_phase_and_lookalikes_are_anything_but_mitotic():
    cells = cells_of_figures(
        n_figures=8, n_lookalikes=1, seed=1, backgrounds=BACKGROUND
    )
    column = OUTPUTS.index(MITOTIC_CODE)
    is_figure = np.array([g == "figures/U4" for g in cells.groups])
    assert is_figure.sum() == 8
    assert (cells.targets[is_figure].sum(axis=1) == 1).all()
    assert cells.targets[is_figure, column].all()
    assert not cells.targets[~is_figure, column].any()
    assert cells.targets[~is_figure].any(axis=1).all()
    assert cells.phases[is_figure].tolist() == [*range(len(MITOTIC_PHASES))] * 2
    assert (cells.lineages[is_figure] >= 0).all()
    assert (cells.phases[~is_figure] == -1).all()


def test_a_source_is_left_out_whole():
    targets = np.zeros((3, len(OUTPUTS)), bool)
    crops = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    cells = CellSet.of(crops, targets, ("pbc/A", "pbcx/A", "lab/B"))
    left = cells.without("pbc")
    assert left.groups == ("pbcx/A", "lab/B")
    assert left.crops.ravel().tolist() == [1, 2]
    assert len(left.phases) == len(left.lineages) == 2


def test_every_fifth_field_is_held_out():
    held = [name for name in map(str, range(100, 120)) if is_held_out(name)]
    assert held == ["100", "105", "110", "115"]


def scene_with_a_cell():
    pixels = np.full((43, 43, 3), 240, np.uint8)
    pixels[12:32, 14:30] = (90, 40, 140)
    boxes = np.array([[14, 12, 16, 20]], np.float32)
    return Scene(pixels, boxes, np.ones((43, 43), bool), 0.5, "crop")


def test_a_pasted_cell_is_boxed_and_what_it_covers_is_not():
    (cell,) = cutouts([scene_with_a_cell()])
    assert cell.box == (14.0, 12.0, 16.0, 20.0)
    assert cell.mask[22, 22] == 1
    assert cell.mask[0, 0] == 0
    rng = np.random.default_rng(0)
    n_boxes = set()
    for _ in range(20):
        canvas = Scene(
            np.full((160, 160, 3), 200, np.uint8),
            np.array([[70, 70, 20, 20]], np.float32),
            np.ones((160, 160), bool),
            0.5,
            "canvas",
        )
        pasted = _with_pasted(canvas, [cell], 3, rng)
        n_boxes.add(len(pasted.boxes))
        for x, y, w, h in pasted.boxes:
            middle = pasted.pixels[int(y + h / 2), int(x + w / 2)].tolist()
            assert middle == ([200] * 3 if (x, y) == (70, 70) else [90, 40, 140])
    assert n_boxes <= {0, 1, 2, 3, 4}
    assert len(n_boxes) > 2


@pytest.mark.parametrize("seed", range(8))
def test_a_turned_cutout_keeps_its_box_on_its_cell(seed):
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[1:3, 4:8] = 255
    cell = Cutout(pixels, pixels[..., 0] / np.float32(255), (4.0, 1.0, 4.0, 2.0))
    turned = _turned_cutout(cell, np.random.default_rng(seed))
    x, y, w, h = (int(v) for v in turned.box)
    assert (turned.pixels[y : y + h, x : x + w] == 255).all()
    assert turned.pixels.astype(int).sum() == pixels.astype(int).sum()
