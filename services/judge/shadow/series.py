"""What a champion counted about a candidate since the candidate's rollout began, from samples in order of time.

The rollout begins when a replica of the candidate is first seen. A counter that fell was restarted, and has counted
from zero since. Everything is derived from the samples, so a restarted judge that reads them again knows the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services import telemetry
from services.judge.evidence.exposition import MetricSample
from services.judge.evidence.series import Role
from services.judge.shadow.reading import COUNTERS, NOTHING_SEEN, Counted, ReplicaCounts, read_seen

#: A candidate that was not seen for this long, in seconds, has gone; if it comes again, that is another rollout.
GAP_SECONDS: Final = 60.0

#: A replica, and a metric with its labels.
_Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class InShadow:
    """A candidate in the shadow: its version, the time it has been there for, and the counts since then.

    `copies` is false if the champion sends none: it was started under another strategy.
    """

    version: str = ""
    elapsed_seconds: float = 0.0
    began: float | None = None
    seen: ReplicaCounts = NOTHING_SEEN
    problems: tuple[str, ...] = ()
    copies: bool = True


class ShadowSeries:
    """The counts of one service."""

    def __init__(self) -> None:
        self._version, self._seen_at, self._gone = "", 0.0, True
        self._began: float | None = None
        self._champion_at = self._copies_at = 0.0
        self._last: dict[_Key, tuple[float, float]] = {}
        self._totals: dict[_Key, Counted] = {}
        self._about: dict[_Key, Counted] = {}
        #: Why the samples cannot be read now.
        self.problems: tuple[str, ...] = ()

    def add(self, at: float, replica: str, role: Role, sample: MetricSample) -> None:
        """Adds one number that was read at a time (Unix seconds); a time that was added before is ignored."""
        key = (replica, sample.name, tuple(sorted(sample.labels.items())))
        before_at, before = self._last.get(key, (0.0, 0.0))
        if at <= before_at:
            return
        self._last[key] = at, sample.value
        if role == "canary" and sample.name == telemetry.MODEL_INFO:
            self._meet(at, sample.labels.get("version", ""))
        if role == "champion":
            self._champion_at = at
            self._copies_at = at if sample.name in COUNTERS else self._copies_at
        if sample.name not in COUNTERS:
            self._about[key] = Counted(sample, at)
        elif role == "champion" and self._began is not None and sample.labels.get("candidate") == self._version:
            gained = sample.value - before if sample.value >= before else sample.value
            known = self._totals.get(key)
            total = gained + (0.0 if known is None else known.sample.value)
            self._totals[key] = Counted(MetricSample(sample.name, sample.labels, total), at)

    def gone(self) -> None:
        """Says that there is no candidate now: the next one begins a rollout, whatever its version."""
        self._gone = True

    def now(self, at: float, service: str) -> InShadow:
        """The candidate as known at a time."""
        if self._began is None:
            return InShadow(problems=self.problems)
        elapsed = max(min(at, self._seen_at + GAP_SECONDS) - self._began, 0.0)
        counted = [*self._totals.values(), *self._about.values()]
        seen = read_seen(counted, service) or NOTHING_SEEN
        copies = self._champion_at - self._copies_at <= GAP_SECONDS
        return InShadow(self._version, elapsed, self._began, seen, self.problems, copies)

    def _meet(self, at: float, version: str) -> None:
        if self._gone or version != self._version or at - self._seen_at > GAP_SECONDS:
            self._version, self._began = version, at
            self._totals.clear()
            self._about.clear()
            self._last = {key: known for key, known in self._last.items() if at - known[0] <= GAP_SECONDS}
        self._seen_at, self._gone = at, False
