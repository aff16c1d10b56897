"""A file that cannot grow further: libraries that write in C find out, too."""

import signal

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.export.geojson import NO_SHIFT
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.sittings.sitting import Sitting, SlideMark
from napari_deepheme.core.sittings.sitting_file import create_sitting, read_sitting

pytestmark = pytest.mark.not_on_windows

EXPORT = "export run/cells.csv"
COMMANDS = {
    "phantom": "phantom out.svs --size 300,300",
    "parquet": f"{EXPORT} --to parquet --out out.parquet",
    "h5ad": f"{EXPORT} --to h5ad --out out.h5ad",
    "dicom": f"{EXPORT} --to dicom --slide DICOM --out out.dcm",
    "crops": f"{EXPORT} --to crops --slide SLIDE --out out",
    "pdf": "report SLIDE --cells run/cells.csv --date 1 --out out.pdf",
    "train": "train classifier --data cells --mpp 0.9 --steps 1 --out out --device cpu",
}


@pytest.fixture
def file_limit():
    """Let no file grow beyond so many bytes, as on a disk that is full there."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("name", "n_bytes"),
    [
        *((name, n) for name in COMMANDS if name != "train" for n in (0, 100, 600)),
        ("train", 600),
    ],
)
def test_a_file_that_cannot_grow_is_told_and_not_left_behind(
    name,
    n_bytes,
    file_limit,
    slide,
    dicom_folder,
    run_folder,
    pictures,
    tmp_path,
    monkeypatch,
    capfd,
):
    monkeypatch.setattr("napari_deepheme.cli.phantom.SMALLEST_PX", 300)
    places = {"SLIDE": str(slide), "DICOM": str(dicom_folder)}
    words = [places.get(word, word) for word in COMMANDS[name].split()]
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with capfd.disabled():
        file_limit(n_bytes)
        try:
            status = run(words)
        finally:
            file_limit(before_limit())
    assert status == 1
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path for path in left if path.suffix not in (".run", ".pt")} == set()
    assert run(words) == 0


def before_limit():
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def a_sitting(n_cells):
    boxes = [[30 * i, 5, 20, 21] for i in range(n_cells)]
    base = CellTable.from_arrays(
        boxes, [0.5] * n_cells, [13] * n_cells, [0.5] * n_cells
    )
    region, mpp = Region(0, 0, 300, 300), Mpp(0.25, 0.25)
    result = RegionResult(region, mpp, base, (), True, 1.0)
    mark = SlideMark("a.svs", "/a.svs", {"size": [300, 300], "sha256": "ab"})
    facts = RunFacts("a.svs", "namer 2", "finder 1", Compute(), bounds_origin=NO_SHIFT)
    return Sitting(mark, facts, result, CorrectedCells(base), (), {})


@pytest.mark.parametrize("n_bytes", [0, 100, 4096, 20_000])
def test_a_sitting_that_cannot_grow_is_told_and_not_left_behind(
    n_bytes, file_limit, tmp_path
):
    path = tmp_path / "a.deepheme"
    file_limit(n_bytes)
    with pytest.raises(CannotWriteError):
        create_sitting(path, a_sitting(2000))
    file_limit(before_limit())
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    create_sitting(path, a_sitting(2000))
    assert len(read_sitting(path).corrected) == 2000


@pytest.mark.parametrize("spare", [0, 1000, 5000])
def test_a_step_that_does_not_fit_leaves_the_sitting_as_it_was(
    spare, file_limit, tmp_path
):
    path = tmp_path / "a.deepheme"
    sitting = a_sitting(500)
    file = create_sitting(path, sitting)
    step = sitting.corrected.correct(range(500), "M3", reader="A" * 50, at="t")
    file_limit(path.stat().st_size + spare)
    with pytest.raises(CannotWriteError):
        file.sync(step)
    file_limit(before_limit())
    assert read_sitting(path).corrected.steps == ()
    assert file.sync(step)
    assert len(read_sitting(path).corrected.steps) == 1
