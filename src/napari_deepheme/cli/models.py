"""``napari-deepheme models``: which there are, and what is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.cli.output import say
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
    find_model,
    list_models,
)

if TYPE_CHECKING:
    import argparse

    from napari_deepheme.cli.arguments import Commands


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "models",
        help="list models, show a model's card",
        epilog="example: napari-deepheme models info cropnet-marrow",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="one model a line", epilog="example: napari-deepheme models list"
    )
    listing.set_defaults(run=_list)
    info = actions.add_parser(
        "info",
        help="the card of a model",
        epilog="example: napari-deepheme models info cropnet-marrow",
    )
    info.add_argument("model", metavar="NAME")
    info.set_defaults(run=_info)


def _list(_: argparse.Namespace) -> int:
    for card in list_models():
        default = card.name in (DEFAULT_CLASSIFIER, DEFAULT_DETECTOR)
        mark = " (default)" if default else ""
        say(f"{card.name} {card.version} {card.kind}{mark}: {card.description}")
    return 0


def _info(options: argparse.Namespace) -> int:
    say(find_model(options.model).describe())
    return 0
