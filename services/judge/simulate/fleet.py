"""Replicas of two versions under a gateway, second by second: what they answer, lose, and tell on their pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from services import telemetry
from services.judge.evidence.counts import (
    COLUMNS,
    ERRORS_AT,
    LOSSES,
    LOSSES_AT,
    REQUESTS_AT,
    SCORES_AT,
    SLOW_AT,
    Counts,
    LiveExpectation,
)
from services.judge.evidence.exposition import PARTS, Reading
from services.judge.evidence.series import Role
from services.judge.evidence.slots import REMEMBERED_AT, SlotNumber, slotted
from services.judge.simulate.callers import Asked, Callers, input_sums
from services.judge.simulate.rollouts import HOLDOUT
from services.judge.simulate.world import LABELLED, SimulatedVersion, answer
from services.judge.statistics.evalue import Array

#: Seconds of the slots in which a server tells labels; its default.
_LABEL_SECONDS = 30
_SLOTS = {_LABEL_SECONDS: telemetry.LABEL_SLOTS, telemetry.ARRIVED_SECONDS: telemetry.ARRIVED_SLOTS}


@dataclass
class SimulatedReplica:
    """One replica: its counters since it started, and what it tells by slots of time.

    `clock` is the number of seconds that its node's clock is ahead. It is scraped in every second whose remainder by
    the time between scrapes is `phase`. While it is not `ready` it gets no requests; while it is `dead` it gets some
    and answers neither them nor a scrape. With `callers` its scores are of theirs, and its page tells what the hold-out
    lets expect of them.
    """

    name: str
    role: Role
    clock: float = 0.0
    phase: int = 0
    ready: bool = True
    dead: bool = False
    totals: Array = field(default_factory=lambda: np.zeros(COLUMNS))
    labels: dict[int, Array] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)
    callers: Callers | None = None

    def __post_init__(self) -> None:
        self._asked = self._nothing()

    def _nothing(self) -> Asked | None:
        return None if self.callers is None else self.callers.nothing(of_canary=self.role == "canary")

    def asked(self, counted: Array) -> None:
        """Gives one second's requests the scores of the callers, if it has any of its own; `counted` is (COLUMNS,)."""
        if self.callers is None or self._asked is None:
            return
        number = int(counted[REQUESTS_AT])
        new = self.callers.of_champion(number) if self.role == "champion" else self.callers.of_canary(number)
        counted[SCORES_AT] = new.scores
        self._asked += new

    def takes(self, now: int, counted: Array) -> None:
        """Adds the requests of one second; `counted` has the shape (COLUMNS,)."""
        self.totals += counted
        slot = self._slot(now, telemetry.ARRIVED_SECONDS)
        self.arrived[slot] = self.arrived.get(slot, 0.0) + counted[REQUESTS_AT]
        self._row(now)[REMEMBERED_AT] += counted[REQUESTS_AT] - counted[ERRORS_AT]

    def gets_labels(self, answered: int, losses: Array) -> None:
        """Adds labels of answers that were given in one second; `losses` has the shape (LOSSES,)."""
        self.totals[LOSSES_AT] += losses
        self._row(answered)[:LOSSES] += losses

    def starts_anew(self) -> None:
        """Forgets all that it counted, as a new process does."""
        self.totals = np.zeros(COLUMNS)
        self.labels, self.arrived = {}, {}
        self._asked = self._nothing()

    def reading(self, now: int) -> Reading:
        """Its page."""
        self.arrived = {slot: self.arrived.get(slot, 0.0) for slot in self._ring(now, telemetry.ARRIVED_SECONDS)}
        kept = self._ring(now, _LABEL_SECONDS)
        self.labels = {slot: row for slot, row in self.labels.items() if slot in kept}
        package, champion = f"sha256:{self.role}", "sha256:champion"
        return Reading(
            Counts.from_vector(self.totals), self.role, package, champion,
            HOLDOUT if self.callers is None else self.callers.holdout,
            slotted(now, _LABEL_SECONDS, self._labelled(), self._arrived()), self._expectation(),
            None if self._asked is None else input_sums(self._asked),
        )  # fmt: skip

    def _expectation(self) -> LiveExpectation | None:
        if self.callers is None or self._asked is None or self.role == "champion":
            return None
        return self.callers.expectation(self._asked)

    def _labelled(self) -> Iterator[SlotNumber]:
        for slot, row in self.labels.items():
            for loss, value in enumerate(row.tolist()):
                yield SlotNumber(slot % telemetry.LABEL_SLOTS, None if loss == REMEMBERED_AT else loss, value)

    def _arrived(self) -> Iterator[SlotNumber]:
        for slot, value in self.arrived.items():
            yield SlotNumber(slot % telemetry.ARRIVED_SLOTS, None, value)

    def _row(self, at: int) -> Array:
        return self.labels.setdefault(self._slot(at, _LABEL_SECONDS), np.zeros(LOSSES + 1))

    def _slot(self, at: int, seconds: int) -> int:
        return math.floor((at + self.clock) / seconds)

    def _ring(self, now: int, seconds: int) -> range:
        newest = self._slot(now, seconds)
        return range(newest - _SLOTS[seconds] + 1, newest + 1)


