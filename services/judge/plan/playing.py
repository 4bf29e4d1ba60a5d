"""Plays many rollouts of a service at its rate of traffic, with the judge's own decisions, until each has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import Rollout
from services.judge.plan.judging import LABELS, LATENCY, LOOKS_LEFT_OUT, PlannedSignal, Stratum, worsened
from services.judge.simulate.world import SimulatedVersion, answer
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import LOST
from services.judge.verdict import ramp

#: A look is left out while the time since the one before is less than this part of the whole: what comes after
#: so long changes little from one look to the next. Times are a little too long for it: harm's by some 7 %.
_SPACING = 0.05
#: After the deadline, play ends when this part of the rollouts has ended; the 90 % quantile is known then.
_KNOWN = 0.92
#: So many years are long enough to say "never".
LONGEST_SECONDS = 20 * 365 * 86_400.0
WAITING, PROMOTED, FAILED = 0, 1, 2


@dataclass(frozen=True)
class AssumedTraffic:
    """What is known or assumed of callers, and of the champion's answers.

    `rate` is in requests a second; `labelled` is the share of answers whose label comes back, `label_delay_seconds`
    after them.
    """

    rate: float
    labelled: float
    label_delay_seconds: float
    champion: SimulatedVersion


@dataclass(frozen=True)
class Worse:
    """A canary's harm: the excess in one signal."""

    signal: PlannedSignal
    excess: float


@dataclass(frozen=True)
class PlayedRollouts:
    """How rollouts ended; arrays of one element a rollout.

    `requests` are those of both versions, `canary_requests` the canary's, both until the end. For a rollout that
    was still going, all three are what it had come to.
    """

    fate: NDArray[np.int64]
    seconds: Array
    requests: Array
    canary_requests: Array

    def until(self, fate: int, numbers: Array) -> Array:
        """The numbers of the rollouts with this end; infinite for the others."""
        return np.where(self.fate == fate, numbers, np.inf)


def label_age_seconds(rollout: Rollout, traffic: AssumedTraffic) -> float:
    """The age of an answer, in seconds, at which its label counts."""
    return max(traffic.label_delay_seconds, (rollout.label_maturity_minutes or 0.0) * 60)


def play(
    rollout: Rollout,
    signals: Sequence[PlannedSignal],
    traffic: AssumedTraffic,
    worse: Worse | None,
    rollouts: int,
    seed: int,
    limit_seconds: float = LONGEST_SECONDS,
) -> PlayedRollouts:
    """Plays rollouts that `signals` judge, of an equal canary or a worse one, until they end or the limit is reached.

    The deadline ends none.

    An equal canary is not asked for harm: it fails in at most `false_alarm` of rollouts, which changes no
    quantile. Signals are asked in the order given, each only where those before it are safe; so the one that
    takes longest comes first.
    """
    stage = _Stage(rollout, signals, traffic, worse, rollouts, np.random.default_rng(seed))
    for before, now in pairwise(_looks(rollout.interval_seconds, limit_seconds)):
        stage.look(before, now)
        if stage.is_over(now):
            break
    return PlayedRollouts(stage.fate, stage.seconds, stage.requests, stage.canary_requests)


def _looks(interval: float, limit: float) -> Iterator[float]:
    """The times of the looks in seconds, from 0 up to a limit: multiples of the interval, further apart the later."""
    number = 0
    while number * interval <= limit:
        yield number * interval
        number += max(1, int(number * _SPACING))


