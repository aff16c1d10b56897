"""Which folder holds the results of which of many slides, in whatever order they come.

A folder bears the stem of its slide's name, or another where that is a file's of the
batch or leads out of the folder; slides of one name get numbers. A folder with a run of
a slide stays that slide's: its journal tells which it is. Results without a journal may
be of any slide of the name and the size that their summary states.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepheme.core.errors import OtherRunError
from napari_deepheme.core.export.cohort import COHORT_NAMES
from napari_deepheme.core.export.facts import SUMMARY, summary_beside
from napari_deepheme.core.export.summary import RUN_FILES
from napari_deepheme.core.files import is_there
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.runs.journal_records import NAME, read_past
from napari_deepheme.core.runs.run_request import slide_asked
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import file_digest
from napari_deepheme.core.slide.patience import Patience
from napari_deepheme.core.slide.slide_files import dicom_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_deepheme.core.runs.run_request import RunRequest


@dataclass(frozen=True, slots=True)
class AskedSlide:
    """A slide, the folder of its results, and what it is called there.

    Attributes
    ----------
    path : Path
        Where it lies, as it was given.
    folder : Path
        Of its results.
    name : str
        The name of its file, or a pseudonym.
    copies : tuple of Path
        What else names it: copies of it, or further files of a DICOM slide.
    """

    path: Path
    folder: Path
    name: str
    copies: tuple[Path, ...] = ()


def asked_slides(
    paths: Iterable[Path], out: Path, request: RunRequest
) -> list[AskedSlide]:
    """Give each slide its folder.

    Parameters
    ----------
    paths : iterable of Path
        The slides.
    out : Path
        Holds a folder a slide; need not exist.
    request : RunRequest
        What each is asked for.

    Returns
    -------
    list of AskedSlide
        In the order of the paths, each slide once. A folder that holds a run of the
        slide is taken for it; others get the next name that holds none of another.

    Raises
    ------
    InvalidKeyError, CannotWriteError
        As for `Pseudonyms.of_this_user`.
    """
    given = _each_once(paths, request)
    once = [one for one, *_ in given]
    names = _shown_names(once, request)
    stems = [_stem(name) for name in names]
    there = {stem: _runs(out, stem) for stem in stems}
    known = [
        _identity(path, request) if there[stem] or stems.count(stem) > 1 else None
        for path, stem in zip(once, stems, strict=True)
    ]
    first = [i for i, one in enumerate(known) if one is None or known.index(one) == i]
    folders = _own_folders({i: (known[i], there[stems[i]]) for i in first})
    for i in first:
        if i not in folders:
            others = _others(there[stems[i]], known[i], once[i], request)
            taken = {*folders.values(), *others}
            free = _numbered(out / stems[i])
            folders[i] = next(f for f in free if f not in taken)
    return [
        AskedSlide(once[i], folders[i], names[i], _copies(i, given, known))
        for i in first
    ]


def holds_run(folder: Path) -> bool:
    """Tell whether a folder holds a run, or results of one."""
    return read_past(folder) is not None or _has_results(folder)


def refuse_unknown_run(folder: Path) -> None:
    """Refuse a folder with results of which no journal tells whose they are.

    Raises
    ------
    OtherRunError
        If it is one.
    """
    if read_past(folder) is None and _has_results(folder):
        raise OtherRunError(str(folder), f"without {NAME} nothing tells of which file")


def _copies(
    i: int, given: Sequence[Sequence[Path]], known: Sequence[dict[str, Any] | None]
) -> tuple[Path, ...]:
    """Return the further paths of a slide that is asked for under several."""
    own = known[i]
    same = [i] if own is None else [j for j, one in enumerate(known) if one == own]
    return tuple(path for j in same for path in given[j] if path != given[i][0])


def _each_once(paths: Iterable[Path], request: RunRequest) -> list[list[Path]]:
    """Return the paths of each slide; of a file that is named twice, the first."""
    first_of: dict[Path, Path] = {}
    slides: dict[str, dict[str, Path]] = {}
    for path in paths:
        if path not in first_of:
            files = _dicom_files(path, request)
            # The others need not be looked for again when they are named.
            first_of |= dict.fromkeys([path, *files], files[0] if files else path)
        slide = slides.setdefault(os.path.realpath(first_of[path]), {})
        slide.setdefault(os.path.realpath(path), path)
    return [list(slide.values()) for slide in slides.values()]


def _dicom_files(path: Path, request: RunRequest) -> list[Path]:
    """Return the files of a DICOM slide, whichever is named; empty for others."""
    patience = Patience(request.read_timeout)
    try:
        files = patience.call(lambda: dicom_files(path))
        if files and path.is_dir():
            # A folder of several slides is none of them.
            own = patience.call(lambda: dicom_files(files[0]))
            return files if files == own else []
    except (OSError, ValueError):
        return []
    return files


def _shown_names(paths: Sequence[Path], request: RunRequest) -> list[str]:
    if not request.deidentify:
        return [path.name for path in paths]
    names = Pseudonyms.of_this_user()
    return [names.of_path(path) for path in paths]


def _stem(name: str) -> str:
    stem = Path(name).stem
    bare = stem.strip(".")
    if bare and stem.casefold() not in COHORT_NAMES:
        return stem
    return f"slide-{bare}" if bare else "slide"


def _runs(out: Path, stem: str) -> dict[Path, dict[str, Any]]:
    """Return the folders of a stem that hold a run, each with what tells its slide."""
    ours = re.compile(rf"{re.escape(stem)}(-\d+)?")
    try:
        folders = sorted(f for f in out.iterdir() if ours.fullmatch(f.name))
    except OSError:
        return {}
    return {f: _slide_of(f) for f in folders if holds_run(f)}


def _slide_of(folder: Path) -> dict[str, Any]:
    """Return what `slide_asked` gave of a run's slide, or as much as is known of it."""
    past = read_past(folder)
    told = _summed_up(folder) if past is None else past.asked.get("slide")
    return told if isinstance(told, dict) else {}


