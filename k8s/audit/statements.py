"""The parts of a dossier: sections of sentences, each with the records that support it."""

from __future__ import annotations

from typing import Literal

from components.spec.contract import ClosedModel

Mark = Literal["", "pass", "fail", "undecided"]


class Statement(ClosedModel):
    """One sentence.

    Attributes:
        records: names of files below the dossier's folder; empty if no record exists, and the text then says so.
        quote: a quotation from the record.
    """

    text: str
    records: tuple[str, ...]
    mark: Mark = ""
    quote: str = ""


class Section(ClosedModel):
    """Sentences about one question; `lead` states the question."""

    key: str
    title: str
    lead: str
    statements: tuple[Statement, ...]


def said(text: str, *records: str, mark: Mark = "", quote: str = "") -> Statement:
    """A sentence supported by records."""
    return Statement(text=text, records=records, mark=mark, quote=quote.strip())


def unrecorded(what: str) -> Statement:
    """A sentence that says that no record exists."""
    return Statement(text=f"No record: {what}", records=())
