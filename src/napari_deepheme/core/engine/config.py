"""Settings of a run: one frozen dataclass a stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class TileConfig:
    """How a region is cut.

    Attributes
    ----------
    tile_size : int
        Side of a tile's core, in level-0 pixels, give or take (`tiling.tile_region`).
        Results do not depend on it.
    chunk_tiles : int
        Tiles whose crops are classified together.
    tiles_ahead : int
        Tiles that are read and searched ahead of the one that is classified; 0 to do
        one thing after the other.
    """

    tile_size: int = 1024
    chunk_tiles: int = 2
    tiles_ahead: int = 3

    def __post_init__(self) -> None:
        """Refuse tiles without area."""
        if self.tile_size < 64:
            raise ValueError("tile_size must be at least 64 px")
        if self.chunk_tiles < 1 or self.tiles_ahead < 0:
            raise ValueError("a chunk has at least one tile, none are ahead of 0")


@dataclass(frozen=True, slots=True)
class DetectConfig:
    """Which detections are kept.

    Attributes
    ----------
    min_score : float or None
        Lowest score of a cell; None takes the detector's own, from its card.
    max_overlap : float
        Intersection over union above which two boxes are one cell.
    """

    min_score: float | None = None
    max_overlap: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ValueError("min_score must lie in [0, 1]")
        if not 0 < self.max_overlap <= 1:
            raise ValueError("max_overlap must lie in (0, 1]")


@dataclass(frozen=True, slots=True)
class ClassifyConfig:
    """How crops are classified.

    Attributes
    ----------
    batch_size : int
        Crops given to the classifier at once; 32 to 64 are best on a CPU.
    """

    batch_size: int = 32

    def __post_init__(self) -> None:
        """Refuse empty batches."""
        if self.batch_size < 1:
            raise ValueError("batch_size must be at least 1")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """All settings of a run.

    Attributes
    ----------
    tile : TileConfig
        Cutting.
    detect : DetectConfig
        Detection.
    classify : ClassifyConfig
        Classification.
    """

    tile: TileConfig = field(default_factory=TileConfig)
    detect: DetectConfig = field(default_factory=DetectConfig)
    classify: ClassifyConfig = field(default_factory=ClassifyConfig)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Make the settings of what `dataclasses.asdict` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        tile, classify = TileConfig(**stored["tile"]), stored["classify"]
        for name, value in {**asdict(tile), **classify}.items():
            if type(value) is not int:
                raise TypeError(f"{name} is {str(value)[:80]}, not a whole number")
        return cls(tile, DetectConfig(**stored["detect"]), ClassifyConfig(**classify))
