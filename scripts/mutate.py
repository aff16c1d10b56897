"""Changes a module in one place after the other and asks its tests: mutation testing.

usage: python scripts/mutate.py [MODULE ...] [--minutes N] [--list]

A change that no test notices is printed with its line. Each change lives in a forked
process only: no file is touched.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import doctest
import importlib
import importlib.util
import io
import os
import signal
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "napari_deepheme" / "core"
TESTS = {
    "engine/tiling": ("engine/test_tiling.py",),
    "engine/merge": ("engine/test_merge.py",),
    "overlap": ("test_overlap.py", "engine/test_merge.py"),
    "counts/counting": ("counts/test_counting.py",),
    "counts/intervals": ("counts/test_intervals.py", "counts/test_report.py"),
    "counts/report": ("counts/test_report.py",),
    "counts/mitoses": ("counts/test_mitoses.py", "counts/test_report.py"),
    "review/corrections": (
        "review/test_corrections.py",
        "review/test_mitosis_words.py",
        "counts/test_mitoses.py",
    ),
}
TIMEOUT_SECONDS = 60

_COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "ceil": "floor"}


def changes(node: ast.AST) -> list[tuple[str, object]]:
    """Return what can be changed in a node: a word for it, and a function."""
    found: list[tuple[str, object]] = []

    def setting(name: str, value: object) -> object:
        return lambda n: setattr(n, name, value)

    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            other = _COMPARED[type(op)]

            def swap(n: ast.Compare, i: int = i, other: type = other) -> None:
                n.ops[i] = other()

            found.append((f"{type(op).__name__} -> {other.__name__}", swap))
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _COMPUTED:
        other = _COMPUTED[type(node.op)]
        word = f"{type(node.op).__name__} -> {other.__name__}"
        found.append((word, setting("op", other())))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        found.append((f"-> {other.__name__}", setting("op", other())))
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        word = f"without {type(node.op).__name__}"
        # Twice minus, twice not: the value as it was without one.
        found.append((word, lambda n: setattr(n, "operand", _again(n))))
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        value = node.value
        other = (not value) if isinstance(value, bool) else value + 1
        found.append((f"{value} -> {other}", setting("value", other)))
    elif isinstance(node, ast.Call):
        name = node.func
        words = getattr(name, "id", getattr(name, "attr", ""))
        if words in _CALLED:
            attribute = "id" if isinstance(name, ast.Name) else "attr"
            found.append(
                (
                    f"{words} -> {_CALLED[words]}",
                    lambda n: setattr(n.func, attribute, _CALLED[words]),
                )
            )
    return found


def _again(node: ast.UnaryOp) -> ast.UnaryOp:
    return ast.UnaryOp(node.op, node.operand)


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes that run: no annotations, no text of errors, no imports."""
    found: list[ast.AST] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom):
            return
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dataclass":
            return
        found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    walk(child)

    walk(tree)
    return found


def mutants(source: str) -> list[tuple[int, str, ast.Module]]:
    """Return each changed module with the line and a word for the change."""
    tree = ast.parse(source)
    made = []
    for at, node in enumerate(nodes_of(tree)):
        for which in range(len(changes(node))):
            changed = copy.deepcopy(tree)
            twin = nodes_of(changed)[at]
            word, change = changes(twin)[which]
            change(twin)  # type: ignore[operator]
            made.append((node.lineno, word, ast.fix_missing_locations(changed)))  # type: ignore[attr-defined]
    return made


class _Instead(MetaPathFinder, Loader):
    """Gives a changed module in place of the one on disk."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: object) -> None:
        exec(compile(self._tree, str(self._path), "exec"), vars(module))


def survives(module: str, tree: ast.Module) -> bool:
    """Run the module's tests in a fork; tell whether they all pass."""
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(TIMEOUT_SECONDS)
        status = 1
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            status = _tested(module, tree)
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status == 0


def _tested(module: str, tree: ast.Module) -> int:
    import pytest

    name = f"napari_deepheme.core.{module.replace('/', '.')}"
    sys.meta_path.insert(0, _Instead(name, CORE / f"{module}.py", tree))
    with contextlib.redirect_stdout(io.StringIO()):
        if doctest.testmod(importlib.import_module(name)).failed:
            return 1
    tests = [str(ROOT / "tests" / "core" / test) for test in TESTS[module]]
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))


def main() -> int:
    """Try every change of the modules; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=list(TESTS))
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    # What does not change is imported once, before the forks.
    for name in ("numpy", "scipy.ndimage", "pandas", "hypothesis", "tifffile"):
        importlib.import_module(name)
    from hypothesis import settings

    settings.register_profile("mutate", database=None, deadline=None)
    settings.load_profile("mutate")
    end, n_alive = time.monotonic() + 60 * options.minutes, 0
    for module in options.modules:
        source = (CORE / f"{module}.py").read_text("utf-8")
        alive, made = [], mutants(source)
        if not survives(module, ast.parse(source)):
            print(f"{module}: the tests fail as it is", flush=True)
            return 1
        for n, (line, word, tree) in enumerate(made):
            if time.monotonic() > end:
                print(f"{module}: out of time after {n} of {len(made)}", flush=True)
                break
            if survives(module, tree):
                alive.append((line, word))
                text = source.splitlines()[line - 1].strip()
                print(f"{module}.py:{line}: {word}: {text}", flush=True)
        print(f"{module}: {len(made)} changes, {len(alive)} survive", flush=True)
        n_alive += len(alive)
    return 1 if n_alive else 0


if __name__ == "__main__":
    sys.exit(main())
