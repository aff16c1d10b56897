"""Saving layers from napari's own menu: what is offered, and names of files."""

import pytest
from npe2 import PluginManifest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.export.cells_file import read_cells
from napari_deepheme.plugin.layers import features
from napari_deepheme.plugin.writer import write_cells_csv, write_cells_geojson

both = pytest.mark.parametrize(
    ("write", "ending"), [(write_cells_csv, ".csv"), (write_cells_geojson, ".geojson")]
)


@pytest.fixture
def cells(make_table):
    return make_table((10, 20, 30, 40, "M3"), (100, 50, 30, 40, "L2"))


@pytest.fixture
def meta(cells):
    return {"features": features(cells)}


@both
@pytest.mark.parametrize("name", ["Cells", "case 1.2"])
def test_a_name_without_its_ending_is_given_it(
    tmp_path, cells, meta, write, ending, name
):
    path = tmp_path / f"{name}{ending}"
    assert write(str(tmp_path / name), [], meta) == [str(path)]
    assert read_cells(path) == cells
    assert [*tmp_path.iterdir()] == [path]


@both
def test_a_file_that_napari_did_not_ask_about_is_not_replaced(
    tmp_path, cells, meta, write, ending
):
    path = tmp_path / f"Cells{ending}"
    path.write_text("work of a week")
    with pytest.raises(CannotWriteError, match="it is there already") as told:
        write(str(tmp_path / "Cells"), [], meta)
    assert "\n" not in str(told.value)
    assert path.read_text() == "work of a week"
    assert write(str(path), [], meta) == [str(path)]
    assert read_cells(path) == cells


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_cells_csv, "a.CSV"), (write_cells_geojson, "a.json")],
)
def test_an_ending_that_will_do_is_left(tmp_path, cells, meta, write, name):
    assert write(str(tmp_path / name), [], meta) == [str(tmp_path / name)]
    assert read_cells(tmp_path / name) == cells


def test_what_napari_offers_names_the_plugin_once():
    manifest = PluginManifest.from_distribution("napari-deepheme")
    # Napari puts the plugin's name before.
    names = [writer.display_name for writer in manifest.contributions.writers]
    assert names[:2] == ["cells (CSV)", "figures (CSV)"]
    assert not any(manifest.display_name in name for name in names)
