"""Each block of a report as what ReportLab lays out on pages."""

from __future__ import annotations

import io
import unicodedata
from html import escape
from typing import TYPE_CHECKING, Any, Final

from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.graphics.shapes import Line as DrawnLine
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    Spacer,
)
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from napari_deepheme.core.report_file.chart import (
    WIDTH,
    Box,
    Line,
    chart_height,
    chart_shapes,
)
from napari_deepheme.core.report_file.content import (
    BarChart,
    Gallery,
    Paragraph,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.report_file.chart import Shape
    from napari_deepheme.core.report_file.content import (
        Block,
        Picture,
        Plate,
        Row,
        Thumbnail,
    )

FONT, BOLD = "DeephemeSans", "DeephemeSansBold"

MARGIN: Final = 15 * mm

PAGE_WIDTH: Final = A4[0] - 2 * MARGIN

_INK, _FAINT = HexColor("#222222"), HexColor("#cccccc")

_SWATCH, _PICTURE = 4.5 * mm, 18 * mm

_PER_ROW: Final = 12
"""Thumbnails side by side."""

_MOST_LETTERS: Final = 700
"""In a row as wide as the page: three rows have room on one, also in capitals."""

_PLATE_HEIGHT: Final = 112 * mm
"""Two large pictures fit on a page."""

_STYLES: Final = {
    "text": (FONT, 8.5, 11.5),
    "cell": (FONT, 8, 10),
    "marked": (BOLD, 8, 10),
    "header": (BOLD, 7, 8.5),
    "caption": (FONT, 6, 7),
    "strong": (BOLD, 8.5, 11.5),
    "heading": (BOLD, 9, 12),
    "section": (BOLD, 12, 16),
    "title": (BOLD, 17, 21),
}
"""Font, size and distance of lines."""


def register_fonts() -> None:
    """Make known the fonts that come with ReportLab, which are put into the file."""
    for name, file in ((FONT, "Vera.ttf"), (BOLD, "VeraBd.ttf")):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, file))


def flowables(block: Block) -> Iterator[Flowable]:
    """Yield what a block is laid out as."""
    if isinstance(block, Paragraph):
        yield text(block.text, "strong" if block.is_strong else "text")
        yield Spacer(0, 1.5 * mm)
    elif isinstance(block, Table):
        yield _table(block)
        yield Spacer(0, 3 * mm)
    elif isinstance(block, BarChart):
        yield KeepTogether([text(block.title, "heading"), _chart(block)])
        yield Spacer(0, 3 * mm)
    elif isinstance(block, Gallery):
        yield _gallery(block)
        yield Spacer(0, 2.5 * mm)
    else:
        yield _plate(block)
        yield Spacer(0, 4 * mm)


def text(words: str, style: str, align: str = "left") -> Text:
    """Return words as a paragraph in one of the report's styles."""
    font, size, leading = _STYLES[style]
    layout = ParagraphStyle(
        f"{style}-{align}",
        fontName=font,
        fontSize=size,
        leading=leading,
        textColor=_INK,
        alignment={"left": 0, "center": 1, "right": 2}[align],
    )
    return Text(escape(printable(words)), layout)


def clipped(words: str, width: float) -> str:
    """Return words that fit into a row, which cannot be longer than a page.

    Parameters
    ----------
    words : str
        What stands there.
    width : float
        Share of the page's width that there is for it.
    """
    words, most = printable(words), round(_MOST_LETTERS * width)
    return words if len(words) <= most else f"{words[:most]}…"


def printable(words: str) -> str:
    r"""Return words with what the font lacks put otherwise.

    A letter with an accent goes without it, any other is spelled out.

    Examples
    --------
    >>> register_fonts()
    >>> print(printable("5 µm × 3 †"), printable(chr(0x17B)), printable(chr(0x4E2D)))
    5 µm × 3 † Z \u4e2d
    """  # noqa: RUF002 - a sign of multiplication
    composed = unicodedata.normalize("NFC", words)
    return "".join(_letter(c) for c in composed.replace("\n", " ").replace("\t", " "))


def _letter(letter: str) -> str:
    known = pdfmetrics.getFont(FONT).face.charWidths
    plain = unicodedata.normalize("NFD", letter)[0]
    for form in (letter, plain):
        if ord(form) in known:
            return form
    return letter.encode("ascii", "backslashreplace").decode()


def _table(table: Table) -> Grid:
    room = PAGE_WIDTH - _PICTURE * table.has_pictures - _SWATCH * table.has_colours
    extra = [_PICTURE] * table.has_pictures + [_SWATCH] * table.has_colours
    widths = [*extra, *(room * column.width for column in table.columns)]
    rows = [[*_before(table, row), *_values(table, row)] for row in table.rows]
    has_header = any(column.title for column in table.columns)
    if has_header:
        header = [text(c.title, "header", c.align) for c in table.columns]
        rows.insert(0, [*[""] * len(extra), *header])
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, _FAINT),
        ("TOPPADDING", (0, 0), (-1, -1), 1.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        # No row stands alone on the next page.
        ("NOSPLIT", (0, -min(3, len(rows))), (0, -1)),
    ]
    if has_header:
        style += [
            ("LINEBELOW", (0, 0), (-1, 0), 0.7, _INK),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ]
    return Grid(
        rows, colWidths=widths, repeatRows=int(has_header), style=style, hAlign="LEFT"
    )


