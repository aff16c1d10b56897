"""A report as a file, by the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.report_file.html_page import render_html

if TYPE_CHECKING:
    from napari_deepheme.core.report_file.content import ReportContent

SUFFIXES: Final = (".html", ".pdf")
"""What a report's file can end in."""


def write_report(content: ReportContent, path: Path | str) -> None:
    """Write a report as HTML or as PDF, whole or not at all.

    Parameters
    ----------
    content : ReportContent
        As `gather_report` gives it.
    path : Path or str
        Ends in ``.html`` or ``.pdf``; its folder exists.

    Raises
    ------
    CannotWriteError
        If the name ends otherwise, the file cannot be written, or pages have no room.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CannotWriteError(
            str(path), "its name ends otherwise", "end it in .html or in .pdf"
        )
    with atomic_file(path) as stream:
        stream.write(_rendered(content, path, suffix))


def _rendered(content: ReportContent, path: Path, suffix: str) -> bytes:
    if suffix == ".html":
        return render_html(content).encode()
    # Loads ReportLab, which a page for a browser does not need.
    from reportlab.platypus.doctemplate import LayoutError

    from napari_deepheme.core.report_file.pdf_pages import render_pdf

    try:
        return render_pdf(content)
    except LayoutError as error:
        why = "a part of it is too large for a page"
        raise CannotWriteError(str(path), why, "end its name in .html") from error
