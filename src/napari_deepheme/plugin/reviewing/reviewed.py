"""What the docks of a review see of the cells, and ask for. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt
    from psygnal import SignalInstance

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader


class Reviewed(Protocol):
    """The cells of a run with what the reader says of them.

    A row is a cell's place in `cells`. Rows keep their numbers: a cell that the reader
    adds comes last, one that is deleted keeps its row.
    """

    @property
    def cells(self) -> CellTable:
        """All cells; empty when there is no run."""

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kind of each row, as `kinds.cell_kinds`."""

    @property
    def slide(self) -> SlideReader | None:
        """The slide that the cells lie on."""

    @property
    def mpp(self) -> Mpp | None:
        """Micrometres per pixel of level 0 that were taken."""

    @property
    def models(self) -> Models | None:
        """What found and named the cells; None where they came from a file."""

    def ask_for_models(self) -> tuple[bool, str]:
        """Have the models loaded that found the cells of a file, if they are here.

        Returns
        -------
        is_coming : bool
            Whether they come; `changed` is emitted with None then, also if they cannot
            be loaded after all.
        told : str
            What goes on or is missing, in words.
        """

    @property
    def selected(self) -> list[int]:
        """Rows that are selected, in order."""

    @property
    def changed(self) -> SignalInstance:
        """Emitted with the rows whose kind changed, None when all may have."""

    @property
    def selection_changed(self) -> SignalInstance:
        """Emitted, without arguments, when other cells are selected, here or there."""

    def shown(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return which of these cells are shown: neither deleted nor switched off."""

    def select(self, rows: Iterable[int]) -> None:
        """Select these cells and no others, in the layer and in every dock."""

    def go_to(self, row: int) -> None:
        """Select a cell and centre the viewer on it."""

    def correct(self, rows: Sequence[int], reader_class: str | Sequence[str]) -> None:
        """Give cells the reader's class, one for all or one for each, in one step.

        "" leaves a cell as the model says.
        """
