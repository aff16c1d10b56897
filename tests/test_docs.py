"""Every block of code in the documentation runs as it stands, or says why it does not.

A block is python, or sh with commands of napari-deepheme. The blocks of a page run one
after the other in a folder with a small rendered slide and what was made of it. One
that cannot run here has a comment ``<!-- not run: reason -->`` above it; its commands
are parsed all the same, so that no option goes stale.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from napari_deepheme import cli
from napari_deepheme.core.cell_table import COLUMNS
from napari_deepheme.core.further_columns import FURTHER_COLUMNS
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.torch.runner import plain_compute
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.taxonomy import CELL_CLASSES

TOP = Path(__file__).parents[1]

PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)

LANGUAGES = {"python", "sh", "json", "text"}
"""Of blocks; the last two are not run."""

MADE_HERE = {"command-line.md", "api.md", "changelog.md"}
"""Pages that `scripts/docs_pages.py` makes."""


def blocks(page):
    return list(BLOCK.finditer(page.read_text("utf-8")))


def with_code():
    """Return the pages that show how something is done."""
    ways = {"python", "sh"}
    return [page for page in PAGES if {b["language"] for b in blocks(page)} & ways]


def commands(code):
    """Return the lines of a block that call this program, without its name."""
    lines = code.replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["napari-deepheme"]]


@pytest.fixture(scope="module", autouse=True)
def no_measurement():
    """Compute as torch does on the CPU: what is fastest is not the question here."""

    def first(device="auto", backend="auto"):
        return [plain_compute("cpu")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastest, "candidates", first)
        yield


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Make what the pages take for granted: a slide, its cells, pictures of cells."""
    folder = tmp_path_factory.mktemp("docs")
    write_phantom(folder / "slide.svs", Size(900, 800), 5)
    done = folder / "slide-deepheme"
    slide = str(folder / "slide.svs")
    assert cli.run(["classify", slide, "--out", str(done), "--device", "cpu"]) == 0
    for name in ("cells.csv", "cells.geojson", "summary.json"):
        shutil.copy(done / name, folder / name)
    shutil.copy(folder / "cells.geojson", folder / "from-qupath.geojson")
    name_one(folder / "cells.csv")
    with open_slide(slide) as opened:
        pixels = opened.read_region(Point(0, 0), 0, Size(600, 500))
    Image.fromarray(pixels).save(folder / "photograph.png")
    (folder / "crops").mkdir()
    for i in range(3):
        crop = pixels[100 * i : 100 * i + 96, :96]
        Image.fromarray(crop).save(folder / "crops" / f"{i}.png")
    return folder


def name_one(path):
    """Say that a reader confirmed the first cell."""
    header, first, *rest = path.read_text().splitlines()
    code = first.split(",")[header.split(",").index("class_code")]
    lines = [f"{header},reader_class", f"{first},{code}", *(f"{row}," for row in rest)]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("page", with_code(), ids=lambda page: page.name)
