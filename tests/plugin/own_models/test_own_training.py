"""Training on corrections: what is asked, said and shown."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    CannotWriteError,
    DeephemeError,
    ModelNotFoundError,
    NameTakenError,
)
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, list_models
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.training.cells.named import read_own_cells
from napari_deepheme.core.training.evaluation.compare import ClassComparison, Comparison
from napari_deepheme.core.training.own import classifier as own_classifier
from napari_deepheme.core.training.progress import FitProgress
from napari_deepheme.core.training.training_error import TrainingError
from napari_deepheme.plugin.own_models import own_training
from napari_deepheme.plugin.own_models.comparison_dialog import (
    ComparisonDialog,
    verdict,
)
from napari_deepheme.plugin.own_models.own_training import ReadCells, Trained
from napari_deepheme.plugin.own_models.training import Training
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.view import View
from napari_deepheme.plugin.words import progress_in_words

pytestmark = pytest.mark.usefixtures("torch_alone", "rendered_once")

COMPARISON = Comparison(
    old_name="namer 1",
    new_name="my-cells-1 1",
    n=20,
    classes=(
        ClassComparison("M2", 12, 0.5, 0.75, 0.6, 0.8),
        ClassComparison("E1|E4", 8, 1.0, 0.5, 0.9, 0.6),
    ),
    old_accuracy=0.7,
    new_accuracy=0.65,
    old_macro_f1=0.75,
    new_macro_f1=0.7,
    n_only_old=4,
    n_only_new=3,
    p=1.0,
)


class Fit:
    """Stands in for a training: notes what it is asked, gives what it is told to."""

    def __init__(self):
        self.asked = None
        self.items = [
            "Cutting out …",
            FitProgress(0, 1, 5, 10, 0.3),
            Trained(SimpleNamespace(name="my-cells-1"), COMPARISON),
        ]
        self.while_computing = lambda item: None

    def __call__(self, read, name, *, start_from, device):
        self.asked = (read, name, start_from, device)
        for item in self.items:
            self.while_computing(item)
            if isinstance(item, Exception):
                raise item
            yield item


@pytest.fixture
def session():
    return Session(model="namer", models=("namer", "my-cells-2"), device="cpu")


@pytest.fixture
def fit():
    return Fit()


@pytest.fixture
def training(session, fit, inline_start):
    refreshed = []
    made = Training(
        session,
        read_cells=lambda: None,
        iter_training=fit,
        n_kept=lambda slide, cells: 7,
        refresh_models=lambda: refreshed.append(True),
        start=inline_start,
    )
    made.refreshed = refreshed
    return made


def test_a_name_is_suggested_that_no_model_bears(training, session):
    assert training.suggested_name() == "my-cells-1"
    session.models = ("my-cells-1", "my-cells-2")
    assert training.suggested_name() == "my-cells-3"


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", "é", ".hidden", "x" * 61, "con", "a."]
)
def test_what_is_no_name_is_refused_in_plain_words(training, session, fit, name):
    training.begin(name)
    assert fit.asked is None
    assert "my-cells-1" in session.message
    assert session.message_kind == "error"


@pytest.mark.parametrize("name", ["my-cells-2", "My-Cells-2", "came-meanwhile"])
def test_a_name_that_is_taken_is_refused(training, session, fit, name):
    def look_anew():
        session.models = (*session.models, "came-meanwhile")

    training._refresh_models = look_anew
    training.begin(name)
    assert fit.asked is None
    assert "already" in session.message


def test_a_model_that_is_there_is_not_trained_over(own_models):
    path = own_models / "models" / "mine.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    steps = own_training.iter_training(None, "mine", start_from="x", device="cpu")
    with pytest.raises(CannotWriteError, match="already"):
        next(steps)
    assert path.read_text() == "{}"


def test_while_it_goes_on_the_session_says_how_far(training, session, fit):
    seen = []
    fit.while_computing = lambda item: seen.append(
        (session.running, session.training, session.step, session.n_done)
    )
    training.begin("my-cells-1")
    assert fit.asked == (None, "my-cells-1", "namer", "cpu")
    assert seen[0] == (True, True, "", 0)
    assert seen[1] == (True, True, "Cutting out …", 0)
    assert seen[2] == (True, True, "Step 5 of 10", 500)
    assert not session.running
    assert not session.training


def test_the_time_left_is_told_by_steps_of_this_training_alone(
    training, session, fit, monkeypatch
):
    clock, told = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(
        "napari_deepheme.core.engine.pace.time.monotonic", lambda: clock.now
    )
    # Gone on with at step 30; what comes before the steps took ten minutes.
    fit.items = [
        "Reading …",
        *(FitProgress(0, 1, step, 90, 0.1) for step in (30, 31, 32, 33)),
        "Comparing …",
    ]
    seconds = iter([600, 5, 20, 4, 4, 9])
    fit.while_computing = lambda item: setattr(clock, "now", clock.now + next(seconds))
    on_item = training._on_item

    def noted(item):
        on_item(item)
        told.append((session.seconds_left, "left" in progress_in_words(session)))

    training._on_item = noted
    training.begin("my-cells-1")
    assert told == [
        (0, False),
        (0, False),
        (59 * 20, True),
        (58 * 4, True),
        (57 * 4, True),
        (0, False),
    ]


def test_a_new_model_is_told_listed_and_compared(training, session):
    training.begin("my-cells-1")
    assert len(training.refreshed) == 2
    assert session.trained == "my-cells-1"
    assert session.comparison == COMPARISON
    assert "namer 1 names 70 % right, my-cells-1 1 65 %" in session.message
    assert session.model == "namer"


def test_too_few_cells_are_told_and_nothing_is_listed(training, session, fit):
    fit.items = [TrainingError("Training needs more.")]
    training.begin("my-cells-1")
    assert session.message == "Training needs more."
    assert session.message_kind == "error"
    assert not session.running
    assert session.models == ("namer", "my-cells-2")


def test_a_name_that_is_taken_meanwhile_is_told_without_an_option(
    training, session, fit
):
    fit.items = [NameTakenError("my-cells-1", "it is taken", "give --overwrite")]
    training.begin("my-cells-1")
    assert session.message == (
        "cannot write my-cells-1: it is taken (choose another name)"
    )


def test_a_bug_is_told_and_keeps_its_traceback(training, session, fit):
    fit.items = [RuntimeError("out of luck")]
    with pytest.raises(RuntimeError, match="out of luck"):
        training.begin("my-cells-1")
    assert "out of luck" in session.message
    assert not session.running


@pytest.mark.parametrize(
    "error", [ModelNotFoundError("namer", (), "classifier"), RuntimeError("bad luck")]
)
def test_a_model_that_could_not_be_compared_is_told_and_listed(
    training, session, fit, error
):
    def registered():
        if fit.asked:
            session.models = (*session.models, "my-cells-1")

    training._refresh_models = registered
    fit.items = ["Comparing …", error]
    if isinstance(error, DeephemeError):
        training.begin("my-cells-1")
    else:
        with pytest.raises(RuntimeError, match="bad luck"):
            training.begin("my-cells-1")
    assert "my-cells-1" in session.models
    assert session.message.startswith("Trained my-cells-1. It was not compared: ")
    assert session.message.endswith(str(error)) or "bad luck" in session.message
    assert session.message_kind == "error"


def test_cancel_stops_it_and_says_how_to_go_on(training, session, fit, inline_start):
    def cancel(item):
        training._task = inline_start.task
        training.cancel()

    fit.while_computing = cancel
    training.begin("my-cells-1")
    assert "stopped" in session.message
    assert session.comparison is None
    assert not session.running


def test_a_model_that_was_kept_before_the_stop_is_told(
    training, session, fit, inline_start
):
    def cancel(item):
        session.models = (*session.models, "my-cells-1")
        training._task = inline_start.task
        training.cancel()

    fit.while_computing = cancel
    training.begin("my-cells-1")
    assert session.message == "Trained my-cells-1. It was not compared."


def test_there_is_one_run_or_training_at_a_time(training, session, fit):
    session.running = True
    training.begin("my-cells-1")
    assert fit.asked is None
    assert session.message.startswith("Not begun, since a run goes on")
    assert session.message_kind == "error"


def test_a_training_leaves_what_was_found_as_it_stood(training, session):
    session.n_cells, session.counts, session.can_export = 275, {"M2": 244}, True
    session.stopped = "stopped at tile 2 of 9"
    before = progress_in_words(session)
    training.begin("my-cells-1")
    assert progress_in_words(session) == before
    assert before.endswith("stopped at tile 2 of 9")


def test_cells_kept_from_before_are_counted(training, session):
    assert session.n_kept == 7


def read_cells(*words, shift=0, is_read=True):
    n = len(words)
    boxes = [(60 * i + shift, 40, 30, 30) for i in range(n)]
    table = CellTable.from_arrays(boxes, [0.9] * n, [13] * n, [0.5] * n)
    size = (200, 60 * n + 100, 3)
    pixels = np.random.default_rng(0).integers(150, 250, size, dtype=np.uint8)
    slide = ArraySlide(pixels, mpp=Mpp(0.25, 0.25), name="slide")
    further = {"reader_class": np.array(words)}
    cells = replace(table, further=further)
    return ReadCells(slide, cells, Mpp(0.25, 0.25), is_read)


def named(name):
    return ArraySlide(np.zeros((9, 9, 3), np.uint8), mpp=Mpp(0.25, 0.25), name=name)


def kept_words():
    """Return the words of the named cells that are kept, in order of the table."""
    cells = read_own_cells(own_training.corrections_folder())
    return [cell.targets[0] for cell in cells if cell.targets]


def test_corrected_cells_of_several_slides_come_together_in_one_folder(own_models):
    read = read_cells("M3", "", "L4")
    own_training.keep_corrections(read)
    assert (own_models / "corrections" / "manifest.csv").is_file()
    # Those of this slide and place are in sight; those of others are kept.
    assert own_training.n_kept(read.slide, read.cells) == 0
    assert own_training.n_kept(named("other"), read.cells) == 2
    assert own_training.n_kept(None, CellTable.empty()) == 2


def test_nothing_is_kept_where_nothing_was_corrected(own_models):
    own_training.keep_corrections(read_cells("", ""))
    assert not own_models.exists()
    assert own_training.n_kept(None, CellTable.empty()) == 0


def test_corrections_that_were_all_taken_back_are_not_learned_from(own_models):
    own_training.keep_corrections(read_cells("M3", "L4"))
    own_training.keep_corrections(read_cells("", ""))
    assert kept_words() == []
    assert list((own_models / "corrections").glob("*.png")) == []


def test_a_cell_that_was_taken_away_is_not_learned_from(own_models):
    own_training.keep_corrections(read_cells("M3", "L4"))
    own_training.keep_corrections(read_cells("deleted", "L4"))
    assert kept_words() == ["L4"]
    own_training.keep_corrections(read_cells("deleted", "deleted"))
    assert kept_words() == []


def test_a_run_of_which_nothing_was_said_takes_nothing_back(own_models):
    own_training.keep_corrections(read_cells("M3", "L4"))
    own_training.keep_corrections(read_cells("", "", is_read=False))
    assert kept_words() == ["M3", "L4"]


def test_a_cell_whose_box_moved_is_learned_from_and_counted_once(own_models):
    own_training.keep_corrections(read_cells("M1", "L4", "L4"))
    moved = read_cells("M3", "", "L4", shift=2)
    assert own_training.n_kept(moved.slide, moved.cells) == 1
    own_training.keep_corrections(moved)
    # Of the second nothing was said anew: what was said of it stays.
    assert sorted(kept_words()) == ["L4", "L4", "M3"]
    assert own_training.n_kept(None, CellTable.empty()) == 3


@pytest.mark.parametrize(
    ("words", "have"),
    [
        ((), "none"),
        (("M3",) * 12, "12 M3"),
        (("M3",) * 4 + ("L4",) * 2 + ("not-a-cell",) * 9, "4 M3, 2 L4"),
    ],
)
def test_training_on_too_few_cells_says_what_is_missing(words, have):
    read = read_cells(*words) if words else None
    steps = own_training.iter_training(read, "mine", start_from="x", device="cpu")
    with pytest.raises(TrainingError) as told:
        list(steps)
    assert "at least 10 corrected cells, of at least 2 classes" in str(told.value)
    assert f"So far there are {have}." in str(told.value)


@pytest.mark.slow
def test_corrected_cells_end_as_a_registered_model_beside_the_old_one(
    own_models, monkeypatch
):
    quick = partial(own_classifier.OwnFit, n_steps=2, batch_size=4)
    monkeypatch.setattr(own_classifier, "OwnFit", quick)
    read = read_cells(*("M3", "L4") * 6)
    steps = own_training.iter_training(
        read, "mine", start_from=DEFAULT_CLASSIFIER, device="cpu"
    )
    *others, last = list(steps)
    assert [item for item in others if isinstance(item, str)] == [
        "Cutting out the corrected cells …",
        "Loading the model …",
        "Rendering cells of the classes that yours lack …",
        "Reading 12 cells …",
        "Judging the held-out cells before the first step …",
        "Comparing the old model with the new …",
    ]
    assert any(isinstance(item, FitProgress) for item in others)
    assert last.card.path == own_models / "models" / "mine.json"
    assert "mine" in [card.name for card in list_models()]
    assert (last.comparison.n, last.comparison.new_name) == (2, "mine 1")
    told = f"named right {last.comparison.new_accuracy:.3f}"
    assert told in last.card.texts["Figures"][0]
    assert not (own_models / "training" / "mine").exists()


def test_the_dialog_sets_old_beside_new_and_asks_which_to_use(qtbot):
    dialog = ComparisonDialog(COMPARISON, "my-cells-1")
    qtbot.addWidget(dialog)
    texts = [
        [dialog.table.item(row, column).text() for column in range(6)]
        for row in range(dialog.table.rowCount())
    ]
    assert texts == [
        ["M2 promyelocyte", "12", "0.50", "0.75", "0.60", "0.80"],
        ["E1 or E4", "8", "1.00", "0.50", "0.90", "0.60"],
        ["all; mean F1", "20", "0.70", "0.65", "0.75", "0.70"],
    ]
    bold = [dialog.table.item(1, c).font().bold() for c in range(2, 6)]
    assert bold == [True, False, True, False]
    assert dialog.keep_button.isDefault()
    with qtbot.waitSignal(dialog.use_requested) as used:
        dialog.use_button.click()
    assert used.args == ["my-cells-1"]


def test_each_training_has_a_dialog_that_uses_its_own_model(qtbot, session):
    view = View(session, lambda: "my-cells-3")
    qtbot.addWidget(view)
    for number in (1, 2):
        session.comparison = None
        session.trained = f"my-cells-{number}"
        session.comparison = replace(COMPARISON, new_name=f"my-cells-{number} 1")
    dialogs = view.findChildren(ComparisonDialog)
    assert len(dialogs) == 2
    for number, dialog in enumerate(dialogs, 1):
        with qtbot.waitSignal(view.model_used) as used:
            dialog.use_button.click()
        assert used.args == [f"my-cells-{number}"]
    session.message = "No dialog comes again."
    assert all(dialog.isHidden() for dialog in view.findChildren(ComparisonDialog))


def test_cells_that_the_old_model_learned_from_are_told_in_the_dialog(qtbot):
    texts = []
    for n_known in (0, 3, None):
        dialog = ComparisonDialog(replace(COMPARISON, n_known=n_known), "new")
        qtbot.addWidget(dialog)
        labels = dialog.findChildren(QLabel)
        texts.append(" ".join(found.text() for found in labels))
    assert "learned from 3 of these" not in texts[0]
    assert "learned from 3 of these: both may look better" in texts[1]
    assert "Which cells the old one learned from is not known" in texts[2]


def test_a_difference_that_may_be_chance_is_called_so():
    assert "may be chance (p = 1.00)" in verdict(COMPARISON)
    assert "chance" not in verdict(replace(COMPARISON, p=0.001))
