"""A report as one HTML page: nothing is fetched, no script is run, all is escaped."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.export.facts import NOTICE
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
    Plate,
    Table,
)
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.report_file.chart import Shape
    from napari_deepheme.core.report_file.content import (
        Block,
        Picture,
        ReportContent,
        Row,
        Section,
    )

# The page is the body of a table whose foot browsers repeat on each printed page.
_STYLE: Final = """
@page { size: A4; margin: 14mm 15mm 10mm }
* { box-sizing: border-box }
body { font: 10pt/1.4 "DejaVu Sans", Verdana, sans-serif; color: #222; margin: 0 }
.page { width: 100%; max-width: 190mm; margin: 0 auto; border-spacing: 0 }
.page > * > tr > td { padding: 0 5mm }
.page > tfoot td { text-align: center; font-size: 8pt; padding-top: 3mm }
h1 { font-size: 17pt; margin: 5mm 0 2mm }
h2 { font-size: 12.5pt; margin: 8mm 0 2mm; border-bottom: 1px solid #222 }
h3 { font-size: 9.5pt; margin: 3mm 0 1mm }
h2, h3 { break-after: avoid }
p { margin: 2mm 0 }
.notice { font-weight: bold }
.alert { border-left: 3px solid #222; padding-left: 3mm; font-weight: bold }
.head { border-spacing: 0 }
.head th { font-weight: normal; text-align: left; padding-right: 6mm }
.head td { font-weight: bold; overflow-wrap: anywhere }
table.data { border-collapse: collapse; table-layout: fixed; width: 1px }
table.data { margin: 3mm 0; font-size: 8.5pt }
.data th { vertical-align: bottom; border-bottom: 1px solid #222; font-size: 7pt }
.data td { border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
.data th, .data td { padding: 0.4mm 1.5mm; text-align: left }
.data .right { text-align: right; font-variant-numeric: tabular-nums }
.data tr { break-inside: avoid }
.marked td { font-weight: bold }
.swatch { display: inline-flex; width: 4mm; height: 3mm; border: 1px solid #222 }
.swatch i { flex: 1 }
.gallery { break-inside: avoid }
img { height: auto }
.thumbnails { display: grid; grid-template-columns: repeat(12, 1fr); gap: 1mm }
figure { margin: 0; break-inside: avoid }
figure img, .blank { width: 100%; display: block; border: 1px solid #999 }
.picture img { width: 16mm; display: block }
.blank { aspect-ratio: 1 }
.corrected img, .corrected .blank { border: 2.5px solid #222 }
figcaption { font-size: 7pt; text-align: center; overflow-wrap: anywhere }
.plate { margin: 4mm 0 } .plate img { max-height: 112mm; object-fit: contain }
.plate img { object-position: left; border: 0 }
.plate figcaption { font-size: 9pt; text-align: left }
svg { width: 100%; height: auto; font-size: 8.5px; break-inside: avoid }
svg { display: block }
@media print { .starts-page { break-before: page } }
@media screen {
.page { table-layout: fixed; overflow-wrap: anywhere }
.page > tfoot td { position: sticky; bottom: 0; background: #fff }
.wide { overflow-x: auto }
}
@media screen and (max-width: 600px) {
.page > * > tr > td { padding: 0 3mm }
.thumbnails { grid-template-columns: repeat(6, 1fr) }
}
"""

_PAGE_MM, _PICTURE_MM, _SWATCH_MM = 180, 19, 7
"""Widths of what is within the margins, of a picture and a colour before a row."""

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render_html(content: ReportContent) -> str:
    """Return a report as the text of an HTML file that stands alone.

    Parameters
    ----------
    content : ReportContent
        As `gather_report` gives it.
    """
    return spelled_out("\n".join(_page(content))) + "\n"


def _page(content: ReportContent) -> Iterator[str]:
    slide = content.head[0][1] if content.head else ""
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<title>{escape(content.title)}: {escape(slide)}</title>"
    yield f"<style>{_STYLE}</style></head><body>"
    yield '<table class="page" role="presentation">'
    yield f'<tfoot><tr><td class="notice">{escape(NOTICE)}</td></tr></tfoot>'
    yield f"<tbody><tr><td><h1>{escape(content.title)}</h1>"
    yield f'<p class="notice">{escape(NOTICE)}</p><table class="head">'
    for name, value in content.head:
        yield f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
    yield "</table>"
    for alert in content.alerts:
        yield f'<p class="alert">{escape(alert)}</p>'
    for section in content.sections:
        yield from _section(section)
    yield "</td></tr></tbody></table></body></html>"


def _section(section: Section) -> Iterator[str]:
    kind = ' class="starts-page"' if section.starts_page else ""
    yield f"<section{kind}><h2>{escape(section.title)}</h2>"
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        kind = ' class="alert"' if block.is_strong else ""
        yield f"<p{kind}>{escape(block.text)}</p>"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, BarChart):
        yield from _chart(block)
    elif isinstance(block, Gallery):
        yield from _gallery(block)
    else:
        yield from _plate(block)


def _table(table: Table) -> Iterator[str]:
    # In a narrow window it scrolls by itself.
    columns = _column_widths(table)
    yield f'<div class="wide"><table class="data"><colgroup>{columns}</colgroup>'
    extra = "<th></th>" * (table.has_pictures + table.has_colours)
    if any(column.title for column in table.columns):
        yield f"<thead><tr>{extra}"
        for column in table.columns:
            yield f'<th class="{column.align}">{escape(column.title)}</th>'
        yield "</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        yield _row(table, row)
    yield "</tbody></table></div>"


def _row(table: Table, row: Row) -> str:
    cells = ['<tr class="marked">' if row.is_marked else "<tr>"]
    if table.has_pictures:
        cells.append(f'<td class="picture">{_image(row.picture, "")}</td>')
    if table.has_colours:
        cells.append(f"<td>{_swatch(row.colours)}</td>")
    for column, value in zip(table.columns, row.values, strict=True):
        cells.append(f'<td class="{column.align}">{escape(value)}</td>')
    return "".join((*cells, "</tr>"))


def _column_widths(table: Table) -> str:
    extra = [_PICTURE_MM] * table.has_pictures + [_SWATCH_MM] * table.has_colours
    room = _PAGE_MM - sum(extra)
    widths = (*extra, *(room * column.width for column in table.columns))
    return "".join(f'<col style="width:{width:.1f}mm">' for width in widths)


def _swatch(colours: tuple[str, ...]) -> str:
    """Return a small box with a stripe of each colour."""
    stripes = "".join(f'<i style="background:{colour}"></i>' for colour in colours)
    return f'<span class="swatch">{stripes}</span>' if colours else ""


def _chart(chart: BarChart) -> Iterator[str]:
    yield f"<h3>{escape(chart.title)}</h3>"
    size = f"0 0 {WIDTH:g} {chart_height(chart):g}"
    yield f'<svg viewBox="{size}" role="img" aria-label="{escape(chart.title)}">'
    for shape in chart_shapes(chart):
        yield _drawn(shape)
    yield "</svg>"


def _drawn(shape: Shape) -> str:
    if isinstance(shape, Box):
        return (
            f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" '
            f'height="{shape.height:g}" fill="{shape.colour}" stroke="#222222" '
            'stroke-width="0.4"/>'
        )
    if isinstance(shape, Line):
        return (
            f'<line x1="{shape.x1:g}" y1="{shape.y1:g}" x2="{shape.x2:g}" '
            f'y2="{shape.y2:g}" stroke="{shape.colour}" '
            f'stroke-width="{shape.width:g}"/>'
        )
    return (
        f'<text x="{shape.x:g}" y="{shape.y:g}" text-anchor="{shape.anchor}" '
        f'fill="{shape.colour}">{escape(shape.text)}</text>'
    )


def _gallery(gallery: Gallery) -> Iterator[str]:
    yield f'<div class="gallery"><h3>{_swatch((gallery.colour,))} '
    yield f'{escape(gallery.title)}</h3><div class="thumbnails">'
    for cell in gallery.thumbnails:
        kind = ' class="corrected"' if cell.is_corrected else ""
        yield (
            f"<figure{kind}>{_image(cell.picture, cell.hint)}"
            f"<figcaption>{escape(cell.caption)}</figcaption></figure>"
        )
    yield "</div></div>"


def _plate(plate: Plate) -> Iterator[str]:
    yield f'<figure class="plate">{_image(plate.picture, plate.caption)}'
    yield f"<figcaption>{escape(plate.caption)}</figcaption></figure>"


def _image(picture: Picture | None, hint: str) -> str:
    words = escape(hint)
    if picture is None:
        return f'<div class="blank" title="{words}"></div>'
    data = base64.b64encode(picture.jpeg).decode()
    return (
        f'<img src="data:image/jpeg;base64,{data}" alt="{words}" title="{words}" '
        f'width="{picture.width}" height="{picture.height}">'
    )
