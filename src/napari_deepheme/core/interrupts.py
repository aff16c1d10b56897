"""Interrupts that come while a library is loaded."""

from __future__ import annotations


def raise_interrupt(error: BaseException) -> None:
    """Raise the interrupt that an error was raised from, if it was.

    A native module that is interrupted while it is loaded has an `ImportError`, as if
    it were not installed.

    Raises
    ------
    KeyboardInterrupt
        If one is what is behind the error.

    Examples
    --------
    >>> raise_interrupt(ImportError("No module named 'openvino'"))
    """
    behind: BaseException | None = error
    met: list[BaseException] = []
    while behind is not None and behind not in met:
        if isinstance(behind, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        met.append(behind)
        behind = behind.__cause__ or behind.__context__