def test_what_a_page_shows_runs(page, request, tmp_path, monkeypatch, capsys):
    shown = [b for b in blocks(page) if b["language"] in ("python", "sh")]
    run = [block for block in shown if not block["reason"]]
    if run:
        made = request.getfixturevalue("stand_ins")
        shutil.copytree(made, tmp_path / "work")
        monkeypatch.chdir(tmp_path / "work")
        monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "models"))
    namespace = {}
    for block in run:
        if block["language"] == "python":
            exec(compile(block["code"], page.name, "exec"), namespace)
            continue
        words = commands(block["code"])
        n_lines = len(
            re.findall(r"^\S", block["code"].replace("\\\n", ""), re.MULTILINE)
        )
        assert len(words) == n_lines, "only commands of napari-deepheme are run here"
        for arguments in words:
            assert cli.run(arguments) == 0, capsys.readouterr().err
    for block in shown:
        for arguments in commands(block["code"]) if block["reason"] else ():
            cli._parser().parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language(page):
    for block in blocks(page):
        assert block["language"] in LANGUAGES, block["code"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_page_that_is_linked_is_there(page):
    text = page.read_text("utf-8")
    absolute = r"\(https://raw\.githubusercontent\.com/[^)]*/main/([^)]+)\)"
    places = [TOP / found for found in re.findall(absolute, text)]
    for found in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", text):
        if found not in MADE_HERE:
            places.append(page.parent / found)
    missing = [str(place) for place in places if not place.exists()]
    assert missing == []


def test_pictures_are_small():
    sizes = [path.stat().st_size for path in (TOP / "docs" / "images").iterdir()]
    assert max(sizes) <= 250_000
    assert sum(sizes) <= 3_000_000


def test_the_page_on_keys_has_each_key():
    # The keys are part of the plugin, whose module needs no screen.
    from napari_deepheme.plugin.reviewing.keys import DEFAULTS

    text = (TOP / "docs" / "keys.md").read_text("utf-8")
    assert [key for key in DEFAULTS.values() if f"`{key}`" not in text] == []


def test_the_page_on_counting_has_each_rule():
    text = (TOP / "docs" / "counting-rules.md").read_text("utf-8")
    for c in CELL_CLASSES:
        name = f"{c.name}: bare, smudged or crushed nuclei, stain" * (c.code == "U1")
        cells = (
            c.code,
            name or c.name,
            c.group or "",
            "yes" if c.in_ndc else "no",
            c.me_side or "",
            c.pool or "",
        )
        row = "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"
        assert row in text


def test_the_page_on_files_has_each_key_of_the_summary(stand_ins):
    text = (TOP / "docs" / "files.md").read_text("utf-8")
    summary = json.loads((stand_ins / "summary.json").read_text())
    assert [key for key in summary if f"`{key}`" not in text] == []


def test_the_page_on_files_has_each_column_that_has_a_meaning():
    text = (TOP / "docs" / "files.md").read_text("utf-8")
    table = text.partition("## cells.csv")[2].partition("\n\nThe columns from")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert named == [*COLUMNS, *FURTHER_COLUMNS]


def test_each_test_that_a_promise_names_is_there():
    text = (TOP / "SECURITY.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 10
    for path, test in named:
        assert f"def {test}" in (TOP / path).read_text("utf-8"), test
    for page in re.findall(r"\]\((docs/[\w-]+\.md)\)", text):
        assert (TOP / page).is_file()


NAMED = re.compile(
    r"(?<![\w./-])((?:tests|src|docs|scripts|benchmarks|examples|\.github)/[\w./-]*\w"
    r"|[\w/-]+/[\w-]+\.py\b)"
)
"""A file or folder of the repository; a module also without the folders before it."""

ROOTS = (TOP, TOP / "tests", TOP / "src" / "napari_deepheme")


@pytest.mark.parametrize(
    "page",
    [*PAGES, TOP / "SECURITY.md", TOP / "CHANGELOG.md"],
    ids=lambda page: page.name,
)
def test_every_file_of_the_repository_that_a_page_names_is_there(page):
    named = NAMED.findall(page.read_text("utf-8"))
    missing = [n for n in named if not any((root / n).exists() for root in ROOTS)]
    assert missing == []


def test_files_of_the_repository_are_seen_where_a_page_names_them():
    text = "tests/core/a_b.py makes one; `scripts/c.py`, (docs/d.md), `core/e.py`"
    named = ["tests/core/a_b.py", "scripts/c.py", "docs/d.md", "core/e.py"]
    assert NAMED.findall(text) == named


def rooms_in(folder):
    """Name the modules and packages of a folder, as the page on architecture does."""
    paths = [p for p in folder.iterdir() if not p.name.startswith("_")]
    return {p.stem for p in paths if p.suffix == ".py" or (p / "__init__.py").exists()}


def test_the_page_on_architecture_has_each_room():
    text = (TOP / "docs" / "architecture.md").read_text("utf-8")
    told = {"": set(), "core": set(), "plugin": set()}
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        folder, _, name = first.rpartition("/")
        told[folder] |= {name, *others}
    package = TOP / "src" / "napari_deepheme"
    assert told["core"] == rooms_in(package / "core")
    assert told["plugin"] == rooms_in(package / "plugin")
    assert told[""] == rooms_in(package) - {"core", "plugin"}


NAME_IN_CODE = re.compile(r"(?<!`)`([a-z_]+(?:\.\w+)+)`(?!`)")
"""Of something in a module, as docstrings and comments give it."""

NO_MODULES = {"dataclasses", "spec"}
"""What other such names begin with: the standard library, and attributes."""


def test_each_name_in_a_module_that_the_code_speaks_of_is_there():
    package = TOP / "src" / "napari_deepheme"
    texts = {path: path.read_text("utf-8") for path in package.rglob("*.py")}
    words = {}
    for path, text in texts.items():
        stem = path.parent.name if path.stem == "__init__" else path.stem
        words.setdefault(stem, set()).update(re.findall(r"\w+", text))
    stale = []
    for path, text in texts.items():
        for name in NAME_IN_CODE.findall(text):
            *places, last = name.split(".")
            home = next((p for p in reversed(places) if p in words), "")
            is_there = last in words or last in words.get(home, ())
            if places[0] not in NO_MODULES and not is_there:
                stale.append(f"{path.relative_to(package)}: {name}")
    assert stale == []
