"""A fixed threshold on each interval's error ratio, as Flagger and Argo Rollouts apply it.

The examples in their documentation stand for their defaults. Flagger wants 99 % of requests without a
5xx in every interval, advances one step at each good check and rolls back at the 5th failed one; steps
of 10 % up to 50 % and the promotion take six good checks (docs.flagger.app, "Metrics Analysis" and
"Deployment Strategies"). Argo Rollouts wants 95 % and fails at the third of eight measurements below
that (argoproj.github.io/argo-rollouts, "Analysis & Progressive Delivery"). Neither considers the
champion, or the number of requests behind a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, nbinom

from services.judge.statistics.evalue import Array


@dataclass(frozen=True)
class Rule:
    """A rule whose check fails when an interval's error ratio is above `max_error_ratio`.

    The canary is rolled back at the `failed_checks`-th failed check and promoted at the `good_checks`-th good one.
    """

    name: str
    max_error_ratio: float
    failed_checks: int
    good_checks: int


FLAGGER = Rule("Flagger's example", 0.01, 5, 6)
ARGO = Rule("Argo Rollouts' example", 0.05, 3, 6)


@dataclass(frozen=True)
class ThresholdOutcome:
    """Share of rollouts that a rule fails, and canary requests until then (infinite if it never fails them)."""

    failed: float
    median_requests: float
    ninety_percent_requests: float


def calibrated(name: str, error_ratio: float, requests: int, looks: int, false_alarm: float) -> Rule:
    """The rule with the lowest threshold that a canary with `error_ratio` seldom exceeds.

    Seldom means in at most `false_alarm` of rollouts of `looks` intervals, each of `requests`.
    """
    a_look = 1 - (1 - false_alarm) ** (1 / looks)
    errors = int(binom.isf(a_look, requests, error_ratio))
    return Rule(name, errors / requests, 1, looks)


def ending(rule: Rule, error_ratio: float, requests: int) -> ThresholdOutcome:
    """The exact outcome for a canary with this error ratio and `requests` in each interval."""
    exceeds = float(binom.sf(np.floor(rule.max_error_ratio * requests + 1e-9), requests, error_ratio))
    # The deciding failed check comes after `good` good checks, for every number too small to promote.
    good = np.arange(rule.good_checks)
    failed_by: Array = np.cumsum(nbinom.pmf(good, rule.failed_checks, exceeds)) if exceeds > 0 else np.zeros(good.size)
    looks = good + rule.failed_checks
    return ThresholdOutcome(float(failed_by[-1]), *(_until(failed_by, looks, part) * requests for part in (0.5, 0.9)))


def _until(failed_by: Array, looks: NDArray[np.int64], part: float) -> float:
    reached = np.flatnonzero(failed_by >= part)
    return float(looks[reached[0]]) if reached.size else float("inf")
