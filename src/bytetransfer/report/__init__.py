"""What a study found, as a page, as figures and in the terminal.

`build_report` makes data of measurements and estimates, `render_html` makes one offline page of
that, and `print_estimates` gives the first answer in a terminal.
"""

from __future__ import annotations

from bytetransfer.report.page.html import render_html, write_html
from bytetransfer.report.report import build_report
from bytetransfer.report.text.estimates import print_estimates
from bytetransfer.report.view import StudyDescription

__all__ = ["StudyDescription", "build_report", "print_estimates", "render_html", "write_html"]
