"""What a dossier consists of: sections of sentences, each with the records that it rests on."""

from __future__ import annotations

from typing import Literal

from components.spec.contract import ClosedModel

Mark = Literal["", "pass", "fail"]


class Statement(ClosedModel):
    """One sentence.

    Attributes:
        records: names of files below the dossier's folder; none means that there is no record, and the text says so.
        quote: words of the record itself.
    """

    text: str
    records: tuple[str, ...]
    mark: Mark = ""
    quote: str = ""


class Section(ClosedModel):
    """Sentences about one question; `lead` says what the question is."""

    key: str
    title: str
    lead: str
    statements: tuple[Statement, ...]


def said(text: str, *records: str, mark: Mark = "", quote: str = "") -> Statement:
    """A sentence that rests on records."""
    return Statement(text=text, records=records, mark=mark, quote=quote.strip())


def unrecorded(what: str) -> Statement:
    """Says that nothing is known."""
    return Statement(text=f"No record: {what}", records=())
