import csv

import numpy as np
import openslide
import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom import Smear, write_phantom, writer

SIZE = Size(1330, 1100)


@pytest.fixture(scope="module")
def slide_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("phantom") / "one.svs"
    write_phantom(path, SIZE, 4)
    return path


@pytest.fixture
def slide(slide_path):
    with openslide.OpenSlide(slide_path) as opened:
        yield opened


def test_openslide_takes_it_for_an_aperio_slide(slide):
    properties = slide.properties
    assert properties["openslide.vendor"] == "aperio"
    assert float(properties["openslide.mpp-x"]) == 0.25
    assert float(properties["openslide.mpp-y"]) == 0.25
    assert properties["openslide.objective-power"] == "40"
    assert "DateTime" not in properties["tiff.ImageDescription"]
    assert "tiff.DateTime" not in properties


def test_the_pyramid_has_true_levels(slide):
    assert slide.level_dimensions == (SIZE, (332, 275))
    assert slide.level_downsamples == pytest.approx((1, 4), rel=0.01)
    small = np.asarray(slide.read_region((0, 0), 1, (332, 275)).convert("RGB"))
    large = np.asarray(slide.read_region((0, 0), 0, (1328, 1100)).convert("RGB"))
    shrunk = large.reshape(275, 4, 332, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - shrunk).mean() < 3


def test_its_pixels_are_those_of_the_smear(slide):
    seen = np.asarray(slide.read_region((0, 0), 0, SIZE).convert("RGB"))
    meant = Smear(SIZE, 4).read(Region(0, 0, *SIZE))
    assert np.abs(seen.astype(float) - meant).mean() < 4


def test_it_carries_the_pictures_of_a_scanner(slide):
    assert set(slide.associated_images) == {"thumbnail", "label", "macro"}
    assert slide.associated_images["label"].size == (387, 463)
    assert slide.associated_images["macro"].size == (1280, 431)


def test_the_truth_lies_beside_it(slide_path):
    with slide_path.with_suffix(".csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    cells = Smear(SIZE, 4).cells(Region(0, 0, *SIZE))
    assert list(rows[0]) == list(writer.TRUTH_COLUMNS)
    assert [(int(r["x"]), int(r["y"]), r["class_code"]) for r in rows] == [
        (c.x, c.y, c.class_code) for c in cells
    ]


def test_the_same_seed_gives_the_same_bytes(slide_path, tmp_path):
    again = tmp_path / "another-name.svs"
    write_phantom(again, SIZE, 4)
    assert again.read_bytes() == slide_path.read_bytes()
    truth = slide_path.with_suffix(".csv").read_bytes()
    assert again.with_suffix(".csv").read_bytes() == truth


def test_progress_ends_at_the_last_row(tmp_path):
    told = []
    write_phantom(
        tmp_path / "a.svs",
        Size(300, 600),
        1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(512, 600), (600, 600)]


def test_a_phantom_of_one_level_opens_too(tmp_path):
    write_phantom(tmp_path / "a.svs", Size(257, 300), 1)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert slide.level_dimensions == ((257, 300),)
        assert "thumbnail" in slide.associated_images


def test_levels_go_on_until_one_fits_a_screen():
    sizes = writer.level_sizes(Size(100_000, 60_000))
    assert [s.width for s in sizes] == [100_000, 25_000, 6_250, 1_562, 390]


@pytest.mark.parametrize("size", [(255, 2000), (2000, 100_001)])
def test_sizes_out_of_range_are_refused(tmp_path, size):
    with pytest.raises(ValueError, match="a phantom is"):
        write_phantom(tmp_path / "a.svs", Size(*size), 1)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(CannotWriteError):
        write_phantom(tmp_path / "missing" / "a.svs", Size(256, 256), 1)


def test_nothing_is_left_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_write_labels", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        write_phantom(tmp_path / "a.svs", Size(300, 300), 1)
    assert list(tmp_path.iterdir()) == []


def test_what_stood_there_stays_when_writing_is_broken_off(tmp_path):
    path = tmp_path / "a.svs"
    write_phantom(path, Size(300, 300), 1)
    before = path.read_bytes()

    def stop(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(path, Size(300, 300), 2, progress=stop)
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"a.svs", "a.csv"}
