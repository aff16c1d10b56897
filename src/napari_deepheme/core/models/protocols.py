"""What the engine asks of a model; anything that answers can be plugged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What a detector wants and promises.

    Attributes
    ----------
    name : str
        Name and version, as a report states it.
    mpp : float
        Micrometres per pixel of its input.
    halo_um : float
        How far it looks around a cell: margin in which results near a tile's border
        may differ.
    alignment_px : int
        Windows start and end at multiples of this, in its pixels, so that a cell is
        seen alike through every tile.
    min_score : float
        Score above which a detection counts as a cell.
    """

    name: str
    mpp: float
    halo_um: float
    alignment_px: int
    min_score: float


@dataclass(frozen=True, slots=True)
class ClassifierSpec:
    """What a classifier wants.

    Attributes
    ----------
    name : str
        Name and version, as a report states it.
    mpp : float
        Micrometres per pixel of its input.
    crop_px : int
        Side of its input, in its pixels.
    rendered_only : tuple of str
        Codes of the classes that it learned from rendered cells alone.
    """

    name: str
    mpp: float
    crop_px: int
    rendered_only: tuple[str, ...] = ()


class CellDetector(Protocol):
    """Finds cells in a picture."""

    @property
    def spec(self) -> DetectorSpec:
        """What it wants."""
        ...

    def detect(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Find cells.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (h, w, 3)
            Whitened RGB at `spec.mpp`; sides are multiples of `spec.alignment_px`.

        Returns
        -------
        boxes : ndarray of float32, shape (n, 4)
            x, y, width, height in pixels of the picture; may overlap.
        scores : ndarray of float32, shape (n,)
            In [0, 1].
        """
        ...


class CellClassifier(Protocol):
    """Names the cell in the centre of a crop."""

    @property
    def spec(self) -> ClassifierSpec:
        """What it wants."""
        ...

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Give class probabilities.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, crop_px, crop_px, 3)
            Whitened RGB at `spec.mpp`.
        batch_size : int
            Crops computed at once.

        Returns
        -------
        ndarray of float32, shape (n, 23)
            In the order of `taxonomy.CELL_CLASSES`; rows sum to 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """The two models of a run.

    Attributes
    ----------
    detector : CellDetector
        Finds cells.
    classifier : CellClassifier
        Names them.
    device : str
        Where they compute, such as "cpu".
    """

    detector: CellDetector
    classifier: CellClassifier
    device: str = "cpu"
