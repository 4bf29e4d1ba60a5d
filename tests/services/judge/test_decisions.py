"""Whether two logs tell of the same decisions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.judge.decisions import main, outline


def line(at: float, verdict: str, weight: int, version: str = "2", harmed: str = "", **more: object) -> str:
    signals = [{"name": "error_ratio", "state": "safe"}] + ([{"name": harmed, "state": "harm"}] if harmed else [])
    record = {"event": "decision", "at": at, "version": version, "weight": weight, "verdict": verdict}
    return json.dumps(record | {"reason": f"at {at}", "evidence": {"signals": signals}} | more)


JUDGE = [
    "Defaulted container judge",
    json.dumps({"event": "answer", "at": 0.5, "weight": 0, "version": "2"}),
    line(4, "fail", 10, "3", "score_shift"),
    line(1, "wait", 10),
    line(2, "pass", 10),
    line(2.1, "pass", 10),
    line(3, "pass", 20),
]
TWIN = [
    json.dumps({"kind": "phase", "at": 90, "version": "2", "weight": 0}),
    line(100, "pass", 10, kind="decision", event=""),
    line(101, "wait", 20, kind="decision", event=""),
    line(102, "pass", 20, kind="decision", event=""),
    line(103, "fail", 10, "3", "score_shift", kind="decision", event=""),
]
SAID = ["2: pass at 10 %", "2: pass at 20 %", "3: fail at 10 %: score_shift"]


def test_decisions_are_in_order_without_waits_and_repeats() -> None:
    """Decisions are in the order of time, without waits and repeats."""
    assert outline(JUDGE) == outline(TWIN) == SAID


def test_undecided_is_said_and_is_no_fail() -> None:
    assert outline([line(1, "undecided", 10)]) == ["2: undecided at 10 %"]
    assert outline([line(1, "fail", 10, harmed="slow_ratio")]) == ["2: fail at 10 %: slow_ratio"]


def test_an_old_fail_for_want_of_evidence_is_told_as_it_was() -> None:
    """Before there was undecided, a deadline without evidence was a fail; its log still says so."""
    old = json.loads(line(1, "fail", 10))
    old["evidence"]["want_of_evidence"] = True
    assert outline([json.dumps(old)]) == ["2: fail at 10 %: no evidence"]


def test_another_services_decisions_are_left_out() -> None:
    lines = [line(1, "pass", 10, service="churn"), line(2, "pass", 20, service="fraud")]
    assert outline(lines, "churn") == ["2: pass at 10 %"]


@pytest.mark.parametrize(
    ("second", "status", "words"),
    [
        (TWIN, 0, "the same decisions in the same order"),
        (TWIN[:-1], 1, "-3: fail at 10 %: score_shift"),
        ([line(1, "wait", 10)], 2, "nothing was decided; is it the right log?"),
    ],
)
def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: list[str], status: int, words: str
) -> None:
    for name, lines in (("first", JUDGE), ("second", second)):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    assert main([str(tmp_path / "first"), str(tmp_path / "second")]) == status
    said = capsys.readouterr()
    assert words in said.out + said.err


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
