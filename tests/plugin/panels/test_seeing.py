"""The look of a slide: live, remembered, and never in what is analysed."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide import ArraySlide, PixelGrid, open_slide, read_grid
from napari_deepheme.core.slide.shown.kept_looks import read_looks
from napari_deepheme.core.slide.shown.look import RANGES, Look, apply_look
from napari_deepheme.core.slide.shown.seen_levels import seen_of
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.panels.seeing import DISPLAY_ONLY, Seeing
from napari_deepheme.plugin.panels.seeing_panel import SeeingPanel
from napari_deepheme.plugin.slide_layers.slides import slide_key, slide_kwargs, slide_of

PIXELS = np.random.default_rng(4).integers(0, 256, (600, 700, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "looks.json"


@pytest.fixture
def seeing(viewer, path):
    return Seeing(viewer, path=path)


@pytest.fixture
def own_layer(viewer, phantom_svs):
    with open_slide(phantom_svs) as slide:
        yield viewer.add_image(**slide_kwargs(slide))


@pytest.fixture
def other_layer(viewer):
    return viewer.add_image(PIXELS.copy(), rgb=True, name="other")


def shown(layer):
    """What napari has cut out of a layer for the canvas."""
    return layer._slice.image.raw


def test_a_change_is_shown_at_once_and_in_the_thumbnail(seeing, own_layer):
    before, thumbnail = shown(own_layer).copy(), own_layer.thumbnail.copy()
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    seen = seen_of(own_layer.data)
    np.testing.assert_array_equal(
        shown(own_layer), apply_look(before, seeing.look, seen.white)
    )
    assert not np.array_equal(own_layer.thumbnail, thumbnail)
    seeing.reset()
    np.testing.assert_array_equal(shown(own_layer), before)
    np.testing.assert_array_equal(own_layer.thumbnail, thumbnail)


def test_what_the_models_see_is_the_same_bytes_with_any_look(seeing, own_layer):
    slide = slide_of(own_layer)
    grid = PixelGrid.for_mpp(slide.mpp, 0.5)

    def bytes_read():
        level = slide.read_region(Point(100, 200), 0, Size(400, 300))
        window = read_grid(slide, grid, Region(20, 30, 200, 150)).pixels
        return level.tobytes() + window.tobytes()

    before = bytes_read()
    seeing.use(own_layer)
    seeing.change(
        brightness=1.4, contrast=2, gamma=0.5, stain_strength=2, white_balance=True
    )
    assert bytes_read() == before
    assert slide_of(own_layer) is slide


@pytest.mark.parametrize("is_pyramid", [False, True], ids=["picture", "pyramid"])
def test_a_layer_of_another_plugin_is_adjusted_and_read_as_it_is(
    viewer, seeing, is_pyramid
):
    levels = [PIXELS, PIXELS[::2, ::2].copy()]
    layer = viewer.add_image(
        levels if is_pyramid else PIXELS, rgb=True, multiscale=is_pyramid
    )
    key = slide_key(layer)
    before = shown(layer).copy()
    seeing.use(layer)
    seeing.change(stain_strength=1.8)
    assert not np.array_equal(shown(layer), before)
    whole = slide_of(layer).read_region(Point(0, 0), 0, Size(700, 600))
    np.testing.assert_array_equal(whole, PIXELS)
    assert slide_key(layer) == key
    seeing.reset()
    # It has its own arrays back.
    assert (layer.data[0] if is_pyramid else layer.data) is PIXELS
    np.testing.assert_array_equal(shown(layer), before)


def test_a_lazy_layer_of_another_plugin_is_adjusted(viewer, seeing):
    dask_array = pytest.importorskip("dask.array")
    layer = viewer.add_image(dask_array.from_array(PIXELS, chunks=(100, 100, 3)))
    seeing.use(layer)
    seeing.change(gamma=2)
    expected = apply_look(PIXELS, seeing.look, seen_of(layer.data).white)
    np.testing.assert_array_equal(shown(layer), expected)


@pytest.mark.parametrize(
    ("pixels", "is_rgb", "word"),
    [
        (PIXELS / 255.0, True, "float64"),
        (PIXELS[..., 0], False, "napari's own layer controls"),
    ],
)
def test_what_cannot_be_adjusted_is_told(viewer, seeing, pixels, is_rgb, word):
    seeing.use(viewer.add_image(pixels, rgb=is_rgb, name="it"))
    assert seeing.layer is None
    assert word in seeing.message
    # Nothing happens, and nothing breaks.
    seeing.change(gamma=2)
    seeing.pick_white()
    seeing.reset()
    assert seeing.look == Look()


def test_a_slide_comes_back_with_its_look(seeing, own_layer, path, phantom_svs):
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    seeing.keep()
    assert "small" not in path.read_text()
    other = ViewerModel()
    with open_slide(phantom_svs) as slide:
        layer = other.add_image(**slide_kwargs(slide))
        again = Seeing(other, path=path)
        again.use(layer)
        assert again.look == Look(gamma=0.6)
        assert seen_of(layer.data).look == Look(gamma=0.6)


def test_each_slide_has_its_own_look_unless_all_have_one(
    seeing, own_layer, other_layer
):
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    seeing.use(other_layer)
    assert seeing.look.is_neutral
    seeing.use(own_layer)
    seeing.share(True)
    assert seen_of(other_layer.data).look == Look(gamma=0.6)
    seeing.change(contrast=2)
    assert seen_of(other_layer.data).look == Look(gamma=0.6, contrast=2)
    seeing.share(False)
    # The one at hand keeps what it shows; the other gets its own again.
    assert seeing.look == Look(gamma=0.6, contrast=2)
    assert seen_of(other_layer.data) is None
    seeing.use(other_layer)
    assert seeing.look.is_neutral


def test_leaving_a_slide_writes_what_is_remembered(seeing, own_layer, path):
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    assert not path.exists()
    seeing.use(None)
    assert list(read_looks(path).by_slide.values()) == [Look(gamma=0.6)]


def test_two_windows_remember_their_looks_side_by_side(
    viewer, seeing, own_layer, other_layer, path
):
    second = Seeing(viewer, path=path)
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    second.use(other_layer)
    second.change(gamma=0.8)
    seeing.keep()
    second.keep()
    kept = list(read_looks(path).by_slide.values())
    assert sorted(look.gamma for look in kept) == [0.6, 0.8]


def test_a_look_that_cannot_be_written_is_told_once(viewer, tmp_path, other_layer):
    (tmp_path / "file").touch()
    seeing = Seeing(viewer, path=tmp_path / "file" / "looks.json")
    seeing.use(other_layer)
    seeing.change(gamma=0.6)
    seeing.keep()
    assert "not remembered" in seeing.message
    seeing.change(gamma=0.7)
    assert seeing.message == ""
    assert seeing.look.gamma == 0.7


def press(viewer, row, column):
    event = SimpleNamespace(position=(row, column))
    for callback in viewer.mouse_drag_callbacks:
        callback(viewer, event)


def test_white_is_picked_with_the_next_click(viewer, seeing):
    pixels = np.full((300, 300, 3), 60, np.uint8)
    pixels[100:200, 100:200] = (220, 200, 240)
    layer = viewer.add_image(pixels, rgb=True, scale=(0.5, 0.5))
    seeing.use(layer)
    press(viewer, 75, 75)
    assert seeing.look.is_neutral
    seeing.pick_white()
    assert "Click" in seeing.message
    press(viewer, 10, 10)
    assert "too dark" in seeing.message
    assert not seeing.picking
    seeing.pick_white()
    press(viewer, -500, 10)
    assert "too dark" in seeing.message
    seeing.pick_white()
    press(viewer, 75, 75)
    assert seeing.look == Look(white_balance=True, white_point=(220, 200, 240))
    assert shown(layer)[150, 150].tolist() == [240, 240, 240]
    press(viewer, 10, 10)
    assert seeing.look.white_point == (220, 200, 240)


def test_the_layer_is_still_a_slide_and_not_a_result(seeing, own_layer, other_layer):
    seeing.use(other_layer)
    seeing.change(gamma=0.6)
    assert METADATA_KEY not in other_layer.metadata
    assert isinstance(slide_of(other_layer), ArraySlide)


def test_released_it_leaves_the_mouse_alone(viewer, seeing, own_layer, path):
    seeing.use(own_layer)
    seeing.change(gamma=0.6)
    n = len(viewer.mouse_drag_callbacks)
    seeing.release()
    seeing.release()
    assert len(viewer.mouse_drag_callbacks) == n - 1
    assert path.exists()


def test_the_panel_shows_and_changes_the_look(qtbot, seeing, own_layer, path):
    panel = SeeingPanel(seeing)
    qtbot.addWidget(panel)
    assert not panel.sliders["gamma"].isEnabled()
    assert panel.message_label.text() == "Open a slide first."
    seeing.use(own_layer)
    assert list(panel.sliders) == list(RANGES)
    assert all(slider.isEnabled() for slider in panel.sliders.values())
    assert panel.note_label.text() == DISPLAY_ONLY
    panel.sliders["stain_strength"].setValue(150)
    assert seeing.look == Look(stain_strength=1.5)
    assert panel.value_labels["stain_strength"].text() == "1.50"
    panel.balance_box.click()
    assert seeing.look.white_balance
    seeing.change(gamma=0.5)
    assert panel.sliders["gamma"].value() == 50
    qtbot.waitUntil(path.exists)
    panel.reset_button.click()
    assert seeing.look.is_neutral
    assert panel.sliders["stain_strength"].value() == 100
    assert not panel.reset_button.isEnabled()
    panel.same_box.click()
    assert seeing.same_for_all
    panel.pick_button.click()
    assert seeing.picking
    panel.pick_button.click()
    assert not seeing.picking
