"""Whatever stands in names, a report shows it and does nothing with it."""

import io
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from napari_deepheme.core.report_file.content import (
    Bar,
    BarChart,
    Column,
    Gallery,
    Paragraph,
    Picture,
    Plate,
    ReportContent,
    Row,
    Section,
    Table,
    Thumbnail,
)
from napari_deepheme.core.report_file.html_page import render_html
from napari_deepheme.core.report_file.pdf_pages import render_pdf

PICTURE = Picture(b"\xff\xd8\xff", 4, 4)

MARKUP = "< > & \" ' / = script img onload svg --> <!-- ]]> </ src javascript: &lt;"

TEXT = st.one_of(
    st.text(max_size=30),
    # What markup is made of, in any order.
    st.lists(st.sampled_from(MARKUP.split()), max_size=12).map("".join),
)

EVIL = '"><script src=http://evil.example></script><img src=x onerror="a()">'


def report_of(words, *, picture):
    """Return a report with a text in every place that has one."""
    thumbnail = Thumbnail(words, picture, True, words)
    columns = (Column(words, 0.5), Column("n", 0.5, "right"))
    blocks = [
        Paragraph(words, is_strong=True),
        Table(columns, (Row((words, words), ("#aabbcc",), True, picture),), True),
        BarChart(words, (Bar(words, 50.0, (40.0, 60.0), words, "#aabbcc"),)),
        Gallery(words, "#aabbcc", (thumbnail,)),
    ]
    if picture is not None:
        blocks.append(Plate(picture, words))
    head = (("Slide", words), (words, words))
    section = Section(words, tuple(blocks), starts_page=True)
    return ReportContent(words, head, (words,), (section,))


class Skeleton(HTMLParser):
    """Gathers tags and the names of their attributes, without what they say."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.links = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, tuple(name for name, _ in attributes)))
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        self.found.append((tag, None))

    def handle_comment(self, data):
        raise AssertionError(data)


PLAIN = Skeleton(render_html(report_of("plain", picture=PICTURE)))


@given(TEXT)
@example(EVIL)
@example("' onmouseover='a()")
@settings(max_examples=150, deadline=None)
def test_a_page_has_the_same_tags_whatever_the_names_are(words):
    page = Skeleton(render_html(report_of(words, picture=PICTURE)))
    assert page.found == PLAIN.found
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)


@given(TEXT)
@example(EVIL)
@example('<img src="file:///etc/passwd"/>')
@example('<a href="http://evil.example"><font name="x">')
@settings(max_examples=25, deadline=None)
def test_a_pdf_has_neither_links_nor_pictures_that_a_name_speaks_of(words):
    pdf = render_pdf(report_of(words, picture=None))
    for page in PdfReader(io.BytesIO(pdf)).pages:
        assert "/Annots" not in page
        assert list(page.images) == []
    assert b"/URI" not in pdf


@pytest.mark.parametrize("words", ["\U0001f600" * 500, "李" * 300, "WWWW " * 150])
def test_a_long_name_has_room_on_a_page_whatever_its_letters(words):
    columns = (Column("cell_id", 0.85), Column("reader", 0.15))
    rows = tuple(Row((words, words), is_marked=True) for _ in range(7))
    section = Section("corrections", (Table(columns, rows),))
    report = ReportContent("", (("Reader", words),) * 5, (words,), (section,))
    assert len(PdfReader(io.BytesIO(render_pdf(report))).pages) > 1
