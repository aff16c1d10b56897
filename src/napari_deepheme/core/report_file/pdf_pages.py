"""A report as PDF: the fonts are in it, and the same report has the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    HRFlowable,
    PageBreak,
    SimpleDocTemplate,
    Spacer,
)
from reportlab.platypus import Table as Grid

from napari_deepheme.core.export.facts import NOTICE
from napari_deepheme.core.report_file.pdf_parts import (
    BOLD,
    FONT,
    MARGIN,
    PAGE_WIDTH,
    clipped,
    flowables,
    printable,
    register_fonts,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reportlab.pdfgen.canvas import Canvas

    from napari_deepheme.core.report_file.content import ReportContent, Section

_FOOT: Final = 8 * mm

_HEAD: Final = 25 * mm
"""Width of the words before what stands at the head of the first page."""

_MOST_LETTERS: Final = 70
"""Of the slide's name at the foot of a page."""


def render_pdf(content: ReportContent) -> bytes:
    """Return a report as the bytes of a PDF file, A4.

    Parameters
    ----------
    content : ReportContent
        As `gather_report` gives it.
    """
    register_fonts()
    slide = printable(content.head[0][1]) if content.head else ""
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        # Within the margins ReportLab keeps a padding of its own.
        leftMargin=MARGIN - 6,
        rightMargin=MARGIN - 6,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=f"{content.title}: {slide}",
        author="",
        creator="napari-deepheme",
        # No times and no random names in the file.
        invariant=1,
        pageCompression=1,
    )

    def draw_foot(canvas: Canvas, _: object) -> None:
        canvas.saveState()
        canvas.setFont(BOLD, 8)
        canvas.drawCentredString(A4[0] / 2, _FOOT, NOTICE)
        canvas.setFont(FONT, 7)
        canvas.drawString(MARGIN, _FOOT + 10, slide[:_MOST_LETTERS])
        page = f"page {canvas.getPageNumber()}"
        canvas.drawRightString(A4[0] - MARGIN, _FOOT + 10, page)
        canvas.restoreState()

    story = list(_story(content))
    document.build(story, onFirstPage=draw_foot, onLaterPages=draw_foot)
    return stream.getvalue()


def _story(content: ReportContent) -> Iterator[Flowable]:
    yield text(content.title, "title")
    yield text(NOTICE, "strong")
    yield Spacer(0, 2 * mm)
    room = PAGE_WIDTH - _HEAD
    rows = [
        [text(k, "text"), text(clipped(v, room / PAGE_WIDTH), "strong")]
        for k, v in content.head
    ]
    yield Grid(
        rows,
        colWidths=[_HEAD, room],
        hAlign="LEFT",
        style=[
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ],
    )
    for alert in content.alerts:
        yield Spacer(0, 1.5 * mm)
        yield text(alert, "strong")
    for section in content.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[Flowable]:
    # A heading stays with the first lines below it.
    yield PageBreak() if section.starts_page else CondPageBreak(45 * mm)
    yield Spacer(0, 3 * mm)
    yield text(section.title, "section")
    yield HRFlowable(width="100%", thickness=0.7, color="#222222", spaceAfter=4)
    for block in section.blocks:
        yield from flowables(block)
