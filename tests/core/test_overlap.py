"""Which boxes are around one cell, in one table and in two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.overlap import (
    _neighbours,
    is_one_of,
    neighbours,
    same_cells,
    suppress_overlaps,
)

rows = st.tuples(
    st.integers(-30, 30),
    st.integers(-30, 30),
    st.integers(1, 25),
    st.integers(1, 25),
    # Few scores, so that many are equal.
    st.sampled_from([0.25, 0.5, 0.75]),
)
scenes = st.lists(rows, max_size=25, unique=True)


def arrays(scene):
    values = np.array(scene, np.float64).reshape(-1, 5)
    return values[:, :4].astype(np.int32), values[:, 4].astype(np.float32)


def kept_rows(scene, max_overlap=0.4):
    boxes, scores = arrays(scene)
    rows = suppress_overlaps(boxes, scores, max_overlap=max_overlap)
    return [scene[i] for i in rows]


def are_one_cell(a, b, max_overlap=0.4):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    sizes = a[2] * a[3], b[2] * b[3]
    union = sum(sizes) - shared
    return shared > max_overlap * union or shared > 0.8 * min(sizes)


@given(scenes, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(scene, random):
    shuffled = random.sample(scene, len(scene))
    assert sorted(kept_rows(scene)) == sorted(kept_rows(shuffled))


@given(scenes)
def test_no_two_of_the_kept_are_one_cell_and_a_second_pass_changes_nothing(scene):
    kept = kept_rows(scene)
    assert kept_rows(kept) == kept
    for i, a in enumerate(kept):
        assert not any(are_one_cell(a, b) for b in kept[i + 1 :])


@given(scenes)
def test_whatever_is_dropped_was_one_cell_with_a_kept_one_of_no_lower_score(scene):
    kept = kept_rows(scene)
    for row in set(scene) - set(kept):
        assert any(are_one_cell(row, k) and k[4] >= row[4] for k in kept)


@given(scenes, st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_the_place_of_a_scene_does_not_matter(scene, dx, dy):
    moved = [(x + dx, y + dy, *rest) for x, y, *rest in scene]
    back = [(x - dx, y - dy, *rest) for x, y, *rest in kept_rows(moved)]
    assert back == kept_rows(scene)


def test_a_box_inside_another_is_the_same_cell():
    scene = [(0, 0, 40, 40, 0.5), (10, 10, 10, 10, 0.75)]
    assert kept_rows(scene) == [scene[1]]


def test_twins_of_all_numbers_leave_one():
    assert len(kept_rows([(0, 0, 10, 10, 0.5)] * 4)) == 1


def test_neighbours_that_touch_both_stay():
    assert len(kept_rows([(0, 0, 10, 10, 0.5), (10, 0, 10, 10, 0.5)])) == 2


def test_the_middle_of_a_chain_goes_when_its_ends_are_better():
    scene = [(0, 0, 10, 10, 0.75), (4, 0, 10, 10, 0.5), (8, 0, 10, 10, 0.75)]
    assert kept_rows(scene) == [scene[0], scene[2]]
    scene = [(0, 0, 10, 10, 0.5), (4, 0, 10, 10, 0.75), (8, 0, 10, 10, 0.5)]
    assert kept_rows(scene) == [scene[1]]


def test_nothing_and_one_box_stay_as_they_are():
    assert kept_rows([]) == []
    assert kept_rows([(0, 0, 5, 5, 0.5)]) == [(0, 0, 5, 5, 0.5)]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        # Of equal scores the upper stays, then the left, the narrower, the lower one.
        ((4, 0, 12, 10), (0, 4, 10, 10)),
        ((0, 0, 12, 12), (2, 0, 10, 10)),
        ((0, 0, 10, 12), (0, 0, 12, 10)),
        ((0, 0, 10, 9), (0, 0, 10, 10)),
    ],
)
def test_of_equal_scores_the_first_in_reading_order_stays(first, other):
    scene = [(*first, 0.5), (*other, 0.5)]
    assert kept_rows(scene, 0.1) == scene[:1]
    assert kept_rows(scene[::-1], 0.1) == scene[:1]


@pytest.mark.parametrize("turned", [False, True])
def test_flat_boxes_are_one_cell_along_their_length(turned):
    # 40 of 60 px shared: 400 of 800 px.
    scene = [(0, 0, 60, 10, 0.75), (20, 0, 60, 10, 0.5)]
    if turned:
        scene = [(y, x, height, width, s) for x, y, width, height, s in scene]
    assert kept_rows(scene) == scene[:1]


def test_an_overlap_of_just_the_most_that_is_allowed_leaves_both():
    # 40 px shared of 100 px together; 40 of the 50 px of the smaller one.
    assert len(kept_rows([(0, 0, 7, 10, 0.5), (3, 0, 7, 10, 0.75)], 0.4)) == 2
    assert len(kept_rows([(0, 0, 10, 10, 0.5), (6, 0, 5, 10, 0.75)], 0.4)) == 2


def test_one_box_that_is_far_too_wide_does_not_pair_all_others():
    rng = np.random.default_rng(0)
    n = 30_000
    corners = rng.integers(0, int(40 * n**0.5), (n, 2))
    boxes = np.hstack([corners, np.full((n, 2), 40)]).astype(np.int32)
    scores = rng.random(n).astype(np.float32)
    boxes[0] = (-5000, -5000, 640, 640)
    pairs = _neighbours(boxes.astype(float))
    # Of pairs within the reach of the wide box there were some 10 million.
    assert len(pairs) < 20 * n
    assert 0 in suppress_overlaps(boxes, scores, max_overlap=0.4)


def test_boxes_of_unlike_size_are_paired_where_they_overlap():
    boxes = np.array([[0, 0, 640, 640], [600, 600, 50, 50], [700, 0, 50, 50]], float)
    assert {frozenset(pair) for pair in _neighbours(boxes).tolist()} >= {
        frozenset({0, 1})
    }
    inside = np.array([[0, 0, 640, 640], [300, 300, 20, 20]], np.int32)
    kept = suppress_overlaps(inside, np.array([0.5, 0.9], np.float32), max_overlap=0.4)
    assert kept.tolist() == [1]


@given(scenes, scenes)
def test_a_box_is_one_of_others_just_where_any_of_them_is_one_cell_with_it(ones, rest):
    found = is_one_of(arrays(ones)[0], arrays(rest)[0], max_overlap=0.4)
    assert found.tolist() == [any(are_one_cell(a, b) for b in rest) for a in ones]


def one_run(n, side, seed=0):
    """Give boxes as one run has them, of 30 to 80 px, in a square."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.integers(0, side, (n, 2)), rng.integers(30, 80, (n, 2))
    boxes = np.hstack([corners, sides]).astype(np.int32)
    scores = rng.random(n).astype(np.float32)
    return boxes[suppress_overlaps(boxes, scores, max_overlap=0.4)]


