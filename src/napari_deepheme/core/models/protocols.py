"""What the engine asks of a model; anything that answers can be plugged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np

from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.taxonomy import MITOTIC_LINEAGES, MITOTIC_PHASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


LOWEST_SCORE: Final = 0.05
"""Detections below it are given by no detector, unless its card counts them as cells.

No threshold of a run brings them back.
"""

_PLAIN: Final = Compute()


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
    whitened : bool
        Whether it wants the background brought to one white.
    """

    name: str
    mpp: float
    halo_um: float
    alignment_px: int
    min_score: float
    whitened: bool = True


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
    unidentified_below : float
        Probability under which a cell counts as unidentified; 0 where the model has no
        such threshold.
    whitened : bool
        Whether it wants the background brought to one white.
    """

    name: str
    mpp: float
    crop_px: int
    rendered_only: tuple[str, ...] = ()
    unidentified_below: float = 0.0
    whitened: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CropProbabilities:
    """What a classifier says of crops.

    Attributes
    ----------
    classes : ndarray of float32, shape (n, 23)
        In the order of `taxonomy.CELL_CLASSES`; rows sum to 1.
    phases : ndarray of float32, shape (n, 4)
        In the order of `taxonomy.MITOTIC_PHASES`, given that the cell is in mitosis;
        rows sum to 1, or are 0 where the model does not tell phases.
    lineages : ndarray of float32, shape (n, 3)
        In the order of `taxonomy.MITOTIC_LINEAGES`; as `phases`.
    """

    classes: npt.NDArray[np.float32]
    phases: npt.NDArray[np.float32]
    lineages: npt.NDArray[np.float32]

    @classmethod
    def of_classes(cls, classes: npt.NDArray[np.float32]) -> Self:
        """Make what a classifier says that tells neither phases nor lineages."""
        n = len(classes)
        return cls(
            classes,
            np.zeros((n, len(MITOTIC_PHASES)), np.float32),
            np.zeros((n, len(MITOTIC_LINEAGES)), np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[CropProbabilities]) -> Self:
        """Put the rows of several below one another."""
        return cls(
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.phases for part in parts]),
            np.concatenate([part.lineages for part in parts]),
        )

    def replaced(
        self, rows: npt.NDArray[np.intp], by: CropProbabilities
    ) -> CropProbabilities:
        """Return them with some rows replaced.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Which.
        by : CropProbabilities
            What stands there instead; m rows.
        """
        replaced = CropProbabilities(
            self.classes.copy(), self.phases.copy(), self.lineages.copy()
        )
        replaced.classes[rows] = by.classes
        replaced.phases[rows] = by.phases
        replaced.lineages[rows] = by.lineages
        return replaced

    def take(self, rows: slice) -> CropProbabilities:
        """Return some rows."""
        return CropProbabilities(
            self.classes[rows], self.phases[rows], self.lineages[rows]
        )

    def __len__(self) -> int:
        """Count the crops."""
        return len(self.classes)


class CellDetector(Protocol):
    """Finds cells in a picture; safe to ask from many threads."""

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
            RGB at `spec.mpp`, whitened where `spec.whitened` says so; sides are
            multiples of `spec.alignment_px`.

        Returns
        -------
        boxes : ndarray of float32, shape (n, 4)
            x, y, width, height in pixels of the picture; may overlap.
        scores : ndarray of float32, shape (n,)
            In [0, 1].
        """
        ...


class CellClassifier(Protocol):
    """Names the cell in the centre of a crop; safe to ask from many threads."""

    @property
    def spec(self) -> ClassifierSpec:
        """What it wants."""
        ...

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> CropProbabilities:
        """Give class probabilities.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, crop_px, crop_px, 3)
            RGB at `spec.mpp`, whitened where `spec.whitened` says so.
        batch_size : int
            Crops computed at once.
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
    compute : Compute
        Where and how they compute.
    """

    detector: CellDetector
    classifier: CellClassifier
    compute: Compute = _PLAIN
