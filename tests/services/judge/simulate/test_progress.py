"""What the simulation says while it runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from services.judge.simulate import __main__ as simulate


def test_a_log_has_lines_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no bar, a line tells how far it is, and the last one that a part has ended."""
    monkeypatch.setattr(simulate, "_SECONDS_A_LINE", 0.0)
    console = Console(file=io.StringIO())
    assert list(simulate._shown(console, range(2), "worlds", 2)) == [0, 1]
    assert isinstance(console.file, io.StringIO)
    lines = ["worlds: 1 of 2 after 0 s", "worlds: 2 of 2 after 0 s", "worlds: 0 s"]
    assert console.file.getvalue().splitlines() == lines
