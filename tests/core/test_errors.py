"""Each foreseen failure is one line, and crosses a process border whole."""

import importlib.util
import pickle
from pathlib import Path

import pytest

from napari_deepheme.core import errors
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.patience import BRING_BACK

TOLD = Path(__file__).parents[2] / "scripts" / "bad_slides" / "told.py"

spec = importlib.util.spec_from_file_location("told", TOLD)
told = importlib.util.module_from_spec(spec)
spec.loader.exec_module(told)

TWO_LINES = "first line\n  second line"

ERRORS = [
    errors.SlideNotFoundError("a.svs"),
    errors.SlideNotFoundError("a.svs", "a.svs", "/mnt/gone.svs"),
    errors.UnreadableSlideError("a.svs", TWO_LINES),
    errors.NotRgbSlideError("a.svs", TWO_LINES),
    errors.SlideElsewhereError("a.svs", TWO_LINES),
    errors.SeveralSlidesError("a.svs", TWO_LINES),
    errors.SittingSlideNotFoundError("a.svs"),
    errors.SittingSlideReplacedError("slides/a.svs"),
    errors.SittingSlideUncertainError("slides/a.mrxs"),
    errors.OtherSlideError("a.svs", TWO_LINES),
    errors.SlideChangedError("a.svs"),
    errors.SlideGoneError("a.svs"),
    errors.SlideNotSharedError("/slides/a.svs", "node1", TWO_LINES),
    errors.UnreadableRegionError("a.svs", Region(1, 2, 3, 4), TWO_LINES),
    errors.UnknownMppError("a.svs", None),
    errors.UnknownMppError("a.svs", (40.0, 40.0)),
    errors.OblongPixelsError("a.svs", (0.25, 0.5), 1.5),
    errors.RegionOutOfBoundsError(Region(1, 2, 3, 4), Region(0, 0, 2, 2)),
    errors.ModelNotFoundError("m", ("a", "b")),
    errors.ModelNotFoundError("m", (), "model of your own", by_path=False),
    errors.InvalidModelError("m", TWO_LINES),
    errors.DeviceNotAvailableError("cuda", ("auto", "cpu")),
    errors.UnfitBackendError("m", "openvino"),
    errors.DeviceLostError("cuda", TWO_LINES),
    errors.TorchNotLoadedError(TWO_LINES, "install it anew"),
    errors.OutOfMemoryError(),
    errors.OutOfMemoryError("cuda"),
    errors.CannotWriteError("a.csv", TWO_LINES),
    errors.NameTakenError("m", TWO_LINES, "choose another"),
    errors.InvalidTableError("a.csv", TWO_LINES),
    errors.InvalidRangesError("ranges.csv", TWO_LINES),
    errors.InvalidSittingError("a.deepheme", TWO_LINES),
    errors.SittingChangedError("a.deepheme"),
    errors.SittingElsewhereError("a.deepheme"),
    errors.InvalidSummaryError("summary.json", TWO_LINES),
    errors.InvalidCohortError("cohort.parquet", TWO_LINES),
    errors.OtherNamesError("cohort.parquet", TWO_LINES),
    errors.InvalidKeyError("pseudonyms.key", TWO_LINES),
    errors.InvalidVariableError("NAPARI_DEEPHEME_MODELS", "a\nb", "no folder"),
    errors.HomeNotKnownError("NAPARI_DEEPHEME_MODELS"),
    errors.UnknownFormatError("cells.xls", (".csv", ".parquet")),
    errors.NotDicomError("a.svs", TWO_LINES),
    errors.SlideNeededError("crops"),
    errors.NoPicturesError("folder"),
    errors.MissingExtraError("train", "scikit-image"),
    errors.OtherRunError("out", TWO_LINES),
    errors.NoCorrectionError("cells.csv"),
    errors.ReviewedRunError("out", 5),
    errors.RunBusyError("out"),
    errors.SchedulerNotFoundError("tcp://nowhere:1"),
    errors.UnfitWorkersError(TWO_LINES, "start them anew"),
    errors.NotExplainableError("m", TWO_LINES),
    errors.EmbeddingError(TWO_LINES),
    errors.CannotRemoveError("m", TWO_LINES),
    errors.DownloadError("https://hub.example/m", TWO_LINES),
]


def test_every_kind_of_failure_is_looked_at_here():
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DeephemeError)
    }
    assert kinds - {errors.DeephemeError} == {type(error) for error in ERRORS}


@pytest.mark.parametrize(
    "error",
    [errors.SlideGoneError("a"), errors.UnreadableSlideError("a", "b", BRING_BACK)],
)
def test_who_reads_in_a_viewer_that_a_slide_is_gone_is_asked_for_no_command(error):
    assert "command" not in str(error)


def test_a_table_that_is_missing_is_not_told_as_one_to_be_mended(tmp_path):
    with pytest.raises(
        errors.InvalidTableError, match=r"^there is no .*a\.csv"
    ) as told:
        read_csv(tmp_path / "a.csv")
    assert "mend it" not in str(told.value)


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


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_says_what_happened_why_and_what_to_do(error):
    assert told.wants(str(error)) == "", str(error)


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("cannot read a.svs as a slide or picture: it is cut off", "what to do"),
        (
            "cannot read a.svs as a slide or picture: ValueError (copy it again)",
            "say why",
        ),
        ("cannot read a.svs as a slide or picture: (copy it again)", "say why"),
        ("a.svs: 'NoneType' object is not iterable (copy it again)", "inside"),
        ("a.svs broke (is it complete?)", "what to do"),
    ],
)
def test_a_line_that_lacks_cause_or_remedy_is_found_out(line, lacks):
    assert lacks in told.wants(line)
