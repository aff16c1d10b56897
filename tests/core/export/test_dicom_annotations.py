"""DICOM annotations, read back by highdicom, on a whole slide image made here."""

import io
import os
import sys
from datetime import datetime

import highdicom as hd
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.errors import (
    CannotWriteError,
    MissingExtraError,
    NotDicomError,
    UnreadableSlideError,
)
from napari_deepheme.core.export.dicom_annotations import (
    annotated_rows,
    write_dicom_annotations,
)
from napari_deepheme.core.export.facts import TableFacts
from napari_deepheme.core.review.corrections import judged_counts
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.slide.identity import slide_identity
from napari_deepheme.core.slide.slide_files import refuse_slide_files
from napari_deepheme.core.slide.watch import SlideWatch

TILE, COLUMNS, ROWS = 64, 3, 2


def tile():
    stream = io.BytesIO()
    Image.new("RGB", (TILE, TILE), (200, 150, 180)).save(stream, "JPEG")
    return stream.getvalue()


def sequence(**values):
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return [item]


def write_whole_slide(path, series=None, flavour="VOLUME", size=(170, 110)):
    """Write an image of a slide, of one level, without the patient's name."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = hd.UID()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    image = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = hd.UID(), series or hd.UID()
    image.FrameOfReferenceUID = hd.UID()
    image.PatientID = "anonymous 7"
    image.Modality = "SM"
    image.ImageType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
    image.SeriesNumber = image.InstanceNumber = 1
    image.TotalPixelMatrixColumns, image.TotalPixelMatrixRows = size
    image.TotalPixelMatrixFocalPlanes = 1
    image.ImagedVolumeWidth, image.ImagedVolumeHeight = 0.0425, 0.0275
    image.DimensionOrganizationType = "TILED_FULL"
    image.NumberOfOpticalPaths = 1
    image.OpticalPathSequence = sequence(OpticalPathIdentifier="1")
    image.Rows = image.Columns = TILE
    image.SamplesPerPixel, image.PhotometricInterpretation = 3, "YBR_FULL_422"
    image.PlanarConfiguration = image.PixelRepresentation = 0
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit = 7
    image.NumberOfFrames = COLUMNS * ROWS
    image.SharedFunctionalGroupsSequence = sequence(
        PixelMeasuresSequence=sequence(
            PixelSpacing=[0.00025, 0.00025], SliceThickness=0.001
        )
    )
    image.PixelData = encapsulate([tile()] * image.NumberOfFrames)
    image["PixelData"].VR = "OB"
    image.save_as(path, enforce_file_format=True)
    return image


@pytest.fixture
def whole_slide(tmp_path):
    folder = tmp_path / "slide"
    folder.mkdir()
    return write_whole_slide(folder / "level.dcm"), folder


@pytest.fixture
def cells():
    return CellTable.from_arrays(
        [
            [10, 20, 30, 40],
            [50, 60, 9, 8],
            [70, 80, 11, 12],
            [1, 2, 3, 4],
            [5, 5, 5, 5],
            [9, 9, 5, 5],
        ],
        [0.9] * 6,
        [13, 13, 10, 13, 13, 13],
        [0.5, 0.25, 1, 0.75, 0.125, 0.125],
        {"reader_class": np.array(["", "", "", "M3", "not-a-cell", "deleted"])},
    )


def boxes_of(group):
    """Return boxes of a group's rectangles."""
    corners = np.stack(group.get_graphic_data("2D"))
    low, high = corners.min(axis=1), corners.max(axis=1)
    assert np.array_equal(corners[:, 0], low)
    assert np.array_equal(corners[:, 2], high)
    return np.concatenate([low, high - low], axis=1).tolist()


