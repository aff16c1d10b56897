"""Whether 200 corrected cells make the bundled classifier better at their classes.

Run by ``python benchmarks/fine_tuning.py DATA FOLDER``, with DATA as for the recipe of
the bundled models (see docs/models.md). Of its `val` cells, which the classifier did
not learn from, 200 of some classes are given to the command ``train``, which judges the
old and the new model on the others of these classes. Once as they are, and once as
another laboratory might have them: pale, blurred and stained otherwise, all in one way.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from napari_deepheme.cli import run as command

CLASSES = ("M2", "M3", "M4", "M5", "M6", "M1", "MO2", "L2", "U1")
N_LEARNED, SEED = 200, 0
# Another laboratory: out of focus, paler, channels' optical densities mixed, noise.
BLUR_PX = 2.6
STAIN = 0.75 * np.array([[0.55, 0.45, 0.0], [0.5, 0.35, 0.15], [0.55, -0.1, 0.55]])
LIGHT = np.array([0.8, 0.86, 0.93])
NOISE = 4


def main() -> None:
    data, folder = Path(sys.argv[1]) / "cells", Path(sys.argv[2])
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "val"]
    rows = [row for row in rows if row["classes"] in CLASSES]
    learned = np.random.default_rng(SEED).permutation(len(rows))[:N_LEARNED]
    for row in rows:
        row["split"] = "test"
    # A fifth of those that are learned from tell when to end.
    for place, i in enumerate(learned):
        rows[i]["split"] = "val" if place % 5 == 0 else "train"
    for name, changed in (("as they are", False), ("another laboratory", True)):
        out = folder / name.replace(" ", "-")
        write(rows, data, out, changed=changed)
        print(f"\n{name}: {N_LEARNED} cells, judged on {len(rows) - N_LEARNED}")
        words = f"--name tuned --device cpu --seed {SEED} --overwrite".split()
        status = command(
            ["train", "classifier", "--data", str(out), "--out", str(out), *words]
        )
        assert not status, status
        command(["models", "info", str(out / "tuned.json")])


def write(rows: list[dict[str, str]], data: Path, out: Path, *, changed: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for row in rows:
        pixels = np.asarray(Image.open(data / row["file"]).convert("RGB"))
        if changed:
            pixels = elsewhere(pixels)
        path = (out / row["file"]).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, ["file", "classes", "source", "split", "mpp"])
        table.writeheader()
        for row in rows:
            kept = {k: row[k] for k in ("classes", "source", "split", "mpp")}
            file = Path(row["file"]).with_suffix(".png").as_posix()
            table.writerow({"file": file, **kept})


def elsewhere(pixels: np.ndarray) -> np.ndarray:
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(BLUR_PX))
    density = -np.log(np.maximum(np.asarray(blurred), 1) / 255)
    changed = 255 * np.exp(-(density @ STAIN.T).clip(0)) * LIGHT
    noise = np.random.default_rng(SEED).normal(0, NOISE, changed.shape)
    return np.rint((changed + noise).clip(0, 255)).astype(np.uint8)


if __name__ == "__main__":
    main()