class _Stage:
    """The rollouts while they are played; `counts` holds the observations by signal, (weights, 2, rollouts, ...)."""

    def __init__(
        self,
        rollout: Rollout,
        signals: Sequence[PlannedSignal],
        traffic: AssumedTraffic,
        worse: Worse | None,
        rollouts: int,
        rng: np.random.Generator,
    ) -> None:
        self._rollout, self._signals, self._traffic, self._worse, self._rng = rollout, signals, traffic, worse, rng
        self._weights = ramp(rollout)
        canary = worsened(traffic.champion, worse.signal, worse.excess) if worse else traffic.champion
        self._versions = (canary, traffic.champion)
        self._step, self._set_at = np.zeros(rollouts, dtype=np.int64), np.zeros(rollouts)
        self._counts = {signal.name: self._zeros(signal, rollouts) for signal in signals}
        self._to_come: deque[tuple[float, NDArray[np.int64], NDArray[np.int64], Array]] = deque()
        self.fate = np.zeros(rollouts, dtype=np.int64)
        self.seconds, self.requests, self.canary_requests = (np.zeros(rollouts) for _ in range(3))

    def is_over(self, now: float) -> bool:
        """Whether enough rollouts have ended: all, or after the deadline most."""
        ended = float(np.mean(self.fate != WAITING))
        return ended == 1 or (ended >= _KNOWN and now >= self._rollout.deadline_minutes * 60)

    def look(self, before: float, now: float) -> None:
        """Serves the requests between two looks, and decides."""
        active = np.flatnonzero(self.fate == WAITING)
        share = np.array(self._weights)[self._step[active]] / 100
        asked = self._rng.poisson(self._traffic.rate * (now - before), active.size)
        to_canary = self._rng.binomial(asked, share)
        self.seconds[active] = now
        self.requests[active] += asked
        self.canary_requests[active] += to_canary
        self._count(active, self._draw(to_canary, asked - to_canary), before, now)
        for step in np.unique(self._step[active]).tolist():
            self._decide(active[self._step[active] == step], step, now)

    def _draw(self, to_canary: NDArray[np.int64], to_champion: NDArray[np.int64]) -> list[Array]:
        """The counts of both sides, the canary's first; requests that it loses are counted nowhere."""
        lost = self._worse.excess if self._worse and self._worse.signal.name == LOST else 0.0
        counted = (self._rng.binomial(to_canary, 1 - lost), to_champion)
        only = self._signals[0].compared if len(self._signals) == 1 else None
        draw = partial(answer, signal=only, rng=self._rng, labelled=self._traffic.labelled)
        return [draw(version, number) for version, number in zip(self._versions, counted, strict=True)]

    def _count(self, active: NDArray[np.int64], tables: Sequence[Array], before: float, now: float) -> None:
        step = self._step[active]
        settled = before - self._set_at[active] >= LOOKS_LEFT_OUT * self._rollout.interval_seconds
        for signal in self._signals:
            selected = np.stack([signal.observations(table) for table in tables])
            if signal.name == LABELS:
                self._to_come.append((now + label_age_seconds(self._rollout, self._traffic), active, step, selected))
            elif signal.name == LATENCY:
                self._add(signal.name, active[settled], step[settled], selected[:, settled])
            else:
                self._add(signal.name, active, step, selected)
        # A label speaks of the weight at which its answer was given.
        while self._to_come and self._to_come[0][0] <= now:
            self._add(LABELS, *self._to_come.popleft()[1:])

    def _add(self, name: str, rollouts: NDArray[np.int64], step: NDArray[np.int64], selected: Array) -> None:
        for side in (0, 1):
            self._counts[name][step, side, rollouts] += selected[side]

    def _decide(self, group: NDArray[np.int64], step: int, now: float) -> None:
        """The judge's decision about the rollouts at one weight."""
        if self._worse is not None:
            harm = self._worse.signal.harm(self._strata(self._worse.signal, group, step))
            self.fate[group[harm]] = FAILED
            group = group[~harm]
        share = self._weights[step + 1] / 100
        for signal in self._signals:
            if group.size == 0:
                return
            # The weight alone is asked first, since that costs least.
            group = group[signal.safe_alone(self._strata(signal, group, step)[-1], share)]
            if group.size:
                group = group[signal.safe(self._strata(signal, group, step), share)]
        if share >= 1:
            self.fate[group] = PROMOTED
        else:
            self._step[group] += 1
            self._set_at[group] = now

    def _strata(self, signal: PlannedSignal, group: NDArray[np.int64], step: int) -> list[Stratum]:
        counts = self._counts[signal.name]
        return [(self._weights[at] / 100, counts[at, 0, group], counts[at, 1, group]) for at in range(step + 1)]

    def _zeros(self, signal: PlannedSignal, rollouts: int) -> Array:
        """A place for a signal's counts, whatever their shape."""
        one = signal.observations(answer(self._traffic.champion, np.zeros(1, dtype=np.int64), None, self._rng))
        return np.zeros((len(self._weights) - 1, 2, rollouts, *one.shape[1:]))
