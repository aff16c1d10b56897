"""Each foreseen failure is one line, and crosses a process border whole."""

import pickle

import pytest

from napari_deepheme.core import errors
from napari_deepheme.core.geometry import Region

TWO_LINES = "first line\n  second line"

ERRORS = [
    errors.SlideNotFoundError("a.svs"),
    errors.UnreadableSlideError("a.svs", TWO_LINES),
    errors.SlideChangedError("a.svs"),
    errors.SlideGoneError("a.svs"),
    errors.UnreadableRegionError("a.svs", Region(1, 2, 3, 4), TWO_LINES),
    errors.UnknownMppError("a.svs", None),
    errors.UnknownMppError("a.svs", (40.0, 40.0)),
    errors.RegionOutOfBoundsError(Region(1, 2, 3, 4), Region(0, 0, 2, 2)),
    errors.ModelNotFoundError("m", ("a", "b")),
    errors.InvalidModelError("m", TWO_LINES),
    errors.DeviceNotAvailableError("cuda", ("auto", "cpu")),
    errors.DeviceLostError("cuda", TWO_LINES),
    errors.OutOfMemoryError(),
    errors.OutOfMemoryError("cuda"),
    errors.CannotWriteError("a.csv", TWO_LINES),
    errors.InvalidTableError("a.csv", TWO_LINES),
    errors.InvalidSittingError("a.deepheme", TWO_LINES),
    errors.SittingElsewhereError("a.deepheme"),
    errors.InvalidSummaryError("summary.json", TWO_LINES),
    errors.InvalidKeyError("pseudonyms.key", TWO_LINES),
    errors.UnknownFormatError("cells.xls", (".csv", ".parquet")),
    errors.NotDicomError("a.svs", TWO_LINES),
    errors.SlideNeededError("crops"),
    errors.NoPicturesError("folder"),
    errors.MissingExtraError("train", "scikit-image"),
    errors.OtherRunError("out", TWO_LINES),
    errors.RunBusyError("out"),
    errors.SchedulerNotFoundError("tcp://nowhere:1"),
    errors.NotExplainableError("m", TWO_LINES),
    errors.EmbeddingError(TWO_LINES),
    errors.DownloadError("https://hub.example/m", TWO_LINES),
]


def test_every_kind_of_failure_is_looked_at_here():
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DeephemeError)
    }
    assert kinds - {errors.DeephemeError} == {type(error) for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_is_one_line_and_survives_pickling(error):
    text = str(error)
    assert text
    assert "\n" not in text
    # What Dask puts errors together by, on the way between processes.
    assert type(type(error).__new__(type(error))) is type(error)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == text
    assert vars(back) == vars(error)
