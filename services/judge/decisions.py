"""Says whether two rollouts were decided alike: `python -m services.judge.decisions FIRST SECOND [--service churn]`.

FIRST and SECOND are logs: the judge's (of one or more replicas, one after the other), or the twin's
`events.jsonl`. Waits are left out, for how many there are depends on traffic; numbers are left out,
for they differ in the last digit. What is left is compared line by line.

Ends with 0 when they agree, 1 when they do not, 2 when a file cannot be read or decides nothing.
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
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.judge.decisions", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--service", default="", help="only its decisions")
    given = parser.parse_args(arguments)
    try:
        first, second = (_read(path, given.service) for path in (given.first, given.second))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    differences = list(difflib.unified_diff(first, second, str(given.first), str(given.second), lineterm=""))
    print("\n".join(differences or ["the same decisions in the same order:", *first]))
    return 1 if differences else 0


def outline(lines: Iterable[str], service: str = "") -> list[str]:
    """The decisions of a log in the order of their time, such as `2: fail at 10 %: error_ratio`.

    A line that is no decision is passed over; so is one that says again what was said last.
    """
    found = sorted((each for each in map(_decision, lines) if each is not None), key=lambda each: float(each["at"]))
    said: list[str] = []
    for decision in found:
        mine = not service or decision.get("service", service) == service
        if mine and decision["verdict"] != "wait" and (not said or said[-1] != _words(decision)):
            said.append(_words(decision))
    return said


def _read(path: Path, service: str) -> list[str]:
    said = outline(path.read_text(encoding="utf-8").splitlines(), service)
    if not said:
        raise ValueError(f"{path}: nothing was decided{f' about {service}' if service else ''}; is it the right log?")
    return said


def _decision(line: str) -> dict[str, Any] | None:
    """The judge writes `event`, the twin `kind`; other programs' lines may stand between."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or "decision" not in (record.get("event"), record.get("kind")):
        return None
    return record if {"at", "version", "weight", "verdict", "evidence"} <= record.keys() else None


def _words(decision: dict[str, Any]) -> str:
    harmed = sorted(found["name"] for found in decision["evidence"].get("signals", ()) if found["state"] == "harm")
    why = f": {', '.join(harmed) or 'no evidence'}" if decision["verdict"] == "fail" else ""
    return f"{decision['version']}: {decision['verdict']} at {decision['weight']} %{why}"


if __name__ == "__main__":
    sys.exit(main())
