"""Points are found where they are drawn."""

import numpy as np
import pytest

from napari_deepheme.plugin.understanding.scatter import (
    LIGHT,
    Look,
    draw,
    inside_lasso,
    nearest_point,
    point_radius,
)

POINTS = np.float32([[0, 0], [10, 0], [0, 5], [np.nan, np.nan]])
RED = np.float32([[1, 0, 0]] * 4)
NONE = np.empty(0, np.intp)


def test_at_first_all_points_are_seen_and_up_is_up():
    look = Look.at_all(POINTS, 200, 100)
    canvas = look.to_canvas(POINTS)[:3]
    assert (canvas >= 0).all()
    assert (canvas <= (200, 100)).all()
    assert canvas[2, 1] < canvas[0, 1]
    assert canvas[1, 0] > canvas[0, 0]


def test_canvas_and_map_are_inverse():
    look = Look(3, -2, 7, 200, 100)
    assert look.to_map(look.to_canvas(POINTS))[:3] == pytest.approx(POINTS[:3])


def test_zoom_keeps_what_is_under_the_pointer_and_panning_moves_it():
    look = Look.at_all(POINTS, 200, 100)
    at = (40.0, 70.0)
    place = look.to_map(np.array([at]))
    assert look.zoomed(3, at).to_canvas(place)[0] == pytest.approx(at)
    moved = look.moved(5, -8).to_canvas(place)[0]
    assert moved == pytest.approx((45, 62))


def test_a_point_is_drawn_in_its_colour_where_it_lies():
    look = Look.at_all(POINTS, 200, 100)
    canvas = look.to_canvas(POINTS)
    pixels = draw(canvas, RED, NONE, look)
    assert pixels.shape == (100, 200)
    for x, y in canvas[:3].astype(int):
        assert pixels[y, x] == 0xFFFF0000
    assert pixels[50, 100] == LIGHT.ground


def test_a_selected_point_is_ringed():
    look = Look.at_all(POINTS, 200, 100)
    canvas = look.to_canvas(POINTS)
    plain = draw(canvas, RED, NONE, look)
    ringed = draw(canvas, RED, np.array([1, 3, 99]), look)
    x, y = canvas[1].astype(int)
    assert ringed[y, x] == 0xFFFF0000
    assert 0xFF000000 in ringed[y - 8 : y + 9, x - 8 : x + 9]
    differing = np.argwhere(plain != ringed)
    assert abs(differing - (y, x)).max() < 10


def test_points_at_or_beyond_the_border_are_drawn_or_left_out():
    look = Look(0, 0, 1, 60, 60)
    canvas = np.array([[0.0, 0.0], [59.9, 59.9], [60.0, 30.0], [-0.1, 30.0]])
    pixels = draw(canvas, RED, np.arange(4), look)
    assert pixels[0, 0] == pixels[59, 59] == 0xFFFF0000
    assert (pixels[30, [0, 59]] == LIGHT.ground).all()


def test_no_points_make_an_empty_canvas():
    look = Look.at_all(np.empty((0, 2), np.float32), 30, 20)
    assert (draw(np.empty((0, 2)), RED[:0], NONE, look) == LIGHT.ground).all()


def test_points_are_smaller_where_there_are_many():
    radii = [point_radius(n) for n in (0, 300, 3000, 50_000, 10**7)]
    assert radii == sorted(radii, reverse=True)
    assert radii[0] == 4.5
    assert radii[-1] == 1.5


def test_the_nearest_point_is_found_within_reach():
    canvas = np.array([[10.0, 10], [20, 10], [np.nan, np.nan]])
    assert nearest_point(canvas, (17, 10), 5) == 1
    assert nearest_point(canvas, (50, 50), 5) is None
    assert nearest_point(canvas[:0], (0, 0), 5) is None


def test_a_lasso_holds_what_lies_in_it_also_where_it_is_bent():
    canvas = np.array([[1.0, 1], [5, 1], [5, 9], [5, 5], [np.nan, 1]])
    # A "U" that leaves the middle out.
    corners = np.array([(0, 0), (3, 0), (3, 7), (7, 7), (7, 0), (10, 0), (10, 10)])
    u_shape = np.concatenate([corners, [(0, 10)]]).astype(float)
    assert inside_lasso(canvas, u_shape).tolist() == [0, 2]
    assert not len(inside_lasso(canvas, u_shape[:2]))
