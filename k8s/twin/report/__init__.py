"""The demo's report: one HTML file that needs nothing else, for people who were not there."""

from pathlib import Path

from components.files import write_atomically
from k8s.twin.report.page import page

__all__ = ["write_report"]


def write_report(home: Path) -> Path:
    """Writes `home/report.html`, whole or not at all, from what a demo left in `home`.

    Parts that the demo did not come to are named in the report; only a folder that is not there is an error.
    """
    return write_atomically(home / "report.html", page(home))
