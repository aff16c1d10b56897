"""The parser of a command: what cannot be meant is wrong usage, told with its usage."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from napari_deepheme.cli.output import without_controls

if TYPE_CHECKING:
    from collections.abc import Callable

    Fits = Callable[[argparse.Namespace], bool]


class CommandParser(argparse.ArgumentParser):
    """Refuses words that a command does not know, and options without an effect.

    An option that only some choices heed is declared by `only_with`, so that it is
    refused with all others; it would be passed over without a word.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checks: list[Callable[[argparse.Namespace], str]] = []

    def only_with(self, choice: str, fits: Fits, *options: str) -> None:
        """Refuse options, unless with their defaults, where a choice does not fit.

        Parameters
        ----------
        choice : str
            Where they have an effect, in words of the command line, such as "with
            --to crops".
        fits : callable
            Tells of what was given whether it is that.
        options : str
            Such as ``--patient``; declared before.
        """
        actions = [self._option_string_actions[option] for option in options]

        def check(given: argparse.Namespace) -> str:
            if fits(given):
                return ""
            without_effect = [
                option
                for option, action in zip(options, actions, strict=True)
                if getattr(given, action.dest) != action.default
            ]
            told = f"{', '.join(without_effect)}: only {choice}, or leave it out"
            return told if without_effect else ""

        self._checks.append(check)

    def refuse(self, words: str, is_so: Fits) -> None:
        """Refuse what is so, in these words."""
        self._checks.append(lambda given: words if is_so(given) else "")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is not known or has no effect ends the program."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        for told in (check(known) for check in self._checks):
            if told:
                self.error(told)
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """End the program with the usage and a message."""
        super().error(without_controls(message))
