"""Compares the decisions of two rollouts: `python -m services.judge.decisions FIRST SECOND [--service churn]`.

FIRST and SECOND are logs: the judge's (those of several replicas concatenated), or the twin's
`events.jsonl`. Waits are ignored, because their number depends on traffic, and so are numbers,
because they differ in the last digit. The rest is compared line by line.

The exit status is 0 when they agree, 1 when they differ, 2 when a file cannot be read or has no decision.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m services.judge.decisions", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--service", default="", help="compare only this service's decisions")
    args = parser.parse_args(arguments)
    try:
        first, second = (_read(path, args.service) for path in (args.first, args.second))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    differences = list(difflib.unified_diff(first, second, str(args.first), str(args.second), lineterm=""))
    print("\n".join(differences or ["the same decisions in the same order:", *first]))
    return 1 if differences else 0


def outline(lines: Iterable[str], service: str = "") -> list[str]:
    """The decisions of a log in order of time, such as `2: fail at 10 %: error_ratio`.

    Lines that are not decisions are skipped, and so are repetitions of the last decision. A log is told in the words
    in which it was decided: before there was `undecided`, a deadline without evidence was a fail without harm.
    """
    decisions = sorted((each for each in map(_decision, lines) if each is not None), key=lambda each: float(each["at"]))
    words: list[str] = []
    for decision in decisions:
        mine = not service or decision.get("service", service) == service
        if mine and decision["verdict"] != "wait" and (not words or words[-1] != _words(decision)):
            words.append(_words(decision))
    return words


def _read(path: Path, service: str) -> list[str]:
    words = outline(path.read_text(encoding="utf-8").splitlines(), service)
    if not words:
        raise ValueError(f"{path}: nothing was decided{f' about {service}' if service else ''}; is it the right log?")
    return words


def _decision(line: str) -> dict[str, Any] | None:
    """The decision in a line, else None. The judge names the line's kind `event`, the twin `kind`."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or "decision" not in (record.get("event"), record.get("kind")):
        return None
    return record if {"at", "version", "weight", "verdict", "evidence"} <= record.keys() else None


def _words(decision: dict[str, Any]) -> str:
    harmed = sorted(signal["name"] for signal in decision["evidence"].get("signals", ()) if signal["state"] == "harm")
    why = f": {', '.join(harmed) or 'no evidence'}" if decision["verdict"] == "fail" else ""
    return f"{decision['version']}: {decision['verdict']} at {decision['weight']} %{why}"


if __name__ == "__main__":
    sys.exit(main())
