"""Where on the slide cells, or those of a class, crowd. It holds no Qt object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psygnal import Signal

from napari_deepheme.core.counts.density import KERNEL_UM, Density, cell_density
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.kinds import DOUBTED, n_found
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.result_layers.density_choices import (
    CHOICE_BY_KEY,
    Choice,
)
from napari_deepheme.plugin.result_layers.density_layer import (
    ROLE,
    UNIT,
    density_layer,
    show_density,
)
from napari_deepheme.plugin.slide_layers.slides import slide_key
from napari_deepheme.plugin.viewport import centre_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.geometry import Mpp, Polygon
    from napari_deepheme.plugin.reviewing.reviewed import Reviewed

_VIEW_UM: Final = 300.0
"""What the canvas shows of the densest place; so near, the map is gone."""

_FULL_UM: Final = 900.0
"""What the canvas shows when the map begins to fade, so that cells can be seen."""


class CellDensity:
    """Shows how densely the cells of a choice lie.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives.
    reviewed : Reviewed
        The cells.
    slide_layer : callable
        Gives the layer of their slide, also one that is gone by now; None without.
    analysed : callable, optional
        Gives the regions or polygons that were analysed. Where it is left out or gives
        none, what holds all cells is taken: then empty margins are not known of.

    Attributes
    ----------
    changed : SignalInstance
        Emitted, without arguments, when anything below is other than it was.
    choice : Choice or None
        What is shown; None for nothing.
    density : Density or None
        What is shown of it.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        reviewed: Reviewed,
        *,
        slide_layer: Callable[[], Image | None],
        analysed: Callable[[], Sequence[Region | Polygon]] | None = None,
    ) -> None:
        self._viewer = viewer
        self._reviewed = reviewed
        self._layer = slide_layer
        self._analysed = analysed
        self.choice: Choice | None = None
        self.density: Density | None = None
        self._n_all = 0
        self._is_visible = True
        self._shown: _Shown | None = None
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.scene.camera.events.zoom.connect(self._fade)

    @property
    def message(self) -> str:
        """What is to be told: the densest place, or why there is none."""
        choice, density = self.choice, self.density
        if choice is None:
            return ""
        if density is None or density.densest is None:
            return self._why_nothing(choice)
        x, y = density.densest
        return (
            f"Densest: {density.maximum:,.0f} {UNIT} at x {x:,.0f}, y {y:,.0f} px; "
            f"on the whole {density.mean or 0:,.0f}. {density.n_cells:,} of "
            f"{plural(self._n_all, 'cell')}, smoothed over {KERNEL_UM:g} µm."
        )

    def choose(self, key: str) -> None:
        """Show the density of a choice, by its key; `OFF` for none."""
        self.choice = CHOICE_BY_KEY.get(key)
        if self.choice is None:
            self._remove()
        self.update()

    def set_visible(self, is_visible: bool) -> None:
        """Bring the layer in sight, or out of it: then it follows nothing."""
        self._is_visible = is_visible
        self.update()
        if self._shown is not None:
            layer = density_layer(self._viewer, self._shown.slide_key)
            if layer is not None:
                layer.visible = is_visible

    def update(self) -> None:
        """Bring the layer in step with the cells; nothing is done if it is."""
        if not self._is_visible:
            return
        reviewed, choice, layer = self._reviewed, self.choice, self._slide_layer()
        if choice is None or layer is None or reviewed.mpp is None:
            self._shown = self.density = None
            self.changed.emit()
            return
        indices = reviewed.kinds % DOUBTED
        of_choice = np.isin(indices, list(choice.indices))
        regions = self._regions()
        cells = reviewed.cells
        shown = _Shown(
            slide_key(layer), choice, reviewed.mpp, regions, cells.boxes, of_choice
        )
        if self._shown is not None and self._shown.is_same(shown):
            return
        self._n_all = n_found(reviewed.kinds)
        self.density = cell_density(cells.centres[of_choice], regions, reviewed.mpp)
        self._shown = shown
        if self.density.grid.size:
            show_density(self._viewer, layer, choice, self.density)
            self._fade()
        self.changed.emit()

    def go_to_densest(self) -> None:
        """Centre the canvas on the densest place, near enough for cells."""
        layer, density, mpp = self._slide_layer(), self.density, self._reviewed.mpp
        if layer is None or density is None or mpp is None or density.densest is None:
            return
        x, y = density.densest
        # Napari counts from the centre of the first pixel.
        centre_on(self._viewer, layer, (y - 0.5, x - 0.5))
        wide_um = self._canvas_um(layer, mpp)
        self._viewer.scene.camera.zoom *= max(1.0, wide_um / _VIEW_UM)

    def release(self) -> None:
        """Let go of the viewer; the layer stays."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.scene.camera.events.zoom.disconnect(self._fade)

    def _canvas_um(self, layer: Image, mpp: Mpp) -> float:
        """Return how many micrometres of the slide the canvas shows, its short side."""
        viewer = self._viewer
        side = min(viewer.canvas.viewbox_size(viewer.layers))
        world = float(side / viewer.scene.camera.zoom)
        return world / float(layer.scale[-1]) * mpp.x

    def _fade(self, _: Any = None) -> None:
        layer, mpp = self._slide_layer(), self._reviewed.mpp
        if self._shown is None or layer is None or mpp is None:
            return
        shown = density_layer(self._viewer, self._shown.slide_key)
        part = (self._canvas_um(layer, mpp) - _VIEW_UM) / (_FULL_UM - _VIEW_UM)
        if shown is not None:
            shown.opacity = min(max(part, 0.0), 1.0)

    def _why_nothing(self, choice: Choice) -> str:
        reviewed = self._reviewed
        if reviewed.slide is None or not len(reviewed.cells):
            return "Classify a region first."
        if reviewed.mpp is None:
            return "The slide's micrometres per pixel are not known."
        if self._slide_layer() is None:
            return f"{reviewed.slide.name} is not among the layers."
        return f"No {choice.words} among {plural(self._n_all, 'cell')}."

    def _regions(self) -> tuple[Region | Polygon, ...]:
        given = tuple(self._analysed()) if self._analysed is not None else ()
        boxes = self._reviewed.cells.boxes
        if given or not len(boxes):
            return given
        left, top = boxes[:, :2].min(axis=0).tolist()
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
        return (Region.from_corners(left, top, right, bottom),)

    def _slide_layer(self) -> Image | None:
        layer = None if self._reviewed.slide is None else self._layer()
        return layer if layer in self._viewer.layers else None

    def _remove(self) -> None:
        shown, self._shown = self._shown, None
        if shown is None:
            return
        layer = density_layer(self._viewer, shown.slide_key)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        own = event.value.metadata.get(METADATA_KEY, {})
        is_shown = self._shown is not None and own.get("slide_key") == (
            self._shown.slide_key
        )
        if own.get("role") == ROLE and is_shown:
            # Thrown away in the layer list, it is not made again.
            self._shown = self.choice = self.density = None
            self.changed.emit()


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What a layer was made of."""

    slide_key: str
    choice: Choice
    mpp: Mpp
    regions: tuple[Region | Polygon, ...]
    boxes: npt.NDArray[np.int32]
    of_choice: npt.NDArray[np.bool_]

    def is_same(self, other: _Shown) -> bool:
        """Tell whether the density is the same."""
        mine = (self.slide_key, self.choice, self.mpp, self.regions)
        theirs = (other.slide_key, other.choice, other.mpp, other.regions)
        return (
            mine == theirs
            and np.array_equal(self.of_choice, other.of_choice)
            and np.array_equal(self.boxes, other.boxes)
        )
