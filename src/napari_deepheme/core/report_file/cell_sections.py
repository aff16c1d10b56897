"""Single cells in a report: mitotic figures, galleries by class, corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.further_columns import (
    MITOSIS_READ_AT,
    MITOSIS_READER,
    MITOSIS_WORDS,
    READ_AT,
    READ_FROM,
    READER,
    READER_LINEAGE,
    READER_PHASE,
    UNIDENTIFIED,
    UNKNOWN,
)
from napari_deepheme.core.report_file.content import (
    CORRECTED,
    NOTHING,
    Column,
    Gallery,
    Paragraph,
    Row,
    Section,
    Table,
    Thumbnail,
)
from napari_deepheme.core.report_file.pictures import read_thumbnail
from napari_deepheme.core.report_file.wording import class_title
from napari_deepheme.core.review.corrections import (
    COLOURS_APART,
    MODEL_COLUMN,
    WORDS_APART,
    is_added,
    is_corrected,
    is_doubted,
    is_unidentified,
    judged_classes,
    judged_mitosis,
    reader_mitosis,
)
from napari_deepheme.core.taxonomy import (
    CLASS_BY_CODE,
    CLASS_CODES,
    CLASSES_AS_READ,
    MITOTIC_CODE,
)
from napari_deepheme.core.thumbnails import SIDE_UM
from napari_deepheme.core.wording import in_percent, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.report_file.content import Block, Picture
    from napari_deepheme.core.slide import SlideReader

ADDED_BY_HAND: Final = "added by hand"

_MOST_FIGURES: Final = 60

_MOST_CORRECTIONS: Final = 500


class CellPictures:
    """The cells of a report and the slide that shows them.

    Parameters
    ----------
    cells : CellTable
        With their numbers.
    slide : SlideReader
        Where they lie.
    mpp : Mpp
        Micrometres per pixel of level 0.
    """

    def __init__(self, cells: CellTable, slide: SlideReader, mpp: Mpp) -> None:
        self.cells = cells
        self.kinds = _kinds(cells)
        self._corrected = is_corrected(cells)
        self._added = is_added(cells)
        self._numbers = cells.cell_ids
        # What a reader named is as certain as can be.
        self._certainty = np.where(self._corrected, 2.0, cells.probabilities)
        self._slide, self._mpp = slide, mpp

    def rows_of(self, kind: str) -> npt.NDArray[np.intp]:
        """Return the cells of a kind, the most certain first."""
        rows = np.flatnonzero(self.kinds == kind)
        return rows[np.argsort(-self._certainty[rows], kind="stable")]

    def picture(self, row: int) -> Picture | None:
        """Return a cell's thumbnail; None where it cannot be read."""
        return read_thumbnail(self._slide, self.cells.boxes[row], self._mpp)

    def thumbnail(self, row: int) -> Thumbnail:
        """Return a cell as a gallery shows it."""
        x, y = self.position(row)
        by_hand = f"{ADDED_BY_HAND}, " if self._added[row] else ""
        code = CLASS_CODES[self.cells.class_indices[row]]
        hint = (
            f"cell {self._numbers[row]}: {by_hand}model {code} "
            f"{self.cells.probabilities[row]:.2f}, centre ({x}, {y})"
        )
        return Thumbnail(
            self.caption(row), self.picture(row), bool(self._corrected[row]), hint
        )

    def caption(self, row: int) -> str:
        """Return a cell's number, marked where a reader named it."""
        return f"{self._numbers[row]}{CORRECTED if self._corrected[row] else ''}"

    def position(self, row: int) -> tuple[int, int]:
        """Return the centre of a cell's box, in whole level-0 pixels."""
        x, y, width, height = self.cells.boxes[row].tolist()
        return x + width // 2, y + height // 2


