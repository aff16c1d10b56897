"""Settings that make no sense are refused."""

from dataclasses import FrozenInstanceError

import pytest

from napari_deepheme.core.engine.config import (
    ClassifyConfig,
    DetectConfig,
    RunConfig,
    TileConfig,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TileConfig(63),
        lambda: DetectConfig(min_score=-0.1),
        lambda: DetectConfig(min_score=1.1),
        lambda: DetectConfig(max_overlap=0),
        lambda: DetectConfig(max_overlap=1.1),
        lambda: ClassifyConfig(0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        RunConfig().tile = TileConfig(64)