@dataclass(frozen=True)
class LabelDelays:
    """Seconds from an answer to its label, by class; and the part of the labels that come, by class."""

    negative: int
    positive: int
    negatives: float = 1.0
    positives: float = 1.0


@dataclass(frozen=True)
class SimulatedNodes:
    """How replicas are run: clocks differ by up to `clocks` seconds either way, scrapes come each `scrape_seconds`.

    `callers` are those of both versions, where they are told apart.
    """

    scrape_seconds: int = 1
    clocks: float = 0.0
    callers: Callers | None = None


class Side:
    """The replicas of one version behind the gateway, which gives each that is ready the same chance.

    `answered` are the requests that it answered, `errors` those of them that ended in an error. The gateway answered
    itself what was `lost`, and what was `stranded` for want of a replica that is ready.
    """

    def __init__(
        self, role: Role, replicas: int, rng: np.random.Generator, delays: LabelDelays | None, nodes: SimulatedNodes
    ) -> None:
        self.role, self._rng, self._delays, self._nodes = role, rng, delays, nodes
        self._made, self.wanted = 0, replicas
        self.answered = self.errors = self.lost = self.stranded = 0
        self.replicas: list[SimulatedReplica] = []
        self._coming: dict[int, list[tuple[SimulatedReplica, int, Array]]] = {}
        for _ in range(replicas):
            self.add()

    def add(self) -> None:
        """Starts one more replica."""
        self._made += 1
        clock, phase = (
            self._nodes.clocks * self._rng.uniform(-1, 1),
            int(self._rng.integers(self._nodes.scrape_seconds)),
        )
        name = f"{self.role}-{self._made}"
        self.replicas.append(SimulatedReplica(name, self.role, clock, phase, callers=self._nodes.callers))

    def remove(self, place: int | None = None) -> None:
        """Ends a replica, by default any; it takes along what was counted since its last scrape."""
        self.replicas.pop(int(self._rng.integers(len(self.replicas))) if place is None else place)

    def scale(self, replicas: int) -> None:
        """Adds or ends a replica if there are not so many."""
        if len(self.replicas) < replicas:
            self.add()
        elif len(self.replicas) > replicas:
            self.remove()

    def second(self, now: int, requests: int, version: SimulatedVersion, lost: float, broken: int | None) -> int:
        """Answers one second's requests, of which a part is lost; a `broken` replica answers all with errors.

        Returns the number of requests that were answered.
        """
        ready = np.array([replica.ready for replica in self.replicas], dtype=np.float64)
        self.stranded += 0 if ready.any() else requests
        parts = self._rng.multinomial(requests if ready.any() else 0, ready / ready.sum() if ready.any() else ready)
        alive = np.array([not replica.dead for replica in self.replicas], dtype=np.int64)
        kept = self._rng.binomial(parts * alive, 1 - lost)
        self.answered, self.lost = self.answered + int(kept.sum()), self.lost + int(parts.sum() - kept.sum())
        for place, (replica, number) in enumerate(zip(self.replicas, kept, strict=True)):
            counted = answer(version, np.array([number]), None, self._rng)[0]
            counted[LOSSES_AT] = 0
            replica.asked(counted)
            if place == broken:
                counted[ERRORS_AT], counted[SLOW_AT] = number, 0
            replica.takes(now, counted)
            self.errors += int(counted[ERRORS_AT])
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
        classes = ((0, delays.negative, delays.negatives), (1, delays.positive, delays.positives))
        for first, delay, part in classes:
            come = cells[first::2] if part == 1 else self._rng.binomial(cells[first::2], part)
            losses = come @ PARTS[first::2]
            self._coming.setdefault(now + max(delay, 1), []).append((replica, now, losses))
