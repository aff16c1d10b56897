"""What the recipes of the bundled models read, and what they must never read."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.cell_set import (
    STORED_PX,
    cells_of_fields,
    cells_of_manifest,
    cells_of_phantom_smears,
    cells_of_phantoms,
    cells_of_smears,
    cut_crop,
    field_backgrounds,
)
from napari_deepheme.core.training.cells.fields import SCALE_BAR_PX, read_fields
from napari_deepheme.core.training.cells.manifest import OUTPUTS, read_manifest
from napari_deepheme.core.training.cells.scenes import (
    Scene,
    crop_scenes,
    cutouts,
    field_scenes,
    phantom_scenes,
    smear_scenes,
)
from napari_deepheme.core.training.cells.smears import read_smears

L4 = OUTPUTS.index("L4")


@pytest.fixture(scope="module")
def truth(recipe_data):
    return json.loads((recipe_data / "truth.json").read_text())


@pytest.fixture
def copied(recipe_data, tmp_path):
    return shutil.copytree(recipe_data, tmp_path / "copied")


def middles(boxes):
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return boxes[:, :2] + boxes[:, 2:] / 2


def is_near(points, point, *, reach):
    return np.hypot(*(np.asarray(points) - point).T) < reach


def test_training_never_opens_a_held_out_field_or_smear(copied):
    (copied / "fields" / "images" / "5.jpg").write_bytes(b"no picture")
    (copied / "smears" / "images" / "smear2.png").write_bytes(b"no picture")
    fields, smears = copied / "fields", copied / "smears"
    assert [f.name for f in read_fields(fields, split="train")] == ["1", "2", "3"]
    names = [s.name for s in read_smears(smears, split="train")]
    assert names == ["smear0.png", "smear1.png"]
    assert len(field_scenes(fields)) == 3
    assert len(cells_of_fields(fields, split="train")) > 0
    assert len(field_backgrounds(fields, split="train", n_a_field=1, seed=0)) == 3
    assert len(cells_of_smears(smears, n_cells=9, seed=0)) > 0
    for read, folder in ((read_fields, fields), (read_smears, smears)):
        with pytest.raises(InvalidTableError, match="cannot identify image"):
            read(folder, split="val")


def test_each_plasma_cell_of_a_field_is_one_area_with_one_nucleus(recipe_data, truth):
    for field in read_fields(recipe_data / "fields", split="val"):
        known = truth["fields"][field.name]
        assert field.plasma.max() == len(known["plasma"])
        boxes = [field.plasma_box(i) for i in (1, 2)]
        for _, x, y in known["plasma"]:
            assert is_near(middles(boxes), (x, y), reach=5).sum() == 1
        assert [field.n_nuclei_in(i) for i in (1, 2)] == [1, 1]
        others = [n for n in field.nuclei if field.plasma_of(n) is None]
        centres = [(n.x + n.width / 2, n.y + n.height / 2) for n in others]
        for _, x, y in known["others"]:
            assert is_near(centres, (x, y), reach=20).any()


def test_the_cameras_scale_bar_is_no_cell(recipe_data):
    (field,) = read_fields(recipe_data / "fields", split="val")
    assert field.pixels.shape == (348 - SCALE_BAR_PX, 400, 3)
    assert field.pixels[-5:, 150:250].min() > 200
    assert field.plasma.shape == field.labels.shape == field.pixels.shape[:2]


def test_fields_that_are_missing_or_lack_a_mask_are_named(copied, tmp_path):
    with pytest.raises(InvalidTableError, match=r"images/\*\.jpg") as told:
        read_fields(tmp_path / "nowhere", split="train")
    assert "nowhere" in str(told.value)
    (copied / "fields" / "masks" / "2.png").unlink()
    with pytest.raises(InvalidTableError, match=r"2\.png"):
        read_fields(copied / "fields", split="train")


@pytest.mark.parametrize(
    ("old", "new"),
    [("width", "breadth"), (",0.2", ",wide"), ("smear0.png", "smear9.png")],
)
def test_a_table_of_smears_that_cannot_be_read_is_named(copied, old, new):
    path = copied / "smears" / "boxes.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InvalidTableError, match=r"boxes\.csv"):
        read_smears(copied / "smears", split="train")


def test_the_cells_of_a_smear_lie_where_its_table_says(recipe_data, truth):
    (smear,) = read_smears(recipe_data / "smears", split="val")
    assert smear.mpp == 0.2
    centres = middles(smear.boxes[smear.kinds == "WBC"])
    assert len(centres) == len(truth["smears"]["white"])
    for _, x, y in truth["smears"]["white"]:
        assert is_near(centres, (x, y), reach=4).sum() == 1
    (scene,) = smear_scenes(recipe_data / "smears", split="val")
    assert scene.boxes.tolist() == smear.boxes[smear.kinds == "WBC"].tolist()
    assert scene.known.all()


def test_a_plasma_cell_is_learned_as_one_and_all_others_as_anything_else(recipe_data):
    cells = cells_of_fields(recipe_data / "fields", split="train")
    is_plasma = np.array([g == "fields/L4" for g in cells.groups])
    # Around the cell and around its nucleus: two crops each, in three fields.
    assert is_plasma.sum() == 3 * 2 * 2
    assert cells.targets[is_plasma].sum(axis=1).tolist() == [1] * 12
    assert cells.targets[is_plasma, L4].all()
    rest = cells.targets[~is_plasma]
    assert len(rest) >= 3 * 4
    assert not rest[:, L4].any()
    assert (rest.sum(axis=1) == len(OUTPUTS) - 1).all()
    assert cells.crops.shape[1:] == (STORED_PX, STORED_PX, 3)
    middle = cells.crops[:, 62:82, 62:82].mean(axis=(1, 2, 3))
    assert (middle < cells.crops[:, :8].mean(axis=(1, 2, 3)) - 30).all()


def test_of_plasma_cells_that_touch_each_nucleus_is_learned_and_no_cell(tmp_path):
    picture = Image.new("RGB", (300, 208), (240, 240, 240))
    draw = ImageDraw.Draw(picture)
    # Two plasma cells in one mask, another cell, and one that the border cuts.
    for x, y in ((60, 60), (130, 60), (230, 60), (0, 150)):
        draw.ellipse((x - 24, y - 24, x + 24, y + 24), fill=(90, 40, 140))
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rectangle((20, 20, 170, 100), fill=255)
    for name, image in (("images/1.jpg", picture), ("masks/1.png", mask)):
        (tmp_path / name).parent.mkdir()
        image.save(tmp_path / name)
    cells = cells_of_fields(tmp_path, split="train")
    assert sorted(cells.groups) == ["fields/L4", "fields/L4", "fields/not-L4"]


def test_whole_red_cells_are_drawn_once_each_by_the_seed(recipe_data):
    folder = recipe_data / "smears"
    every = cells_of_smears(folder, n_cells=100, seed=1)
    # Three in each of two smears; the fourth is cut by the border.
    assert len(every) == 6
    assert len({crop.tobytes() for crop in every.crops}) == 6
    assert every.targets[:, OUTPUTS.index("ER6")].all()
    assert every.targets.sum() == 6
    some, again = (cells_of_smears(folder, n_cells=4, seed=2) for _ in range(2))
    assert some.crops.tolist() == again.crops.tolist()
    assert {c.tobytes() for c in some.crops} < {c.tobytes() for c in every.crops}


def test_every_class_is_rendered_and_known_for_what_it_is():
    background = np.full((1, STORED_PX, STORED_PX, 3), 240, np.uint8)
    cells = cells_of_phantoms(n_a_class=1, seed=3, backgrounds=background)
    assert cells.groups == tuple(f"rendered/{code}" for code in CLASS_CODES)
    named = [OUTPUTS[i] for i in cells.targets.argmax(axis=1)]
    assert named == list(CLASS_CODES)
    assert (cells.targets.sum(axis=1) == 1).all()


def test_a_rendered_smear_gives_no_more_of_a_class_than_asked_for():
    cells, more = (
        cells_of_phantom_smears(n_smears=2, seed=7, n_a_class=n, side_px=700)
        for n in (1, 9)
    )
    assert max(map(cells.groups.count, cells.groups)) == 2
    assert set(cells.groups) == set(more.groups)
    assert {c.tobytes() for c in cells.crops} < {c.tobytes() for c in more.crops}
    assert cells.crops.shape == (len(cells), STORED_PX, STORED_PX, 3)
    for group, target in zip(cells.groups, cells.targets, strict=True):
        assert group == f"phantom/{OUTPUTS[target.argmax()]}"


@given(x=st.integers(0, 119), y=st.integers(0, 89))
def test_a_crop_anywhere_has_its_point_in_the_middle(x, y):
    picture = np.full((90, 120, 3), 240, np.uint8)
    picture[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = 0
    crop = cut_crop(picture, (x, y), 0.5)
    assert crop.shape == (STORED_PX, STORED_PX, 3)
    assert crop[70:74, 70:74].mean() < 120


def test_a_fields_scene_boxes_each_cell_and_doubts_what_it_does_not_box(
    recipe_data, truth
):
    fields = {f.name: f for f in read_fields(recipe_data / "fields", split="train")}
    scenes = field_scenes(recipe_data / "fields")
    for scene, name in zip(scenes, fields, strict=True):
        known = truth["fields"][name]
        for _, x, y in known["plasma"] + known["others"]:
            assert is_near(middles(scene.boxes), (x, y), reach=20).sum() == 1
        # Plasma cells have their mask's box; of others, the nucleus's is widened.
        plasma = {tuple(map(float, fields[name].plasma_box(i))) for i in (1, 2)}
        assert plasma < set(map(tuple, scene.boxes.tolist()))
        assert scene.known.mean() > 0.9


def test_a_single_cell_picture_has_one_cell_in_the_middle_unless_it_has_none(
    recipe_data,
):
    cells = cells_of_manifest(read_manifest(recipe_data / "cells" / "manifest.csv"))
    scenes = crop_scenes(cells, mpp=0.15)
    for scene, group in zip(scenes, cells.groups, strict=True):
        near = is_near(middles(scene.boxes), (72, 72), reach=25)
        if group == "pbc/PLATELET":
            assert len(scene.boxes) == 0
        elif group in ("matek/LYT", "pbc/NEU"):
            assert near.sum() == 1
    cut = cutouts(scenes)
    assert 0 < len(cut) <= sum(len(s.boxes) > 0 for s in scenes)
    for cell in cut:
        x, y, w, h = cell.box
        assert cell.mask[round(y + h / 2), round(x + w / 2)] == 1
        assert cell.mask[0, 0] == 0


def test_platelet_clumps_of_a_rendered_scene_are_neither_sought_nor_avoided():
    (scene,) = phantom_scenes(n_scenes=1, seed=8)
    clump = ndimage.find_objects((~scene.known).astype(int))[0]
    assert scene.pixels[clump].min() < 200
    for x, y in middles(scene.boxes):
        inside = 0 <= x < 640 and 0 <= y < 640
        assert not inside or scene.known[int(y), int(x)]
    assert len(scene.boxes) > 5


@given(
    width=st.integers(20, 90),
    height=st.integers(20, 90),
    mpp=st.sampled_from((0.1, 0.19, 0.25, 0.5)),
)
def test_a_scene_at_another_scale_keeps_its_boxes_on_the_same_cells(width, height, mpp):
    pixels = np.full((height, width, 3), 240, np.uint8)
    pixels[4:14, 5:17] = 0
    boxes = np.array([[5, 4, 12, 10]], np.float32)
    known = np.ones((height, width), bool)
    scene = Scene(pixels, boxes, known, mpp, "crop")
    other = scene.at(2 * mpp)
    assert other.mpp == 2 * mpp
    assert other.boxes == pytest.approx(boxes / 2)
    assert other.known.shape == other.pixels.shape[:2]
    x, y, w, h = other.boxes[0]
    assert other.pixels[int(y + h / 2), int(x + w / 2)].max() < 60
    assert scene.at(mpp).pixels.tolist() == pixels.tolist()
