"""Looks that are remembered: one a slide, or one for all, in a small file.

Of a slide's name, which may be a patient's, only a hash is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.files import atomic_file, check_regular, make_folder
from napari_deepheme.core.slide.shown.look import Look, look_from_json, look_to_json
from napari_deepheme.core.user_folders import config_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_deepheme.core.geometry import Size

_log = logging.getLogger(__name__)

MAX_SLIDES: Final = 1000
"""The slides that were changed last are remembered."""


@dataclass(frozen=True, slots=True)
class KeptLooks:
    """What is remembered.

    Attributes
    ----------
    same_for_all : bool
        Whether all slides have one look.
    for_all : Look
        That look. It has no white point: each slide has its own.
    by_slide : mapping of str to Look
        The look of each slide that has one, by `look_key`, the last changed last.

    Examples
    --------
    >>> kept = KeptLooks().with_look("a", Look(gamma=0.8))
    >>> kept.look_of("a").gamma, kept.look_of("b").gamma
    (0.8, 1.0)
    """

    same_for_all: bool = False
    for_all: Look = field(default_factory=Look)
    by_slide: Mapping[str, Look] = field(default_factory=dict)

    def look_of(self, key: str) -> Look:
        """Return the look of a slide."""
        return self.for_all if self.same_for_all else self.by_slide.get(key, Look())

    def with_look(self, key: str, look: Look) -> KeptLooks:
        """Return what is remembered after a slide was given a look."""
        if self.same_for_all:
            return replace(self, for_all=replace(look, white_point=None))
        others = {k: v for k, v in self.by_slide.items() if k != key}
        if not look.is_neutral:
            others[key] = look
        return replace(self, by_slide=dict(list(others.items())[-MAX_SLIDES:]))

    def with_same_for_all(self, same: bool, look: Look) -> KeptLooks:
        """Return what is remembered once a look is for all slides, or no longer is."""
        if not same:
            return replace(self, same_for_all=False)
        return replace(self, same_for_all=True, for_all=replace(look, white_point=None))

    def onto(self, latest: KeptLooks, before: KeptLooks) -> KeptLooks:
        """Return what another window wrote last, with what was changed here since.

        Parameters
        ----------
        latest : KeptLooks
            What is written now.
        before : KeptLooks
            What was written when the changes here began.

        Examples
        --------
        >>> before, other = KeptLooks(), KeptLooks().with_look("a", Look(gamma=0.8))
        >>> both = before.with_look("b", Look(gamma=0.9)).onto(other, before)
        >>> both.look_of("a").gamma, both.look_of("b").gamma
        (0.8, 0.9)
        """
        slides = {**before.by_slide, **self.by_slide}
        mine = [
            key for key in slides if self.by_slide.get(key) != before.by_slide.get(key)
        ]
        by_slide = {k: v for k, v in latest.by_slide.items() if k not in mine}
        by_slide |= {k: self.by_slide[k] for k in mine if k in self.by_slide}
        is_mine = (self.same_for_all, self.for_all) != (
            before.same_for_all,
            before.for_all,
        )
        general = self if is_mine else latest
        return KeptLooks(
            general.same_for_all,
            general.for_all,
            dict(list(by_slide.items())[-MAX_SLIDES:]),
        )


def look_key(name: str, size: Size) -> str:
    """Return what the look of a slide is remembered by: a hash of its name and size."""
    text = f"{name} {size.width} {size.height}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def looks_path() -> Path:
    """Return the file in which looks are remembered; it need not exist."""
    return config_folder() / "looks.json"


def read_looks(path: Path) -> KeptLooks:
    """Read what is remembered; what cannot be read is forgotten, with a warning."""
    try:
        check_regular(path)
        return _parsed(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return KeptLooks()
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        _log.warning("the looks in %s are left out: %s", path, error)
        return KeptLooks()


def write_looks(looks: KeptLooks, path: Path) -> None:
    """Write what is to be remembered.

    Raises
    ------
    CannotWriteError
        If the file cannot be written.
    """
    values = {
        "same_for_all": looks.same_for_all,
        "for_all": look_to_json(looks.for_all),
        "by_slide": {key: look_to_json(one) for key, one in looks.by_slide.items()},
    }
    make_folder(path.parent)
    with atomic_file(path) as stream:
        stream.write(json.dumps(values, indent=1).encode())


def _parsed(values: Any) -> KeptLooks:
    by_slide = values.get("by_slide", {})
    return KeptLooks(
        same_for_all=values.get("same_for_all") is True,
        for_all=replace(look_from_json(values.get("for_all", {})), white_point=None),
        by_slide={str(key): look_from_json(one) for key, one in by_slide.items()},
    )
