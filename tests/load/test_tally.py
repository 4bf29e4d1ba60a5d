"""Counts by version, written whole every second."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.load.tally import Tally


def _totals(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "totals.json").read_text())
    return document


def test_requests_are_counted_by_the_version_that_answered(tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    tally.count("1", "single", 4.0, answers=(0.25,))
    tally.count("1", "batch", 8.0, answers=(0.5, 0.75))
    tally.count("2", "single", 2.0, "500 broken\n")
    tally.count(None, "single", 1.0, "no answer")
    tally.count("1", "feedback", 100.0)
    tally.write(final=True)
    totals = _totals(tmp_path)
    assert totals["versions"] == {
        "1": {"sent": 3, "failed": 0},
        "2": {"sent": 1, "failed": 1},
        "none": {"sent": 1, "failed": 1},
    }
    assert totals["kinds"] == {"batch": 1, "feedback": 1, "single": 3}
    times, faults = zip(*(fault.split(" ", 1) for fault in totals["faults"]), strict=True)
    assert faults == ("single by version 2: 500 broken", "single by version none: no answer")
    assert all(datetime.strptime(at, "%H:%M:%S%z") for at in times)
    assert (totals["measured"]["requests"], totals["measured"]["p50_ms"]) == (4, 3.0)
    assert (totals["measured"]["sent"], totals["measured"]["failed"]) == (5, 2)
    assert totals["final"]
    (line,) = (tmp_path / "seconds.jsonl").read_text().splitlines()
    assert json.loads(line)["versions"]["1"] == {
        "requests": 3,
        "failed": 0,
        "p50_ms": 6.0,
        "p99_ms": 7.96,
        "mean_probability": 0.5,
    }


def test_each_second_stands_for_itself_and_the_totals_add_up(tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    for requests in (2, 0, 3):
        for _ in range(requests):
            tally.count("1", "single", 1.0)
        tally.write()
    lines = [json.loads(line)["versions"] for line in (tmp_path / "seconds.jsonl").read_text().splitlines()]
    assert [line.get("1", {}).get("requests", 0) for line in lines] == [2, 0, 3]
    assert _totals(tmp_path)["versions"] == {"1": {"sent": 5, "failed": 0}}


def test_the_warm_up_is_counted_but_not_measured(tmp_path: Path) -> None:
    """The warm-up is left out of the measurements but not of the counts."""
    tally = Tally(tmp_path, warm_up_seconds=60)
    tally.count("1", "single", 900.0, "no answer")
    tally.write()
    totals = _totals(tmp_path)
    nothing = {"seconds": 0.0, "requests": 0, "sent": 0, "failed": 0}
    assert totals["measured"] == nothing | {"p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert totals["versions"] == {"1": {"sent": 1, "failed": 1}}
