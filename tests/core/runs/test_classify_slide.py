"""A slide classified in one call."""

import numpy as np
import pytest

from napari_deepheme import (
    Region,
    ResultCollector,
    RunConfig,
    TileConfig,
    analyze_region,
    classify,
    differential,
    iter_region,
    open_slide,
)
from napari_deepheme.core.errors import (
    ModelNotFoundError,
    RegionOutOfBoundsError,
    SlideNotFoundError,
)
from napari_deepheme.core.runs import classify_slide


@pytest.fixture
def discs(monkeypatch, disc_models):
    monkeypatch.setattr(classify_slide, "load_models", lambda *_, **__: disc_models)


@pytest.mark.usefixtures("discs")
def test_a_call_gives_what_the_pipeline_gives(disc_slide, disc_models):
    region = Region(100, 100, 600, 500)
    result = classify(disc_slide, region)
    assert result.cells == analyze_region(disc_slide, region, disc_models).cells
    assert len(result.cells) > 10
    assert result.complete
    whole = classify(disc_slide)
    assert whole.region == Region(0, 0, *disc_slide.size)
    assert len(whole.cells) > len(result.cells)


def test_a_slide_is_taken_by_path_or_open_and_counted_up_to_a_number(phantom_svs):
    counted = classify(str(phantom_svs), device="cpu", max_cells=10)
    assert differential(counted.cells).n == 10
    assert counted.counted_areas
    with open_slide(phantom_svs) as slide:
        again = classify(slide, device="cpu", max_cells=10)
        assert again.cells == counted.cells
        # It stays open.
        assert slide.read_region(slide.bounds_origin, 0, slide.size).shape


@pytest.mark.usefixtures("discs")
@pytest.mark.parametrize("max_cells", [None, 5])
def test_a_region_beyond_the_slide_is_refused(disc_slide, max_cells):
    with pytest.raises(RegionOutOfBoundsError):
        classify(disc_slide, Region(0, 0, 10_000, 5), max_cells=max_cells)


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"slide": None}, TypeError, "a slide or its path, not NoneType"),
        ({"slide": b"a.svs"}, TypeError, "not bytes"),
        ({"slide": np.zeros((9, 9, 3))}, TypeError, "not ndarray; ArraySlide makes"),
        ({"region": (0, 0, 80, 80)}, TypeError, r"Region\(x, y, width, height\)"),
        ({"region": Region(0, 0, 0, 80)}, ValueError, "no area"),
        ({"mpp": (0.25, 0.25)}, TypeError, "one number of micrometres"),
        ({"max_cells": True}, TypeError, "whole number, not True"),
        ({"max_cells": 20.5}, TypeError, "whole number, not 20.5"),
        ({"max_cells": 0}, ValueError, "at least one cell, not 0"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_was_expected(
    disc_slide, given, kind, told
):
    with pytest.raises(kind, match=told):
        classify(**({"slide": disc_slide} | given))


@pytest.mark.usefixtures("discs")
def test_a_region_of_numpys_numbers_is_as_one_of_pythons(disc_slide):
    region = Region(*np.array([0, 0, 300, 300], "uint32"))
    cells = classify(disc_slide, region).cells
    assert len(cells)
    assert cells == classify(disc_slide, Region(0, 0, 300, 300)).cells


def test_the_calls_below_refuse_what_makes_no_sense_in_the_same_words(
    disc_slide, disc_models
):
    for call in (analyze_region, iter_region):
        with pytest.raises(TypeError, match=r"an open slide.*not str"):
            call("slide.svs", None, disc_models)
        with pytest.raises(TypeError, match="not ndarray; ArraySlide makes"):
            call(np.zeros((9, 9, 3)), None, disc_models)
        with pytest.raises(TypeError, match=r"Region\(x, y, width, height\)"):
            call(disc_slide, (0, 0, 80, 80), disc_models)
        with pytest.raises(ValueError, match="no area"):
            call(disc_slide, Region(0, 0, 0, 80), disc_models)


def test_tiles_of_a_run_that_is_stopped_are_merged_to_what_a_call_gives(
    disc_slide, disc_models
):
    whole, config = Region(0, 0, *disc_slide.size), RunConfig(TileConfig(300))
    collector = ResultCollector(
        whole, (whole,), disc_slide.mpp, config.detect.max_overlap
    )
    n_cells = 0
    for tile in iter_region(disc_slide, None, disc_models, config):
        collector.add(tile)
        n_cells += len(tile.cells)
        if tile.index == 5:
            assert not collector.result().complete
    result = analyze_region(disc_slide, None, disc_models)
    assert collector.result().cells == result.cells
    assert collector.result().complete
    assert n_cells > len(result.cells)


def test_a_detector_is_chosen_by_name(disc_slide, monkeypatch, disc_models):
    asked = []
    monkeypatch.setattr(
        classify_slide,
        "load_models",
        lambda *_, **how: asked.append(how) or disc_models,
    )
    classify(disc_slide, detector="ours")
    assert asked[0]["detector"] == "ours"


def test_what_is_not_there_is_refused(phantom_svs):
    with pytest.raises(SlideNotFoundError):
        classify("missing.svs")
    with pytest.raises(ModelNotFoundError):
        classify(phantom_svs, model="none of ours")
    with pytest.raises(ValueError, match="at least one cell"):
        classify(phantom_svs, max_cells=0)