def mitoses_section(shown: CellPictures) -> Section:
    """Return the list of mitotic figures."""
    figures = shown.rows_of(MITOTIC_CODE)
    if not len(figures):
        return Section("Mitotic figures", (Paragraph("None was found."),))
    listed = np.sort(figures[:_MOST_FIGURES])
    columns = (
        Column("cell_id", 0.15, "right"),
        Column("phase", 0.2),
        Column("lineage", 0.2),
        Column("centre x, y (level-0 px)", 0.25, "right"),
        Column("probability", 0.15, "right"),
    )
    chosen = shown.cells.take(listed)
    told = zip(
        listed.tolist(),
        _words_of_mitosis(chosen, READER_PHASE),
        _words_of_mitosis(chosen, READER_LINEAGE),
        strict=True,
    )
    rows = tuple(
        Row(
            (
                shown.caption(row),
                phase,
                lineage,
                "{}, {}".format(*shown.position(row)),
                _probability_of_mitosis(shown.cells, row),
            ),
            picture=shown.picture(row),
        )
        for row, phase, lineage in told
    )
    # Notes stand above: below, one could be alone on the next page.
    blocks: list[Block] = []
    if len(figures) > len(rows):
        blocks.append(Paragraph(f"The {len(rows)} most certain of {len(figures):,}."))
    if any(CORRECTED in word for row in rows for word in row.values):
        blocks.append(Paragraph(f"{CORRECTED} as a reader said: cell, phase, lineage."))
    blocks.append(Table(columns, rows, has_pictures=True))
    return Section("Mitotic figures", tuple(blocks))


def _words_of_mitosis(cells: CellTable, of: str) -> list[str]:
    """Word phases or lineages, marked where a reader gave them."""
    told = judged_mitosis(cells, of).tolist()
    by_reader = (reader_mitosis(cells, of) != "").tolist()
    return [
        f"{word or NOTHING}{CORRECTED if is_given else ''}"
        for word, is_given in zip(told, by_reader, strict=True)
    ]


def _probability_of_mitosis(cells: CellTable, row: int) -> str:
    """Word how sure the model was: of a mitosis, and not of what else it saw."""
    if CLASS_CODES[cells.class_indices[row]] != MITOTIC_CODE:
        return "named by hand"
    return f"{cells.probabilities[row]:.2f}"


def gallery_section(
    shown: CellPictures, rendered_only: Collection[str], *, per_class: int
) -> Section:
    """Return pictures of each class, spread over its range of certainty."""
    note = Paragraph(
        f"Up to {per_class} cells of each class, spread evenly from the most certain "
        f"to the least, each {SIDE_UM:g} µm wide, or so wide that a larger cell is "
        f"seen whole, and with its cell_id; {CORRECTED} and a thick frame: named by a "
        "reader. An empty frame could not be read."
    )
    return Section(
        "Cells by class",
        (note, *_galleries(shown, rendered_only, per_class)),
        starts_page=True,
    )


def corrections_section(cells: CellTable) -> Section:
    """Return what readers changed, cell by cell: its class, then phase and lineage."""
    rows = np.flatnonzero(is_corrected(cells) | is_added(cells))
    figures = _figures_read(cells)
    n = len(rows) + len(figures)
    if not n:
        return Section("Corrections by hand", (Paragraph("None."),))
    columns = (
        Column("cell_id", 0.1, "right"),
        Column("from", 0.25),
        Column("to", 0.25),
        Column("reader", 0.15),
        Column("when (UTC)", 0.25),
    )
    listed = _listed_corrections(cells, rows, figures)
    words = []
    if len(rows):
        told = plural(len(rows), "cell")
        words.append(f"{told} named, added or taken away by a reader.")
    if len(figures):
        told = plural(len(figures), "mitotic figure")
        words.append(f"Phase or lineage of {told} said by a reader.")
    if n > len(listed):
        left = f"{n - len(listed):,} more are not"
        words.append(f"The first {len(listed)} are listed; {left}.")
    note = Paragraph(" ".join(words))
    return Section("Corrections by hand", (note, Table(columns, listed)))


def _listed_corrections(
    cells: CellTable, rows: npt.NDArray[np.intp], figures: npt.NDArray[np.intp]
) -> tuple[Row, ...]:
    """Word the first corrections, by cell: its class, then phase and lineage."""
    cell_of = np.concatenate([rows, figures])
    order = np.argsort(cell_of, kind="stable")[:_MOST_CORRECTIONS]
    of_class, of_figure = order[order < len(rows)], order[order >= len(rows)]
    worded = dict(
        zip(of_class.tolist(), _correction_rows(cells, cell_of[of_class]), strict=True)
    )
    worded.update(
        zip(of_figure.tolist(), _mitosis_rows(cells, cell_of[of_figure]), strict=True)
    )
    return tuple(worded[place] for place in order.tolist())


