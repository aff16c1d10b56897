"""What `import napari_deepheme` gives."""

import pytest

import napari_deepheme


def test_every_public_name_is_there_and_listed():
    for name in napari_deepheme.__all__:
        assert getattr(napari_deepheme, name) is not None
    assert set(napari_deepheme.__all__) <= set(dir(napari_deepheme))


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = napari_deepheme.nothing
