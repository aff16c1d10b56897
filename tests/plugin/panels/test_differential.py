"""The docks "Differential" and "Mitoses": what they count, and that they follow."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.counting import FULL_COUNT
from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.geometry import Polygon, Region
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, CLASSES_AS_READ, class_index
from napari_deepheme.plugin.kinds import cell_kinds
from napari_deepheme.plugin.panels.differential import Count, Differentials
from napari_deepheme.plugin.panels.differential_panel import (
    DifferentialPanel,
    StagesChart,
)
from napari_deepheme.plugin.panels.mitosis_panel import MitosisPanel


@pytest.fixture
def ran(controller, slide_layer):
    controller.classify_slide()
    controller.finish()
    return controller


@pytest.fixture
def differentials(ran):
    areas = {"visible": Region(0, 0, 400, 400), "drawn": []}
    made = Differentials(
        ran.desk.review,
        visible=lambda: areas["visible"],
        drawn=lambda: areas["drawn"],
        analysed=lambda: areas.get("analysed", ran.desk.analysed()),
    )
    made.areas = areas
    return made


@pytest.fixture
def panel(differentials, qtbot):
    made = DifferentialPanel(differentials)
    qtbot.addWidget(made)
    made.show()
    return made


def lines(panel):
    tree = panel.table
    items = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    return {
        item.text(0): [item.text(c) for c in range(1, tree.columnCount())]
        for item in items
    }


def test_all_cells_are_counted_with_n_and_interval(panel):
    rows = lines(panel)
    # M2, L4 and ER3 count; the mitotic figure does not.
    assert rows["promyelocytes"] == ["1", "33.3", "6.1–79.2"]
    assert rows["blasts"] == ["0", "0.0", "0.0–56.1"]
    assert rows["M:E"] == ["1:1", "1.00", "0.10–9.58"]
    assert rows["mitotic index"] == ["1 of 4", "250.0", "45.6–699.4"]
    assert panel.told_label.text() == "3 cells counted, 0 unidentified."
    assert "sampling error only" in panel.note_label.text()
    assert "Research use only" in panel.note_label.text()


def test_the_panel_follows_a_correction(panel, ran, qtbot):
    ran.desk.review.correct([0], "M1")
    qtbot.waitUntil(lambda: lines(panel)["blasts"][0] == "1", timeout=2000)
    ran.desk.review.undo()
    qtbot.waitUntil(lambda: lines(panel)["blasts"][0] == "0", timeout=2000)


def test_a_panel_that_nobody_sees_catches_up_when_it_is_shown(panel, ran, qtbot):
    panel.hide()
    ran.desk.review.correct([0], "M1")
    qtbot.wait(200)
    assert lines(panel)["blasts"][0] == "0"
    panel.show()
    assert lines(panel)["blasts"][0] == "1"


@pytest.mark.parametrize("scope", ["view", "regions"])
def test_the_panel_follows_the_camera_and_what_is_drawn(
    panel, differentials, qtbot, scope
):
    differentials.areas["drawn"] = [("mine 1", Region(0, 0, 400, 400))]
    panel.scope_box.setCurrentIndex(panel.scope_box.findData(scope))
    qtbot.waitUntil(lambda: "2 cells" in panel.told_label.text(), timeout=2000)
    differentials.areas["visible"] = Region(0, 0, 200, 200)
    differentials.areas["drawn"] = [("mine 1", Region(0, 0, 200, 200))]
    differentials.follow(scope)
    qtbot.waitUntil(lambda: "1 cell " in panel.told_label.text(), timeout=2000)


def test_every_class_can_be_shown(panel):
    panel.lines_box.setCurrentIndex(1)
    rows = lines(panel)
    named = [c for c in CLASSES_AS_READ if c.in_ndc]
    assert [f"{c.code}  {c.name}" for c in named] == list(rows)[: len(named)]
    assert rows["M2  promyelocyte"][0] == "1"


def test_only_what_is_in_view_can_be_counted(panel, differentials):
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("view"))
    panel.show_counts()
    assert panel.told_label.text() == "2 cells counted, 0 unidentified."
    differentials.areas["visible"] = None
    panel.show_counts()
    assert panel.told_label.text() == "0 cells counted, 0 unidentified."


def test_drawn_regions_stand_side_by_side(panel, differentials):
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    panel.show_counts()
    assert "Draw" in panel.told_label.text()
    differentials.areas["drawn"] = [
        ("mine 1", Region(0, 0, 400, 400)),
        ("mine 2", Region(400, 400, 600, 600)),
    ]
    panel.show_counts()
    rows = lines(panel)
    assert rows["promyelocytes"] == ["50.0 (1)", "0.0 (0)"]
    assert rows["counted"] == ["2", "1"]
    assert rows["unidentified, out of the count"] == ["0", "0"]


def test_no_numbers_of_other_cells_are_left_where_counting_fails(
    panel, differentials, monkeypatch
):
    def broken():
        raise ValueError("of napari")

    assert lines(panel)
    with monkeypatch.context() as patch:
        patch.setattr(differentials, "_drawn", broken)
        differentials.scope = "regions"
        with pytest.raises(ValueError, match="of napari"):
            panel.show_counts()
    assert not lines(panel)
    assert not panel.told_label.text()
    assert not any(panel.chart._series.values())


def test_it_is_told_which_regions_were_searched_in_part_or_not_at_all(
    panel, differentials
):
    differentials.areas["analysed"] = (Region(0, 0, 400, 400),)
    differentials.areas["drawn"] = [
        ("Region 1", Polygon(((0, 0), (400, 0), (0, 400)))),
        ("Region 2", Region(200, 200, 400, 100)),
        ("Region 3", Region(400, 400, 600, 600)),
    ]
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    panel.show_counts()
    assert lines(panel)["searched"] == ["whole", "in part", "not searched"]
    told = "Region 2: searched in part only. Region 3: not searched."
    assert told in panel.told_label.text()
    differentials.areas["drawn"] = differentials.areas["drawn"][:1] * 2
    panel.show_counts()
    assert "searched" not in lines(panel)
    assert "searched" not in panel.told_label.text()


def test_it_is_told_when_what_is_in_view_was_searched_in_part(panel, differentials):
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("view"))
    differentials.areas["analysed"] = (Region(0, 0, 200, 200), Region(0, 0, 200, 200))
    panel.show_counts()
    assert "In view: searched in part only." in panel.told_label.text()


def test_titles_of_regions_are_whole_where_the_names_can_spare_the_room(
    panel, differentials
):
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    differentials.areas["drawn"] = [
        (f"A layer of regions {i}", Region(0, 0, 400, 400)) for i in (1, 2)
    ]
    panel.show_counts()
    header = panel.table.header()
    for room in range(400, 900, 25):
        panel.table.resize(room, 700)
        left = [header.sectionSizeHint(c) - header.sectionSize(c) for c in (1, 2)]
        names = header.sectionSize(0) - panel.table.sizeHintForColumn(0)
        assert names < 20 or max(left) <= 0


@pytest.mark.parametrize("n", [1, 2, 12])
def test_names_have_their_room_beside_however_many_regions(
    panel, differentials, qtbot, n
):
    panel.resize(430, 700)
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    differentials.areas["drawn"] = [
        (f"A layer of regions {i}", Region(0, 0, 400, 400)) for i in range(1, n + 1)
    ]
    panel.show_counts()
    table, header = panel.table, panel.table.header()
    for column in range(table.columnCount()):
        assert table.columnWidth(column) >= table.sizeHintForColumn(column) > 0
    # With more regions than fit, one scrolls to the last ones.
    bar, room = table.horizontalScrollBar(), table.viewport().width()
    assert header.length() >= room
    # Qt counts anew a moment later.
    qtbot.waitUntil(lambda: bar.maximum() == header.length() - room, timeout=2000)
    assert (bar.maximum() > 0) == (n == 12)
    if n > 1:
        assert table.headerItem().toolTip(n) == f"A layer of regions {n}"


def test_names_give_way_to_numbers_and_are_whole_in_their_tips(panel):
    table = panel.table
    panel.resize(430, 700)
    (row,) = table.findItems("mitotic index, erythroid", Qt.MatchFlag.MatchExactly)
    row.setText(1, "1,234 of 25,000")
    room = table.viewport().width()
    while sum(table.sizeHintForColumn(c) for c in range(4)) <= room:
        row.setText(0, f"{row.text(0)} and")
    table.fit_columns()
    assert table.header().length() == room
    for column in (1, 2, 3):
        assert table.columnWidth(column) >= table.sizeHintForColumn(column)
    assert row.toolTip(0) == "mitotic index, erythroid"


def test_a_count_of_thousands_is_written_alike_everywhere(panel, differentials):
    count = Count("all", np.arange(0), {"M6": 13191, "L2": 7150}, 1)
    differentials.counts = lambda: [count]
    panel.show_counts()
    rows = lines(panel)
    assert rows["bands and neutrophils"][0] == "13,191"
    assert panel.told_label.text().startswith("20,341 cells counted, 1 unidentified")
    assert rows["mitotic index"][0] == "0 of 20,341"


def test_the_chart_is_of_all_regions_together_and_a_cell_counts_once(
    panel, differentials
):
    differentials.areas["drawn"] = [
        ("mine 1", Region(0, 0, 200, 200)),
        ("mine 2", Region(0, 0, 400, 400)),
        ("mine 3", Region(800, 800, 200, 200)),
    ]
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("regions"))
    panel.show_counts()
    # M2 lies in two regions, L4 in one of these, ER3 in the third.
    assert panel.told_label.text() == (
        "3 cells counted, 0 unidentified. "
        "Cells of several regions are counted once here."
    )
    stages = panel.chart.accessibleDescription()
    assert "M2 100.0 %" in stages
    assert "ER3 100.0 %" in stages


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("all", "2 cells counted, 1 unidentified (out of the count)."),
        ("sample", "2 cells counted, 1 unidentified (out of the count)."),
        ("view", "1 cell counted, 1 unidentified (out of the count)."),
        ("regions", "1 cell counted, 1 unidentified (out of the count)."),
    ],
)
def test_how_many_cells_are_unidentified_stands_beside_every_count(
    panel, differentials, ran, scope, told
):
    differentials.areas["drawn"] = [
        ("mine 1", Region(0, 0, 400, 400)),
        ("mine 2", Region(400, 400, 100, 100)),
    ]
    ran.desk.review.correct([1], "unidentified")
    panel.scope_box.setCurrentIndex(panel.scope_box.findData(scope))
    panel.show_counts()
    assert panel.told_label.text().startswith(told)
    if scope == "regions":
        assert lines(panel)["unidentified, out of the count"] == ["1", "0"]


def test_a_double_click_selects_the_cells_behind_a_number(panel, ran):
    tree = panel.table
    (item,) = tree.findItems("plasma cells", Qt.MatchFlag.MatchExactly)
    panel.table.itemDoubleClicked.emit(item, 1)
    assert ran.desk.review.selected == [1]


def test_ranges_of_a_laboratory_mark_what_lies_outside(panel, tmp_path):
    path = tmp_path / "ours.csv"
    path.write_text("name,low,high,source\nplasma cells,0,3,ours 2026\nM:E,0.5,4,\n")
    panel.load_ranges(path)
    panel.show_counts()
    rows = lines(panel)
    assert rows["plasma cells"][3:] == ["0 to 3", "▲ above"]
    assert rows["M:E"][3:] == ["0.5 to 4", ""]
    assert rows["blasts"][3:] == ["", ""]
    assert "ours.csv" in panel.told_label.text()
    path.write_text("name\n")
    panel.load_ranges(path)
    assert "not a table" in panel.told_label.text()


def test_a_range_by_a_classs_name_marks_its_line_or_is_told_to_have_none(
    panel, tmp_path
):
    path = tmp_path / "ours.csv"
    path.write_text("name,low,high\npromyelocyte,99,100\nM5,1,2\n")
    panel.load_ranges(path)
    panel.show_counts()
    assert lines(panel)["promyelocytes"][3:] == ["99 to 100", "▼ below"]
    assert panel.told_label.text().endswith("No line here for the range of M5.")
    panel.lines_box.setCurrentIndex(1)
    assert lines(panel)["M5  band neutrophil"][3] == "1 to 2"
    assert panel.told_label.text().endswith("ours.csv.")


class ManyCells:
    """A review of many cells, without layers."""

    def __init__(self, codes):
        n = len(codes)
        boxes = [(10 * i, 0, 8, 8) for i in range(n)]
        cells = CellTable.from_arrays(
            boxes, [0.9] * n, [class_index(c) for c in codes], [0.8] * n
        )
        self.corrected = CorrectedCells(cells)

    class changed:
        @staticmethod
        def connect(_):
            pass

    @property
    def kinds(self):
        return cell_kinds(self.corrected.cells)


def test_cells_whose_class_is_switched_off_are_not_selected_behind_a_number(
    ran, differentials
):
    (count,) = differentials.counts()
    ran.desk.toggle_class("L4")
    differentials.select(count, ["L4"])
    assert ran.desk.review.selected == []
    differentials.select(count, ["L4", "M2"])
    assert ran.desk.review.selected == [0]
    ran.desk.toggle_class("L4")
    differentials.select(count, ["L4", "M2"])
    assert ran.desk.review.selected == [0, 1]


def test_500_cells_are_500_of_the_differential_and_stay_the_same_ones():
    rng = np.random.default_rng(1)
    review = ManyCells(rng.choice(["M6", "L2", "U1", "ER3", "U4"], 2000))
    made = Differentials(review, visible=lambda: None, drawn=list, analysed=list)
    made.choose = None
    made.scope = "sample"
    (before,) = made.counts()
    assert differential(before.counts).n == len(before.rows) == FULL_COUNT
    review.corrected = review.corrected.correct([int(before.rows[7])], "U1")
    (after,) = made.counts()
    assert len(set(before.rows) ^ set(after.rows)) == 2
    assert differential(after.counts).n == FULL_COUNT
    missed = CellTable.from_arrays([[9, 9, 40, 40]], [0], [0], [0.9])
    review.corrected = review.corrected.add(missed, "M6")
    (with_one_more,) = made.counts()
    assert len(set(after.rows) ^ set(with_one_more.rows)) <= 2


def test_of_500_cells_at_random_the_mitotic_index_is_that_of_all(panel):
    panel.scope_box.setCurrentIndex(panel.scope_box.findData("sample"))
    panel.show_counts()
    told = lines(panel)
    assert told["mitotic index"] == ["1 of 4", "250.0", "45.6–699.4"]
    named = list(told)
    place = named.index("of all cells, not of these alone:")
    assert named[place + 1] == "mitotic index"


def test_ratios_and_indices_have_headings_of_their_own(panel):
    told = lines(panel)
    assert told["Ratios"] == ["of", "ratio", "95 % interval"]
    assert told["Mitotic indices"] == ["of", "per 1,000", "95 % interval"]
    named = list(told)
    assert named[named.index("Ratios") + 1] == "M:E"
    assert named[named.index("Mitotic indices") + 1] == "mitotic index"


def test_of_fewer_cells_all_are_counted():
    review = ManyCells(["M6"] * 20 + ["U1"] * 5)
    made = Differentials(review, visible=lambda: None, drawn=list, analysed=list)
    made.scope = "sample"
    (count,) = made.counts()
    assert len(count.rows) == 20


@pytest.fixture
def mitoses(ran, qtbot):
    made = MitosisPanel(ran.desk.review, ran.session)
    qtbot.addWidget(made)
    return made


CELL, STATE, SURE = 0, 1, 6


def column(panel, place):
    model = panel.model
    return [
        model.data(model.index(row, place), Qt.ItemDataRole.DisplayRole)
        for row in range(model.rowCount())
    ]


def states(panel):
    return column(panel, STATE)


def test_a_figure_without_a_lineage_is_told_beside_the_indices(mitoses, panel):
    told = mitoses.indices_label.text()
    assert "  erythroid: – (0 of 1; no lineage is known)" in told
    assert "  eosinophil: –\n" in told
    assert "  1 of unknown lineage" in told
    rows = lines(panel)
    assert rows["mitotic index, erythroid"][:2] == ["0 of 1", "–"]
    assert rows["mitotic index, eosinophil"][:2] == ["–", "–"]
    assert rows["of unknown lineage"][0] == "1"


def test_the_list_of_figures_is_gone_through_confirmed_and_rejected(
    mitoses, ran, qtbot
):
    assert states(mitoses) == ["counted"]
    mitoses.step(1)
    assert ran.desk.review.selected == [2]
    mitoses.confirm_button.click()
    qtbot.waitUntil(lambda: states(mitoses) == ["confirmed"], timeout=2000)
    mitoses.reject_button.click()
    qtbot.waitUntil(lambda: states(mitoses) == ["rejected"], timeout=2000)
    qtbot.waitUntil(
        lambda: "0.0 per 1,000 (0 of 3" in mitoses.indices_label.text(), timeout=2000
    )
    ran.desk.review.correct([0], "U4")
    qtbot.waitUntil(lambda: len(states(mitoses)) == 2, timeout=2000)
    assert states(mitoses) == ["by hand", "rejected"]
    # Sure of a promyelocyte, as the model is of the first, says nothing of a mitosis.
    assert column(mitoses, SURE) == ["–", "80 %"]


def test_what_the_list_shows_of_a_figure_is_taken_of_that_cell_alone(
    mitoses, columns_made
):
    assert column(mitoses, CELL) == ["3"]
    assert set(columns_made) == {1}


def test_without_figures_it_is_said_and_there_is_none_to_go_to(
    controller, slide_layer, core, qtbot
):
    made = MitosisPanel(controller.desk.review, controller.session)
    qtbot.addWidget(made)
    arrows = (made.previous_button, made.next_button)
    changed = []
    made.model.dataChanged.connect(lambda *corners: changed.append(corners))
    core.cells = core.cells.take([0, 1])
    controller.classify_slide()
    controller.finish()
    made.show_figures()
    assert made.indices_label.text().startswith("No mitotic figures.\n")
    assert not any(arrow.isEnabled() for arrow in arrows)
    assert changed == []
    controller.desk.review.correct([0], "U4")
    made.show_figures()
    assert "No mitotic" not in made.indices_label.text()
    assert all(arrow.isEnabled() for arrow in arrows)


def test_the_list_names_no_figure_that_a_new_run_has_not(mitoses, ran, core):
    assert column(mitoses, CELL) == ["3"]
    core.cells = core.cells.take([0, 1])
    ran.classify_slide()
    ran.finish()
    # The rest follows when the cells rest.
    assert column(mitoses, CELL) == []


def test_what_became_of_a_figure_is_seen_in_a_narrow_dock(mitoses, ran, qtbot):
    mitoses.resize(400, 400)
    mitoses.show()
    mitoses.step(1)
    mitoses.reject_button.click()
    qtbot.waitUntil(lambda: states(mitoses) == ["rejected"], timeout=2000)
    header = mitoses.table.horizontalHeader()
    end = header.sectionPosition(STATE) + header.sectionSize(STATE)
    assert end <= mitoses.table.viewport().width()
    # The last one takes what is left, and no more.
    others = sum(map(header.sectionSize, range(SURE)))
    left = mitoses.table.viewport().width() - others
    assert header.sectionSize(SURE) <= max(left, mitoses.table.sizeHintForColumn(SURE))


def test_a_selected_figure_is_marked_in_the_list(mitoses, ran):
    ran.desk.review.select([2])
    assert mitoses.table.currentIndex().row() == 0
    ran.desk.review.select([0])


def test_figures_that_the_model_doubts_are_listed_and_not_counted(mitoses, ran, qtbot):
    ran.desk.review.set_threshold(0.9)
    ran.desk.review.apply_threshold()
    qtbot.waitUntil(lambda: states(mitoses) == ["doubtful"], timeout=2000)
    state = mitoses.model.index(0, STATE)
    told = mitoses.model.data(state, Qt.ItemDataRole.ToolTipRole)
    assert told == "doubtful: not counted"


def test_what_the_model_learned_mitosis_from_is_told(ran, qtbot):
    ran.session.rendered_only = ("U4",)
    made = MitosisPanel(ran.desk.review, ran.session)
    qtbot.addWidget(made)
    assert "rendered cells only" in made.rendered_label.text()
    assert "Research use only" in made.rendered_label.text()


def drawn_heights(chart, codes):
    """Count the pixels of each class's colour in the middle of its bar."""
    image, step = chart.grab().toImage(), chart.width() / len(codes)
    found = []
    for i, code in enumerate(codes):
        colour = QColor(CLASS_BY_CODE[code].colour).rgb()
        x = round((i + 0.3) * step)
        column = [image.pixel(x, y) for y in range(image.height())]
        found.append(column.count(colour))
    return found


