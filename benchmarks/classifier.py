"""How many cells a second a classifier names, by each way to compute that is here.

Run by ``python benchmarks/classifier.py [MODEL ...]``; the bundled one if left out, and
ResNeXt-50 with weights by chance in plain single precision beside it, at 96 px.
Rendered cells, already cut out; the best of five rounds, in which the ways take turns.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import torch

from napari_deepheme.core.models.fastest import candidates
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.networks.resnext import ResNeXt50
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, load_models
from napari_deepheme.core.models.torch.runner import TorchRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.models.compute import Compute

ROUNDS = 5

BATCHES = (8, 16, 32, 64)

N_LARGE = 64
"""Cells for ResNeXt-50, which takes longer."""


def main(models: list[str]) -> None:
    work: dict[str, tuple[int, Callable[[], object]]] = {}
    for model in models or [DEFAULT_CLASSIFIER]:
        for way in candidates():
            for compute in dict.fromkeys([way, way.exact]):
                add_model(work, model, compute)
    add_resnext(work)
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS):
        for name, (_, run) in work.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    print(f"{torch.get_num_threads()} threads\n{'':60} cells/s")
    for name, (n, _) in work.items():
        print(f"{name:60} {n / best[name]:7.0f}")


def add_model(
    work: dict[str, tuple[int, Callable[[], object]]], model: str, compute: Compute
) -> None:
    classifier = load_models(model, compute=compute).classifier
    cells = measuring_cells(classifier.spec.crop_px)
    for batch in BATCHES:
        name = f"{model}, {compute}, batches of {batch}"

        def run(batch: int = batch) -> object:
            return classifier.classify(cells, batch_size=batch)

        run()
        work[name] = (len(cells), run)


def add_resnext(work: dict[str, tuple[int, Callable[[], object]]]) -> None:
    runner = TorchRunner(ResNeXt50(23).eval(), "cpu")
    cells = measuring_cells(96)[:N_LARGE]

    def run() -> object:
        return runner.run(cells, batch_size=32)

    run()
    work["ResNeXt-50, torch on cpu, float32, batches of 32"] = (N_LARGE, run)


if __name__ == "__main__":
    main(sys.argv[1:])
