"""What the demo's terminal says of a version's end: undecided is told apart from rolled back."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from k8s.twin.demo.terminal import Terminal
from k8s.twin.events import Event


def said(*events: Event) -> str:
    console = Console(file=io.StringIO(), width=200)
    terminal = Terminal(console, clock=lambda: 10.0)
    for event in events:
        terminal.event(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("reason", "word", "end"),
    [
        ("undecided: no decision within the deadline", "undecided", "version 3 is taken back, undecided"),
        ("fail: 5 % of the requests", "fail", "version 3 is rolled back"),
    ],
)
def test_an_end_is_told_in_the_judges_word(reason: str, word: str, end: str) -> None:
    told = said(
        Event(11.0, "decision", "3", 10, "Progressing", word, reason),
        Event(12.0, "phase", "3", 0, "Failed", "", reason),
    )
    assert told.splitlines() == [f"   1.0  judge: {reason}", f"   2.0  {end}"]


def test_a_wait_is_no_line() -> None:
    assert said(Event(11.0, "decision", "3", 10, "Progressing", "wait", "wait: too little")) == ""
