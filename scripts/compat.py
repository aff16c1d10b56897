"""Run the tests with other versions of what the plugin stands on.

Usage: compat.py [PROFILE...] [--constraints FILE] [--pytest WORDS]

Each profile has an environment of its own under .compat/, made anew by uv each time:

lowest    the lowest versions that pyproject.toml declares
newest    the newest of everything, also of what the constraints hold back
pyside6   PySide6 in the place of PyQt6
pyqt6     PyQt6

Of the constraints all but "lowest" take the build of torch, and the last two the rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[1]

PLACE = TOP / ".compat"

EXTRAS = "train,batch,exchange,onnx,openvino,embedding"

QT_EXTRAS = {"pyqt6": "all", "pyside6": "pyside"}
"""The extras that bring a binding of Qt."""

HEADLESS = ("tests/core", "tests/cli", "tests/test_batch.py")

SMOKE = (
    "tests/plugin/test_napari.py",
    "tests/plugin/test_menus.py",
    "tests/plugin/test_preferences.py",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is installed, and what is tested with it."""

    binding: str
    tests: tuple[str, ...]
    words: tuple[str, ...] = ()
    constrained: str = "all"
    """Which constraints hold: "all", "torch" or "none"."""


PROFILES = {
    "lowest": Profile(
        "pyqt6",
        (*HEADLESS, *SMOKE),
        ("--resolution", "lowest-direct"),
        constrained="none",
    ),
    "newest": Profile(
        "pyqt6", (*HEADLESS, *SMOKE), ("--upgrade",), constrained="torch"
    ),
    "pyside6": Profile("pyside6", ("tests/plugin",)),
    "pyqt6": Profile("pyqt6", ("tests/plugin",)),
}


def make(name: str, constraints: Path | None) -> Path:
    """Make the environment of a profile; return its Python."""
    profile, place = PROFILES[name], PLACE / name
    uv = [sys.executable, "-m", "uv"]
    place.parent.mkdir(exist_ok=True)
    subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, place])
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    held = [] if constraints is None else _held(constraints, profile.constrained)
    kept = place / "constraints.txt"
    kept.write_text("\n".join(held) + "\n", "utf-8")
    wanted = f".[{EXTRAS},{QT_EXTRAS[profile.binding]}]"
    install = ["pip", "install", "-q", "--python", python, *profile.words]
    words = [*install, "-c", kept, wanted, "--group", "test"]
    subprocess.run([*uv, *words], cwd=TOP, env=_environment(profile), check=True)
    return python


def run_tests(name: str, python: Path, words: list[str]) -> int:
    """Run the tests of a profile; return pytest's exit status."""
    profile = PROFILES[name]
    screen = ["sh", "scripts/with-screen.sh"] if os.name != "nt" else []
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *profile.tests]
    command = [*screen, python, *tests, *words]
    return subprocess.run(command, cwd=TOP, env=_environment(profile)).returncode


def _held(constraints: Path, which: str) -> list[str]:
    """Return the lines of the constraints that hold for a profile."""
    lines = constraints.read_text("utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    if which == "torch":
        return [line for line in lines if line.startswith("torch==")]
    return lines if which == "all" else []


def _environment(profile: Profile) -> dict[str, str]:
    left = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # uv does not read pip's variables.
    links = left.get("UV_FIND_LINKS") or left.get("PIP_FIND_LINKS", "")
    if links:
        left["UV_FIND_LINKS"] = links
    return {**left, "QT_API": profile.binding}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profiles", nargs="*", metavar="PROFILE")
    parser.add_argument("--constraints", default="")
    parser.add_argument("--pytest", default="", help="further words for pytest")
    options = parser.parse_args()
    names = options.profiles or list(PROFILES)
    unknown = sorted(set(names) - set(PROFILES))
    if unknown:
        parser.error(f"no such profile: {', '.join(unknown)}")
    constraints = Path(options.constraints) if options.constraints else None
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        python = make(name, constraints)
        if run_tests(name, python, options.pytest.split()):
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
