"""Replicas of two versions under a gateway, second by second: what they answer, lose, and tell on their pages."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services import telemetry
from services.judge.evidence.counts import COLUMNS, ERRORS_AT, LOSSES, LOSSES_AT, REQUESTS_AT, SLOW_AT, Counts
from services.judge.evidence.exposition import PARTS, Reading
from services.judge.evidence.series import Role
from services.judge.evidence.slots import REMEMBERED_AT, Slotted
from services.judge.simulate.rollouts import HOLDOUT
from services.judge.simulate.world import LABELLED, SimulatedVersion, answer
from services.judge.statistics.evalue import Array

#: Seconds of the slots in which a server tells labels; its default.
_LABEL_SECONDS = 30


@dataclass
class SimulatedReplica:
    """One replica: its counters since it started, and what it tells by slots of time."""

    name: str
    role: Role
    totals: Array = field(default_factory=lambda: np.zeros(COLUMNS))
    labels: dict[int, Array] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)

    def takes(self, now: int, counted: Array) -> None:
        """Adds the requests of one second; `counted` has the shape (COLUMNS,)."""
        self.totals += counted
        slot = now // telemetry.ARRIVED_SECONDS
        self.arrived[slot] = self.arrived.get(slot, 0.0) + counted[REQUESTS_AT]
        self._row(now)[REMEMBERED_AT] += counted[REQUESTS_AT] - counted[ERRORS_AT]

    def gets_labels(self, answered: int, losses: Array) -> None:
        """Adds labels of answers that were given in one second; `losses` has the shape (LOSSES,)."""
        self.totals[LOSSES_AT] += losses
        self._row(answered)[:LOSSES] += losses

    def reading(self, now: int) -> Reading:
        """Its page."""
        newest = now // telemetry.ARRIVED_SECONDS
        ring = range(newest - telemetry.ARRIVED_SLOTS + 1, newest + 1)
        self.arrived = {slot: self.arrived.get(slot, 0.0) for slot in ring}
        arrived = dict(self.arrived)
        labels = {slot: row.copy() for slot, row in self.labels.items()}
        package, champion = f"sha256:{self.role}", "sha256:champion"
        return Reading(
            Counts.from_vector(self.totals), self.role, package, champion, HOLDOUT,
            Slotted(_LABEL_SECONDS, labels, arrived),
        )  # fmt: skip

    def _row(self, at: int) -> Array:
        return self.labels.setdefault(at // _LABEL_SECONDS, np.zeros(LOSSES + 1))


@dataclass(frozen=True)
class LabelDelays:
    """Seconds from an answer to its label, by class."""

    negative: int
    positive: int


class Side:
    """The replicas of one version behind the gateway, which gives each the same chance."""

    def __init__(self, role: Role, replicas: int, rng: np.random.Generator, delays: LabelDelays | None) -> None:
        self.role, self._rng, self._delays = role, rng, delays
        self._made = 0
        self.replicas: list[SimulatedReplica] = []
        self._coming: dict[int, list[tuple[SimulatedReplica, int, Array]]] = {}
        for _ in range(replicas):
            self.add()

    def add(self) -> None:
        """Starts one more replica."""
        self._made += 1
        self.replicas.append(SimulatedReplica(f"{self.role}-{self._made}", self.role))

    def remove(self) -> None:
        """Ends a replica, which takes along what was counted since its last scrape."""
        self.replicas.pop(int(self._rng.integers(len(self.replicas))))

    def second(self, now: int, requests: int, version: SimulatedVersion, lost: float, broken: int | None) -> int:
        """Answers one second's requests, of which a part is lost; a `broken` replica answers all with errors.

        Returns the number of requests that were answered.
        """
        parts = self._rng.multinomial(requests, np.full(len(self.replicas), 1 / len(self.replicas)))
        kept = self._rng.binomial(parts, 1 - lost)
        for place, (replica, number) in enumerate(zip(self.replicas, kept, strict=True)):
            counted = answer(version, np.array([number]), None, self._rng)[0]
            counted[LOSSES_AT] = 0
            if place == broken:
                counted[ERRORS_AT], counted[SLOW_AT] = number, 0
            replica.takes(now, counted)
            if self._delays is not None and number:
                self._plan_labels(replica, now, int(number), version, self._delays)
        for replica, answered, losses in self._coming.pop(now, ()):
            if replica in self.replicas:
                replica.gets_labels(answered, losses)
        return int(kept.sum())

    def _plan_labels(
        self, replica: SimulatedReplica, now: int, answers: int, version: SimulatedVersion, delays: LabelDelays
    ) -> None:
        cells = self._rng.multinomial(self._rng.binomial(answers, LABELLED), version.labels())
        for first, delay in ((0, delays.negative), (1, delays.positive)):
            losses = cells[first::2] @ PARTS[first::2]
            self._coming.setdefault(now + max(delay, 1), []).append((replica, now, losses))
