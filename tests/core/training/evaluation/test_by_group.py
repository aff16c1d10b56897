import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.models.protocols import ClassifierSpec, CropProbabilities
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.core.training.cells.known import picture_marks
from napari_deepheme.core.training.evaluation import by_group
from napari_deepheme.core.training.evaluation.by_group import evaluate_classifier
from napari_deepheme.core.training.evaluation.compare import compare_models, mcnemar
from napari_deepheme.core.training.evaluation.measures import (
    measure,
    reliability,
    share,
)
from napari_deepheme.core.training.evaluation.notices import notices
from napari_deepheme.core.training.evaluation.report_page import (
    write_evaluations,
    write_page,
)
from napari_deepheme.core.training.evaluation.scores import macro_f1
from napari_deepheme.core.training.training_error import TrainingError

SPEC = ClassifierSpec(
    "tester <1>", 0.675, 32, rendered_only=("U4",), unidentified_below=0.5
)


class Told:
    """Says of each cell, in order, what it is told to say."""

    def __init__(self, answers, spec=SPEC):
        self.spec = spec
        self._answers = list(answers)

    def classify(self, crops, *, batch_size):
        rows = [self._answers.pop(0) for _ in crops]
        return CropProbabilities.of_classes(probabilities(rows))


def probabilities(answers):
    """Give rows that are sure of a code, or (code, probability)."""
    rows = np.zeros((len(answers), 23), np.float32)
    for row, answer in zip(rows, answers, strict=True):
        code, p = answer if isinstance(answer, tuple) else (answer, 0.9)
        row[:] = (1 - p) / 22
        row[class_index(code)] = p
    return rows


def test_figures_of_a_table_counted_by_hand():
    report = measure(
        probabilities(["M5", "M6", "M6", "M6", "M1"]), ["M5", "M5", "M6", "M6", "L2"]
    )
    assert report.targets == ("L2", "M5", "M6")
    assert report.confusion.tolist() == [[0, 0, 0, 1], [0, 1, 1, 0], [0, 0, 2, 0]]
    by_class = {c.target: c.measures for c in report.classes}
    assert by_class["M6"]["precision"] == share(2, 3)
    assert by_class["M5"]["recall"] == share(1, 2)
    assert by_class["M5"]["F1"].value == pytest.approx(2 / 3)
    assert by_class["L2"]["precision"].value != by_class["L2"]["precision"].value
    assert report.macro["F1"].value == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert report.accuracy == share(3, 5)


def test_a_class_that_is_never_called_lowers_the_mean_precision():
    targets = [code for code in ("M2", "M3", "M4") for _ in range(10)]
    answers = [code if code != "M3" else "M4" for code in targets]
    report = measure(probabilities(answers), targets)
    by_class = {c.target: c.measures for c in report.classes}
    assert str(by_class["M3"]["precision"]) == "-"
    # scikit-learn's macro average with zero_division=0.
    mean = report.macro["precision"]
    assert mean.value == pytest.approx((1 + 0 + 10 / 20) / 3)
    assert mean.low < mean.value < mean.high < 0.65


def test_samples_that_are_all_alike_give_no_interval():
    report = measure(probabilities(["M3"]), ["M3"])
    assert str(report.macro["F1"]) == "1.000"
    assert str(report.accuracy) == "1.000 (0.207 to 1.000)"
    targets = ["M3"] * 10 + ["M4"] * 10
    report = measure(probabilities(["M3"] * 20), targets)
    by_class = {c.target: c.measures for c in report.classes}
    assert str(by_class["M4"]["F1"]) == "0.000"
    assert by_class["M3"]["F1"].low < by_class["M3"]["F1"].value
    assert report.macro["F1"].low < report.macro["F1"].high


def test_samples_that_are_nearly_all_alike_give_no_interval():
    # Of five cells three are called; about 1 % of the samples have none of these.
    report = measure(probabilities(["M3"] * 3 + ["E1"] * 2), ["M3"] * 5)
    mean = report.macro["precision"]
    assert mean.value == 1
    assert str(mean) == "1.000"
    assert np.isnan([mean.low, mean.high]).all()
    assert report.macro["recall"].low < report.macro["recall"].high


