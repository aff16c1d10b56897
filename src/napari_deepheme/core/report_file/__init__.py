"""The report of a slide's count, as one HTML file or as PDF. Research use only."""

from napari_deepheme.core.report_file.content import ReportContent
from napari_deepheme.core.report_file.gather import gather_report
from napari_deepheme.core.report_file.html_page import render_html
from napari_deepheme.core.report_file.write import write_report

__all__ = ["ReportContent", "gather_report", "render_html", "write_report"]