def _correction_rows(cells: CellTable, rows: npt.NDArray[np.intp]) -> tuple[Row, ...]:
    chosen = cells.take(rows)
    columns = zip(
        map(str, chosen.cell_ids.tolist()),
        _classes_before(chosen),
        map(_called, _kinds(chosen).tolist()),
        (word or NOTHING for word in _further(chosen, READER)),
        (word or NOTHING for word in _further(chosen, READ_AT)),
        strict=True,
    )
    return tuple(Row(values) for values in columns)


def _figures_read(cells: CellTable) -> npt.NDArray[np.intp]:
    """Return the mitotic figures of which a reader gave phase or lineage."""
    said = [reader_mitosis(cells, of) != "" for of in MITOSIS_WORDS]
    return np.flatnonzero((_kinds(cells) == MITOTIC_CODE) & np.any(said, axis=0))


def _mitosis_rows(cells: CellTable, rows: npt.NDArray[np.intp]) -> Iterator[Row]:
    chosen = cells.take(rows)
    model = {of: _further(chosen, name) for of, name in MODEL_COLUMN.items()}
    said = {of: reader_mitosis(chosen, of).tolist() for of in model}
    readers, times = _further(chosen, MITOSIS_READER), _further(chosen, MITOSIS_READ_AT)
    for place, number in enumerate(chosen.cell_ids.tolist()):
        given = [of for of in said if said[of][place]]
        yield Row(
            (
                str(number),
                ", ".join(model[of][place] or UNKNOWN for of in given),
                ", ".join(said[of][place] for of in given),
                readers[place] or NOTHING,
                times[place] or NOTHING,
            )
        )


def _galleries(
    shown: CellPictures, rendered_only: Collection[str], per_class: int
) -> Iterator[Gallery]:
    kinds = [(c.code, c.colour) for c in CLASSES_AS_READ]
    for kind, colour in (*kinds, (UNIDENTIFIED, COLOURS_APART[UNIDENTIFIED])):
        rows = shown.rows_of(kind)
        if not len(rows):
            continue
        chosen = _spread(rows, per_class)
        title = class_title(kind, rendered_only) if kind in CLASS_BY_CODE else kind
        share = f"{len(chosen)} of {len(rows):,}" if len(chosen) < len(rows) else "all"
        yield Gallery(
            f"{title}: {plural(len(rows), 'cell')}, {share} shown",
            colour,
            tuple(shown.thumbnail(row) for row in chosen.tolist()),
        )


def _spread(rows: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.intp]:
    """Return n of some rows, evenly spread, the first and the last among them."""
    if len(rows) <= n:
        return rows
    return rows[np.linspace(0, len(rows) - 1, n).round().astype(np.intp)]


def _further(cells: CellTable, name: str) -> list[str]:
    return [
        str(v) for v in cells.further.get(name, np.zeros(len(cells), np.str_)).tolist()
    ]


def _classes_before(cells: CellTable) -> list[str]:
    """Return what counted before: what the model says where nothing is noted."""
    doubted, added = is_doubted(cells).tolist(), is_added(cells).tolist()
    before = []
    words = zip(cells.class_codes, _further(cells, READ_FROM), strict=True)
    for row, (code, word) in enumerate(words):
        called = _called(word or (UNIDENTIFIED if doubted[row] else code))
        if doubted[row] and called == UNIDENTIFIED:
            called += f" ({code} {in_percent(cells.probabilities[row], is_below=True)})"
        before.append(ADDED_BY_HAND if added[row] else called)
    return before


def _kinds(cells: CellTable) -> npt.NDArray[np.str_]:
    """Return the class that counts, `UNIDENTIFIED` also where the model doubts."""
    kinds: npt.NDArray[np.str_] = np.where(
        is_unidentified(cells), UNIDENTIFIED, judged_classes(cells)
    )
    return kinds


def _called(word: str) -> str:
    return (
        class_title(word, ()) if word in CLASS_BY_CODE else WORDS_APART.get(word, word)
    )
