"""``napari-deepheme evaluate``: the figures of the model cards, from labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, add_model
from napari_deepheme.cli.output import say
from napari_deepheme.cli.train import need_training_packages
from napari_deepheme.core.files import make_folder
from napari_deepheme.core.models.registry import load_models

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.training.figures import Figure


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure the models on labelled cells that they did not learn from",
        description="Measure the models. Without --data: on rendered smears alone. "
        "Writes figures.csv.",
        epilog="example: napari-deepheme evaluate --out figures",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="holds cells/manifest.csv (rows of split val) and smears/",
    )
    parser.add_argument(
        "--fields",
        type=Path,
        metavar="SLIDE",
        help="slide with marked plasma cells in a CSV of the same stem",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_model(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need_training_packages()
    from napari_deepheme.core.training.figures import write_figures

    models = load_models(options.model, device=options.device)
    figures = []
    for figure in _figures(models, options.data, options.fields):
        figures.append(figure)
        interval = "" if figure.low != figure.low else _interval(figure)
        say(
            f"{figure.source}: {figure.what} {figure.value:.3f}{interval}, n {figure.n}"
        )
    write_figures(figures, make_folder(options.out) / "figures.csv")
    return 0


def _figures(
    models: Models, data: Path | None, fields: Path | None
) -> Iterator[Figure]:
    from napari_deepheme.core.training import figures

    if data is not None:
        cells = figures.validation_cells(data)
        yield from figures.crop_figures(models.classifier, cells)
        yield from figures.smear_figures(models, data / "smears")
    if fields is not None:
        yield from figures.field_figures(models, fields)
    yield from figures.phantom_figures(models, figures.HELD_OUT_SEEDS)


def _interval(figure: Figure) -> str:
    return f" ({figure.low:.3f} to {figure.high:.3f})"
