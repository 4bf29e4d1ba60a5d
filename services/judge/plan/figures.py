"""The figures of a plan: requests, time and exposure until a rollout ends, and the least rate for its deadline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.spec.contract import Rollout
from components.spec.traffic_settings import weight_count
from services.judge.exposure import exposure_bound
from services.judge.plan.judging import LABELS, LATENCY, LOOKS_LEFT_OUT, PlannedSignal, is_possible, planned_signals
from services.judge.plan.playing import (
    FAILED,
    LONGEST_SECONDS,
    PROMOTED,
    WAITING,
    AssumedTraffic,
    PlayedRollouts,
    Worse,
    label_age_seconds,
    play,
)
from services.judge.statistics.evalue import Array

#: Harms to tell of, in margins.
HARMS = (1.5, 2.0, 4.0)
#: The scores are 19 means, each judged in two directions; a rollout costs that much more.
_DEAR = 5
#: From so many looks on, it hardly matters how many requests lie between two.
_MANY_LOOKS = 40
_TRIES = 5


@dataclass(frozen=True)
class RowFigures:
    """One canary: equal to the champion (`times` 0), or worse by so many margins of a signal.

    `requests` (of both versions) and `seconds` until it is promoted, or its harm called: median and 90 %. So is
    `exposure`: the canary's requests until then, times its excess; `exposed_at_most` is its bound before the deadline.
    Numbers are infinite where it does not end.
    `in_time` is the share of rollouts that end so before the deadline, `otherwise` the share of those that ended
    which ended the other way.
    `least_rate`, in requests a second, is the one at which 90 % end in time; None where no rate would do. `signal`
    None stands for all signals together.
    """

    signal: PlannedSignal | None
    times: float
    rollouts: int
    requests: tuple[float, float]
    seconds: tuple[float, float]
    exposure: tuple[float, float]
    exposed_at_most: float
    in_time: float
    otherwise: float
    least_rate: float | None


@dataclass(frozen=True)
class Question:
    """A canary whose rollouts are to be played."""

    signal: PlannedSignal | None
    times: float

    @property
    def excess(self) -> float:
        """How much worse the canary is."""
        return self.times * self.signal.margin if self.signal else 0.0


@dataclass(frozen=True)
class Planner:
    """Plays the rollouts of one service; `rollouts` is the number for a cheap row."""

    rollout: Rollout
    traffic: AssumedTraffic
    rollouts: int
    seed: int

    @property
    def deadline_seconds(self) -> float:
        """The rollout's deadline."""
        return self.rollout.deadline_minutes * 60

    @property
    def label_age_seconds(self) -> float:
        """The age of an answer at which its label counts."""
        return label_age_seconds(self.rollout, self.traffic)

    def signals(self) -> list[PlannedSignal]:
        """The judged signals; the one whose observations are slowest comes first."""
        return sorted(self._planned(), key=lambda signal: (signal.name != LABELS, signal.is_dear, signal.margin))

    def _planned(self) -> list[PlannedSignal]:
        return planned_signals(self.rollout, self.traffic.champion)

    def questions(self) -> list[Question]:
        """The rows of the plan: each signal's equal canary and harms, then all signals together."""
        rows = []
        for signal in self._planned():
            possible = (times for times in HARMS if is_possible(self.traffic.champion, signal, times * signal.margin))
            rows += [Question(signal, times) for times in (0.0, *possible)]
        return [*rows, Question(None, 0.0)]

    def answer(self, question: Question) -> RowFigures:
        """The figures of one row."""
        signal, excess = question.signal, question.excess
        played, rate = self._play(question, self.traffic.rate), self.traffic.rate
        seconds = _ended(question, played, played.seconds)
        waiting = [signal] if signal and excess else self._judges(question)
        floor = self._floor(waiting, 1 if excess else weight_count(self.rollout))
        least = self._least_rate(lambda rate: self._seconds(question, rate), rate, _quantiles(seconds)[1], floor)
        return RowFigures(
            signal, question.times, seconds.size, _quantiles(_ended(question, played, played.requests)),
            _quantiles(seconds), _quantiles(_ended(question, played, played.canary_requests * excess)),
            self._exposed_at_most(question),
            float(np.mean(seconds <= self.deadline_seconds)),
            _share_of_ended(played, PROMOTED if excess else FAILED), least,
        )  # fmt: skip

    def _exposed_at_most(self, question: Question) -> float:
        """The bound of the exposure, in requests of all callers until the deadline."""
        if question.signal is None or not question.times:
            return 0.0
        signal = question.signal
        part = exposure_bound(self.rollout, signal.name, signal.margin, question.excess, allowance=signal.allowance)
        return part * self.traffic.rate * self.deadline_seconds

    def is_in_time(self, question: Question, part: float) -> bool:
        """Whether nine in ten rollouts end within this part of the deadline."""
        limit = part * self.deadline_seconds
        played = self._play(question, self.traffic.rate, limit)
        return _quantiles(_ended(question, played, played.seconds))[1] <= limit

    def _seconds(self, question: Question, rate: float) -> float:
        """The seconds until nine in ten rollouts have ended."""
        played = self._play(question, rate)
        return _quantiles(_ended(question, played, played.seconds))[1]

    def _play(self, question: Question, rate: float, limit_seconds: float = LONGEST_SECONDS) -> PlayedRollouts:
        signal = question.signal
        number = max(self.rollouts // _DEAR, 20) if signal and signal.is_dear else self.rollouts
        worse = Worse(signal, question.excess) if signal and question.times else None
        traffic = replace(self.traffic, rate=rate)
        return play(self.rollout, self._judges(question), traffic, worse, number, self.seed, limit_seconds)

    def _judges(self, question: Question) -> list[PlannedSignal]:
        """An equal canary is judged by the row's signal, a worse one by all."""
        return [question.signal] if question.signal and not question.times else self.signals()

    def all_signals(self) -> RowFigures:
        """The figures of an equal canary that all signals judge: the row that says whether the plan fits."""
        return self.answer(Question(None, 0.0))

    def _floor(self, signals: Sequence[PlannedSignal], weights: int) -> float:
        """The seconds that a rollout takes however many requests there are."""
        names, interval = {signal.name for signal in signals}, self.rollout.interval_seconds
        waits = [interval / 2]
        if LABELS in names:
            waits.append(self.label_age_seconds + interval / 2)
        if LATENCY in names:
            waits.append((LOOKS_LEFT_OUT + 0.5) * interval)
        return weights * max(waits)

    def _least_rate(self, needed: Callable[[float], float], rate: float, seconds: float, floor: float) -> float | None:
        """The rate at which a rollout needs the seconds until the deadline; at the given `rate` it needs `seconds`."""
        interval = self.rollout.interval_seconds
        if floor >= self.deadline_seconds or math.isinf(seconds):
            return None
        for _ in range(_TRIES):
            wanted = rate * max(seconds - floor, interval / 2) / (self.deadline_seconds - floor)
            near = abs(wanted / rate - 1) < 0.05
            if near or (min(seconds, self.deadline_seconds) >= _MANY_LOOKS * interval and floor < seconds / 20):
                break
            rate, seconds = wanted, needed(wanted)
        return wanted


def fits(row: RowFigures, rollout: Rollout) -> bool:
    """Whether nine in ten equal canaries are promoted in time."""
    return row.seconds[1] <= rollout.deadline_minutes * 60


def _ended(question: Question, played: PlayedRollouts, numbers: Array) -> Array:
    """The numbers of the rollouts that ended as this canary's are to; infinite for the others."""
    return played.until(FAILED if question.times else PROMOTED, numbers)


def _share_of_ended(played: PlayedRollouts, fate: int) -> float:
    """The share with this fate among the rollouts that ended; 0 if none did."""
    return float(np.mean(played.fate == fate) / max(np.mean(played.fate != WAITING), 1e-9))


def _quantiles(numbers: Array) -> tuple[float, float]:
    """The median and the 90 % quantile."""
    return float(np.quantile(numbers, 0.5, method="higher")), float(np.quantile(numbers, 0.9, method="higher"))
