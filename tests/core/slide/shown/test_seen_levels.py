"""Levels as they are seen; as they are, they stay."""

from __future__ import annotations

import time
from copy import deepcopy

import numpy as np
import pytest

from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import ArraySlide, slide_levels
from napari_deepheme.core.slide.shown.level_array import SHORTEST_PAUSE
from napari_deepheme.core.slide.shown.look import Look, apply_look
from napari_deepheme.core.slide.shown.seen_levels import (
    SMALL_SIDE,
    SeenLevel,
    SeenLevels,
    seen_of,
)

PIXELS = np.random.default_rng(3).integers(0, 256, (700, 1300, 3), dtype=np.uint8)
LOOK = Look(gamma=0.7, stain_strength=1.6)


class Counted:
    """A lazy picture that counts how often it is read."""

    shape, dtype, chunks = PIXELS.shape, PIXELS.dtype, (64, 64, 3)

    def __init__(self) -> None:
        self.n_read = 0

    def __getitem__(self, key: object) -> np.ndarray:
        self.n_read += 1
        return PIXELS[key]  # type: ignore[index]


def seen_slide() -> SeenLevels:
    return SeenLevels(slide_levels(ArraySlide(PIXELS)))


def test_without_a_look_levels_are_what_they_are() -> None:
    seen = seen_slide()
    np.testing.assert_array_equal(seen.levels[0][:, :], PIXELS)
    np.testing.assert_array_equal(seen.single[5:9, 7], PIXELS[5:9, 7])


def test_a_look_is_seen_in_every_slice_of_every_level() -> None:
    seen = seen_slide()
    seen.show(LOOK)
    expected = apply_look(PIXELS, LOOK, seen.white)
    level = seen.levels[0]
    np.testing.assert_array_equal(level[100:300, 5:1200:7], expected[100:300, 5:1200:7])
    np.testing.assert_array_equal(level[3, 4], expected[3, 4])
    np.testing.assert_array_equal(level[..., 1], expected[..., 1])


def test_what_is_loaded_whole_is_the_level_as_it_is() -> None:
    seen = seen_slide()
    seen.show(LOOK)
    np.testing.assert_array_equal(np.asarray(seen.single), PIXELS)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(seen.single, copy=False)


def test_the_smallest_level_is_held_and_changes_in_place() -> None:
    seen = seen_slide()
    smallest = seen.levels[-1]
    assert isinstance(smallest, np.ndarray)
    assert smallest.shape == (234, 434, 3)
    assert max(smallest.shape) <= SMALL_SIDE
    # A viewer's cache has this very array.
    kept = np.asarray(smallest)
    before = kept.copy()
    seen.show(LOOK)
    np.testing.assert_array_equal(kept, apply_look(before, LOOK, seen.white))
    seen.show(Look())
    np.testing.assert_array_equal(kept, before)


def test_a_small_picture_is_one_level() -> None:
    small = PIXELS[:80, :90].copy()
    seen = SeenLevels([small])
    assert len(seen.levels) == 1
    seen.show(LOOK)
    np.testing.assert_array_equal(small, PIXELS[:80, :90])
    assert not np.array_equal(seen.levels[0], small)


def test_a_part_is_read_once_while_the_look_changes() -> None:
    lazy = Counted()
    seen = SeenLevels([lazy], lambda: np.full(3, 240, np.float32))
    for gamma in (0.5, 0.6, 0.7):
        seen.show(Look(gamma=gamma))
        part = seen.single[10:20, 10:30]
        expected = apply_look(PIXELS[10:20, 10:30], seen.look, (240, 240, 240))
        np.testing.assert_array_equal(part, expected)
    assert lazy.n_read == 1
    seen.single[10:20, 10:31]
    assert lazy.n_read == 2
    assert seen.single.chunks == lazy.chunks


def test_background_is_estimated_once_and_only_for_a_look() -> None:
    calls = []

    def background() -> np.ndarray:
        calls.append(1)
        return np.full(3, 230, np.float32)

    seen = SeenLevels([PIXELS], background)
    seen.single[:4, :4]
    assert not calls
    seen.show(LOOK)
    seen.single[:4, :4]
    seen.single[:5, :4]
    assert len(calls) == 1


def test_it_says_what_an_array_says() -> None:
    level = seen_slide().single
    said = (level.shape, level.dtype, level.ndim, level.size, level.nbytes, len(level))
    assert said == (PIXELS.shape, PIXELS.dtype, 3, PIXELS.size, PIXELS.nbytes, 700)
    assert "image" in repr(level)


def test_what_data_are_seen_through_is_found() -> None:
    seen = seen_slide()
    assert seen_of(seen.levels) is seen
    assert seen_of(seen.single) is seen
    assert seen_of(PIXELS) is None
    assert seen_of([PIXELS, PIXELS[::2, ::2]]) is None
    assert isinstance(seen.single, SeenLevel)


def test_the_slide_gives_the_same_bytes_whatever_its_look() -> None:
    slide = ArraySlide(PIXELS)
    seen = SeenLevels(slide_levels(slide))
    before = slide.read_region(Point(0, 0), 0, slide.size).tobytes()
    seen.show(LOOK)
    seen.levels[0][:, :]
    after = slide.read_region(Point(0, 0), 0, slide.size).tobytes()
    assert before == after


def test_copied_levels_read_the_same_slide_and_have_a_look_of_their_own() -> None:
    seen = seen_slide()
    seen.show(LOOK)
    levels = deepcopy(list(seen.levels))
    copied = seen_of(levels)
    assert copied is not None
    assert copied is not seen
    for one, other in zip(levels, seen.levels, strict=True):
        np.testing.assert_array_equal(one[:, :], other[:, :])
    seen.show(Look())
    expected = apply_look(PIXELS, LOOK, copied.white)
    np.testing.assert_array_equal(levels[0][:, :], expected)
    copied.show(Look())
    for one, other in zip(levels, seen.levels, strict=True):
        np.testing.assert_array_equal(one[:, :], other[:, :])
    single = deepcopy(seen.single)
    np.testing.assert_array_equal(single[:, :], PIXELS)
    # Levels that are read are not copied.
    assert copied.plain[0] is seen.plain[0]


def test_the_same_part_is_read_again_once_what_failed_may_be_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slide, now = ArraySlide(PIXELS), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen = SeenLevels(slide_levels(slide)[:1], lambda: np.full(3, 255, np.float32))
    read = slide._read_level
    slide._read_level = lambda *_: (_ for _ in ()).throw(OSError(5, "away"))  # type: ignore[method-assign]
    grey = seen.single[:50, :50]
    slide._read_level = read  # type: ignore[method-assign]
    np.testing.assert_array_equal(seen.single[:50, :50], grey)
    now[0] = SHORTEST_PAUSE
    np.testing.assert_array_equal(seen.single[:50, :50], PIXELS[:50, :50])
