"""Folders of DICOM whose files are missing, mixed, twice there, or of other kinds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bad_slides.case import BadSlide
from bad_slides.vendors import dicom, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Files = dict[str, bytes]


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _members()
    yield from _mixed()
    yield from _folders()
    yield from _replaced()


def level(factor: int, **changes: object) -> bytes:
    """Write a level; of its own instance unless another is asked for."""
    changes = {"InstanceNumber": factor} | changes
    return dicom(factor=factor, **changes)


@cache
def _levels() -> tuple[tuple[str, bytes], ...]:
    return tuple((f"{factor}.dcm", level(factor)) for factor in (1, 2, 4))


def levels() -> Files:
    """Return the files of a slide of three levels."""
    return dict(_levels())


def write(files: Callable[[], Files]) -> Callable[[Path], Path]:
    """Return what writes files, some in folders below, and gives their folder."""

    def make(folder: Path) -> Path:
        for name, data in files().items():
            path = folder / "slide" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / "slide"

    return make


def _case(kind: str, what: str, files: Callable[[], Files]) -> BadSlide:
    return BadSlide(kind, what, write(files), ("--mpp", "0.25"), alone=True)


def _members() -> Iterator[BadSlide]:
    kind = "DICOM folder, levels missing or damaged"
    yield _case(kind, "sound", levels)
    for name in ("1.dcm", "2.dcm", "4.dcm"):
        for what, change in (
            ("missing", lambda files, n: {k: v for k, v in files.items() if k != n}),
            ("empty", lambda files, n: files | {n: b""}),
            ("half", lambda files, n: files | {n: files[n][: len(files[n]) // 2]}),
            ("zeros", lambda files, n: files | {n: bytes(len(files[n]))}),
        ):
            yield _case(kind, f"{name} {what}", lambda c=change, n=name: c(levels(), n))


def _mixed() -> Iterator[BadSlide]:
    kind = "DICOM folder, mixed or twice"
    other = {"SeriesInstanceUID": uid("other series"), "StudyInstanceUID": uid("other")}
    of_other = {**other, "FrameOfReferenceUID": uid("other frame")}
    for what, more in (
        ("a level twice", lambda: {"9.dcm": level(4)}),
        ("the largest twice", lambda: {"0.dcm": level(1)}),
        ("two instances of a level", lambda: {"9.dcm": _renamed(4)}),
        ("a level of another slide", lambda: {"0.dcm": level(2, **of_other)}),
        ("largest of another slide first", lambda: {"0.dcm": level(1, **of_other)}),
        ("a level of another frame", lambda: {"9.dcm": level(8, **_frame())}),
        ("levels of other tiles", lambda: {"2.dcm": level(2, Rows=64, Columns=64)}),
        ("a level that states another size", lambda: {"2.dcm": level(2, **_wide())}),
        ("a level without spacing", lambda: {"2.dcm": _without(2)}),
        ("the series of another hospital's", lambda: {"0.dcm": level(4, **other)}),
        ("all of one instance", lambda: _one_instance()),
    ):
        yield _case(kind, what, lambda m=more: levels() | m())


def _renamed(factor: int) -> bytes:
    return level(factor, SOPInstanceUID=uid("again"))


def _frame() -> dict[str, object]:
    return {"FrameOfReferenceUID": uid("other frame")}


def _wide() -> dict[str, object]:
    return {"TotalPixelMatrixColumns": 5000}


def _without(factor: int) -> bytes:
    return dicom(factor=factor, without=("SharedFunctionalGroupsSequence",))


def _one_instance() -> Files:
    same = uid("one for all")
    return {f"{f}.dcm": level(f, SOPInstanceUID=same) for f in (1, 2, 4)}


def _folders() -> Iterator[BadSlide]:
    kind = "DICOM folder, other files in it"
    for what, files in (
        ("a level below", lambda: {f"sub/{n}": d for n, d in levels().items()}),
        ("names without ending", lambda: {n[0]: d for n, d in levels().items()}),
        ("endings in capitals", lambda: {n.upper(): d for n, d in levels().items()}),
        ("a DICOMDIR", lambda: levels() | {"DICOMDIR": b"\0" * 128 + b"DICM"}),
        ("notes and thumbs", lambda: levels() | {"a.txt": b"x", "Thumbs.db": b"\xd0"}),
        (
            "a picture by that ending",
            lambda: levels() | {"0.dcm": b"\x89PNG\r\n\x1a\n"},
        ),
        ("a header alone", lambda: levels() | {"0.dcm": b"\0" * 128 + b"DICM"}),
        ("tags without end", lambda: levels() | {"0.dcm": _endless()}),
        ("an item within items, 500 deep", lambda: {"0.dcm": _deep()}),
        ("half-copied names", lambda: {f"{n}.part": d for n, d in levels().items()}),
        ("files of a Mac", lambda: levels() | {"._1.dcm": b"\0\5\x16\7" + bytes(90)}),
        ("500 broken files", lambda: {f"{i:03}.dcm": b"DICM" for i in range(500)}),
    ):
        yield _case(kind, what, files)


def _endless() -> bytes:
    head = dicom()[:600]
    return head + b"\x40\x00\x55\x05SQ\0\0\xff\xff\xff\xff" * 300


def _deep() -> bytes:
    start = b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x14\x00" + b"1.2.840.10008.1.2.1\0"
    item = b"\x40\x00\x55\x05SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return start + item * 500


def _replaced() -> Iterator[BadSlide]:
    """Yield slides of which one level is another's by the time that a tile is done."""
    kind = "DICOM level replaced during the run"
    for named in ("", "1.dcm", "4.dcm"):
        yield BadSlide(
            kind,
            f"the largest, {named or 'the folder'} named",
            lambda folder, n=named: write(levels)(folder) / n,
            ("--mpp", "0.25"),
            meanwhile=_replace,
            alone=True,
        )


def _replace(path: Path) -> None:
    folder = path if path.is_dir() else path.parent
    (folder / "1.dcm").write_bytes(level(1, PatientID="another"))
