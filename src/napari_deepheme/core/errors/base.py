"""What all failures have in common: their facts, worded in one line."""

from __future__ import annotations


class DeephemeError(Exception):
    """Base of all failures that a user can do something about."""


class OfFile(Exception):
    """Facts of a failure with a file; what else is given is a kind's own."""

    def __init__(self, path: str, reason: str, *further: str) -> None:
        super().__init__(path, reason, *further)
        self.path = path
        self.reason = reason


class OfSlide(Exception):
    """Facts of a failure with a slide."""

    def __init__(self, slide: str, reason: str) -> None:
        super().__init__(slide, reason)
        self.slide = slide
        self.reason = reason


class OfModel(Exception):
    """Facts of a failure with a model."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())
