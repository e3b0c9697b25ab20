"""`report.json` and `report.html`: every number that was measured or predicted, with its kind."""

from .activity import Activity
from .document import REPORT_FILE, kind_of, merge_report, new_report, read_report
from .html import HTML_FILE, write_html

__all__ = [
    "HTML_FILE",
    "REPORT_FILE",
    "Activity",
    "kind_of",
    "merge_report",
    "new_report",
    "read_report",
    "write_html",
]
