"""Check that the wheel and the sdist in a folder are complete and hold no junk.

Usage: check_dist.py FOLDER
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path

PACKAGE = "napari_deepheme"

IN_WHEEL = (
    f"{PACKAGE}/__init__.py",
    f"{PACKAGE}/napari.yaml",
    f"{PACKAGE}/py.typed",
    f"{PACKAGE}/core/models/bundled/litenet-marrow.json",
    f"{PACKAGE}/core/models/bundled/litenet-marrow.safetensors",
    f"{PACKAGE}/core/models/bundled/peaknet-marrow.json",
    f"{PACKAGE}/core/models/bundled/peaknet-marrow.safetensors",
    f"{PACKAGE}/core/models/bundled/measuring-cells.jpg",
    "*.dist-info/entry_points.txt",
    "*.dist-info/licenses/LICENSE",
    "*.dist-info/licenses/LICENSE-WEIGHTS",
)
"""What the wheel must have, as patterns."""

IN_SDIST = (
    *(f"src/{name}" for name in IN_WHEEL if name.startswith(PACKAGE)),
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "LICENSE-WEIGHTS",
    "Makefile",
    "mkdocs.yml",
    "napari.yaml",
    "docs/index.md",
    "docs/images/*.jpg",
    "examples/demo.py",
    "scripts/setup.sh",
    "tests/conftest.py",
    "tests/core/*",
    "tests/plugin/*",
)
"""What the sdist must have."""

JUNK = (
    ".*",
    "*/.*",
    "*.pyc",
    "*__pycache__*",
    "demo-output/*",
    "site/*",
    "build/*",
    "dist/*",
    "runs/*",
)
"""What neither must have; of dotted files the sdist alone may have `KEPT`."""

KEPT = frozenset({".gitignore", ".pre-commit-config.yaml"})

MOST_BYTES = {"wheel": 12_000_000, "sdist": 15_000_000}


def faults_of(wheel: Path, sdist: Path) -> list[str]:
    """Return what is wrong with them, a line each."""
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        files = [m.name for m in archive.getmembers() if not m.isdir()]
    in_sdist = [name.partition("/")[2] for name in files]
    faults = [f"wheel lacks {p}" for p in IN_WHEEL if not _has(in_wheel, p)]
    faults += [f"sdist lacks {p}" for p in IN_SDIST if not _has(in_sdist, p)]
    foreign = (f"{PACKAGE}/*", f"{PACKAGE}-*.dist-info/*")
    faults += [
        f"wheel holds {name}"
        for name in in_wheel
        if not any(fnmatch(name, p) for p in foreign) or _is_junk(name)
    ]
    faults += [
        f"sdist holds {name}"
        for name in in_sdist
        if name not in KEPT and _is_junk(name)
    ]
    for kind, path in (("wheel", wheel), ("sdist", sdist)):
        if path.stat().st_size > MOST_BYTES[kind]:
            faults.append(f"{kind} is larger than {MOST_BYTES[kind] / 1e6:.0f} MB")
    return faults


def _has(names: list[str], pattern: str) -> bool:
    return any(fnmatch(name, pattern) for name in names)


def _is_junk(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in JUNK)


def main() -> None:
    """Run it."""
    if len(sys.argv) != 2:
        sys.exit("usage: check_dist.py FOLDER")
    folder = Path(sys.argv[1])
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if (len(wheels), len(sdists)) != (1, 1):
        sys.exit(f"{folder} must hold one wheel and one sdist")
    faults = faults_of(wheels[0], sdists[0])
    if faults:
        sys.exit("\n".join(faults))
    for path in (*wheels, *sdists):
        print(f"{path.name}: complete, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
