"""How fast a slide is done: a laboratory's way, ours with its network, and ours.

Run by ``python benchmarks/whole_slide.py``; all figures of one run are of one machine.
``--side 8000`` makes a larger phantom, ``--skip-baseline`` leaves the slow part out.
Set ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000`` for all, or for none.
"""

from __future__ import annotations

import argparse
import logging
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
import torch
from safetensors.torch import save_file

from baseline import DetectorOfCost, gmac, run_baseline
from napari_deepheme import Region, Size, load_models, open_slide
from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.engine.pipeline import iter_chunks
from napari_deepheme.core.engine.plan import plan_run
from napari_deepheme.core.engine.results import ResultCollector
from napari_deepheme.core.engine.sizes import sizes_for
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.options import ImportOptions
from napari_deepheme.core.models.networks.resnext import ResNeXt50
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.slide import estimate_background


def main() -> None:
    # Why a way to compute is taken, where that is not remembered.
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger(fastest.__name__).setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=90_200)
    parser.add_argument("--skip-baseline", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.svs"
        write_phantom(path, Size(options.side, options.side), options.seed)
        compare(path, Path(folder), with_baseline=not options.skip_baseline)


def compare(path: Path, folder: Path, *, with_baseline: bool) -> None:
    print(f"{torch.get_num_threads()} threads, {path.stat().st_size / 1e6:.0f} MB")
    bundled = load_models(device="cpu")
    ours = run(path, bundled)
    area_mm2 = np.prod(open_slide(path).size) * 0.25e-3**2
    rows = [("ours, bundled models", ours)]
    card = resnext_card(path, ours["cells"], folder)
    large = load_models(str(card.path), device="cpu")
    rows.append((f"ours, ResNeXt-50 by {large.compute}", run(path, large)))
    if with_baseline:
        network = resnext(card)
        started = time.perf_counter()
        seconds, classes = run_baseline(path, ours["cells"].boxes, network)
        total = time.perf_counter() - started
        print(f"baseline's detector: {gmac(DetectorOfCost(), 512):.1f} GMAC a region")
        print("baseline by stage:", {k: round(v, 2) for k, v in seconds.items()})
        rows.append(("baseline", {"seconds": total, "cells": ours["cells"]}))
        agree(rows[1][1]["cells"], ours["cells"], classes, path)
    base = rows[-1][1]["seconds"]
    print(f"\n{'':48} {'seconds':>8} {'cells/s':>8} {'mm2/s':>7} {'ratio':>6}")
    for name, row in rows:
        n, seconds = len(row["cells"]), row["seconds"]
        print(
            f"{name:48} {seconds:8.2f} {n / seconds:8.0f} {area_mm2 / seconds:7.3f} "
            f"{base / seconds:6.1f}"
        )
    bounds(path, bundled, ours)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MB")


def run(path: Path, models) -> dict:
    """Do the whole slide, warm: the first of two runs is not timed."""
    with open_slide(path) as slide:
        whole = Region(0, 0, *slide.size)
        config = sizes_for(whole.area, models.compute)
        plan = plan_run(slide, [whole], models, config)
        for _ in iter_chunks(slide, plan, models, config, [0]):
            pass
        started = time.perf_counter()
        collector = ResultCollector(whole, (whole,), plan.mpp, 0.4)
        for result in iter_chunks(slide, plan, models, config):
            collector.add(result)
        cells = collector.result().cells
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "cells": cells, "config": config, "plan": plan}


def resnext_card(path: Path, cells, folder: Path):
    """Make ResNeXt-50 a model: weights by chance, its last layer fitted to calls."""
    torch.manual_seed(0)
    network = ResNeXt50(23).eval()
    with open_slide(path) as slide:
        spec = replace(load_models(device="cpu").classifier.spec, mpp=0.25, crop_px=96)
        some = cells.take(np.random.default_rng(0).permutation(len(cells))[:400])
        cut = cut_crops(
            slide,
            some.boxes,
            replace(spec, whitened=False),
            mpp=slide.mpp,
            background=estimate_background(slide),
        )
    with torch.inference_mode():
        head, network.fc = network.fc, torch.nn.Identity()
        pixels = torch.from_numpy(cut.crops).permute(0, 3, 1, 2).float() / 255
        features = torch.cat([network(part) for part in pixels.split(32)])
        network.fc = head
        mean, std = features.mean(0), features.std(0) + 1e-6
        z = (features - mean) / std
        wanted = torch.nn.functional.one_hot(
            torch.from_numpy(some.class_indices.astype(np.int64)), 23
        ).float()
        fitted = torch.linalg.solve(z @ z.T + 50 * torch.eye(len(z)), wanted)
        weight = (z.T @ fitted).T / std
        head.weight.copy_(10 * weight)
        head.bias.copy_(-10 * weight @ mean)
    file = folder / "resnext.safetensors"
    state = {f"model.{k}": v.contiguous() for k, v in network.state_dict().items()}
    save_file(state, file)
    return import_model(file, ImportOptions(mpp=0.25), folder=folder / "models")


def resnext(card) -> torch.nn.Module:
    from napari_deepheme.core.models.torch.weights import load_networks

    return load_networks(card)[0].eval()


def agree(large, boxes_of, classes, path: Path) -> None:
    """Say how many cells both call alike, where the baseline saw the whole crop."""
    centres = boxes_of.centres
    inside = ((centres % 512 >= 48) & (centres % 512 < 464)).all(axis=1)
    boxes = map(tuple, large.boxes.tolist())
    by_box = dict(zip(boxes, large.class_indices.tolist(), strict=True))
    both = [
        (classes[row], by_box[box])
        for row in np.flatnonzero(inside)
        if (box := tuple(boxes_of.boxes[row].tolist())) in by_box
    ]
    n, calls = len(both), len({one for one, _ in both})
    alike = np.mean([one == other for one, other in both])
    print(f"ResNeXt-50, ours and baseline: top-1 alike in {alike:.3%} of {n} cells")
    print(f"  that it calls {calls} different classes")


def bounds(path: Path, models, ours: dict) -> None:
    """Compare with decoding alone and computing alone."""
    started = time.perf_counter()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        for _ in page.segments(maxworkers=torch.get_num_threads()):
            pass
    decode = time.perf_counter() - started
    detector, classifier = models.detector, models.classifier
    spec, config = detector.spec, ours["config"]
    windows = []
    for tile in ours["plan"].tiles:
        step = spec.alignment_px * 2
        windows.append(
            [-(-side // step) * spec.alignment_px for side in tile.read.size]
        )
    pictures = [np.zeros((h, w, 3), np.uint8) for w, h in windows]
    detector.detect(pictures[0])
    started = time.perf_counter()
    for picture in pictures:
        detector.detect(picture)
    compute = time.perf_counter() - started
    n, size = len(ours["cells"]), classifier.spec.crop_px
    crops = np.zeros((n, size, size, 3), np.uint8)
    classifier.classify(crops[:64], batch_size=config.classify.batch_size)
    started = time.perf_counter()
    classifier.classify(crops, batch_size=config.classify.batch_size)
    classify = time.perf_counter() - started
    limit = decode + compute + classify
    print(
        f"\nbounds, bundled: decode {decode:.2f} s + detect {compute:.2f} s + "
        f"classify {classify:.2f} s = {limit:.2f} s; the run takes "
        f"{ours['seconds'] / limit:.2f} times as long"
    )


if __name__ == "__main__":
    main()
