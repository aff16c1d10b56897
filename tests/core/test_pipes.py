"""What is no file but a pipe is refused at once, where it would be waited for."""

import os

import pytest

from napari_deepheme import CellTable, read_cells
from napari_deepheme.core.counts.reference_ranges import read_reference_ranges
from napari_deepheme.core.errors import (
    DownloadError,
    InvalidKeyError,
    InvalidModelError,
    InvalidRangesError,
    InvalidSummaryError,
    InvalidTableError,
)
from napari_deepheme.core.export.facts import TableFacts, facts_beside
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.bringing.hub import read_index
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.registry import (
    FOLDER_VARIABLE,
    bundled_models,
    list_models,
)
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.report_file.known_run import known_run
from napari_deepheme.core.slide.shown.kept_looks import KeptLooks, read_looks
from napari_deepheme.core.training.cells.boxed import read_boxes
from napari_deepheme.core.training.cells.manifest import read_manifest
from napari_deepheme.plugin.reviewing.keys import KeyMap, read_keys

pytestmark = pytest.mark.not_on_windows


@pytest.fixture
def pipe(tmp_path):
    def make(name):
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize("suffix", ["csv", "geojson", "parquet", "h5ad"])
def test_a_pipe_is_no_table_of_cells(pipe, suffix):
    with pytest.raises(InvalidTableError, match=r": it is a pipe or a device"):
        read_cells(pipe(f"cells.{suffix}"))


@pytest.mark.parametrize("read", [read_manifest, read_boxes])
def test_a_pipe_is_no_table_of_pictures(pipe, read):
    with pytest.raises(InvalidTableError, match="a pipe or a device"):
        read(pipe("cells.csv"))


def test_a_pipe_holds_no_ranges_and_no_index(pipe):
    with pytest.raises(InvalidRangesError, match="a pipe or a device"):
        read_reference_ranges(pipe("ranges.csv"))
    with pytest.raises(DownloadError, match="a pipe or a device"):
        read_index(str(pipe("index.json")))


def test_a_pipe_holds_no_weights_and_is_told_once(pipe):
    with pytest.raises(InvalidModelError, match="expected a file of weights") as told:
        import_model(pipe("net.pt"))
    assert str(told.value).count("is not a usable model") == 1


def test_a_pipe_among_the_models_is_left_out_and_holds_no_measurements(
    pipe, tmp_path, monkeypatch
):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("NAPARI_DEEPHEME_CACHE", str(tmp_path))
    card = pipe("p.json")
    assert list_models() == bundled_models()
    with pytest.raises(InvalidModelError, match=r"its card: it is a pipe or a device"):
        ModelCard.read(card)
    pipe("fastest.json")
    assert fastest._remembered() == {}


def test_a_pipe_holds_no_settings(pipe, monkeypatch):
    assert read_looks(pipe("looks.json")) == KeptLooks()
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(pipe("keys.json").parent))
    assert read_keys() == KeyMap()
    pipe("pseudonyms.key")
    with pytest.raises(InvalidKeyError, match="a pipe or a device"):
        Pseudonyms.of_this_user()


def test_a_pipe_beside_the_cells_is_no_summary(pipe, tmp_path):
    summary = pipe("summary.json")
    with pytest.raises(InvalidSummaryError, match="a pipe or a device"):
        known_run(CellTable.empty(), None, summary)
    assert facts_beside(tmp_path / "cells.csv") == TableFacts()
