"""The signals of a plan: what each counts of the answers, and the judge's decisions on those counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from numpy import bool_
from numpy.typing import NDArray

from components.spec.contract import Rollout
from services.judge.evidence.counts import REQUESTS_AT
from services.judge.simulate.rollouts import holdout_of
from services.judge.simulate.world import SimulatedVersion, champion, harmed
from services.judge.statistics.assess import ALONE, is_harm, is_safe, is_safe_alone
from services.judge.statistics.evalue import Arms, Array
from services.judge.statistics.lost import Shares, log_kept, log_lost, surely_below
from services.judge.statistics.signals import LOST, Signal, SignalName, judged_signals, levels

#: The signal whose observations come later than their answers.
LABELS: Final = "label_loss"
#: The signal that leaves out the first looks after each rise of the weight, and how many.
LATENCY: Final = "slow_ratio"
LOOKS_LEFT_OUT: Final = 2

#: The strategy in which these signals are judged in a shadow, on the same requests, before the canary.
SHADOW_FIRST: Final = "shadow-then-canary"
IN_SHADOW: Final = ("score_shift", LABELS)
#: More means than these take long.
_MANY_MEANS = 5

#: A weight's share in (0, 1), and the counts of canary and champion, each (rollouts, ...).
Stratum = tuple[float, Array, Array]


class PlannedSignal(Protocol):
    """A signal as a plan needs it."""

    @property
    def name(self) -> str:
        """Its name in the spec."""

    @property
    def margin(self) -> float:
        """Its margin in the spec."""

    @property
    def allowance(self) -> float:
        """What is added to its margin, for as much the comparison may be off."""

    @property
    def is_dear(self) -> bool:
        """Whether a look at it takes long to compute."""

    @property
    def compared(self) -> SignalName | None:
        """The means that it compares, if it does."""

    def observations(self, table: Array) -> Array:
        """What it counts of a table (rollouts, COLUMNS); the first axis stays."""

    def harm(self, strata: Sequence[Stratum]) -> NDArray[bool_]:
        """Where harm is called; (rollouts,)."""

    def safe(self, strata: Sequence[Stratum], share: float) -> NDArray[bool_]:
        """Where all weights together show that the canary may get this share; (rollouts,)."""

    def safe_alone(self, here: Stratum, share: float) -> NDArray[bool_]:
        """Where one weight alone shows it; (rollouts,)."""


@dataclass(frozen=True)
class ComparedMeans:
    """A signal that compares means of the two versions."""

    signal: Signal
    false_alarm: float

    @property
    def name(self) -> str:
        """Its name in the spec."""
        return self.signal.name

    @property
    def margin(self) -> float:
        """Its margin in the spec."""
        return self.signal.margin

    @property
    def allowance(self) -> float:
        """Two standard errors of what scores are compared with; else 0."""
        return max(self.signal.allowances)

    @property
    def is_dear(self) -> bool:
        """Whether it compares many means: those of the scores."""
        return len(self.signal.centres) > _MANY_MEANS

    @property
    def compared(self) -> SignalName | None:
        """The means that it compares."""
        return self.signal.name

    def observations(self, table: Array) -> Array:
        """The signal's own selection, (rollouts, means, values)."""
        return self.signal.select(table)

    def harm(self, strata: Sequence[Stratum]) -> NDArray[bool_]:
        """The judge's decision."""
        return is_harm(self.signal, _arms(strata))

    def safe(self, strata: Sequence[Stratum], share: float) -> NDArray[bool_]:
        """The judge's decision."""
        return is_safe(self.signal, _arms(strata), share, self.false_alarm)

    def safe_alone(self, here: Stratum, share: float) -> NDArray[bool_]:
        """The judge's decision."""
        return is_safe_alone(self.signal, Arms(*here), share)


@dataclass(frozen=True)
class CountedShares:
    """The signal that compares the canary's share of what is counted with its weight."""

    margin: float
    level: float
    false_alarm: float
    name: str = LOST
    allowance: float = 0.0
    is_dear: bool = False
    compared: SignalName | None = None

    def observations(self, table: Array) -> Array:
        """The answered requests, (rollouts,)."""
        requests: Array = table[:, REQUESTS_AT]
        return requests

    def harm(self, strata: Sequence[Stratum]) -> NDArray[bool_]:
        """The judge's decision, as in `lost_finding`."""
        found: NDArray[bool_] = log_lost(_shares(strata), self.margin) >= -math.log(self.level)
        return found

    def safe(self, strata: Sequence[Stratum], share: float) -> NDArray[bool_]:
        """The judge's decision, as in `lost_finding`."""
        return self._kept(strata, share, self.false_alarm)

    def safe_alone(self, here: Stratum, share: float) -> NDArray[bool_]:
        """The judge's decision, as in `lost_finding`."""
        return self._kept([here], share, ALONE)

    def _kept(self, strata: Sequence[Stratum], share: float, level: float) -> NDArray[bool_]:
        bound = surely_below(self.margin, share)
        found: NDArray[bool_] = log_kept(_shares(strata), bound) >= -math.log(level)
        return found


def is_shadow_first(rollout: Rollout) -> bool:
    """Whether a shadow has shown scores and labels before the canary begins."""
    return str(rollout.strategy) == SHADOW_FIRST


def planned_signals(rollout: Rollout, version: SimulatedVersion | None = None) -> list[PlannedSignal]:
    """The signals that a rollout judges in the canary, in the order of the spec; `version` is the champion."""
    elsewhere = IN_SHADOW if is_shadow_first(rollout) else ()
    compared: list[PlannedSignal] = [
        ComparedMeans(signal, rollout.false_alarm)
        for signal in judged_signals(rollout.harm, rollout.false_alarm, holdout_of(version or champion()))
        if signal.name not in elsewhere
    ]
    if rollout.harm.lost_ratio is None:
        return compared
    level = levels(rollout.harm, rollout.false_alarm)[LOST]
    return [*compared, CountedShares(rollout.harm.lost_ratio, level, rollout.false_alarm)]


def worsened(champion: SimulatedVersion, signal: PlannedSignal, excess: float) -> SimulatedVersion:
    """A canary's answers, where it is worse by so much; one that loses requests answers the others as the champion."""
    return harmed(champion, signal.compared, excess) if signal.compared else champion


def is_possible(champion: SimulatedVersion, signal: PlannedSignal, excess: float) -> bool:
    """Whether a version can be worse by so much: its ratios and shares stay between 0 and 1."""
    worse = worsened(champion, signal, excess)
    losses = worse.labels() if worse.losses is not None else ()
    numbers = (worse.error, worse.slow, *worse.scores, *worse.positives, *worse.classes, *losses)
    return excess < 1 and all(0 <= number <= 1 for number in numbers)


def _arms(strata: Sequence[Stratum]) -> list[Arms]:
    return [Arms(*stratum) for stratum in strata]


def _shares(strata: Sequence[Stratum]) -> list[Shares]:
    return [Shares(*stratum) for stratum in strata]
