"""Evaluations as one page for a browser: tables, diagrams, pictures of errors.

The page stands alone: pictures are in it, nothing is fetched, all text is escaped.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.files import atomic_file, atomic_files, make_folder
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, CLASS_CODES
from napari_deepheme.core.training.cells.named import load_own_crops
from napari_deepheme.core.training.evaluation.by_group import (
    MEAN,
    MEAN_OF_COMMON,
    TABLES,
    group_figures,
    write_tables,
)
from napari_deepheme.core.training.evaluation.measures import (
    NAMES,
    named_right,
    reliability,
)
from napari_deepheme.core.training.evaluation.notices import (
    counted_classes,
    notices,
)
from napari_deepheme.core.wording import plural, spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.training.evaluation.by_group import Evaluation
    from napari_deepheme.core.training.evaluation.measures import Measure

PAGE: Final = "report.html"

_MOST_ERRORS: Final = 60

_PICTURE_PX: Final = 96

_PICTURE_MPP: Final = 0.225

_SIDE: Final = 260
"""Side of a reliability diagram, in pixels."""

_STYLE: Final = """
body { font-family: sans-serif; margin: 2em; max-width: 75em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: 0.25em 0.6em; border: 1px solid #ccc; text-align: right }
th { background: #f2f2f2 }
th:first-child, td:first-child { text-align: left }
figure { display: inline-block; width: 110px; margin: 0.4em; vertical-align: top }
figcaption { font-size: 0.75em; overflow-wrap: anywhere }
.notice { background: #fff4ce; padding: 0.6em 1em }
"""


def write_evaluations(evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write evaluations of the same cells into a folder: the tables and the page.

    The folder is made where it is missing. All take their places together, the page
    last: where it lies, the tables are whole, and of the same evaluations.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        One a model, at least one.
    folder : Path
        Where `TABLES` and `PAGE` go.

    Raises
    ------
    CannotWriteError
        If a file cannot be written; what lay there stays as it was then.
    """
    make_folder(folder)
    paths = [folder / name for name in (*TABLES, PAGE)]
    with atomic_files(*paths) as (*tables, page):
        write_tables(evaluations, tables)
        write_page(evaluations, page)


def write_page(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write evaluations of the same cells, side by side, as one HTML file.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        One a model, at least one.
    path : Path
        The file.

    Raises
    ------
    CannotWriteError
        If it cannot be written.
    """
    with atomic_file(path) as stream:
        stream.write(spelled_out("\n".join(_page(evaluations))).encode())


def _page(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    title = " and ".join(e.spec.name for e in evaluations)
    whole = evaluations[0].whole
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(title)}</h1>"
    cells = f"{plural(whole.n, 'named cell')} of {counted_classes(whole)}"
    yield f"<p>{cells}. <strong>Research use only.</strong></p>"
    yield from _notices(evaluations)
    yield "<h2>Figures</h2><p>With 95 % intervals: Wilson's for precision and recall, "
    yield "by bootstrap over the cells for F1, AUC and means, of the samples that have "
    yield "cells of each class; none where these are fewer than 200 of 500, or all "
    yield "alike, as of few cells that are all right. A class that is never "
    yield "called has no precision and counts as 0 in the mean.</p>"
    yield from _overview(evaluations)
    yield from _class_tables(evaluations)
    yield from _group_tables(evaluations)
    for evaluation in evaluations:
        yield f"<h2>{escape(evaluation.spec.name)}</h2>"
        yield from _confusion(evaluation)
        yield from _reliability(evaluation)
        yield from _errors(evaluation)
    yield "</body></html>"


def _notices(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    told = dict.fromkeys(words for e in evaluations for words in notices(e))
    for words in told:
        yield f'<p class="notice">{escape(words)}</p>'
    for evaluation in evaluations:
        codes = evaluation.spec.rendered_only
        if codes:
            names = ", ".join(f"{c} ({CLASS_BY_CODE[c].name})" for c in codes)
            yield (
                f'<p class="notice">{escape(evaluation.spec.name)} learned these '
                f"classes from rendered cells alone: {escape(names)}. Nothing is known "
                "of how it names them in real marrow, unless the tables below hold "
                "such cells.</p>"
            )


def _overview(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    shown = ("", MEAN, MEAN_OF_COMMON)
    found = [
        {(t, w): m for t, w, m in group_figures(e.groups[0]) if t in shown}
        for e in evaluations
    ]
    keys = list(dict.fromkeys(key for one in found for key in one))
    rows = [
        (" ".join(filter(None, key)), *(_words(one.get(key)) for one in found))
        for key in keys
    ]
    yield from _table(("", *(e.spec.name for e in evaluations)), rows)


def _class_tables(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    targets = evaluations[0].whole.classes
    for name in NAMES:
        rows = [
            (
                _class_name(one.target),
                str(one.n),
                *(_words(e.whole.classes[i].measures[name]) for e in evaluations),
            )
            for i, one in enumerate(targets)
        ]
        yield f"<h3>{escape(name)} by class</h3>"
        yield from _table(("class", "cells", *(e.spec.name for e in evaluations)), rows)


def _group_tables(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    for by in ("source", "patient"):
        rows = [
            (
                group.name,
                evaluation.spec.name,
                str(group.report.n),
                _words(group.report.macro["F1"]),
                _words(group.report.macro["AUC"]),
                _words(group.report.accuracy),
                _words(group.report.calibration),
            )
            for evaluation in evaluations
            for group in evaluation.groups
            if group.by == by
        ]
        if rows:
            measures = ("mean F1", "mean AUC", "named right", "calibration error")
            yield f"<h3>By {by}</h3>"
            yield from _table((by, "model", "cells", *measures), sorted(rows))


def _confusion(evaluation: Evaluation) -> Iterator[str]:
    report = evaluation.whole
    yield "<h3>Confusion: true class by row, called class by column</h3><table><tr>"
    yield "<th></th>"
    for word in (*report.targets, "another"):
        yield f"<th>{escape(word)}</th>"
    yield "</tr>"
    for i, row in enumerate(report.confusion.tolist()):
        cells = []
        for j, n in enumerate(row):
            part = n / sum(row)
            # Right answers in blue, wrong ones in red.
            hue = "33,113,181" if i == j else "203,24,29"
            ink = "#fff" if part > 0.6 else "#222"
            style = f"background:rgba({hue},{part:.2f});color:{ink}"
            cells.append(f'<td style="{style}">{n or ""}</td>')
        yield f"<tr><th>{escape(report.targets[i])}</th>{''.join(cells)}</tr>"
    yield "</table>"


def _reliability(evaluation: Evaluation) -> Iterator[str]:
    bins = reliability(evaluation.probabilities, evaluation.words)
    yield "<h3>Confidence and truth</h3>"
    yield "<p>Share named right of the cells of like confidence; the area of a point "
    yield "goes with their number. On the line the model means what it says.</p>"
    yield f'<svg width="{_SIDE + 40}" height="{_SIDE + 40}" role="img">'
    yield f'<g transform="translate(30,5)"><rect width="{_SIDE}" height="{_SIDE}" '
    yield 'fill="none" stroke="#888"/>'
    yield f'<line x1="0" y1="{_SIDE}" x2="{_SIDE}" y2="0" stroke="#bbb"/>'
    most = max(b.n for b in bins)
    for b in bins:
        x, y = b.confidence * _SIDE, (1 - b.accuracy) * _SIDE
        radius = 2 + 8 * (b.n / most) ** 0.5
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#2171b5" '
            f'fill-opacity="0.7"><title>{b.n} cells: confidence {b.confidence:.2f}, '
            f"right {b.accuracy:.2f}</title></circle>"
        )
    yield f'<text x="{_SIDE / 2 - 35}" y="{_SIDE + 20}" font-size="12">confidence'
    yield f'</text><text transform="translate(-10,{_SIDE / 2 + 35}) rotate(-90)" '
    yield 'font-size="12">named right</text></g></svg>'


def _errors(evaluation: Evaluation) -> Iterator[str]:
    """Show what was wrong and most sure."""
    given = evaluation.probabilities
    wrong = np.flatnonzero(~named_right(given, evaluation.words))
    order = np.argsort(-given[wrong].max(axis=1), kind="stable")
    worst = wrong[order][:_MOST_ERRORS].tolist()
    yield f"<h3>Errors: {len(wrong)}, the {len(worst)} surest here</h3>"
    cells = [evaluation.cells[i] for i in worst]
    crops = load_own_crops(
        cells, size_px=_PICTURE_PX, mpp=_PICTURE_MPP, whitened=evaluation.spec.whitened
    )
    for i, cell, crop in zip(worst, cells, crops, strict=True):
        best = int(given[i].argmax())
        told = f"{evaluation.words[i]} called {CLASS_CODES[best]} {given[i, best]:.2f}"
        where = f"{cell.source}: {cell.path.name}"
        yield (
            f'<figure><img src="{_data_uri(crop)}" width="{_PICTURE_PX}" alt="">'
            f"<figcaption><b>{escape(told)}</b><br>{escape(where)}</figcaption>"
            "</figure>"
        )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{escape(w)}</th>" for w in header) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(w)}</td>" for w in row) + "</tr>"
    yield "</table>"


def _words(found: Measure | None) -> str:
    return "-" if found is None else str(found)


def _class_name(target: str) -> str:
    names = " or ".join(CLASS_BY_CODE[code].name for code in target.split("|"))
    return f"{target} {names}"


def _data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
