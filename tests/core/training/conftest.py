"""Painted cells in folders by class, a tiny model to go on from, a recipe's data."""

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage

from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.phantom import Stain, render_cell
from napari_deepheme.core.training.cells.manifest import LabelledCell
from napari_deepheme.core.training.cells.phantom_cells import lay_on

TINY = {"widths": [4, 6, 8], "n_blocks": 1}

MPP = 0.675
"""A crop of 32 px is then 21.6 micrometres wide."""

COLOURS = {
    "M3": (150, 60, 120),
    "M4": (60, 140, 90),
    "L2": (60, 40, 130),
    "ER4": (180, 90, 90),
    "M6": (110, 30, 70),
}


def paint_cell(code, seed):
    """Paint a blob of the class's colour on glass, 32 x 32 px."""
    rng = np.random.default_rng((seed, sorted(COLOURS).index(code)))
    y, x = np.mgrid[:32, :32] - 15.5 + rng.normal(0, 1, (2, 1, 1))
    picture = np.full((32, 32, 3), 235.0)
    radius = rng.uniform(6, 9)
    picture[x**2 + y**2 < radius**2] = COLOURS[code]
    picture += rng.normal(0, 12, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """Give cells of the classes named, so many of each, from the session's folder."""
    folder = tmp_path_factory.mktemp("painted")

    def give(counts, *, patients=0, split="", first=0):
        cells = []
        for code, n in counts.items():
            for i in range(first, first + n):
                path = folder / f"{code}-{i}.png"
                if not path.exists():
                    Image.fromarray(paint_cell(code, i)).save(path)
                patient = f"p{i % patients}" if patients else ""
                cells.append(
                    LabelledCell(path, "lab", code, (code,), split, MPP, patient)
                )
        return cells

    return give


@pytest.fixture(scope="session")
def write_tiny_model(tmp_path_factory):
    """Write a tiny CropNet of some classes, with its card; return the card's path."""

    def write(name="tiny", codes=("L2", "M3", "M6"), seed=0, **changes):
        folder = tmp_path_factory.mktemp("models")
        bundled = find_model("litenet-marrow")
        torch.manual_seed(seed)
        outputs = changes.pop("outputs", {"class_code": tuple(codes)})
        n = sum(len(names) for names in outputs.values())
        network = CropNet(n, widths=(4, 6, 8), n_blocks=1)
        path = folder / f"{name}.safetensors"
        save_file(network.state_dict(), path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        kept = {
            "settings": {"temperature": 1.0, "n_views": 1},
            "learned_from": {},
            "learned_marks": frozenset({"0123456789ab"}),
            "texts": {},
        }
        card = replace(
            bundled,
            name=name,
            version="1",
            architecture="CropNet",
            weights=(WeightsFile(path, sha256),),
            arguments={"n_outputs": n, **TINY},
            outputs=outputs,
            size_px=32,
            mpp=MPP,
            **{**kept, **changes},
        )
        card.write(folder / f"{name}.json")
        return ModelCard.read(folder / f"{name}.json")

    return write


@pytest.fixture(scope="session")
def recipe_data(tmp_path_factory):
    """Write a small folder as the recipes of the bundled models read it.

    Four marrow fields, of which the one numbered 5 is held out, three blood smears and
    pictures of single cells, all rendered; `truth.json` tells what stands where.
    """
    folder = tmp_path_factory.mktemp("recipe")
    truth = {
        "fields": {name: _write_field(folder, name) for name in ("1", "2", "3", "5")},
        "smears": _write_smears(folder / "smears"),
    }
    _write_single_cells(folder / "cells")
    (folder / "truth.json").write_text(json.dumps(truth))
    return folder


def rendered(size, cells, seed, mpp):
    """Lay cells (code, x, y) on glass; return the picture and their masks."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), 240, np.uint8)
    masks = []
    for code, x, y in cells:
        before = picture
        cell = render_cell(code, rng, mpp=mpp, stain=Stain())
        picture = lay_on(picture, cell, (x, y))
        masks.append(ndimage.binary_fill_holes((before != picture).any(axis=2)))
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return (picture * 0.94 + noise).clip(0, 255).astype(np.uint8), masks


def _write_field(folder, name):
    """Write a field and its mask; give the plasma cells and the others."""
    plasma = [("L4", 80, 90), ("L4", 320, 250)]
    others = [("L2", 200, 90), ("ER3", 320, 90), ("M2", 80, 250), ("M3", 200, 250)]
    picture, masks = rendered((348, 400), plasma + others, int(name), 0.19)
    # The camera's scale bar, as dark as a nucleus.
    picture[-8:] = 240
    picture[-8:, 100:300] = (60, 20, 90)
    mask = np.any(masks[: len(plasma)], axis=0)
    if name != "2":  # Masks come in eight bits and in one.
        mask = np.where(mask, np.uint8(255), np.uint8(0))
    for kind, pixels in (("images", picture), ("masks", mask)):
        (folder / "fields" / kind).mkdir(parents=True, exist_ok=True)
        suffix = {"images": "jpg", "masks": "png"}[kind]
        Image.fromarray(pixels).save(folder / "fields" / kind / f"{name}.{suffix}")
    return {"plasma": plasma, "others": others}


def _write_smears(folder):
    (folder / "images").mkdir(parents=True)
    white = [("M6", 70, 80), ("L2", 230, 80)]
    red = [("ER6", 70, 200), ("ER6", 150, 150), ("ER6", 230, 200), ("ER6", 10, 10)]
    rows = [("file", "split", "class", "x", "y", "width", "height", "mpp")]
    for i, split in enumerate(("train", "train", "val")):
        name = f"smear{i}.png"
        picture, masks = rendered((260, 300), white + red, 50 + i, 0.2)
        Image.fromarray(picture).save(folder / "images" / name)
        for (code, _, _), mask in zip(white + red, masks, strict=True):
            kind = "RBC" if code == "ER6" else "WBC"
            rows.append((name, split, kind, *_box(mask), 0.2))
    with (folder / "boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return {"white": white, "red": red}


def _box(mask):
    rows, columns = ndimage.find_objects(mask.astype(int))[0]
    width, height = columns.stop - columns.start, rows.stop - rows.start
    return columns.start, rows.start, width, height


def _write_single_cells(folder):
    folder.mkdir()
    rows = [("file", "source", "label", "classes", "split", "mpp")]
    kinds = [("matek", "M3", "M3"), ("matek", "LYT", "L2"), ("pbc", "NEU", "M5|M6")]
    kinds += [("pbc", "PLATELET", "platelet"), ("bites", "?", "not-identifiable")]
    for source, label, classes in kinds:
        code = classes.split("|")[0]
        code = {"platelet": "PL2", "not-identifiable": "U1"}.get(code, code)
        for i in range(6):
            name = f"{source}-{code}-{i}.png"
            picture, _ = rendered((144, 144), [(code, 72, 72)], i, 0.15)
            Image.fromarray(picture).save(folder / name)
            split = "val" if i > 3 else "train"
            rows.append((name, source, label, classes, split, 0.15))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
