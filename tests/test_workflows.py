"""The public forge's workflows: pinned, few rights, and naming what there is."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[1]

FOLDER = TOP / ".github" / "workflows"

PATHS = sorted(FOLDER.glob("*.yml"))

pytestmark = pytest.mark.skipif(not PATHS, reason="an sdist has no workflows")

USES = re.compile(r"^\s*(?:- )?uses: (\S+)(.*)$", re.MULTILINE)

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]


def read(name):
    """Return a workflow; YAML takes its key "on" for a truth value."""
    loaded = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    loaded["on"] = loaded.pop(True)
    return loaded


def jobs():
    """Give each job with the name of its workflow and its own."""
    for path in PATHS:
        for name, job in read(path.name)["jobs"].items():
            yield path.name, name, job


def steps():
    return [(file, s) for file, _, job in jobs() for s in job.get("steps", ())]


def make_targets():
    text = (TOP / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def test_there_are_workflows_for_tests_coming_versions_release_and_docs():
    names = [path.name for path in PATHS]
    assert names == ["ci.yml", "docs.yml", "release.yml", "weekly.yml"]


def test_actions_are_pinned_by_commit_with_their_version_beside():
    found = [m for path in PATHS for m in USES.finditer(path.read_text("utf-8"))]
    foreign = [m for m in found if not m[1].startswith("./")]
    assert foreign
    for match in foreign:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", match[1]), match[0]
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", match[2]), match[0]


def test_one_action_has_one_version_everywhere():
    text = "\n".join(path.read_text("utf-8") for path in PATHS)
    pins = {m[1].partition("@")[0]: set() for m in USES.finditer(text)}
    for match in USES.finditer(text):
        pins[match[1].partition("@")[0]].add(match[0].strip().removeprefix("- "))
    assert {name: pin for name, pin in pins.items() if len(pin) > 1} == {}


def test_local_workflows_that_are_called_exist_and_can_be():
    for _, _, job in jobs():
        if "uses" in job:
            path = TOP / job["uses"]
            assert path.is_file()
            assert "workflow_call" in read(path.name)["on"]


def test_nothing_may_write_but_the_two_jobs_that_publish():
    for path in PATHS:
        assert read(path.name)["permissions"] == {"contents": "read"}, path.name
    given = {(f, n): j["permissions"] for f, n, j in jobs() if "permissions" in j}
    assert given == {
        ("release.yml", "publish"): {"id-token": "write"},
        ("docs.yml", "deploy"): {"pages": "write", "id-token": "write"},
    }


def test_no_workflow_runs_with_the_rights_of_the_base_or_reads_a_secret():
    for path in PATHS:
        assert "pull_request_target" not in read(path.name)["on"]
        assert "secrets." not in path.read_text("utf-8")


def test_a_checkout_keeps_no_token():
    checkouts = [s for _, s in steps() if "actions/checkout" in s.get("uses", "")]
    assert checkouts
    assert all(s["with"]["persist-credentials"] is False for s in checkouts)


def test_no_text_from_outside_is_put_into_a_command():
    for file, step in steps():
        inserted = re.findall(r"\$\{\{(.*?)\}\}", step.get("run", ""))
        assert all(i.strip().startswith("matrix.") for i in inserted), (file, step)


def test_each_command_that_a_workflow_gives_exists():
    commands = [line for _, s in steps() for line in s.get("run", "").splitlines()]
    targets = make_targets()
    asked = {c.split()[1] for c in commands if c.startswith("make ")}
    assert asked
    assert asked <= targets
    scripts = {w for c in commands for w in c.split() if w.startswith("scripts/")}
    assert scripts
    assert all((TOP / script).is_file() for script in scripts)
    known = ("make ", "sh scripts/", "python scripts/", "python -m ")
    assert all(c.startswith(known) for c in commands), commands


def test_profiles_and_extras_that_are_named_exist():
    text = (TOP / "scripts" / "compat.py").read_text("utf-8")
    profiles = set(re.findall(r'^    "(\w+)": Profile\(', text, re.MULTILINE))
    asked = set(read("ci.yml")["jobs"]["versions"]["strategy"]["matrix"]["profile"])
    for _, step in steps():
        given = re.search(r'COMPAT="([^"]+)"', step.get("run", ""))
        asked |= set(given[1].split()) if given else set()
    assert {"lowest", "pyside6", "newest", "pyqt6"} == asked == profiles
    for _, step in steps():
        for extras in re.findall(r'"\.\[([\w,]+)\]"', step.get("run", "")):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_first_and_last_python_are_tested_on_three_systems():
    matrix = read("ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert {s.partition("-")[0] for s in matrix["system"]} == {
        "ubuntu",
        "windows",
        "macos",
    }
    prefix = "Programming Language :: Python :: 3."
    declared = sorted(
        int(c.removeprefix(prefix))
        for c in PROJECT["classifiers"]
        if c.startswith(prefix)
    )
    assert PROJECT["requires-python"] == f">=3.{declared[0]}"
    assert declared == list(range(declared[0], declared[-1] + 1))
    assert matrix["python"] == [f"3.{declared[0]}", f"3.{declared[-1]}"]


def test_each_python_that_a_workflow_names_is_declared():
    asked = {
        str(s["with"]["python-version"])
        for _, s in steps()
        if "actions/setup-python" in s.get("uses", "")
    }
    for version in asked - {"${{ matrix.python }}"}:
        assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_lint_comes_before_all_other_jobs_of_a_change():
    jobs_of_ci = read("ci.yml")["jobs"]
    assert "needs" not in jobs_of_ci.pop("lint")
    assert all(job["needs"] == "lint" for job in jobs_of_ci.values())


def test_a_release_is_agreed_upon_tested_and_only_then_published():
    release = read("release.yml")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    made = release["jobs"]
    (check,) = (s for s in made["agree"]["steps"] if "run" in s)
    assert check["run"].startswith("python scripts/check_release.py ")
    assert made["ci"]["needs"] == "agree"
    assert made["publish"]["needs"] == "ci"
    assert made["publish"]["environment"]["name"] == "pypi"
    # What is published is what was built and used before.
    (kept,) = (
        s["with"]
        for s in read("ci.yml")["jobs"]["wheel"]["steps"]
        if "upload-artifact" in s.get("uses", "")
    )
    taken = made["publish"]["steps"][0]["with"]
    assert (taken["name"], taken["path"]) == (kept["name"], kept["path"])


def test_each_job_ends_by_itself():
    assert all("timeout-minutes" in job for _, _, job in jobs() if "uses" not in job)


def test_actions_and_packages_are_kept_up_to_date():
    kept = yaml.safe_load((TOP / ".github" / "dependabot.yml").read_text("utf-8"))
    asked = {update["package-ecosystem"] for update in kept["updates"]}
    assert asked == {"github-actions", "pip"}
