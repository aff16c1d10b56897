"""Regions, boxes and polygons."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.geometry import Point, Polygon, Region, Size, touched_by

corners = st.integers(-50, 50)
sides = st.integers(0, 40)
regions = st.builds(Region, corners, corners, sides, sides)
boxes = st.lists(st.tuples(corners, corners, sides, sides), max_size=20).map(
    lambda rows: np.array(rows, np.int32).reshape(-1, 4)
)


def pixels_of(region):
    return {
        (x, y)
        for x in range(region.x, region.right)
        for y in range(region.y, region.bottom)
    }


def test_a_negative_extent_is_refused():
    for width, height in ((-1, 5), (5, -1)):
        with pytest.raises(ValueError, match="cannot be"):
            Region(0, 0, width, height)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_numbers_of_numpy_are_taken_as_whole_numbers(dtype):
    region = Region(*np.array([3, 2, 100, 120], dtype))
    assert region == Region(3, 2, 100, 120)
    assert [type(number) for number in region.to_json()] == [int] * 4
    assert region.grown(5) == Region(-2, -3, 110, 130)
    assert region.area == 12_000


def test_an_area_does_not_overflow():
    sides = np.array([0, 0, 60_000, 60_000], np.int32)
    assert Region(*sides).area == 3_600_000_000


@pytest.mark.parametrize(
    "number", [0.5, 10.0, np.float32(10), "10", None, float("nan")]
)
def test_what_is_no_whole_number_is_no_region(number):
    for place in range(4):
        numbers = [10, 10, 10, 10]
        numbers[place] = number
        with pytest.raises(TypeError, match="whole pixels"):
            Region(*numbers)


def test_a_region_tells_its_corner_size_and_area():
    region = Region(3, 4, 10, 20)
    assert (region.right, region.bottom, region.area) == (13, 24, 200)
    assert region.location == Point(3, 4)
    assert region.size == Size(10, 20)


@given(regions, regions)
def test_an_intersection_holds_the_pixels_of_both(one, other):
    shared = one.intersection(other)
    assert pixels_of(shared) == pixels_of(one) & pixels_of(other)
    assert shared.area == other.intersection(one).area


@given(regions, st.integers(0, 9))
def test_a_grown_region_contains_the_first_and_shrinks_back(region, margin):
    grown = region.grown(margin)
    assert grown.contains(region)
    assert grown.grown(-margin) == region


@given(regions, boxes)
def test_a_box_belongs_where_its_centre_lies(region, boxes):
    x, y = (boxes[:, :2] + boxes[:, 2:] / 2).T
    expected = (x >= region.x) & (x < region.right)
    expected &= (y >= region.y) & (y < region.bottom)
    np.testing.assert_array_equal(region.holds_centres(boxes), expected)


@given(boxes, st.integers(-20, 20), st.integers(-20, 20))
def test_each_box_belongs_to_one_quarter_of_a_region(boxes, x, y):
    whole = Region(-60, -60, 160, 160)
    quarters = [
        Region.from_corners(-60, -60, x, y),
        Region.from_corners(x, -60, 100, y),
        Region.from_corners(-60, y, x, 100),
        Region.from_corners(x, y, 100, 100),
    ]
    held = np.stack([quarter.holds_centres(boxes) for quarter in quarters])
    np.testing.assert_array_equal(held.sum(axis=0), whole.holds_centres(boxes))


def test_centres_far_out_do_not_overflow():
    box = np.array([[2**31 - 10, 2**31 - 10, 2**31 - 1, 2**31 - 1]], np.int32)
    assert not Region(0, 0, 2**31 - 1, 2**31 - 1).holds_centres(box)[0]


@given(boxes, regions)
def test_a_rectangle_drawn_as_a_polygon_holds_the_same_centres(boxes, region):
    drawn = Polygon(
        (
            (region.x, region.y),
            (region.right, region.y),
            (region.right, region.bottom),
            (region.x, region.bottom),
        )
    )
    x, y = (boxes[:, :2] + boxes[:, 2:] / 2).T
    on_edge = np.isin(x, (region.x, region.right)) | np.isin(
        y, (region.y, region.bottom)
    )
    inside = boxes[~on_edge]
    np.testing.assert_array_equal(
        drawn.holds_centres(inside), region.holds_centres(inside)
    )


def test_a_polygon_with_a_hole_leaves_out_what_lies_in_the_hole():
    ring = Polygon(
        # Out around the border, and back around the hole.
        (
            (0, 0),
            (30, 0),
            (30, 30),
            (0, 30),
            (0, 0),
            (10, 10),
            (10, 20),
            (20, 20),
            (20, 10),
            (10, 10),
        )
    )
    boxes = np.array([[4, 4, 2, 2], [14, 14, 2, 2], [34, 4, 2, 2]], np.int32)
    assert ring.holds_centres(boxes).tolist() == [True, False, False]


def test_a_polygon_lies_in_its_region():
    polygon = Polygon(((1.5, 2.5), (9.2, 3), (4, 8.9)))
    assert polygon.region == Region(1, 2, 9, 7)


@given(regions, boxes)
def test_a_box_is_touched_when_it_shares_a_pixel(region, boxes):
    touched = touched_by([region], boxes)
    for box, is_touched in zip(boxes.tolist(), touched.tolist(), strict=True):
        if region.area and box[2] and box[3]:
            assert is_touched == bool(Region(*box).intersection(region).area)


def test_a_region_crosses_a_process_border_whole():
    region = Region(1, 2, 3, 4)
    assert pickle.loads(pickle.dumps(region)) == region