def _before(table: Table, row: Row) -> list[Flowable]:
    """Return what stands before the values of a row: its picture, its colours."""
    before: list[Flowable] = []
    if table.has_pictures:
        before.append(_image(row.picture, 14 * mm))
    if table.has_colours:
        swatch = Drawing(8, 7)
        width = 8 / max(1, len(row.colours))
        for i, colour in enumerate(row.colours):
            fill = {"fillColor": HexColor(colour), "strokeColor": None}
            swatch.add(Rect(i * width, 0, width, 7, **fill))
        frame = {"fillColor": None, "strokeColor": _INK, "strokeWidth": 0.3}
        swatch.add(Rect(0, 0, 8, 7, **frame))
        before.append(swatch)
    return before


def _values(table: Table, row: Row) -> list[Flowable]:
    style = "marked" if row.is_marked else "cell"
    pairs = zip(table.columns, row.values, strict=True)
    return [
        text(clipped(value, column.width), style, column.align)
        for column, value in pairs
    ]


def _chart(chart: BarChart) -> Drawing:
    height = chart_height(chart)
    drawing = Drawing(WIDTH, height)
    for shape in chart_shapes(chart):
        drawing.add(_drawn(shape, height))
    return drawing


def _drawn(shape: Shape, height: float) -> DrawnLine | Rect | String:
    """Return a shape in ReportLab's frame, where y runs up."""
    if isinstance(shape, Box):
        return Rect(
            shape.x,
            height - shape.y - shape.height,
            shape.width,
            shape.height,
            fillColor=HexColor(shape.colour),
            strokeColor=_INK,
            strokeWidth=0.4,
        )
    if isinstance(shape, Line):
        return DrawnLine(
            shape.x1,
            height - shape.y1,
            shape.x2,
            height - shape.y2,
            strokeColor=HexColor(shape.colour),
            strokeWidth=shape.width,
        )
    return String(
        shape.x,
        height - shape.y,
        printable(shape.text),
        fontName=FONT,
        fontSize=8,
        textAnchor=shape.anchor,
        fillColor=HexColor(shape.colour),
    )


def _gallery(gallery: Gallery) -> KeepTogether:
    side = PAGE_WIDTH / _PER_ROW
    tiles = [_tile(cell, side) for cell in gallery.thumbnails]
    tiles += [[]] * (-len(tiles) % _PER_ROW)
    rows = [tiles[i : i + _PER_ROW] for i in range(0, len(tiles), _PER_ROW)]
    swatch = Rect(0, 0, 9, 7, fillColor=HexColor(gallery.colour), strokeColor=_INK)
    swatch.strokeWidth = 0.3
    mark = Drawing(12, 7)
    mark.add(swatch)
    title = Grid(
        [[mark, text(gallery.title, "heading")]],
        colWidths=[14, PAGE_WIDTH - 14],
        hAlign="LEFT",
        style=[("VALIGN", (0, 0), (-1, -1), "MIDDLE"), *_NO_PADDING],
    )
    return KeepTogether(
        [title, Grid(rows, colWidths=side, hAlign="LEFT", style=_NO_PADDING)]
    )


_NO_PADDING: Final = [
    (f"{side}PADDING", (0, 0), (-1, -1), 0)
    for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")
]


def _tile(cell: Thumbnail, side: float) -> list[Flowable]:
    picture = _image(cell.picture, side - 2.5, frame=2 if cell.is_corrected else 0.4)
    return [picture, text(cell.caption, "caption", "center")]


def _plate(plate: Plate) -> KeepTogether:
    picture = plate.picture
    scale = min(PAGE_WIDTH / picture.width, _PLATE_HEIGHT / picture.height)
    image = Image(
        io.BytesIO(picture.jpeg), picture.width * scale, picture.height * scale
    )
    image.hAlign = "LEFT"
    return KeepTogether([image, Spacer(0, 1 * mm), text(plate.caption, "text")])


def _image(picture: Picture | None, side: float, frame: float = 0.4) -> Flowable:
    return _FramedPicture(picture, side, frame)


class _FramedPicture(Flowable):  # type: ignore[misc]
    """A square picture in a frame, or the frame alone."""

    def __init__(self, picture: Picture | None, side: float, frame: float) -> None:
        super().__init__()
        self._picture, self._frame = picture, frame
        self.width = self.height = side
        self.hAlign = "CENTER"

    def draw(self) -> None:
        """Draw it, with the frame inside its bounds."""
        inset = self._frame / 2
        side = self.width - self._frame
        if self._picture is not None:
            image = Image(io.BytesIO(self._picture.jpeg), side, side)
            image.drawOn(self.canv, inset, inset)
        self.canv.setLineWidth(self._frame)
        self.canv.setStrokeColor(_INK)
        self.canv.rect(inset, inset, side, side)
