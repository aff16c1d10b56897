"""``napari-deepheme evaluate``: the figures of models, from named cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, mpp, some_name, some_path
from napari_deepheme.cli.output import complain, say
from napari_deepheme.cli.train import need_training_packages
from napari_deepheme.core.files import make_folder
from napari_deepheme.core.models.compute import DEVICES
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    find_of_kind,
    load_classifier,
    load_models,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from napari_deepheme.cli.parser import CommandParser
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.evaluation.by_group import Evaluation
    from napari_deepheme.core.training.evaluation.figure import Figure


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure models on named cells that they did not learn from",
        description="Judge classifiers on pictures of single cells: AUC, F1, precision "
        "and recall by class, confusion, calibration, by source and patient. Writes "
        "figures.csv, confusion.csv, calibration.csv, predictions.csv and report.html.",
        epilog="example: napari-deepheme evaluate --cells cells --mpp 0.25 --out out",
    )
    parser.add_argument(
        "--model",
        type=some_name,
        action="append",
        metavar="NAME-OR-PATH",
        help="classifier: a name of `models list`, or a file (default: bundled); give "
        "it again to set models side by side",
    )
    parser.add_argument(
        "--cells",
        type=some_path,
        metavar="CSV-OR-FOLDER",
        help="a table with the columns file and classes, or a folder by class",
    )
    parser.add_argument(
        "--mpp", type=mpp, help="micrometres per pixel of pictures that state none"
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="judge the cells of this split alone",
    )
    parser.add_argument("--out", type=some_path, required=True, metavar="DIR")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    _add_bundled(parser)
    _refuse_unfit(parser)
    parser.set_defaults(run=_run)


def _add_bundled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=("own", "bundled"),
        default="own",
        help="bundled: the figures of the bundled models' cards, on rendered smears "
        "and, where they are given, on --data and --slides",
    )
    parser.add_argument(
        "--data",
        type=some_path,
        metavar="DIR",
        help="bundled: holds cells/manifest.csv (rows of split val), fields/ and "
        "smears/",
    )
    parser.add_argument(
        "--slides",
        type=some_path,
        metavar="DIR",
        help="bundled: holds bma-cells.svs, a grid of cells, and bma-cells.csv",
    )


def _refuse_unfit(parser: CommandParser) -> None:
    parser.only_with(
        "with --recipe bundled (give named cells by --cells)",
        lambda o: o.recipe == "bundled",
        *("--data", "--slides"),
    )
    parser.only_with(
        "without --recipe bundled",
        lambda o: o.recipe == "own",
        *("--cells", "--mpp", "--split"),
    )
    parser.refuse(
        "--recipe bundled is of one --model: give it once",
        lambda o: o.recipe == "bundled" and len(o.model or ()) > 1,
    )


def _run(options: argparse.Namespace) -> int:
    if options.recipe == "bundled":
        return _run_bundled(options)
    from napari_deepheme.core.training.evaluation.by_group import evaluate_classifier
    from napari_deepheme.core.training.evaluation.notices import notices
    from napari_deepheme.core.training.evaluation.report_page import (
        PAGE,
        write_evaluations,
    )

    cells = _cells(options)
    asked = list(dict.fromkeys(options.model or [DEFAULT_CLASSIFIER]))
    cards = [find_of_kind(model, "classifier") for model in asked]
    names = _told_apart([card.title for card in cards], asked)
    # That the tables can be written is known before the models are judged.
    make_folder(options.out)
    evaluations = []
    for model, card, name in zip(asked, cards, names, strict=True):
        classifier = load_classifier(model, device=options.device)
        found = evaluate_classifier(classifier, cells, card=card, others=cards)
        evaluations.append(replace(found, spec=replace(found.spec, name=name)))
        _say_macro(evaluations[-1])
    for words in dict.fromkeys(w for found in evaluations for w in notices(found)):
        complain(words)
    write_evaluations(evaluations, options.out)
    say(f"written to {options.out / PAGE} and tables beside it")
    return 0


def _cells(options: argparse.Namespace) -> list[LabelledCell]:
    from napari_deepheme.core.training.cells.named import read_own_cells
    from napari_deepheme.core.training.training_error import TrainingError

    if options.cells is None:
        raise TrainingError(
            "say which cells to judge: --cells CSV-OR-FOLDER (or --recipe bundled)"
        )
    cells = read_own_cells(options.cells, mpp=options.mpp, tell=complain)
    if options.split is None:
        return cells
    chosen = [cell for cell in cells if cell.split == options.split]
    if not chosen:
        raise TrainingError(
            f"no cell of {options.cells} is of split {options.split}: give --split the "
            "word of its column split, or leave it out to judge all"
        )
    return chosen


def _told_apart(names: list[str], asked: list[str]) -> list[str]:
    """Add what was asked for to a name and version that several models have."""
    return [
        name if names.count(name) == 1 else f"{name} ({model})"
        for name, model in zip(names, asked, strict=True)
    ]


def _say_macro(evaluation: Evaluation) -> None:
    from napari_deepheme.core.training.evaluation.notices import counted_classes

    report = evaluation.whole
    say(
        f"{evaluation.spec.name}: macro F1 {report.macro['F1']} of "
        f"{counted_classes(report)}, macro AUC {report.macro['AUC']}, named right "
        f"{report.accuracy}, n {report.n}"
    )


def _run_bundled(options: argparse.Namespace) -> int:
    need_training_packages()
    from napari_deepheme.core.training.evaluation.card_figures import write_figures

    make_folder(options.out)
    model = options.model[0] if options.model else None
    models = load_models(model, device=options.device)
    figures = []
    for figure in _figures(models, options.data, options.slides):
        figures.append(figure)
        interval = "" if figure.low != figure.low else _interval(figure)
        say(
            f"{figure.source}: {figure.what} {figure.value:.3f}{interval}, n {figure.n}"
        )
    write_figures(figures, options.out / "figures.csv")
    return 0


def _figures(
    models: Models, data: Path | None, slides: Path | None
) -> Iterator[Figure]:
    from napari_deepheme.core.training.evaluation import card_figures as figures

    if data is not None:
        yield from figures.real_figures(models, data)
    if slides is not None:
        yield from figures.grid_figures(models, slides / "bma-cells.svs")
    yield from figures.rendered_figures(models)


def _interval(figure: Figure) -> str:
    return f" ({figure.low:.3f} to {figure.high:.3f})"