@given(st.integers(0, 50), st.integers(0, 3))
def test_cells_of_a_crowd_are_the_same_after_their_boxes_moved_a_little(seed, most):
    boxes, rng = one_run(300, 700, seed), np.random.default_rng(seed)
    places = rng.permutation(len(boxes))
    moves = rng.integers(-most, most + 1, boxes.shape).astype(np.int32)
    found = same_cells(boxes, (boxes + moves)[places])
    clear = found >= 0
    assert (places[found[clear]] == np.flatnonzero(clear)).all()
    assert clear.mean() > 0.97
    assert most or clear.all()


@given(st.integers(0, 50))
def test_no_cell_is_taken_for_its_neighbour_where_it_is_not_there(seed):
    boxes, rng = one_run(300, 700, seed), np.random.default_rng(seed)
    rows = rng.permutation(len(boxes))[:150]
    moves = rng.integers(-2, 3, boxes.shape).astype(np.int32)
    left = np.setdiff1d(np.arange(len(boxes)), rows[:100])
    known = np.concatenate([rows, neighbours(boxes, rows)])
    found = same_cells(boxes[known], (boxes + moves)[left])
    clear = found >= 0
    assert (left[found[clear]] == known[clear]).all()
    assert not np.isin(rows[:100], known[clear]).any()


@given(scenes, scenes)
def test_each_cell_is_the_same_as_one_other_at_most_from_both_sides(ones, rest):
    boxes, others = arrays(ones)[0], arrays(rest)[0]
    found = same_cells(boxes, others)
    there = found[found >= 0]
    assert len(set(there.tolist())) == len(there)
    alike = {tuple(box) for box in boxes.tolist()} & {tuple(b) for b in others.tolist()}
    assert len(alike) <= len(there)
    assert (same_cells(boxes, boxes) >= 0).all()


def test_a_cell_that_may_be_either_of_two_is_neither():
    one = np.array([[10, 0, 40, 40]], np.int32)
    two = np.array([[3, 0, 40, 40], [17, 0, 40, 40]], np.int32)
    assert same_cells(one, two).tolist() == [-1]
    assert same_cells(two, one).tolist() == [-1, -1]
    clear = np.array([[8, 0, 40, 40], [15, 0, 40, 40]], np.int32)
    assert same_cells(one, clear).tolist() == [0]
    assert same_cells(clear, one).tolist() == [0, -1]


@pytest.mark.parametrize(
    "other", [(11, 0, 40, 40), (0, 8, 40, 60), (-20, -20, 81, 80), (0, 0, 19, 19)]
)
def test_a_box_that_is_too_far_away_or_of_another_size_is_another_cell(other):
    boxes = np.array([[0, 0, 40, 40]], np.int32)
    assert same_cells(boxes, np.array([other], np.int32)).tolist() == [-1]
