"""DICOM Microscopy Bulk Simple Annotations: the cells of a slide that is DICOM itself.

They refer to the image of the slide's finest level, and lie in pixels of its whole
matrix: level-0 pixels. Who the slide is of goes with them, as DICOM wants it, unless
names are to be left out.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.errors import (
    MissingExtraError,
    NotDicomError,
    UnreadableSlideError,
)
from napari_deepheme.core.export.facts import NOTICE, TableFacts
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.review.corrections import (
    is_corrected,
    is_unidentified,
    judged_indices,
)
from napari_deepheme.core.slide.patience import BRING_BACK
from napari_deepheme.core.slide.slide_files import slide_files
from napari_deepheme.core.taxonomy import CLASS_BY_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    import pydicom

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.slide import SlideReader

SCHEME: Final = "99DEEPHEME"
"""Coding scheme of the classes; 99 marks one that is no standard."""

_NO_FACTS: Final = TableFacts()

_WHOLE_SLIDE: Final = "1.2.840.10008.5.1.4.1.1.77.1.6"

_NEEDED: Final = ("StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")

_KEPT: Final = (
    "SOPClassUID",
    *_NEEDED,
    "SeriesInstanceUID",
    "ImageType",
    "Modality",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixRows",
)
"""What annotations without names take of a slide."""

_NO_DAY: Final = {"ContentDate": "19000101", "ContentTime": "000000"}
"""DICOM wants a day here."""

_MAY_BE_EMPTY: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


def write_dicom_annotations(
    cells: CellTable,
    path: Path | str,
    slide: SlideReader,
    facts: TableFacts = _NO_FACTS,
    *,
    deidentify: bool = False,
) -> None:
    """Write cells as rectangles, one annotation group a class.

    The class is the one that counts, coded by `SCHEME`. Cells whose class a reader gave
    are groups of their own, marked semi-automatic, and so are those that the model
    doubts, "M2?", "promyelocyte, unidentified", which are in no count. What the reader
    called no cell is left out. The probability of the model's class is a measurement of
    each cell.

    Parameters
    ----------
    cells : CellTable
        The cells; at least one.
    path : Path or str
        The file, ``.dcm``.
    slide : SlideReader
        The slide that they are on.
    facts : TableFacts
        Its model identifies the algorithm.
    deidentify : bool
        Whether patient and study stay nameless: of the slide's file only its UIDs are
        taken, without which annotations belong to nothing, and the patient's ID is the
        slide's pseudonym.

    Raises
    ------
    MissingExtraError
        If highdicom is not installed.
    NotDicomError
        If the slide is not DICOM, or there is nothing to annotate on it.
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    UnreadableSlideError
        If the slide's file is gone by now.
    InvalidKeyError
        If names are to be left out, as for `deidentify.nameless`.
    """
    _need_highdicom()
    source = _source(slide)
    if deidentify:
        source = _without_names(source, nameless(slide).name)
    groups = [
        _annotation_group(group, number, facts)
        for number, group in enumerate(_groups(cells), 1)
    ]
    if not groups:
        raise NotDicomError(slide.name, "there is no cell to annotate")
    annotations = _annotations(source, groups)
    if deidentify:
        _leave_out_days(annotations)
    # What the disk says in the middle of it, pydicom words in many lines.
    content = io.BytesIO()
    annotations.save_as(content)
    with atomic_file(path) as stream:
        stream.write(content.getbuffer())


def annotated_rows(cells: CellTable) -> npt.NDArray[np.intp]:
    """Return the rows that are written: all but what a reader took for no cell."""
    left_out = [READER_CLASSES.index(word) for word in (NOT_A_CELL, DELETED)]
    return np.flatnonzero(~np.isin(judged_indices(cells), left_out))


def _annotations(source: pydicom.Dataset, groups: list[Any]) -> Any:
    import highdicom
    from pydicom.valuerep import PersonName

    return highdicom.ann.MicroscopyBulkSimpleAnnotations(
        source_images=[source],
        annotation_coordinate_type="2D",
        annotation_groups=groups,
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-deepheme",
        manufacturer_model_name="napari-deepheme",
        software_versions=version("napari-deepheme"),
        device_serial_number="1",
        content_description=NOTICE,
        content_creator_name=PersonName("napari-deepheme^"),
        content_label="DEEPHEME_CELLS",
    )


def _without_names(source: pydicom.Dataset, pseudonym: str) -> pydicom.Dataset:
    """Return no more of a slide than annotations need."""
    import pydicom

    kept = pydicom.Dataset()
    for name in _KEPT:
        if name in source:
            setattr(kept, name, source[name].value)
    for name in _MAY_BE_EMPTY:
        setattr(kept, name, "")
    kept.PatientID = pseudonym
    kept.PatientIdentityRemoved = "YES"
    kept.DeidentificationMethod = "napari-deepheme --deidentify: UIDs retained"
    return kept


def _leave_out_days(annotations: Any) -> None:
    """Empty or remove when the file was made: often the day of the patient's count."""
    for name in ("ContentDate", "ContentTime"):
        setattr(annotations, name, _NO_DAY[name])
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        if name in annotations:
            delattr(annotations, name)
    for equipment in annotations.get("ContributingEquipmentSequence", ()):
        equipment.pop("ContributionDateTime", None)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Cells of one class, named by the model, doubted by it, or named by a reader."""

    code: str
    name: str
    cells: CellTable
    by_reader: bool


def _groups(cells: CellTable) -> Iterator[_Group]:
    cells = cells.take(annotated_rows(cells))
    judged, corrected = judged_indices(cells), is_corrected(cells)
    doubted = is_unidentified(cells) & ~corrected
    for index, code in enumerate(READER_CLASSES):
        name = CLASS_BY_CODE[code].name if code in CLASS_BY_CODE else code
        for of_class, rows, by_reader in (
            ((code, name), ~corrected & ~doubted, False),
            ((f"{code}?", f"{name}, {UNIDENTIFIED}"), doubted, False),
            ((code, name), corrected, True),
        ):
            own = rows & (judged == index)
            if own.any():
                yield _Group(*of_class, cells.take(own), by_reader)


def _annotation_group(group: _Group, number: int, facts: TableFacts) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes

    model, _, model_version = facts.model.rpartition(" ")
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=(model or model_version or "unknown")[:64],
        family=codes.cid7162.ArtificialIntelligence,
        version=(model_version if model else "unknown")[:64],
    )
    probability = highdicom.ann.Measurements(
        name=highdicom.sr.CodedConcept(
            "probability", SCHEME, "Probability of the model's class"
        ),
        values=group.cells.probabilities.astype(np.float64),
        unit=highdicom.sr.CodedConcept("1", "UCUM", "no units"),
    )
    kind = "SEMIAUTOMATIC" if group.by_reader else "AUTOMATIC"
    return highdicom.ann.AnnotationGroup(
        number=number,
        uid=highdicom.UID(),
        label=f"{group.name}, by a reader" if group.by_reader else group.name,
        annotated_property_category=codes.SCT.AnatomicalStructure,
        annotated_property_type=highdicom.sr.CodedConcept(
            group.code, SCHEME, group.name
        ),
        graphic_type="RECTANGLE",
        graphic_data=list(_corners(group.cells)),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        measurements=[probability],
        description=NOTICE,
    )


def _corners(cells: CellTable) -> npt.NDArray[np.float32]:
    """Return the corners of each box, clockwise from the upper left, (n, 4, 2)."""
    x, y, width, height = cells.boxes.astype(np.int64).T
    right, bottom = x + width, y + height
    corners = [[x, y], [right, y], [right, bottom], [x, bottom]]
    # As 32-bit numbers, which are exact up to 16 million pixels.
    return np.array(corners, np.float32).transpose(2, 0, 1)


def _source(slide: SlideReader) -> pydicom.Dataset:
    """Return what the slide's file says of its finest level, without the pixels."""
    from pydicom.errors import InvalidDicomError

    for file in _files(slide):
        try:
            found = _finest_level(file, slide)
        except (InvalidDicomError, OSError):
            continue
        if found is not None:
            return found
    raise NotDicomError(slide.name, "it is no DICOM slide, and has no UIDs to refer to")


def _files(slide: SlideReader) -> list[Path]:
    """Return the files of a slide, of which any may hold the finest level."""
    try:
        return [] if slide.path is None else slide_files(slide.path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableSlideError(str(slide.path), reason, BRING_BACK) from error


def _finest_level(file: Path, slide: SlideReader) -> pydicom.Dataset | None:
    import pydicom

    found = pydicom.dcmread(file, stop_before_pixels=True)
    size = found.get("TotalPixelMatrixColumns"), found.get("TotalPixelMatrixRows")
    is_level = "VOLUME" in (found.get("ImageType") or ()) and all(
        name in found for name in _NEEDED
    )
    if found.get("SOPClassUID") != _WHOLE_SLIDE or not is_level or size != slide.size:
        return None
    # What was taken out to hide whom it is of may be empty, but has to be there.
    for name in _MAY_BE_EMPTY:
        if name not in found:
            setattr(found, name, "")
    return found


def _need_highdicom() -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise_interrupt(error)
        raise MissingExtraError("exchange", "highdicom") from error
