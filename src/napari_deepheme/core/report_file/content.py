"""What a report says, as data: sections of text, tables, charts and pictures.

It is gathered once and drawn as HTML and as PDF, so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RENDERED: Final = "†"
"""Behind the name of a class that the model learned from rendered cells only."""

CORRECTED: Final = "*"
"""Behind the number of a cell that a reader named."""

NOTHING: Final = "–"
"""Stands for a figure without a denominator."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, encoded.

    Attributes
    ----------
    jpeg : bytes
        The file.
    width, height : int
        In its pixels.
    """

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; `is_strong` for what must not be overlooked."""

    text: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a column.

    Attributes
    ----------
    title : str
        What stands above it.
    width : float
        Its share of the page's width; those of a table sum to 1 at most.
    align : {"left", "right"}
        Numbers stand to the right.
    """

    title: str
    width: float
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    values : tuple of str
        One a column.
    colours : tuple of str
        Of the classes that it counts, drawn before it.
    is_marked : bool
        Whether it is set in bold, such as what lies outside its reference range.
    picture : Picture or None
        Drawn before it, in a table that has pictures.
    """

    values: tuple[str, ...]
    colours: tuple[str, ...] = ()
    is_marked: bool = False
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `has_pictures` keeps room for one before each row."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    has_pictures: bool = False

    @property
    def has_colours(self) -> bool:
        """Whether any row has a colour."""
        return any(row.colours for row in self.rows)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart.

    Attributes
    ----------
    label : str
        What it counts.
    value : float
        Its length, in percent.
    interval : tuple of float, or None
        Drawn as a whisker, in percent.
    words : str
        The value in words, behind it.
    colour : str
        As ``#rrggbb``.
    """

    label: str
    value: float
    interval: tuple[float, float] | None
    words: str
    colour: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars below one another, with what they are percent of as `title`."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A cell of a gallery.

    Attributes
    ----------
    caption : str
        Its cell_id, with `CORRECTED` behind it where a reader named it.
    picture : Picture or None
        None where the slide could not be read.
    is_corrected : bool
        Whether a reader named it.
    hint : str
        More of it, where a page can show that.
    """

    caption: str
    picture: Picture | None
    is_corrected: bool
    hint: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Cells of one class, with its name and their number as `title`."""

    title: str
    colour: str
    thumbnails: tuple[Thumbnail, ...]


@dataclass(frozen=True, slots=True)
class Plate:
    """A large picture with what is seen in it."""

    picture: Picture
    caption: str


Block = Paragraph | Table | BarChart | Gallery | Plate


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; `starts_page` where it is printed on a page of its own."""

    title: str
    blocks: tuple[Block, ...]
    starts_page: bool = False


@dataclass(frozen=True, slots=True)
class ReportContent:
    """A report.

    Attributes
    ----------
    title : str
        What it is.
    head : tuple of tuple of str
        Slide, date, reader and the like: name and value.
    alerts : tuple of str
        What must be known before any number is read.
    sections : tuple of Section
        In order.
    doubts : tuple of str
        Those of the alerts that speak against the slide at hand.
    """

    title: str
    head: tuple[tuple[str, str], ...]
    alerts: tuple[str, ...]
    sections: tuple[Section, ...]
    doubts: tuple[str, ...] = ()