def test_highdicom_finds_a_group_a_class_with_boxes_and_probabilities(
    whole_slide, cells, tmp_path
):
    source, folder = whole_slide
    path = tmp_path / "cells.dcm"
    with open_slide(folder) as slide:
        assert slide.size == (170, 110)
        write_dicom_annotations(cells, path, slide, TableFacts(model="our net 2"))
    read = hd.ann.annread(path)
    groups = read.get_annotation_groups()
    assert [g.label for g in groups] == [
        "lymphocyte",
        "promyelocyte",
        "myelocyte, by a reader",
    ]
    assert [g.annotated_property_type.value for g in groups] == ["L2", "M2", "M3"]
    assert [g.annotated_property_type.meaning for g in groups] == [
        "lymphocyte",
        "promyelocyte",
        "myelocyte",
    ]
    assert [g.number_of_annotations for g in groups] == [1, 2, 1]
    assert annotated_rows(cells).tolist() == [0, 1, 2, 3]
    assert boxes_of(groups[1]) == [[10, 20, 30, 40], [50, 60, 9, 8]]
    assert boxes_of(groups[2]) == [[1, 2, 3, 4]]
    assert [g.algorithm_type.value for g in groups] == [
        "AUTOMATIC",
        "AUTOMATIC",
        "SEMIAUTOMATIC",
    ]
    (algorithm,) = groups[0].algorithm_identification
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("our net", "2")
    names, values, _ = groups[1].get_measurements()
    assert names[0].value == "probability"
    assert values[:, 0].tolist() == [0.5, 0.25]
    (image,) = read.ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert read.PatientID == "anonymous 7"
    assert read.StudyInstanceUID == source.StudyInstanceUID
    assert read.ContentDescription.startswith("Research use only")


def test_cells_that_the_model_doubts_are_in_no_group_of_a_class(whole_slide, tmp_path):
    _, folder = whole_slide
    cells = CellTable.from_arrays(
        [[10 * i, 20, 8, 8] for i in range(5)],
        [0.9] * 5,
        [12] * 5,
        [0.3, 0.4, 0.9, 0.35, 0.95],
        {
            "identified": np.array(["no", "no", "yes", "no", "yes"]),
            "reader_class": np.array(["", "", "", "M1", "unidentified"]),
        },
    )
    with open_slide(folder) as slide:
        write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)
    groups = hd.ann.annread(tmp_path / "cells.dcm").get_annotation_groups()
    found = [
        (g.annotated_property_type.value, g.label, g.number_of_annotations)
        for g in groups
    ]
    assert found == [
        ("M1", "myeloid blast", 1),
        ("M1?", "myeloid blast, unidentified", 2),
        ("M1", "myeloid blast, by a reader", 1),
        ("unidentified", "unidentified, by a reader", 1),
    ]
    assert judged_counts(cells)["M1"] == 2


def test_a_slide_named_by_one_of_its_files_is_annotated_as_well(
    whole_slide, cells, tmp_path
):
    source, folder = whole_slide
    with open_slide(folder / "level.dcm") as slide:
        write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)
    read = pydicom.dcmread(tmp_path / "cells.dcm")
    assert read.ReferencedImageSequence[0].ReferencedSOPInstanceUID == (
        source.SOPInstanceUID
    )


@pytest.mark.parametrize("ending", [".dcm", ""])
def test_annotations_are_of_the_series_that_is_named_by_whichever_file(
    whole_slide, cells, tmp_path, ending
):
    _, folder = whole_slide
    level = write_whole_slide(folder / f"z{ending}")
    label = folder / f"y{ending}"
    write_whole_slide(label, level.SeriesInstanceUID, "LABEL", (64, 64))
    with open_slide(label) as slide:
        assert slide.size == (170, 110)
        write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)
    read = pydicom.dcmread(tmp_path / "cells.dcm")
    (image,) = read.ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == level.SOPInstanceUID
    assert read.StudyInstanceUID == level.StudyInstanceUID


