"""What the documentation of the Python API shows runs as it stands there."""

import re
from pathlib import Path

import napari_deepheme
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom

DOCS = Path(__file__).parents[1] / "docs"


def blocks(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_notebooks_way_runs_block_after_block(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_phantom(tmp_path / "slide.svs", Size(1000, 900), 5)
    namespace = {}
    for block in blocks("python-api.md"):
        exec(block, namespace)
    told = capsys.readouterr().out
    assert "slide.svs Size(width=1000, height=900)" in told
    assert len(namespace["cells"]) > 5
    # What the page on exchange reads is what is written.
    napari_deepheme.write_cells(namespace["cells"], "cells.parquet")
    napari_deepheme.write_cells(namespace["cells"], "cells.h5ad")
    for block in blocks("exchange.md"):
        exec(block, {})


def test_all_that_is_promised_is_there():
    for name in napari_deepheme.__all__:
        assert hasattr(napari_deepheme, name)
