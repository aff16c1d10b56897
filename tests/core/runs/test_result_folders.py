"""Which folder is whose, when slides bear one name and come in any order."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import tifffile

from napari_deepheme.core.errors import OtherRunError, UnreadableSlideError
from napari_deepheme.core.runs import result_folders
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.runs.result_folders import (
    AskedSlide,
    asked_slides,
    refuse_unknown_run,
)
from napari_deepheme.core.runs.run_request import RunRequest, slide_asked
from napari_deepheme.core.slide import open_slide

REQUEST = RunRequest()


@pytest.fixture
def slides(tmp_path):
    """Two slides of one name, and a third one."""
    paths = [tmp_path / "f1" / "x.tif", tmp_path / "f2" / "x.tif", tmp_path / "y.tif"]
    for value, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        picture = np.full((256, 256, 3), 50 * value, np.uint8)
        tifffile.imwrite(path, picture, tile=(128, 128), photometric="rgb")
    return paths


def begun(asked, request=REQUEST):
    """Leave what a run of a slide leaves in its folder."""
    asked.folder.mkdir(parents=True, exist_ok=True)
    with open_slide(asked.path) as slide:
        head = {"slide": slide_asked(slide, request)}
    Journal(asked.folder).begin(head, {}).close()


def folders(paths, out, request=REQUEST):
    return [asked.folder.name for asked in asked_slides(paths, out, request)]


def test_slides_of_one_name_do_not_share_a_folder(slides, tmp_path):
    assert folders(slides, tmp_path / "out") == ["x", "x-2", "y"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..tif", "slide"),
        ("...tif", "slide"),
        ("cohort.csv.tif", "slide-cohort.csv"),
        ("Cohort.Parquet.tif", "slide-Cohort.Parquet"),
        (".cohort.lock.tif", "slide-cohort.lock"),
        (".a.tif", ".a"),
    ],
)
def test_no_folder_has_the_name_of_a_file_of_the_batch_or_lies_elsewhere(
    name, folder, slides, tmp_path
):
    odd = slides[0].rename(tmp_path / name)
    asked = asked_slides([odd], tmp_path / "out", REQUEST)[0]
    assert asked.folder == tmp_path / "out" / folder
    begun(asked)
    assert folders([odd], tmp_path / "out") == [folder]


def test_a_slide_finds_its_folder_in_whatever_order_it_is_named(slides, tmp_path):
    one, two, three = slides
    for asked in asked_slides(slides, tmp_path / "out", REQUEST):
        begun(asked)
    assert folders([two, one], tmp_path / "out") == ["x-2", "x"]
    assert folders([two], tmp_path / "out") == ["x-2"]
    assert folders([three, one], tmp_path / "out") == ["y", "x"]


def test_a_slide_that_moved_finds_its_folder_and_another_gets_a_new_one(
    slides, tmp_path
):
    one, two, _ = slides
    begun(asked_slides([one], tmp_path / "out", REQUEST)[0])
    assert folders([two], tmp_path / "out") == ["x-2"]
    elsewhere = tmp_path / "f3" / "x.tif"
    elsewhere.parent.mkdir()
    shutil.move(one, elsewhere)
    assert folders([two, elsewhere], tmp_path / "out") == ["x-2", "x"]


def test_a_slide_that_is_named_twice_has_one_folder(slides, tmp_path):
    one, _, three = slides
    copy = tmp_path / "copy" / "x.tif"
    copy.parent.mkdir()
    shutil.copyfile(one, copy)
    odd = one.parent / ".." / "f1" / "x.tif"
    given = [three, one, three, odd, copy]
    found = asked_slides(given, tmp_path / "out", REQUEST)
    assert [asked.path for asked in found] == [three, one]
    assert [asked.copies for asked in found] == [(), (copy,)]


@pytest.fixture
def dicom(tmp_path):
    """Paths of two DICOM slides of two files each, in one folder."""
    folder = tmp_path / "dicom"
    folder.mkdir()
    for series in "ab":
        for flavour in ("VOLUME", "LABEL"):
            meta = pydicom.dataset.FileMetaDataset()
            meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            image = pydicom.Dataset()
            image.file_meta = meta
            image.ImageType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
            image.SOPClassUID = pydicom.uid.VLWholeSlideMicroscopyImageStorage
            image.SOPInstanceUID = pydicom.uid.generate_uid()
            image.SeriesInstanceUID = f"1.2.{ord(series)}"
            name = f"{series}-{flavour[0]}.dcm"
            image.save_as(folder / name, enforce_file_format=True)
    return folder


@pytest.mark.parametrize("deidentify", [False, True])
def test_a_dicom_slide_is_one_by_whichever_files_it_is_named(
    dicom, tmp_path, monkeypatch, deidentify
):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    label, level, *other = sorted(dicom.iterdir())
    request = replace(REQUEST, deidentify=deidentify)
    found = asked_slides([label, level, label, *other], tmp_path / "out", request)
    assert [asked.path for asked in found] == [label, other[0]]
    assert [asked.copies for asked in found] == [(level,), (other[1],)]
    assert len({asked.name for asked in found}) == 2


def test_the_folder_of_a_dicom_slide_is_the_slide_and_that_of_two_is_neither(
    dicom, tmp_path
):
    label, level, *other = sorted(dicom.iterdir())
    two = asked_slides([dicom, label, level], tmp_path / "out", REQUEST)
    assert [asked.path for asked in two] == [dicom, label]
    for file in other:
        file.unlink()
    (one,) = asked_slides([level, dicom], tmp_path / "out", REQUEST)
    assert (one.path, one.copies) == (level, (dicom,))


def test_copies_of_a_slide_have_one_pseudonym_and_are_kept_in_mind(
    slides, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    copy = shutil.copyfile(slides[0], tmp_path / "copy.tif")
    request = replace(REQUEST, deidentify=True)
    found = asked_slides([*slides, copy], tmp_path / "out", request)
    assert [asked.path for asked in found] == slides
    assert [asked.copies for asked in found] == [(copy,), (), ()]


def test_a_number_that_is_another_slides_name_is_not_given_twice(slides, tmp_path):
    one, two, three = slides
    numbered = three.rename(tmp_path / "x-2.tif")
    found = folders([one, two, numbered], tmp_path / "out")
    assert len(set(found)) == 3


def test_a_slide_that_cannot_be_opened_is_looked_for_in_the_folder_of_its_name(
    slides, tmp_path
):
    begun(asked_slides(slides[:1], tmp_path / "out", REQUEST)[0])
    slides[0].unlink()
    assert folders(slides[:2], tmp_path / "out") == ["x", "x-2"]


@pytest.mark.parametrize("deidentify", [False, True])
def test_a_slide_that_cannot_be_opened_has_no_folder_of_another_slides_run(
    deidentify, slides, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    request = replace(REQUEST, deidentify=deidentify)
    one, two, _ = slides
    (kept,) = asked_slides([one], tmp_path / "out", request)
    begun(kept, request)
    two.write_bytes(two.read_bytes()[:7])
    (failing,) = asked_slides([two], tmp_path / "out", request)
    assert failing.folder != kept.folder
    assert asked_slides([two], tmp_path / "out", request) == [failing]
    both = asked_slides([two, one], tmp_path / "out", request)
    assert [asked.folder for asked in both] == [failing.folder, kept.folder]


def test_a_slide_that_cannot_be_opened_just_now_is_known_by_its_file(
    slides, tmp_path, monkeypatch
):
    for asked in asked_slides(slides[:2], tmp_path / "out", REQUEST):
        begun(asked)

    def torn(path, **_):
        raise UnreadableSlideError(str(path), "no memory for it")

    monkeypatch.setattr(result_folders, "open_slide", torn)
    assert folders([slides[1]], tmp_path / "out") == ["x-2"]


def of_unknown_file(folder, name="x.tif", region=(0, 0, 256, 256)):
    """Leave the results of a run whose journal is gone."""
    folder.mkdir(parents=True)
    summary = {"slide": name, "region": region}
    (folder / "summary.json").write_text(json.dumps(summary))


def test_results_without_a_journal_are_given_to_no_other_slide(slides, tmp_path):
    one, two, _ = slides
    of_unknown_file(tmp_path / "out" / "x")
    assert folders([one], tmp_path / "out") == ["x"]
    assert folders([two, one], tmp_path / "out") == ["x", "x-2"]
    begun(AskedSlide(two, tmp_path / "out" / "x-2", "x.tif"))
    assert folders([one, two], tmp_path / "out") == ["x", "x-2"]
    with pytest.raises(OtherRunError, match=r"without journal\.jsonl nothing tells"):
        refuse_unknown_run(tmp_path / "out" / "x")
    refuse_unknown_run(tmp_path / "out" / "x-2")
    refuse_unknown_run(tmp_path / "out" / "y")


@pytest.mark.parametrize(
    ("facts", "folder"),
    [
        ({"region": (0, 0, 200, 300)}, "x-2"),
        ({"name": "x.svs"}, "x-2"),
        ({"region": (9, 0, 100, 100)}, "x"),
        ({"region": None}, "x"),
    ],
    ids=str,
)
def test_results_without_a_journal_are_known_by_name_and_size(
    facts, folder, slides, tmp_path
):
    of_unknown_file(tmp_path / "out" / "x", **facts)
    assert folders(slides[:1], tmp_path / "out") == [folder]


def test_pseudonyms_find_their_folders_too(slides, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_CONFIG", str(tmp_path / "config"))
    request = replace(REQUEST, deidentify=True)
    asked = asked_slides(slides, tmp_path / "out", request)
    for one in asked:
        assert one.folder.name == one.name
        begun(one, request)
    again = asked_slides(slides[::-1], tmp_path / "out", request)
    assert [a.folder for a in again] == [a.folder for a in asked[::-1]]
