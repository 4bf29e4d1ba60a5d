"""Renders a dossier as one HTML page in the style of the demo's report, with links to the records beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from k8s.audit.dossier import Dossier
from k8s.report import FOLDER, words

_HERE: Final = Path(__file__).parent
#: A digest or a commit, spelled out in full in a sentence.
_DIGEST: Final = re.compile(r"\b(?:sha256:[0-9a-f]{64}|[0-9a-f]{40})\b")


def page(dossier: Dossier, folder: str) -> str:
    """The page as HTML; `folder` is the name of the folder of records beside it."""
    styles = [(where / "style.css").read_text(encoding="utf-8") for where in (FOLDER, _HERE)]
    environment = Environment(
        loader=FileSystemLoader([_HERE, FOLDER]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(short=words.short, day=words.day, count=words.count, spelled=_spelled)
    environment.globals.update(link=lambda name: quote(f"{folder}/{name}"))
    statements = [one for section in dossier.sections for one in section.statements]
    return environment.get_template("dossier.html.j2").render(
        style=Markup("\n".join(styles)),  # noqa: S704 -- our own files
        dossier=dossier,
        unrecorded=sum(not one.records for one in statements),
        failed=sum(one.mark == "fail" for one in statements),
        said=len(statements),
    )


def _spelled(text: str) -> Markup:
    """A sentence as HTML: digests are set as code, everything is escaped."""
    return Markup(_DIGEST.sub(r"<code>\g<0></code>", str(escape(text))))  # noqa: S704 -- escaped, and digests are hex
