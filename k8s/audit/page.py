"""Draws a dossier as one HTML page in the style of the demo's report; its links lead to the records beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from k8s.audit.dossier import Dossier
from k8s.twin import report
from k8s.twin.report import words

_HERE: Final = Path(__file__).parent
_REPORT: Final = Path(report.__file__).parent


def page(dossier: Dossier, folder: str) -> str:
    """The page; `folder` is the name of the folder beside it that has the records."""
    styles = [(where / "style.css").read_text(encoding="utf-8") for where in (_REPORT, _HERE)]
    environment = Environment(
        loader=FileSystemLoader([_HERE, _REPORT]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(short=words.short, day=words.day, count=words.count)
    environment.globals.update(link=lambda name: quote(f"{folder}/{name}"))
    statements = [one for section in dossier.sections for one in section.statements]
    return environment.get_template("dossier.html.j2").render(
        style=Markup("\n".join(styles)),  # noqa: S704 -- our own files
        dossier=dossier,
        unrecorded=sum(not one.records for one in statements),
        failed=sum(one.mark == "fail" for one in statements),
        said=len(statements),
    )
