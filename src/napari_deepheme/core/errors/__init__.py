"""Every failure that is foreseen: what happened, to which file, what to do next.

An error keeps its facts as attributes and hands them to ``super().__init__``, so that
it crosses a process border whole. It words itself in ``__str__``, in one line that ends
in what to do: behind a colon or a semicolon, or in parentheses.
"""

from napari_deepheme.core.errors.base import (
    DeephemeError,
)
from napari_deepheme.core.errors.of_files import (
    CannotWriteError,
    InvalidCohortError,
    InvalidKeyError,
    InvalidRangesError,
    InvalidSittingError,
    InvalidSummaryError,
    InvalidTableError,
    InvalidVariableError,
    OtherRunError,
    RunBusyError,
    SchedulerNotFoundError,
    SittingElsewhereError,
    UnknownFormatError,
)
from napari_deepheme.core.errors.of_models import (
    CannotRemoveError,
    DeviceLostError,
    DeviceNotAvailableError,
    DownloadError,
    EmbeddingError,
    InvalidModelError,
    MissingExtraError,
    ModelNotFoundError,
    NotExplainableError,
    OutOfMemoryError,
    TorchNotLoadedError,
)
from napari_deepheme.core.errors.of_slides import (
    NoPicturesError,
    NotDicomError,
    NotRgbSlideError,
    OtherSlideError,
    RegionOutOfBoundsError,
    SlideChangedError,
    SlideElsewhereError,
    SlideGoneError,
    SlideNeededError,
    SlideNotFoundError,
    UnknownMppError,
    UnreadableRegionError,
    UnreadableSlideError,
)

__all__ = [
    "CannotRemoveError",
    "CannotWriteError",
    "DeephemeError",
    "DeviceLostError",
    "DeviceNotAvailableError",
    "DownloadError",
    "EmbeddingError",
    "InvalidCohortError",
    "InvalidKeyError",
    "InvalidModelError",
    "InvalidRangesError",
    "InvalidSittingError",
    "InvalidSummaryError",
    "InvalidTableError",
    "InvalidVariableError",
    "MissingExtraError",
    "ModelNotFoundError",
    "NoPicturesError",
    "NotDicomError",
    "NotExplainableError",
    "NotRgbSlideError",
    "OtherRunError",
    "OtherSlideError",
    "OutOfMemoryError",
    "RegionOutOfBoundsError",
    "RunBusyError",
    "SchedulerNotFoundError",
    "SittingElsewhereError",
    "SlideChangedError",
    "SlideElsewhereError",
    "SlideGoneError",
    "SlideNeededError",
    "SlideNotFoundError",
    "TorchNotLoadedError",
    "UnknownFormatError",
    "UnknownMppError",
    "UnreadableRegionError",
    "UnreadableSlideError",
]
