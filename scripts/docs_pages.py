"""Pages of the documentation that are made of the code, so that they cannot go stale.

A hook of mkdocs: the command line as argparse prints it, the names of
``napari_deepheme.__all__``, the changes, and the licence of the weights.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

import napari_deepheme
from napari_deepheme.cli import _parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

TOP = Path(__file__).parents[1]

COLUMNS = "88"
"""How wide argparse writes."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that lie in docs/."""
    os.environ["COLUMNS"] = COLUMNS
    pages = {
        "command-line.md": command_line(),
        "api.md": api(),
        "changelog.md": (TOP / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def command_line() -> str:
    """Return the help of every command."""
    parts = [
        "# Command line\n",
        "`napari-deepheme COMMAND --help` prints the same. Exit status: 0 done; 1 a "
        "failure that is told in one line on standard error; 2 wrong usage; 130 "
        "stopped by the user, what was found so far is kept.\n",
    ]
    for parser in _parsers(_parser()):
        parts.append(f"## {parser.prog.removeprefix('napari-deepheme ')}\n")
        parts.append(f"```text\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def api() -> str:
    """Return a page that documents each public name."""
    names = sorted(set(napari_deepheme.__all__) - {"__version__"}, key=str.lower)
    head = (
        "# Python API\n\nAll that `napari_deepheme` promises to keep. "
        "[In a notebook](python-api.md) shows how it goes together.\n"
    )
    return "\n".join([head, *(f"::: napari_deepheme.{name}\n" for name in names)])


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give the parsers of all commands, those below others behind these."""
    below = [
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    if not below:
        yield parser
    for commands in below:
        for command in commands.values():
            yield from _parsers(command)
