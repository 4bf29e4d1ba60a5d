"""Counts a load's requests by the version that answered, and writes the counts down every second."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from components.files import write_atomically

#: What stands for the version when nobody answered.
NOBODY = "none"
_FAULTS_KEPT = 20


@dataclass
class _Second:
    """What one version did in the current second."""

    requests: int = 0
    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)


class Tally:
    """`totals.json` is replaced every second, `seconds.jsonl` grows by one line a second."""

    def __init__(self, folder: Path, warm_up_seconds: float = 0, answers: str = "probability") -> None:
        """What the first `warm_up_seconds` brought is counted and shown, and left out of what is `measured`.

        `answers` says what answers are: their mean in a second is written as `mean_<answers>`.
        """
        self._answers = answers
        folder.mkdir(parents=True, exist_ok=True)
        self._totals, self._series = folder / "totals.json", folder / "seconds.jsonl"
        self._began = self._written = time.time()
        self._warm_at = self._began + warm_up_seconds
        self._sent: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        # Of the warm part, feedback included.
        self._warm_sent = self._warm_failed = 0
        self._latencies_ms: list[float] = []
        self._faults: list[str] = []
        self._second: dict[str, _Second] = {}

    def count(
        self,
        version: str | None,
        kind: str,
        latency_ms: float,
        fault: str = "",
        answers: tuple[float, ...] = (),
    ) -> None:
        """One request that was answered, or not; `fault` says what was wrong with it, empty for nothing."""
        name = version or NOBODY
        now = self._second.setdefault(name, _Second())
        self._sent[name] += 1
        self._kinds[kind] += 1
        now.requests += 1
        warm = time.time() >= self._warm_at
        self._warm_sent += warm
        if fault:
            self._failed[name] += 1
            self._warm_failed += warm
            now.failed += 1
            if len(self._faults) < _FAULTS_KEPT:
                at = time.strftime("%H:%M:%SZ", time.gmtime())
                self._faults.append(f"{at} {kind} by version {name}: {fault.strip()}")
        if kind == "feedback":
            return
        now.latencies_ms.append(latency_ms)
        now.answers.extend(answers)
        if warm:
            self._latencies_ms.append(latency_ms)

    def write(self, *, final: bool = False) -> None:
        """Writes the totals and the second that ended; `final` says that nothing follows."""
        now = time.time()
        second, self._second = self._second, {}
        line = {
            "at": round(now, 3),
            "seconds": round(now - self._written, 3),
            "versions": {name: _summary(one, self._answers) for name, one in sorted(second.items())},
        }
        self._written = now
        with self._series.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        write_atomically(self._totals, json.dumps(self._document(now, final=final), indent=1) + "\n")

    def _document(self, now: float, *, final: bool) -> dict[str, Any]:
        measured = max(now - max(self._warm_at, self._began), 0.0)
        names = sorted(self._sent)
        return {
            "final": final,
            "seconds": round(now - self._began, 3),
            "versions": {name: {"sent": self._sent[name], "failed": self._failed[name]} for name in names},
            "kinds": dict(sorted(self._kinds.items())),
            "measured": {"seconds": round(measured, 3), "requests": len(self._latencies_ms)}
            | {"sent": self._warm_sent, "failed": self._warm_failed}
            | _percentiles(self._latencies_ms, (50, 95, 99)),
            "faults": self._faults,
        }


def _summary(second: _Second, answers: str) -> dict[str, Any]:
    mean = sum(second.answers) / len(second.answers) if second.answers else None
    return {
        "requests": second.requests,
        "failed": second.failed,
        **_percentiles(second.latencies_ms, (50, 99)),
        f"mean_{answers}": None if mean is None else round(mean, 4),
    }


def _percentiles(latencies_ms: list[float], wanted: tuple[int, ...]) -> dict[str, float | None]:
    if not latencies_ms:
        return {f"p{percent}_ms": None for percent in wanted}
    values = np.percentile(latencies_ms, wanted)
    return {f"p{percent}_ms": round(float(value), 2) for percent, value in zip(wanted, values, strict=True)}
