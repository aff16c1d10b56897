"""What stops a release, and what is looked for in a wheel and an sdist."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]

SCRIPT = TOP / "scripts" / "check_release.py"

DAY = "2026-12-01"


def load(name):
    spec = spec_from_file_location(name, TOP / "scripts" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path):
    """A project whose tag v0.2.0 may be released; the script lies in it."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changes\n\n## [Unreleased]\n\n## [0.2.0] - {DAY}\n\n### Added\n\n"
        "- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n"
    )
    (tmp_path / "CITATION.cff").write_text(
        f"cff-version: 1.2.0\nversion: 0.2.0\ndate-released: '{DAY}'\n"
    )
    return tmp_path


def release(project, tag="v0.2.0"):
    command = [sys.executable, project / "scripts" / "check_release.py", tag]
    return subprocess.run(command, capture_output=True, text=True)


def change(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_project_that_agrees_is_released(project):
    done = release(project)
    assert (done.returncode, done.stdout) == (0, "0.2.0 can be released\n")


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("pyproject.toml", "0.2.0", "0.3.0", "v0.2.0 is not v0.3.0"),
        ("CHANGELOG.md", "[0.2.0]", "[0.2.1]", "no entry"),
        ("CHANGELOG.md", f" - {DAY}", "", "has no day"),
        ("CHANGELOG.md", DAY, "1 December 2026", "has no day"),
        ("CHANGELOG.md", "- A thing.\n", "", "is empty"),
        ("CITATION.cff", "version: 0.2.0", "version: 0.1.0", "is 0.1.0, not 0.2.0"),
        ("CITATION.cff", f"date-released: '{DAY}'\n", "", "is missing"),
        ("CITATION.cff", DAY, "2026-11-30", f"is 2026-11-30, not {DAY}"),
    ],
)
def test_what_disagrees_stops_the_release_with_one_line(
    project, file, before, after, said
):
    change(project / file, before, after)
    done = release(project)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("not released: ")
    assert said in line


@pytest.mark.parametrize("tag", ["0.2.0", "v0.2", "v0.2.0rc1", "v0.1.0", ""])
def test_another_tag_stops_it(project, tag):
    done = release(project, tag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_version_and_citation_of_this_project_agree():
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (.*)$", (TOP / "CITATION.cff").read_text(), re.M)
    assert cited[1] == version


@pytest.fixture
def dist():
    return load("check_dist")


def pack(dist, tmp_path, *, wheel=(), sdist=(), without=()):
    """Make a complete pair, with some files more and some less."""

    def names(patterns, info):
        fixed = [p.replace("*.dist-info", info).replace("*", "a") for p in patterns]
        return [name for name in fixed if name not in without]

    info = "napari_deepheme-1.dist-info"
    wheel_path, sdist_path = tmp_path / "a.whl", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(wheel_path, "w") as archive:
        for name in (*names(dist.IN_WHEEL, info), *wheel):
            archive.writestr(name, "")
    with tarfile.open(sdist_path, "w:gz") as archive:
        for name in (*names(dist.IN_SDIST, info), *sdist):
            archive.addfile(tarfile.TarInfo(f"napari_deepheme-1/{name}"), io.BytesIO())
    return dist.faults_of(wheel_path, sdist_path)


def test_a_complete_pair_has_no_faults(dist, tmp_path):
    assert pack(dist, tmp_path, sdist=[".gitignore"]) == []


@pytest.mark.parametrize(
    "name",
    [
        "napari_deepheme/napari.yaml",
        "napari_deepheme/py.typed",
        "napari_deepheme/core/models/bundled/litenet-marrow.safetensors",
        "napari_deepheme-1.dist-info/licenses/LICENSE-WEIGHTS",
    ],
)
def test_what_a_wheel_lacks_is_named(dist, tmp_path, name):
    (fault,) = pack(dist, tmp_path, without=[name])
    assert fault.startswith("wheel lacks ")
    assert fault.rpartition("/")[2] == name.rpartition("/")[2]


@pytest.mark.parametrize("name", ["tests/test_a.py", "napari_deepheme/a.pyc"])
def test_what_a_wheel_holds_beside_is_named(dist, tmp_path, name):
    assert pack(dist, tmp_path, wheel=[name]) == [f"wheel holds {name}"]


@pytest.mark.parametrize(
    "name", [".venv/bin/python", ".compat/x", "site/index.html", "src/__pycache__/a"]
)
def test_junk_in_an_sdist_is_named(dist, tmp_path, name):
    assert pack(dist, tmp_path, sdist=[name]) == [f"sdist holds {name}"]


def test_an_sdist_without_tests_or_docs_is_not_complete(dist, tmp_path):
    faults = pack(dist, tmp_path, without=["tests/core/a", "docs/index.md"])
    assert faults == ["sdist lacks docs/index.md", "sdist lacks tests/core/*"]
