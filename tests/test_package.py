"""What `import napari_deepheme` gives."""

import runpy
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
