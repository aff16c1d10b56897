"""What a report says of thirty cells, checked by hand."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.counts.reference_ranges import ReferenceRange, ReferenceRanges
from napari_deepheme.core.further_columns import READER_CLASS
from napari_deepheme.core.geometry import Mpp, Polygon, Region
from napari_deepheme.core.report_file import gather_report
from napari_deepheme.core.report_file.cell_sections import corrections_section
from napari_deepheme.core.report_file.chart import WIDTH, Box, chart_shapes
from napari_deepheme.core.report_file.content import (
    BarChart,
    Gallery,
    Paragraph,
    Plate,
    Table,
)

DATE = "1 March 2026"


def section(content, title):
    return next(s for s in content.sections if s.title == title)


def blocks(content, title, kind):
    return [b for b in section(content, title).blocks if isinstance(b, kind)]


def lines(table):
    """Return the values of each row by its first one."""
    return {row.values[0]: row.values[1:] for row in table.rows}


def words(content, title):
    return " ".join(b.text for b in blocks(content, title, Paragraph))


def interval(n_hits, n, decimals=1, times=100):
    low, high = (times * share for share in wilson(n_hits, n))
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def test_sections_come_in_the_order_in_which_a_reader_asks(content):
    assert [s.title for s in content.sections] == [
        "Differential count",
        "Indices",
        "Maturation",
        "Mitotic figures",
        "Cells by class",
        "Where the cells lie",
        "What the count rests on",
        "Corrections by hand",
        "Counting rules",
    ]
    assert content.head == (("Slide", "small.svs"), ("Date", DATE), ("Reader", "Ann"))


def test_percentages_are_of_the_cells_that_count(content):
    # 30 less U1, two U4, one that is no cell, one deleted, one unidentified: 24.
    grouped, full = blocks(content, "Differential count", Table)
    assert lines(grouped)["blasts"] == ("1", "4.2", interval(1, 24))
    assert lines(grouped)["bands and neutrophils"] == ("12", "50.0", interval(12, 24))
    assert lines(grouped)["erythroid precursors"] == ("6", "25.0", interval(6, 24))
    assert lines(full)["promyelocyte (M2)"] == ("1", "4.2", interval(1, 24))
    assert lines(full)["plasma cell (L4)"] == ("3", "12.5", interval(3, 24))
    assert lines(full)["lymphocyte (L2)"] == ("1", "4.2", interval(1, 24))
    for table in (grouped, full):
        assert sum(int(row.values[1]) for row in table.rows) == 24
        assert any("sampling error only" in c.title for c in table.columns)
    assert "24 nucleated cells" in words(content, "Differential count")
    assert "1 unidentified cell of 29 found" in words(content, "Differential count")


def test_indices_state_what_they_are_counted_from(content):
    (table,) = blocks(content, "Indices", Table)
    found = lines(table)
    # M1, M2, two M5, ten M6 over four ER3 and two ER4.
    assert found["M:E"][0] == "2.33"
    assert found["M:E"][2] == "14 : 6"
    assert found["immature:mature, myeloid"][::2] == ("0.17", "2 : 12")
    assert found["immature:mature, erythroid"][::2] == ("2.00", "4 : 2")
    overall = found["mitotic index, per 1,000 †"]
    assert overall == ("76.9", interval(2, 26, times=1000), "2 in 26")
    assert found["mitotic index, erythroid, per 1,000 †"][0] == "142.9"
    assert found["mitotic index, eosinophil, per 1,000 †"] == ("–", "–", "–")
    assert found["mitotic figures of unknown lineage"] == ("–", "–", "1")


def test_bars_are_percent_of_their_series_and_stay_on_the_chart(content):
    neutrophil, erythroid = blocks(content, "Maturation", BarChart)
    assert [round(bar.value, 1) for bar in neutrophil.bars] == [
        7.1,
        7.1,
        0.0,
        0.0,
        14.3,
        71.4,
    ]
    assert [round(bar.value, 1) for bar in erythroid.bars] == [0.0, 0.0, 66.7, 33.3]
    boxes = [s for s in chart_shapes(neutrophil) if isinstance(s, Box)]
    assert len(boxes) == 4
    assert all(0 < box.x < box.x + box.width < WIDTH for box in boxes)
    assert boxes[3].width == pytest.approx(10 * boxes[0].width, abs=0.1)


def test_mitotic_figures_are_listed_with_phase_lineage_and_place(content):
    (table,) = blocks(content, "Mitotic figures", Table)
    assert [row.values for row in table.rows] == [
        ("27", "metaphase", "erythroid", "300, 480", "0.80"),
        ("28", "–", "–", "390, 480", "0.80"),
    ]
    assert all(row.picture is not None for row in table.rows)


def test_of_a_figure_that_a_reader_named_no_probability_of_another_class_is_told(
    result, slide, facts
):
    given = result.cells.further["reader_class"].copy()
    given[28] = "U4"
    said = np.array([*[""] * 28, "anaphase", ""])
    further = {**result.cells.further, READER_CLASS: given, "reader_phase": said}
    cells = replace(result.cells, further=further)
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    (table,) = blocks(report, "Mitotic figures", Table)
    assert table.rows[-1].values == (
        "29*",
        "anaphase*",
        "–",
        "480, 480",
        "named by hand",
    )


def test_a_phase_or_lineage_that_a_reader_gave_is_marked(result, slide, facts, content):
    phases = np.array([*[""] * 26, "prophase", "", "", ""])
    lineages = np.array([*[""] * 26, "unknown", "neutrophil", "", ""])
    said = {"reader_phase": phases, "reader_lineage": lineages}
    cells = replace(result.cells, further={**result.cells.further, **said})
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    (table,) = blocks(report, "Mitotic figures", Table)
    assert [row.values[:3] for row in table.rows] == [
        ("27", "prophase*", "–*"),
        ("28", "–", "neutrophil*"),
    ]
    # Not below the table, where it could be alone on the next page.
    assert "as a reader said" in section(report, "Mitotic figures").blocks[0].text
    assert words(content, "Mitotic figures") == ""


def test_a_gallery_holds_every_class_and_marks_what_a_reader_named(content):
    galleries = {g.title: g for g in blocks(content, "Cells by class", Gallery)}
    assert "plasma cell (L4): 3 cells, all shown" in galleries
    assert "mitotic body (U4) †: 2 cells, all shown" in galleries
    assert "unidentified: 1 cell, all shown" in galleries
    named = galleries["promyelocyte (M2): 1 cell, all shown"].thumbnails
    assert [cell.caption for cell in named] == ["2*"]
    shown = [c.caption for g in galleries.values() for c in g.thumbnails]
    # Neither the one that is no cell nor the deleted one.
    assert sorted(int(word.strip("*")) for word in shown) == [
        k for k in range(1, 31) if k not in (24, 25)
    ]


def test_a_gallery_is_spread_from_the_surest_to_the_least_sure(result, slide, facts):
    few = gather_report(result, facts, slide, date=DATE, per_class=3)
    galleries = {g.title: g for g in blocks(few, "Cells by class", Gallery)}
    title = "segmented neutrophil (M6): 10 cells, 3 of 10 shown"
    assert [cell.caption for cell in galleries[title].thumbnails] == ["5", "9", "14"]


def test_what_a_reader_named_is_the_surest_of_its_class(result, slide, facts):
    given = result.cells.further[READER_CLASS].copy()
    # The least sure of the class, by the model.
    given[13] = "M6"
    cells = replace(result.cells, further={**result.cells.further, READER_CLASS: given})
    report = gather_report(
        replace(result, cells=cells), facts, slide, date=DATE, per_class=3
    )
    galleries = {g.title: g for g in blocks(report, "Cells by class", Gallery)}
    title = "segmented neutrophil (M6): 10 cells, 3 of 10 shown"
    assert galleries[title].thumbnails[0].caption == "14*"


def test_of_many_figures_the_most_certain_are_listed_as_they_lie(result, slide, facts):
    many = result.cells.take([27] * 70).numbered_anew()
    sure = np.linspace(0.7, 0.9, 70, dtype=np.float32)
    report = gather_report(
        replace(result, cells=replace(many, probabilities=sure)),
        facts,
        slide,
        date=DATE,
    )
    (table,) = blocks(report, "Mitotic figures", Table)
    assert [row.values[0] for row in table.rows] == [str(k) for k in range(11, 71)]
    assert words(report, "Mitotic figures") == "The 60 most certain of 70."


def test_a_number_outside_its_range_is_told_in_words(result, slide, facts):
    ranges = {
        "plasma cells": ReferenceRange("plasma cells", 0, 3, "a textbook"),
        "M6": ReferenceRange("M6", 50, 60),
        "M:E": ReferenceRange("M:E", 1.2, 5),
    }
    report = gather_report(
        result, facts, slide, date=DATE, ranges=ReferenceRanges(ranges, "own.csv")
    )
    grouped, full = blocks(report, "Differential count", Table)
    assert lines(grouped)["plasma cells"][3:] == ("0 to 3", "above")
    assert lines(full)["plasma cell (L4)"][3:] == ("0 to 3", "above")
    assert lines(full)["segmented neutrophil (M6)"][3:] == ("50 to 60", "below")
    assert [row.values[0] for row in full.rows if row.is_marked] == [
        "segmented neutrophil (M6)",
        "plasma cell (L4)",
    ]
    (indices,) = blocks(report, "Indices", Table)
    assert lines(indices)["M:E"][3:] == ("1.2 to 5", "")
    assert "own.csv. Sources: a textbook." in words(report, "Differential count")


def test_what_the_count_rests_on_is_stated(content):
    (table,) = blocks(content, "What the count rests on", Table)
    found = {name: value for name, (value,) in lines(table).items()}
    assert found["region"] == "700 × 600 px at (50, 60)"  # noqa: RUF001
    assert found["pixel size"] == "0.25 µm per pixel"
    assert found["model"] == "namer 2.1"
    assert found["detector"] == "finder 1.3"
    assert found["computed by"] == "openvino on cpu, bfloat16"
    assert found["unidentified below"] == "probability 0.6"
    assert found["of these unidentified"] == "1"
    assert found["by a reader"] == (
        "1 called no cell, 1 deleted, 0 added, 3 named in all"
    )
    assert found["run"] == "complete"


def test_what_was_drawn_is_told_and_outlined(result, slide, facts):
    drawn = (
        Polygon(((100, 100), (300, 100), (100, 300))),
        Polygon.of(Region(500, 400, 200, 100)),
    )
    report = gather_report(replace(result, drawn_areas=drawn), facts, slide, date=DATE)
    (table,) = blocks(report, "What the count rests on", Table)
    # 20,000 px each, of 1/16 square micrometre.
    assert lines(table)["drawn areas"] == (
        "2 shapes, 0.0025 mm² in all; within 200 × 200 px at (100, 100); "  # noqa: RUF001
        "200 × 100 px at (500, 400)",  # noqa: RUF001
    )
    (plate,) = blocks(report, "Where the cells lie", Plate)
    picture = np.asarray(Image.open(io.BytesIO(plate.picture.jpeg)).convert("L"))
    slanting, right_of_it = picture[200, 200], picture[150, 300]
    assert slanting < 100 < right_of_it


def test_cells_of_a_report_have_the_numbers_of_their_table(result, slide, facts):
    numbers = np.arange(30, 0, -1) * 10
    cells = replace(result.cells, numbers=numbers)
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    plain = gather_report(result, facts, slide, date=DATE)
    for heading in ("Cells by class", "Corrections by hand"):
        ours, theirs = (numbers_in(content, heading) for content in (report, plain))
        assert ours
        assert ours == [numbers[number - 1] for number in theirs]


def numbers_in(content, heading):
    """Return the numbers of cells in galleries or in the first column of a table."""
    captions = [
        t.caption for g in blocks(content, heading, Gallery) for t in g.thumbnails
    ]
    for table in blocks(content, heading, Table):
        captions += list(lines(table))
    return [int(caption.rstrip("*")) for caption in captions]


def test_how_far_a_stopped_run_came_is_told(result, slide, facts):
    seen = (Region(50, 60, 700, 100),)
    stopped = replace(result, complete=False, searched_areas=seen)
    report = gather_report(stopped, facts, slide, date=DATE)
    (table,) = blocks(report, "What the count rests on", Table)
    assert lines(table)["looked through"] == (
        "1 region: 700 × 100 px at (50, 60)",  # noqa: RUF001
    )


def with_added(cells):
    """Let cell 29 be added and left to the model, 28 added and taken away again."""
    given = cells.further["reader_class"].copy()
    given[27] = "deleted"
    added = np.array([*[""] * 27, "yes", "yes", ""])
    return replace(
        cells, further={**cells.further, "added": added, READER_CLASS: given}
    )


def test_an_added_cell_is_called_so_and_one_that_was_taken_away_again_is_not_told(
    result, slide, facts
):
    cells = with_added(result.cells)
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    (table,) = blocks(report, "Corrections by hand", Table)
    assert [row.values[:3] for row in table.rows[2:]] == [
        ("25", "plasma cell (L4)", "deleted"),
        ("29", "added by hand", "lymphocyte (L2)"),
    ]
    (table,) = blocks(report, "What the count rests on", Table)
    found = {name: value for name, (value,) in lines(table).items()}
    assert found["cells in the table"] == "29"
    assert found["by a reader"] == (
        "1 called no cell, 1 deleted, 1 added, 3 named in all"
    )
    # Neither what was deleted nor what was taken away again.
    assert "1 unidentified cell of 28 found" in words(report, "Differential count")


def test_corrections_are_listed_and_those_beyond_500_are_counted(
    content, result, slide, facts
):
    (table,) = blocks(content, "Corrections by hand", Table)
    when = "2026-03-01T09:30:00Z"
    assert [row.values for row in table.rows] == [
        ("2", "myeloid blast (M1)", "promyelocyte (M2)", "<b>Ann</b>", when),
        ("24", "plasma cell (L4)", "not a cell", "<b>Ann</b>", when),
        ("25", "plasma cell (L4)", "deleted", "<b>Ann</b>", when),
    ]
    many = result.cells.take([1] * 600).numbered_anew()
    report = gather_report(replace(result, cells=many), facts, slide, date=DATE)
    (table,) = blocks(report, "Corrections by hand", Table)
    assert len(table.rows) == 500
    assert "100 more are not" in words(report, "Corrections by hand")


def test_of_many_corrections_those_that_are_listed_are_worded(result, columns_made):
    rows = np.resize([1, 24, 26], 3_000)
    cells = result.cells.take(rows).numbered_anew()
    further = dict(cells.further)
    further["reader_phase"] = np.where(rows == 26, "anaphase", "")
    told = corrections_section(replace(cells, further=further))
    numbers = [row.values[0] for row in told.blocks[1].rows]
    assert numbers == [str(n) for n in range(1, 501)]
    assert "anaphase" in {row.values[2] for row in told.blocks[1].rows}
    assert sum(columns_made) <= 3 * 500


def test_what_a_reader_said_of_mitoses_is_listed_among_the_corrections(
    result, slide, facts
):
    said = {
        "reader_phase": np.array([*[""] * 26, "anaphase", "prophase", "", ""]),
        "reader_lineage": np.array([*[""] * 26, "neutrophil", "", "", ""]),
        "mitosis_reader": np.array([*[""] * 26, "Ann", "", "", ""]),
        "mitosis_read_at": np.array([*[""] * 26, "2026-03-01T09:30:00Z", "", "", ""]),
    }
    model = {k: result.cells.further[k] for k in ("mitotic_phase", "mitotic_lineage")}
    cells = replace(result.cells, further={**model, **said})
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    (table,) = blocks(report, "Corrections by hand", Table)
    before, after = "metaphase, erythroid", "anaphase, neutrophil"
    assert [row.values for row in table.rows] == [
        ("27", before, after, "Ann", "2026-03-01T09:30:00Z"),
        ("28", "unknown", "prophase", "–", "–"),
    ]
    told = "Phase or lineage of 2 mitotic figures said by a reader."
    assert words(report, "Corrections by hand") == told


def test_what_the_model_doubted_is_corrected_from_unidentified(result, slide, facts):
    n = len(result.cells)
    said = {"reader_class": result.cells.further["reader_class"]}
    for noted in ("", "unidentified"):
        further = {"identified": np.full(n, "no"), "read_from": np.full(n, noted)}
        cells = replace(result.cells, further={**said, **further})
        report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
        (table,) = blocks(report, "Corrections by hand", Table)
        assert table.rows[0].values[1] == "unidentified (M1 80 %)"


def test_a_table_without_notes_of_a_reader_lists_no_reader(result, slide, facts):
    further = {"reader_class": result.cells.further["reader_class"]}
    cells = replace(result.cells, further=further)
    report = gather_report(replace(result, cells=cells), facts, slide, date=DATE)
    (table,) = blocks(report, "Corrections by hand", Table)
    row = ("2", "myeloid blast (M1)", "promyelocyte (M2)", "–", "–")
    assert table.rows[0].values == row


def test_what_must_be_known_first_is_told_first(result, slide, facts):
    torn = replace(result, complete=False, failed=(Region(0, 0, 256, 256),))
    alerts = gather_report(
        torn, replace(facts, slide="other.svs"), slide, date=DATE
    ).alerts
    for part in ("24 nucleated cells", "stopped", "1 block", "other.svs"):
        assert sum(part in alert for alert in alerts) == 1
    far = result.cells.take([0])
    far.boxes[0] = 9000, 9000, 40, 40
    alerts = gather_report(replace(result, cells=far), facts, slide, date=DATE).alerts
    assert any("beyond the edge" in alert for alert in alerts)


@pytest.mark.parametrize(("mpp", "n_told"), [(0.6, 0), (0.61, 1)])
def test_a_coarse_scan_is_doubted_first(result, slide, facts, mpp, n_told):
    seen = replace(result, mpp=Mpp(0.5, mpp))
    alerts = gather_report(seen, facts, slide, date=DATE).alerts
    told = [alert for alert in alerts if f"at {mpp} µm per pixel" in alert]
    assert len(told) == n_told


@pytest.mark.parametrize(("n", "n_told"), [(299, 1), (300, 0)])
def test_fewer_cells_than_the_guideline_asks_for_are_told_first(
    result, slide, facts, n, n_told
):
    few = replace(result, cells=result.cells.take([4] * n).numbered_anew())
    alerts = gather_report(few, facts, slide, date=DATE).alerts
    told = [alert for alert in alerts if "ICSH 2008 asks for at least 300" in alert]
    assert len(told) == n_told


@pytest.mark.parametrize("is_table", [False, True])
def test_without_facts_of_the_run_the_report_says_so(result, slide, facts, is_table):
    only = replace(facts, detector="", unidentified_below=0)
    report = gather_report(result, only if is_table else None, slide, date=DATE)
    assert any("Only the cells are known" in alert for alert in report.alerts)
    (table,) = blocks(report, "What the count rests on", Table)
    found = lines(table)
    assert found["model"] == found["detector"] == ("not known",)
    assert found["computed by"] == found["unidentified below"] == ("not known",)
    assert "not known" in found["region"][0]
    assert "not known" in found["run"][0]


@pytest.mark.parametrize("detector", ["", "finder 1"])
@pytest.mark.parametrize(
    ("below", "identified", "told"),
    [
        (0.5, "no", "probability 0.5"),
        (0, "no", "not known"),
        (0, "yes", "no threshold: the model names every cell"),
    ],
)
def test_a_threshold_is_told_as_far_as_it_is_known(
    result, slide, facts, detector, below, identified, told
):
    further = {"identified": np.full(len(result.cells), identified)}
    seen = replace(result, cells=replace(result.cells, further=further))
    known = replace(facts, detector=detector, unidentified_below=below)
    report = gather_report(seen, known, slide, date=DATE)
    (table,) = blocks(report, "What the count rests on", Table)
    expected = told if detector or below else "not known"
    assert lines(table)["unidentified below"] == (expected,)


def test_a_small_region_is_shown_on_the_slide_and_by_itself(result, slide, facts):
    assert len(blocks_of(result, slide, facts)) == 1
    small = replace(result, region=Region(100, 100, 200, 150))
    whole, alone = blocks_of(small, slide, facts)
    assert (whole.picture.width, whole.picture.height) == (800, 700)
    assert (alone.picture.width, alone.picture.height) == (200, 150)


def blocks_of(result, slide, facts):
    report = gather_report(result, facts, slide, date=DATE)
    return blocks(report, "Where the cells lie", Plate)


def test_a_slide_that_cannot_be_read_gives_a_report_without_pictures(
    result, blind_slide, content, facts
):
    blind = gather_report(result, facts, blind_slide, date=DATE)
    assert blocks(blind, "Where the cells lie", Plate) == []
    assert "could not be read" in words(blind, "Where the cells lie")
    assert blind.doubts == ("The slide could not be read.",)
    assert blind.alerts[-1:] == blind.doubts
    thumbnails = [
        cell
        for gallery in blocks(blind, "Cells by class", Gallery)
        for cell in gallery.thumbnails
    ]
    assert len(thumbnails) == 28
    assert all(cell.picture is None for cell in thumbnails)
    title = "Differential count"
    assert section(blind, title) == section(content, title)


def test_no_cell_at_all_is_a_report_without_percentages(result, slide, facts):
    none = replace(result, cells=result.cells.take([]))
    report = gather_report(none, facts, slide, date=DATE)
    grouped, _ = blocks(report, "Differential count", Table)
    assert {row.values[1:] for row in grouped.rows} == {("0", "–", "–")}
