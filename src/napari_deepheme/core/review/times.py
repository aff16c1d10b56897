"""When something was said: in UTC after ISO 8601, to the second."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_DATED: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def utc_now() -> str:
    """Return the time now."""
    return _words(datetime.now(UTC))


def utc_of(seconds: float) -> str:
    """Return the time so many seconds after 1970.

    Examples
    --------
    >>> utc_of(1772357400.7)
    '2026-03-01T09:30:00Z'
    """
    return _words(datetime.fromtimestamp(seconds, UTC))


def dated(at: str) -> str:
    """Return a time; empty where it is none, so that it cannot be told what was later.

    Examples
    --------
    >>> dated("2026-03-01T09:30:00Z"), dated("1 March")
    ('2026-03-01T09:30:00Z', '')
    """
    return at if _DATED.match(at) else ""


def _words(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