def test_the_stages_stand_side_by_side_as_high_as_they_are_many(qtbot):
    def row(code, n, percent):
        return SimpleNamespace(codes=(code,), count=n, percent=percent, n=7)

    chart = StagesChart()
    qtbot.addWidget(chart)
    chart.resize(400, 300)
    codes = ("M1", "M2", "M3", "M6")
    given = [row(c, n, 10.0 * n) for c, n in zip(codes, (4, 2, 0, 1), strict=True)]
    chart.show_series(SimpleNamespace(series={"neutrophils": tuple(given)}))
    highest, half, none, quarter = drawn_heights(chart, codes)
    assert highest > 150
    assert half == pytest.approx(highest / 2, abs=4)
    assert quarter == pytest.approx(highest / 4, abs=4)
    assert none <= 1
    assert chart.accessibleDescription() == "M1 40.0 %, M2 20.0 %, M3 0.0 %, M6 10.0 %"
    chart.show_series(None)
    assert drawn_heights(chart, codes) == [0, 0, 0, 0]


def test_the_reader_says_phase_and_lineage_beside_the_model(mitoses, ran, qtbot):
    review = ran.desk.review
    mitoses.step(1)
    phase, lineage = mitoses.word_boxes.values()
    assert phase.isEnabled()
    assert phase.currentData() == ""
    phase.setCurrentIndex(phase.findData("anaphase"))
    phase.activated.emit(phase.currentIndex())
    lineage.activated.emit(lineage.findData("eosinophil"))
    row = [mitoses.model.index(0, column).data() for column in range(6)]
    assert row[4:] == ["anaphase", "eosinophil"]
    assert "reader_class" not in review.cells.further
    qtbot.waitUntil(
        lambda: "eosinophil: 1000.0 per 1,000 (1 of 1" in mitoses.indices_label.text(),
        timeout=2000,
    )
    review.undo()
    qtbot.waitUntil(lambda: lineage.currentData() == "", timeout=2000)
    assert phase.currentData() == "anaphase"
