"""``napari-deepheme models``: which there are, what is known of one, and the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.cli import models_import
from napari_deepheme.cli.arguments import some_name
from napari_deepheme.cli.output import complain, say
from napari_deepheme.core.models.bringing.hub import download_model
from napari_deepheme.core.models.bringing.library import remove_model
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
    find_model,
    list_models,
    own_models,
    user_folder_fault,
)

if TYPE_CHECKING:
    import argparse

    from napari_deepheme.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "models",
        help="list models, show a model's card, bring models of one's own",
        epilog="example: napari-deepheme models info litenet-marrow",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="one model a line", epilog="example: napari-deepheme models list"
    )
    listing.set_defaults(run=_list)
    info = actions.add_parser(
        "info",
        help="the card of a model",
        epilog="example: napari-deepheme models info litenet-marrow",
    )
    info.add_argument("model", metavar="NAME", type=some_name)
    info.set_defaults(run=_info)
    models_import.add_parser(actions)
    _add_download(actions)
    removal = actions.add_parser(
        "remove",
        help="take out a model of one's own",
        epilog="example: napari-deepheme models remove five-folds",
    )
    removal.add_argument("model", metavar="NAME", type=some_name)
    removal.set_defaults(run=_remove)


def _add_download(actions: Commands) -> None:
    download = actions.add_parser(
        "download",
        help="fetch a model by its name from an index",
        description="Fetch a model; its hash must be the one that the index states. "
        "There is no public index yet.",
        epilog="example: napari-deepheme models download five-folds "
        "--index https://lab.example/models.json",
    )
    download.add_argument("model", metavar="NAME", type=some_name)
    download.add_argument(
        "--index",
        type=some_name,
        metavar="URL",
        help="https address or file of the index (default: NAPARI_DEEPHEME_INDEX)",
    )
    models_import.add_overwrite(download)
    download.set_defaults(run=_download)


def _list(_: argparse.Namespace) -> int:
    for card in list_models():
        default = card.name in (DEFAULT_CLASSIFIER, DEFAULT_DETECTOR)
        mark = " (default)" if default else ""
        say(f"{card.name} {card.version} {card.kind}{mark}: {card.description}")
    if fault := user_folder_fault():
        complain(fault)
    for error in own_models()[1].values():
        complain(f"left out: {error}")
    return 0


def _info(options: argparse.Namespace) -> int:
    for line in find_model(options.model).describe().split("\n"):
        say(line)
    return 0


def _download(options: argparse.Namespace) -> int:
    card = download_model(options.model, options.index, overwrite=options.overwrite)
    folder = card.path.parent if card.path else Path()
    say(f"downloaded {card.title} ({card.kind}) into {folder}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    card = remove_model(options.model)
    if card is None:
        say(f"removed {options.model}, whose card was damaged; its weights stay")
    else:
        say(f"removed {card.title}")
    return 0
