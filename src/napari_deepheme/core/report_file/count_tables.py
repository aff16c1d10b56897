"""The numbers of a report: differential, indices, maturation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.counts.mitoses import mitotic_indices, n_unknown
from napari_deepheme.core.counts.report import (
    full_differential,
    grouped_differential,
    maturation_series,
    ratios,
)
from napari_deepheme.core.report_file.content import (
    NOTHING,
    RENDERED,
    Bar,
    BarChart,
    Column,
    Paragraph,
    Row,
    Section,
    Table,
)
from napari_deepheme.core.report_file.wording import (
    class_title,
    number,
    span,
)
from napari_deepheme.core.review.corrections import is_unidentified, n_found
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, MITOTIC_CODE
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.counts.mitoses import MitoticIndex
    from napari_deepheme.core.counts.reference_ranges import (
        ReferenceRange,
        ReferenceRanges,
    )
    from napari_deepheme.core.counts.report import CountRow, Ratio
    from napari_deepheme.core.report_file.content import Block

INTERVALS: Final = (
    "95 % intervals: sampling error only (Wilson). Mistakes of detector and classifier "
    "are not in them."
)

_RENDERED_NOTE: Final = (
    f"{RENDERED} learned from rendered cells only: the model never saw a real cell of "
    "this class (of a line with several classes: of one of them)."
)

_INTERVAL_TITLE: Final = "95 % interval (sampling error only, Wilson)"


def differential_section(
    cells: CellTable,
    counts: Mapping[str, int],
    ranges: ReferenceRanges,
    rendered_only: Collection[str],
) -> Section:
    """Return the differential, as laboratories group it and in full."""
    grouped, full = grouped_differential(counts), full_differential(counts)
    n = full[0].n
    blocks: list[Block] = [
        Paragraph(
            f"Percent of {plural(n, 'nucleated cell')} in the nucleated differential "
            f"count (NDC). {_unidentified_words(cells)} {INTERVALS}"
        ),
        _count_table("as laboratories report", grouped, ranges, rendered_only),
        _count_table("in full", full, ranges, rendered_only),
    ]
    blocks += _notes(counts, ranges, rendered_only)
    return Section("Differential count", tuple(blocks))


def indices_section(
    cells: CellTable,
    counts: Mapping[str, int],
    ranges: ReferenceRanges,
    rendered_only: Collection[str],
) -> Section:
    """Return ratios and mitotic indices, each with what it was counted from."""
    columns = (
        Column("index", 0.35),
        Column("value", 0.09, "right"),
        Column(_INTERVAL_TITLE, 0.22, "right"),
        Column("counted", 0.14, "right"),
        *_reference_columns(ranges, 0.2),
    )
    indices = mitotic_indices(cells)
    rows = [
        *(_ratio_row(ratio, ranges) for ratio in ratios(counts)),
        *(
            _mitotic_row(index, ranges, MITOTIC_CODE in rendered_only)
            for index in indices
        ),
    ]
    if n_unknown(indices):
        title, n = "mitotic figures of unknown lineage", f"{n_unknown(indices):,}"
        rows.append(_judged((title, NOTHING, NOTHING, n), None, 1, None, ranges))
    return Section("Indices", (Table(columns, tuple(rows)),))


def maturation_section(counts: Mapping[str, int]) -> Section:
    """Return a chart of each maturation series."""
    charts = [
        BarChart(
            f"{name.capitalize()} series, percent of {plural(rows[0].n, 'cell')}",
            tuple(_bar(row) for row in rows),
        )
        for name, rows in maturation_series(counts).items()
    ]
    note = Paragraph(f"Whiskers are {INTERVALS}")
    return Section("Maturation", (*charts, note))


def _unidentified_words(cells: CellTable) -> str:
    n = int(is_unidentified(cells).sum())
    if not n:
        return "No cell is unidentified."
    found = f"{n_found(cells):,} found"
    return f"{plural(n, 'unidentified cell')} of {found} are in no figure."


def _count_table(
    title: str,
    rows: Sequence[CountRow],
    ranges: ReferenceRanges,
    rendered_only: Collection[str],
) -> Table:
    columns = (
        Column(title, 0.35),
        Column("n", 0.1, "right"),
        Column("percent", 0.11, "right"),
        Column(_INTERVAL_TITLE, 0.22, "right"),
        *_reference_columns(ranges, 0.22),
    )
    return Table(columns, tuple(_count_row(r, ranges, rendered_only) for r in rows))


def _count_row(
    row: CountRow, ranges: ReferenceRanges, rendered_only: Collection[str]
) -> Row:
    if row.name == CLASS_BY_CODE[row.codes[0]].name:
        title = class_title(row.codes[0], rendered_only)
    else:
        is_rendered = any(code in rendered_only for code in row.codes)
        title = f"{row.name} {RENDERED}" if is_rendered else row.name
    values = (
        title,
        f"{row.count:,}",
        number(row.percent, 1),
        span(row.interval, 1),
    )
    colours = tuple(CLASS_BY_CODE[code].colour for code in row.codes)
    return _judged(values, row.percent, 1, ranges.of_line(row), ranges, colours)


def _ratio_row(ratio: Ratio, ranges: ReferenceRanges) -> Row:
    values = (
        ratio.name,
        number(ratio.value, 2),
        span(ratio.interval, 2),
        f"{ratio.over:,} : {ratio.under:,}",
    )
    return _judged(values, ratio.value, 2, ranges.of(ratio.name), ranges)


def _mitotic_row(
    index: MitoticIndex, ranges: ReferenceRanges, is_rendered: bool
) -> Row:
    name = "mitotic index" if index.name == "all" else f"mitotic index, {index.name}"
    title = f"{name}, per 1,000"
    values = (
        f"{title} {RENDERED}" if is_rendered else title,
        number(index.per_1000, 1),
        span(index.interval, 1),
        f"{index.figures:,} in {index.n:,}" if index.n else NOTHING,
    )
    return _judged(values, index.per_1000, 1, ranges.of(name), ranges)


def _reference_columns(ranges: ReferenceRanges, width: float) -> tuple[Column, ...]:
    if not ranges.ranges:
        return ()
    return (
        Column("reference", width * 0.6, "right"),
        Column("", width * 0.4),
    )


def _judged(
    values: tuple[str, ...],
    value: float | None,
    decimals: int,
    found: ReferenceRange | None,
    ranges: ReferenceRanges,
    colours: tuple[str, ...] = (),
) -> Row:
    """Return a row with its reference range; in bold where it lies outside."""
    if not ranges.ranges:
        return Row(values, colours)
    if found is None:
        return Row((*values, NOTHING, ""), colours)
    judgement = found.judge(value, decimals=decimals)
    is_outside = judgement in ("below", "above")
    words = judgement if judgement and is_outside else ""
    return Row((*values, _range_words(found), words), colours, is_marked=is_outside)


def _range_words(found: ReferenceRange) -> str:
    return f"{found.low:g} to {found.high:g}"


def _notes(
    counts: Mapping[str, int],
    ranges: ReferenceRanges,
    rendered_only: Collection[str],
) -> Iterable[Paragraph]:
    left_out = [
        f"{class_title(code, rendered_only)} {counts.get(code, 0):,}"
        for code, one in CLASS_BY_CODE.items()
        if not one.in_ndc and counts.get(code, 0)
    ]
    if left_out:
        yield Paragraph(f"Found and not in the NDC: {', '.join(left_out)}.")
    if rendered_only:
        yield Paragraph(_RENDERED_NOTE)
    if ranges.ranges:
        sources = sorted({r.source for r in ranges.ranges.values() if r.source})
        words = f" Sources: {'; '.join(sources)}." if sources else ""
        rows = (*grouped_differential(counts), *full_differential(counts))
        left = ", ".join(ranges.without_line(rows))
        lineless = f" There is no line for the range of {left}." if left else ""
        yield Paragraph(
            "Lines in bold, with the word below or above, lie outside the reference "
            f"range of {ranges.file or 'the laboratory'}.{words}{lineless}"
        )


def _bar(row: CountRow) -> Bar:
    code = row.codes[0]
    words = f"{number(row.percent, 1)} % (n {row.count:,})"
    return Bar(
        label=f"{CLASS_BY_CODE[code].name} {code}",
        value=row.percent or 0.0,
        interval=row.interval,
        words=words if row.percent is not None else NOTHING,
        colour=CLASS_BY_CODE[code].colour,
    )
