"""Stop a release whose tag, version, changelog and citation do not agree.

Usage: check_release.py TAG. It prints one line and needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import date
from pathlib import Path

TOP = Path(__file__).parents[1]


class NotReadyError(Exception):
    """A release cannot be made, and why."""


def check_release(tag: str, top: Path = TOP) -> str:
    """Return the version that a tag releases.

    Raises
    ------
    NotReadyError
        If anything disagrees.
    """
    project = tomllib.loads((top / "pyproject.toml").read_text("utf-8"))["project"]
    version = str(project["version"])
    if tag != f"v{version}":
        raise NotReadyError(
            f"the tag {tag} is not v{version}, the version of pyproject.toml"
        )
    day = released_on(version, (top / "CHANGELOG.md").read_text("utf-8"))
    check_citation(version, day, (top / "CITATION.cff").read_text("utf-8"))
    return version


def released_on(version: str, changelog: str) -> str:
    """Return the day of a version's entry, which says something.

    Raises
    ------
    NotReadyError
        If there is no such entry, or it has no day or no content.
    """
    heads = list(re.finditer(r"^## \[([^\]]+)\](.*)$", changelog, re.MULTILINE))
    for i, head in enumerate(heads):
        if head[1] != version:
            continue
        day = head[2].removeprefix(" - ").strip()
        if not _is_day(day):
            raise NotReadyError(
                f"the entry {version} of CHANGELOG.md has no day: "
                f"write ## [{version}] - YYYY-MM-DD"
            )
        end = heads[i + 1].start() if i + 1 < len(heads) else len(changelog)
        if not re.search(r"^- \S", changelog[head.end() : end], re.MULTILINE):
            raise NotReadyError(f"the entry {version} of CHANGELOG.md is empty")
        return day
    raise NotReadyError(f"CHANGELOG.md has no entry ## [{version}] - YYYY-MM-DD")


def check_citation(version: str, day: str, citation: str) -> None:
    """Refuse a citation of another version or day.

    Raises
    ------
    NotReadyError
        If it is one.
    """
    for key, wanted in (("version", version), ("date-released", day)):
        found = re.search(rf"^{key}: *(.*?) *$", citation, re.MULTILINE)
        said = found[1].strip("\"'") if found else "missing"
        if said != wanted:
            raise NotReadyError(f"{key} of CITATION.cff is {said}, not {wanted}")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def main() -> None:
    """Run it."""
    if len(sys.argv) != 2:
        sys.exit("usage: check_release.py TAG")
    try:
        version = check_release(sys.argv[1])
    except NotReadyError as error:
        sys.exit(f"not released: {error}")
    print(f"{version} can be released")


if __name__ == "__main__":
    main()
