"""Commands from the slide to all files, and a batch: python commands.py FOLDER.

A script, not a test: test_no_network.py watches what it connects to.
"""

import os
import sys
from pathlib import Path

from napari_deepheme.cli import run
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom


def main(folder):
    os.chdir(folder)
    write_phantom("slide.svs", Size(600, 500), 5)
    # As it is given: what is fastest is measured, and a network converted.
    commands = [["classify", "slide.svs", "--out", "done"], ["models", "list"]]
    for kind in ("html", "pdf"):
        words = ["--cells", "done/cells.csv", "--out", f"report.{kind}"]
        commands.append(["report", "slide.svs", *words])
    for kind in ("csv", "geojson", "parquet", "h5ad", "crops"):
        words = ["--to", kind, "--out", f"out.{kind}", "--slide", "slide.svs"]
        commands.append(["export", "done/cells.csv", *words])
    words = ["--mpp", "0.15", "--out", "crops.csv"]
    commands.append(["classify-crops", "out.crops", *words])
    batch = ["batch", "slide.svs", "--out", "batch", "--workers", "1", "--threads", "1"]
    commands.append([*batch, "--device", "cpu", "--backend", "openvino"])
    for words in commands:
        assert run(words) == 0, words
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
