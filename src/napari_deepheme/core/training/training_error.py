"""The failure that is foreseen in training."""

from __future__ import annotations

from typing import Final

from napari_deepheme.core.errors import DeephemeError

NOTHING_NAMED: Final = (
    "none of the cells bears a class: name them in the column classes, or by folders"
)


class TrainingError(DeephemeError, ValueError):
    """A model cannot be trained or judged with what was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        """Word the error."""
        return " ".join(self.reason.split())
