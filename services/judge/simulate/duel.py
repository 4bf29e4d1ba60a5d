"""Compares the judge with fixed thresholds, at the same looks: canary requests that each needs to detect errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.spec.contract import Harm
from services.judge.simulate.rivals import RIVALS, Stakes
from services.judge.simulate.rollouts import FAILED, HOLDOUT, Case, play
from services.judge.simulate.thresholds import ARGO, FLAGGER, Rule, ThresholdOutcome, calibrated, ending
from services.judge.simulate.world import champion
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import judged_signals

WEIGHT = 10
EXCESSES = (0.0, 1.0, 2.0, 4.0, 10.0)
TRAFFIC = (100, 1000, 10_000)
LOOKS = 120
#: The rule with the judge's false-alarm rate up to the margin, and the rule with that rate only for an equal canary.
SIMULATED = tuple(RIVALS)[1:]
AT_MARGIN, AT_EQUAL = "threshold set at the margin", "threshold set at no excess"


@dataclass(frozen=True)
class Contest:
    """The outcomes of the judge, and of each rule and rival, for one canary; up to one margin it may stay."""

    excess: float
    error_ratio: float
    requests_a_look: int
    judge: ThresholdOutcome
    rules: dict[str, ThresholdOutcome]


@dataclass(frozen=True)
class Setting:
    """A rule at one volume of traffic: the share it fails of equal canaries, and of canaries at the margin."""

    requests_a_look: int
    rule: Rule
    failed_equal: float
    failed_at_margin: float


def settings(false_alarm: float) -> list[Setting]:
    """The rules at each volume of traffic, with their false alarms."""
    base, margin = champion().error, Harm().error_ratio or 0.0
    found = []
    for traffic in TRAFFIC:
        requests = traffic * WEIGHT // 100
        rules = [
            calibrated(AT_MARGIN, base + margin, requests, LOOKS, false_alarm),
            calibrated(AT_EQUAL, base, requests, LOOKS, false_alarm),
            FLAGGER,
            ARGO,
        ]
        found += [
            Setting(traffic, rule, ending(rule, base, requests).failed, ending(rule, base + margin, requests).failed)
            for rule in rules
        ]
    return found


def contests(rollouts: int, seed: int, false_alarm: float) -> list[Contest]:
    """A contest for every excess and volume of traffic, at a weight of `WEIGHT` percent."""
    base, margin, fought = champion().error, Harm().error_ratio or 0.0, []
    for traffic in TRAFFIC:
        rules = [setting.rule for setting in settings(false_alarm) if setting.requests_a_look == traffic]
        requests = traffic * WEIGHT // 100
        for excess in EXCESSES:
            ratio = base + excess * margin
            judged = _judge(excess, traffic, rollouts, seed)
            endings = {rule.name: ending(rule, ratio, requests) for rule in rules}
            endings |= _rivals(excess, traffic, rollouts, seed, false_alarm)
            fought.append(Contest(excess, ratio, traffic, judged, endings))
    return fought


def _rivals(excess: float, traffic: int, rollouts: int, seed: int, false_alarm: float) -> dict[str, ThresholdOutcome]:
    """The outcomes of the rivals that are simulated, at the level that the judge has for errors."""
    rng, margin, usual = np.random.default_rng(seed), Harm().error_ratio or 0.0, champion().error
    level = next(s.false_alarm for s in judged_signals(Harm(), false_alarm, HOLDOUT) if s.name == "error_ratio")
    canary = rng.binomial(traffic, WEIGHT / 100, (rollouts, LOOKS))
    requests = np.stack([traffic - canary, canary], axis=-1)
    errors = rng.binomial(requests, [usual, usual + excess * margin])
    counts = np.stack([requests, errors], axis=-1).astype(float)
    so_far = np.concatenate([np.cumsum(canary, axis=1), np.full((rollouts, 1), np.inf)], axis=1)
    found = {}
    for name in SIMULATED:
        looks = np.minimum(RIVALS[name](counts, Stakes((margin,), (usual,), level)), LOOKS + 1)
        found[name] = _outcome(np.take_along_axis(so_far, looks.astype(int)[:, None] - 1, axis=1)[:, 0])
    return found


def _judge(excess: float, traffic: int, rollouts: int, seed: int) -> ThresholdOutcome:
    outcome = play(Case("duel", "error_ratio", excess, traffic, WEIGHT, WEIGHT, LOOKS), rollouts, seed)
    return _outcome(np.where(outcome.fate == FAILED, outcome.canary_requests, np.inf))


def _outcome(until: Array) -> ThresholdOutcome:
    """The outcome of rollouts by the canary's requests until each was failed, infinite if it never was."""
    quantiles = (float(np.quantile(until, part, method="higher")) for part in (0.5, 0.9))
    return ThresholdOutcome(float(np.isfinite(until).mean()), *quantiles)
