"""What every slide can do, whatever file or array it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp, Point, Size


@dataclass(frozen=True, slots=True)
class Level:
    """One image of a pyramid.

    Attributes
    ----------
    size : Size
        Width and height, in pixels of the level.
    downsample_x, downsample_y : float
        Level-0 pixels per pixel of the level, along x and along y.
    tile_size : Size or None
        Size of the pieces in which the file stores the level, in pixels of the level,
        when they lie on a regular grid that starts at the origin; None otherwise.
    """

    size: Size
    downsample_x: float
    downsample_y: float
    tile_size: Size | None = None

    @property
    def downsample(self) -> float:
        """The larger of the two downsamples."""
        return max(self.downsample_x, self.downsample_y)


class SlideReader(Protocol):
    """An open slide: a pyramid of 8-bit colour images. Safe to read from many threads.

    It is a context manager, and is closed when the block ends.
    """

    @property
    def name(self) -> str:
        """Name for reports and messages, without a folder."""

    @property
    def path(self) -> Path | None:
        """The file, or the folder of a DICOM slide; None for a slide in memory."""

    @property
    def size(self) -> Size:
        """Width and height of level 0."""

    @property
    def mpp(self) -> Mpp | None:
        """Micrometres per pixel as the file states them, right or wrong; None if not.

        `plausible_mpp` is the judge of it.
        """

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the pyramid, the largest first."""

    @property
    def properties(self) -> Mapping[str, str]:
        """What the file says of itself.

        The keys "vendor", "objective_power", "scanner" and "comment" are there when
        they are known; all others bear the names that the format gives them.
        """

    @property
    def bounds_origin(self) -> Point:
        """Corner of the scanned area, where QuPath has its origin; usually (0, 0)."""

    @property
    def associated_images(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """Label, macro and thumbnail, where there are any, decoded when asked for.

        One that cannot be decoded raises UnreadableRegionError when it is asked for.
        """

    def read_region(
        self, location: Point, level: int, size_level: Size
    ) -> npt.NDArray[np.uint8]:
        """Read a rectangle of one level.

        Parameters
        ----------
        location : Point
            Upper left corner in level-0 pixels; may be negative. On a level above 0 the
            nearest pixel of that level is taken, so nothing is interpolated.
        level : int
            Index into `levels`.
        size_level : Size
            Extent in pixels of the level.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            RGB; white where there is no slide. The caller may write to it.

        Raises
        ------
        UnreadableRegionError
            If a pixel of it cannot be decoded. Later reads are not harmed.
        ValueError
            If there is no such level, the size is negative, or the slide is closed.
        """

    def close(self) -> None:
        """Release the file; safe to call twice, and while another thread reads."""

    def __enter__(self) -> Self:
        """Give the slide itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the slide."""