def test_annotations_in_the_folder_of_a_slide_are_no_part_of_it(whole_slide, cells):
    _, folder = whole_slide
    path = folder / "cells.dcm"
    with open_slide(folder) as slide:
        before, watch = slide_identity(slide), SlideWatch(slide)
        write_dicom_annotations(cells, path, slide)
        assert not watch.has_changed
        refuse_slide_files(path, slide.path)
        write_dicom_annotations(cells, path, slide)
        with pytest.raises(CannotWriteError, match="slide or picture that is read"):
            refuse_slide_files(folder / "level.dcm", slide.path)
    for i in range(20):
        (folder / f"a{i}.dcm").write_bytes(path.read_bytes())
    with open_slide(folder) as slide:
        assert slide_identity(slide) == before


@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_slide_whose_file_is_gone_is_told(whole_slide, cells, tmp_path, named):
    _, folder = whole_slide
    path = folder if named == "folder" else folder / "level.dcm"
    with open_slide(path) as slide:
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(UnreadableSlideError, match="cannot read"):
            write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)


@pytest.mark.not_on_windows
def test_a_pipe_beside_a_slide_is_not_waited_for(whole_slide, cells, tmp_path):
    _, folder = whole_slide
    with open_slide(folder) as slide:
        os.mkfifo(folder / "a.dcm")
        write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)
    assert (tmp_path / "cells.dcm").exists()


def test_names_and_days_are_left_out_on_request_and_the_uids_stay(
    tmp_path, cells, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    folder = tmp_path / "slide"
    folder.mkdir()
    source = write_whole_slide(folder / "level.dcm")
    said = {
        "PatientName": "Doeringer^Janetta",
        "PatientID": "S24-1234",
        "OtherPatientIDs": "S24-1234",
        "PatientBirthDate": "19700228",
        "AccessionNumber": "S24-1234",
        "ReferringPhysicianName": "Mustermann",
        "StudyDate": "20260301",
        "StudyDescription": "Doeringer",
        "ContainerIdentifier": "S24-1234-A",
    }
    for name, value in said.items():
        setattr(source, name, value)
    source.SpecimenDescriptionSequence = sequence(
        SpecimenIdentifier="S24-1234-A", SpecimenUID=hd.UID()
    )
    source.save_as(folder / "level.dcm", enforce_file_format=True)
    plain, path = tmp_path / "plain.dcm", tmp_path / "cells.dcm"
    with open_slide(folder) as slide:
        write_dicom_annotations(cells, plain, slide)
        write_dicom_annotations(cells, path, slide, deidentify=True)
        pseudonym = nameless(slide).name
    words = (b"Doeringer", b"S24-1234", b"Mustermann", b"19700228", b"20260301")
    assert all(word in plain.read_bytes() for word in words)
    assert not any(word in path.read_bytes() for word in words)
    read = hd.ann.annread(path)
    assert len(read.get_annotation_groups()) == 3
    (image,) = read.ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert read.StudyInstanceUID == source.StudyInstanceUID
    assert read.PatientID == pseudonym
    assert (read.PatientName, read.PatientIdentityRemoved) == ("", "YES")
    today = datetime.now().astimezone().strftime("%Y%m%d").encode()
    assert today in plain.read_bytes()
    assert today not in path.read_bytes()


def test_other_slides_and_tables_without_a_cell_are_refused(
    whole_slide, cells, phantom_svs, tmp_path
):
    in_memory = ArraySlide(np.zeros((9, 9, 3), np.uint8), mpp=0.25, name="array")
    path = tmp_path / "cells.dcm"
    with open_slide(phantom_svs) as slide:
        for other in (slide, in_memory):
            with pytest.raises(NotDicomError, match="no DICOM slide"):
                write_dicom_annotations(cells, path, other)
    with (
        open_slide(whole_slide[1]) as slide,
        pytest.raises(NotDicomError, match="no cell to annotate"),
    ):
        write_dicom_annotations(CellTable.empty(), path, slide)
    assert not path.exists()


def test_without_highdicom_the_extra_is_named(
    whole_slide, cells, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with (
        open_slide(whole_slide[1]) as slide,
        pytest.raises(MissingExtraError, match=r"napari-deepheme\[exchange\]"),
    ):
        write_dicom_annotations(cells, tmp_path / "cells.dcm", slide)