def _summed_up(folder: Path) -> dict[str, Any]:
    try:
        summary = summary_beside(folder / SUMMARY)
        (x, y, *size), name = summary["region"], summary["slide"]
    except (OSError, ValueError, TypeError, LookupError):
        return {}
    # A region that begins within the slide does not tell how large that is.
    return {"name": name, "size": size} if x == y == 0 else {"name": name}


def _has_results(folder: Path) -> bool:
    return any(is_there(folder / name) for name in RUN_FILES)


def _identity(path: Path, request: RunRequest) -> dict[str, Any] | None:
    try:
        with open_slide(path, read_timeout=request.read_timeout) as slide:
            return slide_asked(slide, request)
    except Exception:
        # Whatever it is, it is told of this slide alone, when that is begun.
        return None


def _others(
    held: dict[Path, dict[str, Any]],
    known: dict[str, Any] | None,
    path: Path,
    request: RunRequest,
) -> list[Path]:
    """Return the folders with runs that are not of a slide, or not surely.

    One that cannot be opened is known by its file. Where that cannot be read, either,
    all of them may be of it.
    """
    if known is not None:
        return [f for f, told in held.items() if not told.items() <= known.items()]
    try:
        digest = file_digest(path) if held else ""
    except OSError:
        return []
    if request.deidentify:
        digest = Pseudonyms.of_this_user().keyed(digest)
    return [f for f, told in held.items() if told.get("sha256") != digest]


def _own_folders(
    asked: dict[int, tuple[dict[str, Any] | None, dict[Path, dict[str, Any]]]],
) -> dict[int, Path]:
    """Return the folder of each slide that has one."""
    own = {
        i: next((f for f, slide in there.items() if slide == known), None)
        for i, (known, there) in asked.items()
        if known is not None
    }
    return {i: folder for i, folder in own.items() if folder is not None}


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    n = 2
    while True:
        yield folder.with_name(f"{folder.name}-{n}")
        n += 1