def test_samples_that_lack_a_class_are_none_of_the_mean_over_the_classes():
    targets = ["M3"] * 15 + ["M4"] * 15 + ["L2"]
    answers = ["M3"] * 14 + ["M4"] * 15 + ["M3"] * 2
    report = measure(probabilities(answers), targets)
    for name in ("F1", "recall", "precision"):
        mean = report.macro[name]
        # Over M3 and M4 alone it would be above 0.9.
        assert 0.5 < mean.low < mean.value < mean.high <= 2 / 3
        assert 0.9 < report.common[name].value < report.common[name].high
    assert report.common["F1"].n == 30
    assert measure(probabilities(answers[:30]), targets[:30]).common == {}


def test_a_mean_that_few_samples_tell_has_no_interval():
    targets = ["M1", "M2", "M3", "M4"]
    report = measure(probabilities(["M1", "M2", "M3", "M3"]), targets)
    assert str(report.macro["recall"]) == "0.750"


def test_a_code_of_a_cells_own_set_is_right_beside_a_class_of_that_code_alone():
    targets = ["E1|E4", "E1|E4", "E4", "M1"]
    given = probabilities(["E4", "E1", "E4", "E4"])
    report = measure(given, targets)
    by_class = {c.target: c.measures for c in report.classes}
    assert report.targets == ("E1|E4", "E4", "M1")
    assert report.confusion.tolist() == [[2, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert by_class["E1|E4"]["recall"] == share(2, 2)
    assert by_class["E4"]["precision"] == share(1, 2)
    # The M1 that is called E4 is a false call of both.
    assert by_class["E1|E4"]["precision"] == share(2, 3)
    # A cell that may be an E4 is none of the rest: one tie with M1 alone.
    assert by_class["E4"]["AUC"].value == 0.5
    mean_f1 = (4 / 5 + 2 / 3 + 0) / 3
    assert report.macro["F1"].value == pytest.approx(mean_f1)
    assert macro_f1(given, targets) == pytest.approx(mean_f1)


def test_false_calls_count_in_each_class_and_set_that_holds_the_code():
    words = ("M1", "M2", "M3", "M2|M3", "M3|M4", "L2")
    rng = np.random.default_rng(0)
    targets = [words[i] for i in rng.integers(len(words), size=300)]
    calls = ("M1", "M2", "M3", "M4", "L2", "E4")
    called = [calls[i] for i in rng.integers(len(calls), size=300)]
    given = probabilities(called)
    report = measure(given, targets)
    f1s = []
    for one in report.classes:
        codes = set(one.target.split("|"))
        in_it = np.array([code in codes for code in called])
        own = np.array([target == one.target for target in targets])
        none_of_it = np.array([not codes & set(t.split("|")) for t in targets])
        n_hits, n_false = (in_it & own).sum(), (in_it & none_of_it).sum()
        assert one.measures["precision"] == share(n_hits, n_hits + n_false)
        assert one.measures["recall"] == share(n_hits, own.sum())
        f1s.append(2 * n_hits / (own.sum() + n_hits + n_false))
        f1 = one.measures["F1"]
        assert f1.value == pytest.approx(f1s[-1])
        assert f1.low < f1.value < f1.high
    assert report.macro["F1"].value == pytest.approx(np.mean(f1s))
    assert macro_f1(given, targets) == pytest.approx(np.mean(f1s))
    assert report.confusion.sum(axis=1).tolist() == [c.n for c in report.classes]


def test_a_set_is_judged_alike_whether_its_codes_stand_alone_elsewhere_or_not():
    answers, targets = ["M2"] * 55 + ["M1"] * 50, ["M2|M3"] * 5 + ["M1"] * 100
    single = ["M2", "M3"]
    by_set = [
        {c.target: c.measures for c in measure(probabilities(a), t).classes}["M2|M3"]
        for a, t in ((answers, targets), (answers + single, targets + single))
    ]
    assert by_set[0]["precision"] == by_set[1]["precision"] == share(5, 55)
    assert by_set[0]["F1"].value == by_set[1]["F1"].value == pytest.approx(1 / 6)
    assert 0 < by_set[1]["F1"].low < 1 / 6 < by_set[1]["F1"].high < 0.5


def test_intervals_hold_the_figure():
    rng = np.random.default_rng(0)
    codes = [("M3", "M4", "L2", "E1|E4")[i] for i in rng.integers(4, size=200)]
    given = rng.dirichlet(np.ones(23), 200).astype(np.float32)
    for row, code in zip(given, codes, strict=True):
        row[class_index(code.split("|")[0])] += 0.15
    given /= given.sum(axis=1, keepdims=True)
    report = measure(given, codes)
    for name in ("F1", "AUC"):
        mean, of_class = report.macro[name], [c.measures[name] for c in report.classes]
        assert mean.value == pytest.approx(np.mean([m.value for m in of_class]))
        for one in (mean, *of_class):
            assert one.low < one.value < one.high
    assert sum(b.n for b in reliability(given, codes)) == 200


@pytest.fixture
def evaluated(painted):
    cells = painted({"M3": 4, "M4": 4}, patients=2)
    cells = [replace(c, source=f"lab {i % 2}") for i, c in enumerate(cells)]
    nameless = replace(cells[0], targets=("not-identifiable",))
    answers = ["M3", "M3", ("M3", 0.4), "M4", "M4", "M4", "M4", "M4", ("M6", 0.3)]
    return evaluate_classifier(Told(answers), [*cells, nameless])


def test_an_evaluation_tells_all_sources_and_patients_apart(evaluated):
    names = [(group.by, group.name) for group in evaluated.groups]
    assert names == [
        ("all", ""),
        ("source", "lab 0"),
        ("source", "lab 1"),
        ("patient", "p0"),
        ("patient", "p1"),
    ]
    assert evaluated.whole.accuracy == share(7, 8)
    assert evaluated.groups[0].unidentified == share(1, 8)
    assert evaluated.nameless_unidentified == share(1, 1)


def test_cells_without_a_class_cannot_be_judged(painted):
    (cell,) = painted({"M3": 1})
    with pytest.raises(TrainingError, match="bears a class: name them"):
        evaluate_classifier(Told([]), [replace(cell, targets=("platelet",))])


def test_cells_that_show_no_class_cannot_be_judged_alone(painted):
    cells = [replace(c, targets=("not-identifiable",)) for c in painted({"M3": 2})]
    told = "2 not-identifiable cells cannot be judged alone: put cells of a class"
    with pytest.raises(TrainingError, match=told):
        evaluate_classifier(Told([]), cells)


def test_cells_that_a_model_learned_from_are_not_judged(
    painted, write_tiny_model, tmp_path
):
    cells = painted({"M3": 3, "M4": 3})
    mine = write_tiny_model(learned_marks=picture_marks(cells[1:3]))
    other = write_tiny_model(learned_marks=picture_marks(cells[:1]))
    # Those that are judged come first: the fourth and those behind it.
    answers = ["M4", "M4", "M3", "M3", "M3", "M3"]
    found = evaluate_classifier(Told(answers), cells, card=mine, others=[other])
    assert found.whole.accuracy == share(2, 3)
    assert next(notices(found)) == (
        "tester <1> learned from 2 of these 6 cells: the figures are of others."
    )
    write_evaluations([found], tmp_path)
    rows = read(tmp_path / "predictions.csv")
    assert [row["judged"] for row in rows] == ["yes"] * 3 + ["no"] * 3
    assert [row["learned"] for row in rows] == ["no"] * 4 + ["yes"] * 2
    assert "learned from 2 of" in (tmp_path / "report.html").read_text("utf-8")


def test_a_model_that_learned_from_all_cells_is_judged_and_it_is_told(
    painted, write_tiny_model
):
    cells = painted({"M3": 2})
    mine = write_tiny_model(learned_marks=picture_marks(cells))
    found = evaluate_classifier(Told(["M3", "M3"]), cells, card=mine)
    assert found.whole.n == 2
    words = next(notices(found))
    assert "learned from 2 of these 2 cells, and no others are left" in words


def test_that_nobody_knows_what_a_model_learned_from_is_told(
    painted, write_tiny_model, tmp_path
):
    cells = painted({"M3": 2})
    card = write_tiny_model(learned_marks=frozenset())
    found = evaluate_classifier(Told(["M3"] * 2), cells, card=card)
    told = "Which pictures tester <1> learned from is not known: these may be among"
    assert next(notices(found)).startswith(told)
    write_evaluations([found], tmp_path)
    rows = read(tmp_path / "predictions.csv")
    assert [row["learned"] for row in rows] == ["", ""]


def test_classes_of_few_cells_are_told_and_have_a_mean_without_them(painted, tmp_path):
    cells = painted({"M3": 10, "M4": 1})
    found = evaluate_classifier(Told(["M3"] * 9 + ["M4"] * 2), cells)
    rare, common = list(notices(found))[1:]
    assert rare.startswith("1 of 2 classes has fewer than 10 cells: M4 (1). In the ")
    value = found.whole.classes[0].measures["F1"].value
    assert f"macro F1 {value:.3f} (" in common
    write_evaluations([found], tmp_path)
    means = {
        row["class"]: float(row["value"])
        for row in read(tmp_path / "figures.csv")
        if row["measure"] == "F1" and row["class"].startswith("mean")
    }
    assert means == pytest.approx(
        {"mean": 0.8070, "mean of classes of 10 cells or more": value}, abs=1e-4
    )
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "11 named cells of 2 classes." in page
    assert "M4 (1)" in page
    assert "<td>mean of classes of 10 cells or more F1</td>" in page


def test_cells_of_no_class_are_counted_by_what_they_are(painted):
    cells = painted({"M3": 4})
    words = [("M3",), ("platelet",), (), ("platelet",)]
    cells = [replace(c, targets=w) for c, w in zip(cells, words, strict=True)]
    told = next(notices(evaluate_classifier(Told(["M3"]), cells)))
    assert told.endswith("left out, of none of the classes: 2 platelet, 1 unnamed.")
    assert told.startswith("3 cells are")


def read(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_tables_hold_every_figure_and_every_picture(evaluated, tmp_path):
    write_evaluations([evaluated, evaluated], tmp_path)
    figures = read(tmp_path / "figures.csv")
    (recall,) = {
        (row["value"], row["low"], row["high"], row["n"])
        for row in figures
        if (row["by"], row["class"], row["measure"]) == ("all", "M3", "recall")
    }
    assert recall == ("0.7500", "0.3006", "0.9544", "4")
    whole = {row["measure"] for row in figures if row["by"] == "all"}
    assert whole == {
        "precision",
        "recall",
        "F1",
        "AUC",
        "named right",
        "calibration error",
        "unidentified",
    }
    predictions = read(tmp_path / "predictions.csv")
    assert len(predictions) == 18
    nameless = predictions[8]
    assert nameless["classes"] == "not-identifiable"
    told = [nameless[name] for name in ("right", "identified", "learned", "judged")]
    assert told == ["", "no", "", "no"]
    assert [row["right"] for row in predictions[:8]].count("no") == 1
    assert sum(float(predictions[0][f"p_{c}"]) for c in ("M3", "M4")) <= 1
    with_interval = [row for row in figures if row["low"] != "nan"]
    assert not [
        row
        for row in with_interval
        if row["measure"] in ("F1", "AUC") and row["low"] == row["high"]
    ]
    confusion = read(tmp_path / "confusion.csv")
    assert {"model": "tester <1>", "true": "M3", "called": "M4", "n": "1"} in confusion
    assert sum(int(row["n"]) for row in read(tmp_path / "calibration.csv")) == 16


def test_names_that_are_not_utf8_are_spelled_out_in_tables_and_page(painted, tmp_path):
    cells = [replace(c, source="lat" + chr(0xDCE9)) for c in painted({"M3": 2})]
    done = evaluate_classifier(Told(["M3", "M4"]), cells)
    write_evaluations([done], tmp_path)
    assert {r["source"] for r in read(tmp_path / "predictions.csv")} == {"lat\\udce9"}
    (page,) = tmp_path.glob("*.html")
    assert "lat\\udce9" in page.read_text(encoding="utf-8")


def test_the_predictions_give_each_probability_back(painted, tmp_path):
    cells = painted({"M3": 3})
    answers = [("M3", 1 - 1e-7), ("M3", 1 - 3e-7), ("M3", 0.9)]
    evaluated = evaluate_classifier(Told(answers), cells)
    write_evaluations([evaluated], tmp_path)
    rows = read(tmp_path / "predictions.csv")
    columns = [name for name in rows[0] if name.startswith("p_")]
    given = np.array([[row[name] for name in columns] for row in rows], np.float32)
    assert (given == evaluated.probabilities).all()
    assert 0 < given[0, 0] < given[1, 0] < 1e-7


def test_tables_and_page_take_their_places_together(
    evaluated, painted, tmp_path, monkeypatch
):
    write_evaluations([evaluated], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 5
    other = evaluate_classifier(Told(["M3"] * 2), painted({"M3": 2}, first=50))

    def full_disk(_):
        raise CannotWriteError("predictions", "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(by_group, "_prediction_rows", full_disk)
        with pytest.raises(CannotWriteError):
            write_evaluations([other], tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before

    replace_file, moved = Path.replace, []

    def killed(path, target):
        if target.parent == tmp_path and not target.name.startswith("."):
            moved.append(target.name)
        if len(moved) > 1:
            raise KeyboardInterrupt
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_evaluations([other], tmp_path)
    assert moved[0] == "figures.csv"
    assert not (tmp_path / "report.html").exists()


def test_the_page_stands_alone_and_escapes_what_it_is_given(evaluated, tmp_path):
    write_page([evaluated], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "tester &lt;1&gt;" in page
    assert "<1>" not in page
    assert "Research use only" in page
    assert "U4 (mitotic body)" in page
    assert re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)", page) == []
    assert "http" not in page
    assert page.count("<figure>") == 1
    assert "M3 called M4 0.90" in page
    assert page.count("<circle") == len(
        reliability(evaluated.probabilities, evaluated.words)
    )
    assert page.count("<table>") == page.count("</table>") > 5


def test_two_models_stand_side_by_side(evaluated, tmp_path):
    other = replace(evaluated, spec=replace(SPEC, name="another"))
    write_page([evaluated, other], tmp_path / "two.html")
    page = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert "<th>tester &lt;1&gt;</th><th>another</th>" in page


def test_two_models_are_compared_cell_by_cell(painted):
    cells = painted({"M3": 3, "M4": 3})
    old = Told(["M3", "M4", "M4", "M4", "M4", "M3"])
    new = Told(["M3", "M3", "M3", "M4", "M3", "M4"], replace(SPEC, name="new"))
    result = compare_models(old, new, cells)
    assert (result.old_name, result.new_name, result.n) == ("tester <1>", "new", 6)
    assert (result.n_only_old, result.n_only_new) == (1, 3)
    assert result.p == pytest.approx(mcnemar(1, 3)) == pytest.approx(0.625)
    assert result.classes[0].old_recall == pytest.approx(1 / 3)
    assert result.classes[0].new_recall == 1
    assert result.new_accuracy == pytest.approx(5 / 6)


def test_there_is_nothing_to_compare_without_cells():
    with pytest.raises(TrainingError, match="bears a class: name them"):
        compare_models(Told([]), Told([]), [])
