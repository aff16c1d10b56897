"""Painted cells in folders by class, and a tiny model to go on from."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from napari_deepheme.core.models.card import ModelCard, WeightsFile
from napari_deepheme.core.models.networks import CropNet
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.training.manifest import LabelledCell

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
        settings = {"temperature": 1.0, "n_views": 1}
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
            **{"settings": settings, "learned_from": {}, "texts": {}, **changes},
        )
        card.write(folder / f"{name}.json")
        return ModelCard.read(folder / f"{name}.json")

    return write
