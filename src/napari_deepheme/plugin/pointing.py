"""What the pointer is on, and what a click selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.plugin.words import describe

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_deepheme.plugin.result_layers.overlay import Overlay
    from napari_deepheme.plugin.session import Session


class Pointing:
    """Tells the session of the cells under the pointer and of those selected.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self._viewer = viewer
        self._session = session

    def point_at(self, overlay: Overlay | None, position: tuple[float, ...]) -> str:
        """Tell what is known of the cell at a world position, "" for no cell."""
        row = overlay.cell_at(position) if overlay else None
        if overlay is None or row is None:
            self.describe_selected(overlay)
            return ""
        self._session.selected = describe(overlay.take([row]))
        return self._session.selected

    def select_at(
        self, overlay: Overlay, position: tuple[float, ...], *, extend: bool
    ) -> None:
        """Select the cell at a world position, beside those that are if so wanted."""
        active = self._viewer.layers.selection.active
        is_drawing = str(getattr(active, "mode", "pan_zoom")) != "pan_zoom"
        if is_drawing or not self._session.can_export:
            return
        row = overlay.cell_at(position)
        if row is not None or not extend:
            overlay.select(row, extend=extend)

    def describe_selected(self, overlay: Overlay | None) -> None:
        """Tell of the selected cells."""
        rows = overlay.selected() if overlay else []
        self._session.n_selected = len(rows)
        self._session.selected = describe(overlay.take(rows)) if overlay else ""
