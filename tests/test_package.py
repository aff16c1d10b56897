"""What `import napari_deepheme` gives, and where its tests can run."""

import ast
import re
import runpy
import tomllib
from pathlib import Path

import pytest

import napari_deepheme

TOP = Path(__file__).parents[1]


def test_every_public_name_is_there_and_listed():
    for name in napari_deepheme.__all__:
        assert getattr(napari_deepheme, name) is not None
    assert set(napari_deepheme.__all__) <= set(dir(napari_deepheme))


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = napari_deepheme.nothing


def test_mutation_testing_names_modules_and_tests_that_are_there():
    mutate = runpy.run_path(str(TOP / "scripts" / "mutate.py"))
    for module, tests in mutate["TESTS"].items():
        assert (mutate["CORE"] / f"{module}.py").is_file()
        for test in tests:
            assert (TOP / "tests" / "core" / test).is_file()


def test_what_windows_lacks_is_used_in_tests_that_it_leaves_out():
    lacks = {"SIGKILL", "mkfifo", "geteuid", "fork", "killpg"}
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "pytestmark = pytest.mark.not_on_windows" in text:
            continue
        for node in ast.parse(text).body:
            used = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            of_posix = used & (lacks | {"symlink", "symlink_to"})
            marks = getattr(node, "decorator_list", [])
            where = f"{path.name}:{node.lineno} {of_posix}"
            assert not of_posix or "not_on_windows" in map(last_name, marks), where
            # Marks are read where the tests are only collected, too.
            nodes = (n for mark in marks for n in ast.walk(mark))
            in_marks = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
            assert not in_marks & lacks, where


def test_each_module_of_the_plugin_without_qt_is_kept_so_by_a_contract():
    settings = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    kept = {
        module
        for c in contracts
        if "superqt" in c.get("forbidden_modules", ())
        for module in c["source_modules"]
    }
    source = TOP / "src"
    for path in sorted((source / "napari_deepheme" / "plugin").rglob("*.py")):
        text = path.read_text("utf-8")
        uses_qt = re.search(r"^\s*(from|import) (qtpy|superqt)\b", text, re.MULTILINE)
        name = ".".join(path.relative_to(source).with_suffix("").parts)
        assert uses_qt or path.stem == "__init__" or name in kept, name


def last_name(mark):
    return mark.attr if isinstance(mark, ast.Attribute) else ""
