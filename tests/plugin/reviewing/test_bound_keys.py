"""Which layers give their keys to the review."""

import numpy as np
import pytest

from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.reviewing.bound_keys import BoundKeys
from napari_deepheme.plugin.session import Session


@pytest.fixture
def done():
    return []


@pytest.fixture
def bound(viewer, done):
    made = BoundKeys(viewer, Session(), done.append)
    made.bind({"M2": "2"})
    return made


def keys(layer):
    return {str(key) for key in layer.keymap}


def test_the_layer_of_the_cells_gives_its_keys_to_the_review(viewer, bound, done):
    cells = viewer.add_points(metadata={METADATA_KEY: {"role": "cells"}})
    assert keys(cells) == keys(viewer) == {"2"}
    next(iter(cells.keymap.values()))(cells)
    assert done == ["M2"]
    bound.release()
    assert not keys(cells) | keys(viewer)


def test_the_map_of_where_to_count_keeps_its_keys_as_it_is_painted(viewer, bound):
    own = {METADATA_KEY: {"role": "adequacy"}}
    painted = viewer.add_labels(np.zeros((4, 4), np.uint8), metadata=own)
    assert viewer.layers.selection.active is painted
    assert not keys(painted)
