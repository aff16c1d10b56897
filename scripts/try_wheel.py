"""Install a wheel in a clean environment, far from the checkout, and use it there.

Usage: try_wheel.py FOLDER [--constraints FILE]

The base install, without extras: what it can do is done, and what needs an extra must
end in one line that names the extra.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

COMMAND = "napari-deepheme"

EXPORT = (COMMAND, "export", "out/cells.csv", "--to")

IMPORT = (
    "import sys, napari_deepheme as n; "
    "late = {'torch', 'napari', 'qtpy'} & set(sys.modules); "
    "assert not late, late; print(n.__version__)"
)

USES = (
    ("python", "-c", IMPORT),
    ("npe2", "validate", COMMAND),
    (COMMAND, "models", "list"),
    (COMMAND, "models", "info", "litenet-marrow"),
    (COMMAND, "phantom", "smear.svs", "--size", "2000,2000", "--seed", "3"),
    (COMMAND, "classify", "smear.svs", "--out", "out"),
    (COMMAND, "report", "smear.svs", "--cells", "out/cells.csv", "--out", "r.html"),
    (COMMAND, "report", "smear.svs", "--cells", "out/cells.csv", "--out", "r.pdf"),
    (*EXPORT, "geojson", "--out", "cells.geojson"),
)
"""What the base install does."""

LACKS = (
    ("batch", (COMMAND, "batch", "smear.svs", "--out", "many")),
    ("openvino", (COMMAND, "classify", "smear.svs", "--backend", "openvino")),
    ("exchange", (*EXPORT, "h5ad", "--out", "cells.h5ad")),
    ("exchange", (*EXPORT, "parquet", "--out", "cells.parquet")),
)
"""The extra that each of these needs."""

MADE = ("smear.csv", "out/cells.csv", "out/summary.json", "r.html", "r.pdf")


class Trial:
    """A clean environment and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self._bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        venv.create(folder / "venv", with_pip=True)
        homes = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        self._env = {
            **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            **{name: str(folder / "home") for name in homes},
        }

    def install(self, wheel: Path, constraints: str | None) -> None:
        """Install the wheel and what it needs."""
        words = ["-m", "pip", "install", "-q", str(wheel.resolve())]
        if constraints:
            words += ["-c", str(Path(constraints).resolve())]
        # With the user's own settings of pip, which may name a package index.
        subprocess.run([self._bin / "python", *words], check=True)

    def run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the folder."""
        return subprocess.run(
            [str(self._bin / words[0]), *words[1:]],
            cwd=self.work,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=600,
        )


def faults_of(trial: Trial) -> list[str]:
    """Use what is installed; return what went wrong, a line or more each."""
    faults = []
    for words in USES:
        done = trial.run(words)
        print(f"{'ok' if done.returncode == 0 else 'FAILED'}: {' '.join(words)[:70]}")
        if done.returncode != 0 or "Traceback" in done.stderr:
            faults.append(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
    faults += [f"no {name}" for name in MADE if not (trial.work / name).is_file()]
    for extra, words in LACKS:
        done = trial.run(words)
        lines = done.stderr.splitlines()
        is_told = len(lines) == 1 and f"[{extra}]" in lines[0]
        print(f"{'ok' if is_told else 'FAILED'}: {' '.join(words)} -> {lines[-1:]}")
        if done.returncode != 1 or not is_told:
            faults.append(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
    return faults


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--constraints")
    options = parser.parse_args()
    wheels = sorted(options.folder.glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"{options.folder} must hold one wheel")
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        trial.install(wheels[0], options.constraints)
        faults = faults_of(trial)
    if faults:
        sys.exit("\n".join(faults))
    print(f"{wheels[0].name} works where it is installed")


if __name__ == "__main__":
    main()
