"""The demo's report: one self-contained HTML file for people who were not there.

Imports the twin's summary, and report; the demo may import it.
"""

from pathlib import Path

from components.files import write_atomically
from k8s.twin.report.page import page

__all__ = ["write_report"]


def write_report(home: Path) -> Path:
    """Writes `home/report.html` atomically from the files that a demo left in `home`.

    The report names the parts that the demo did not reach; only a missing folder is an error.
    """
    return write_atomically(home / "report.html", page(home))
