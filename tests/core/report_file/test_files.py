"""A report as files: what stands in them, and what must not."""

import io
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from pypdf import PdfReader
from reportlab.platypus.doctemplate import LayoutError

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.export.facts import NOTICE
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.report_file import (
    gather_report,
    pdf_pages,
    render_html,
    write_report,
)
from napari_deepheme.core.report_file.content import (
    Column,
    ReportContent,
    Row,
    Section,
    Table,
)
from napari_deepheme.core.report_file.pdf_pages import render_pdf
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_CODES

VOID = {"meta", "img", "col", "br", "rect", "line"}


class Page(HTMLParser):
    """Gathers what stands in a page, and asks that each tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.links, self.tags, self._open = "", [], set(), []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        named = dict(attributes)
        self.links += [
            named[k] for k in ("src", "href", "data", "xlink:href") if named.get(k)
        ]
        assert not any(name.startswith("on") for name in named)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile(result, facts, noise):
    name = '<script>alert("a")</script>&.svs'
    slide = ArraySlide(noise, mpp=0.25, name=name)
    evil = replace(facts, slide=name, model="<img src=http://evil.example>")
    return gather_report(result, evil, slide, date="<i>now</i>", reader="</table>")


def pages_of(pdf):
    # A line is broken where the column ends.
    return [
        " ".join(p.extract_text().split()) for p in PdfReader(io.BytesIO(pdf)).pages
    ]


def test_a_page_fits_a_narrow_window_and_its_wide_tables_scroll_by_themselves(content):
    text = render_html(content)
    head, body = text.split("</head>")
    assert (
        '<meta name="viewport" content="width=device-width, initial-scale=1">' in head
    )
    n_tables = body.count('<table class="data">')
    assert n_tables > 1
    assert body.count('<div class="wide"><table class="data">') == n_tables
    assert body.count("</table></div>") == n_tables
    # On paper, the table that repeats its foot on each page is laid out as before.
    on_screen = head.split("@media screen {")[1]
    for rule in (".page { table-layout: fixed;", ".wide { overflow-x: auto }"):
        assert head.count(rule) == on_screen.count(rule) == 1


def test_a_page_is_whole_and_fetches_nothing(content):
    text = render_html(content)
    page = Page(text)
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")
    for words in ("50.0", "2.33", "14 : 6", "142.9", NOTICE, "1 March 2026"):
        assert words in page.text


def test_what_comes_from_files_and_people_is_escaped(hostile):
    text = render_html(hostile)
    page = Page(text)
    assert not {"script", "b"} & page.tags
    assert '<script>alert("a")</script>&.svs' in page.text
    for words in ("<img src=http://evil.example>", "<i>now</i>", "<b>Ann</b>"):
        assert words in page.text
        assert words not in text


def test_a_pdf_has_the_numbers_and_the_notice_on_each_page(content):
    pages = pages_of(render_pdf(content))
    assert len(pages) > 2
    assert all(NOTICE in page for page in pages)
    text = " ".join(pages)
    for words in ("50.0", "2.33", "14 : 6", "142.9", "µm", "†", "700 × 600", "Ann"):  # noqa: RUF001
        assert words in text


def test_a_pdf_says_what_the_page_says(hostile):
    text = "".join(pages_of(render_pdf(hostile))).replace(" ", "")
    for words in ('<script>alert("a")</script>&.svs', "<i>now</i>", "<b>Ann</b>"):
        assert words.replace(" ", "") in text


def test_fonts_are_in_the_pdf(content):
    fonts = PdfReader(io.BytesIO(render_pdf(content))).pages[0]["/Resources"]["/Font"]
    used = [font.get_object() for font in fonts.values()]
    told = [f["/FontDescriptor"].get_object() for f in used if "/FontDescriptor" in f]
    embedded = [descriptor for descriptor in told if "/FontFile2" in descriptor]
    assert len(embedded) >= 2


def test_the_same_report_has_the_same_bytes(result, facts, slide, tmp_path):
    for suffix in ("html", "pdf"):
        files = []
        for name in ("a", "b"):
            content = gather_report(result, facts, slide, date="1 March 2026")
            write_report(content, tmp_path / f"{name}.{suffix}")
            files.append((tmp_path / f"{name}.{suffix}").read_bytes())
        assert files[0] == files[1]


def test_letters_that_a_font_or_utf8_lacks_are_spelled_out(result, facts, noise):
    slide = ArraySlide(noise, mpp=0.25, name="骨髓\udce9.svs")
    content = gather_report(result, facts, slide, date="today", reader="Ż. Müller")
    assert "骨髓\\udce9.svs" in render_html(content).encode().decode()
    text = "".join(pages_of(render_pdf(content)))
    assert "\\u9aa8\\u9ad3" in text
    assert "Z. Müller" in text


def test_a_very_long_word_still_makes_a_pdf(result, facts, noise):
    slide = ArraySlide(noise, mpp=0.25, name="a" * 3000)
    long = replace(facts, model="m" * 9000)
    content = gather_report(result, long, slide, date="today", reader="r" * 9000)
    assert len(pages_of(render_pdf(content))) > 2


def test_a_name_that_ends_otherwise_or_a_missing_folder_is_refused(content, tmp_path):
    for name in ("report.docx", "report", "nowhere/report.pdf"):
        with pytest.raises(CannotWriteError):
            write_report(content, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_slide_that_cannot_be_read_still_makes_both_files(result, facts, blind_slide):
    content = gather_report(result, facts, blind_slide, date="today")
    assert Page(render_html(content)).links == []
    assert NOTICE in pages_of(render_pdf(content))[0]


def test_a_full_gallery_of_the_hardest_pictures_stays_under_5_mb(noise, facts):
    n = 20 * 24
    rng = np.random.default_rng(1)
    boxes = np.column_stack([*rng.integers(60, 600, (2, n)), *[np.full(n, 40)] * 2])
    classes = np.repeat(np.arange(20), 24)
    cells = CellTable.from_arrays(boxes, np.ones(n), classes, np.full(n, 0.9))
    assert len(set(cells.class_codes)) == 20 <= len(CLASS_CODES)
    result = RegionResult(Region(0, 0, 800, 700), Mpp(0.25, 0.25), cells, (), True, 1.0)
    slide = ArraySlide(noise, mpp=0.25, name="noise")
    content = gather_report(result, facts, slide, date="today")
    assert len(render_html(content)) < 5e6
    assert len(render_pdf(content)) < 5e6


def test_importing_the_report_loads_no_screen_and_no_reportlab():
    code = (
        "import sys; import napari_deepheme.core.report_file; "
        "assert not {'reportlab', 'qtpy', 'napari', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_last_row_of_a_table_stands_alone_on_no_page():
    columns = (Column("index", 0.5), Column("value", 0.5))
    for n in range(51, 54):
        rows = tuple(Row((f"row {i}", "1")) for i in range(n))
        section = Section("indices", (Table(columns, rows),))
        report = ReportContent("", (("Slide", ""),), (), (section,))
        last = pages_of(render_pdf(report))[-1]
        assert last.count("row") > 1


def test_a_pdf_whose_pages_have_no_room_is_told_in_one_line(
    content, tmp_path, monkeypatch
):
    def fail(content):
        raise LayoutError("<Table@0x7f> too large on page 6")

    monkeypatch.setattr(pdf_pages, "render_pdf", fail)
    with pytest.raises(CannotWriteError, match="too large for a page"):
        write_report(content, tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []
