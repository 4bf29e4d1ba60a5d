"""Equal canaries, judged after every single request.

A million looks at all signals would take hours, so most are ruled out together. Between two looks that are 50 requests
apart, the evidence for harm is at most what the best order of those requests gives: all that speak for harm come first.
Only where that bound reaches the level of a decision are the looks between taken 10 at a time, then one by one. What is
found is exact: no look that fails a canary is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import Harm
from services.judge.evidence.counts import (
    COLUMNS,
    ERRORS_AT,
    LOSSES_AT,
    MOMENT_AGES,
    MOMENTS,
    REQUESTS_AT,
    SCORES_AT,
    TIMED_AT,
)
from services.judge.evidence.exposition import PARTS
from services.judge.simulate.rollouts import HOLDOUT
from services.judge.simulate.world import LABELLED, SimulatedVersion, champion
from services.judge.statistics.evalue import KEPT, SHARE_ODDS, SHARE_PRIOR, Arms, Array, Prior, _Bets, _bets, log_mean
from services.judge.statistics.latency import COLUMN
from services.judge.statistics.signals import Signal, judged_signals

#: Looks, as numbers of requests so far.
Looks = NDArray[np.int64]
#: Requests of both versions in a rollout, a multiple of 10 in each of the `MOMENTS`, and the canary's share of them.
REQUESTS = 3200
WEIGHT = 0.1
#: Looks that are ruled out together, after those of a whole moment; a part of the requests of a moment.
_FEW = 10


@dataclass(frozen=True)
class Between(Arms):
    """Counts at one look, and what was counted until a later one, side by side on the last axis.

    Its wealth is an upper bound of the wealth at every look between the two.
    """

    def wealth(self, values: tuple[float, ...], bounds: tuple[float, ...], prior: Prior) -> Array:
        """An upper bound of the log wealth; shape (bounds, rollouts, alternatives)."""
        bets = _bets(self.weight, values, bounds, prior)
        sides = (np.swapaxes(side, 0, 1) for side in (self.canary, self.champion))
        (canary, ours), (champion, theirs) = (np.split(side, 2, axis=-1) for side in sides)
        counts, rise = np.concatenate([canary, champion], axis=-1), np.concatenate([ours, theirs], axis=-1)
        best = counts @ bets.log_factors + rise @ np.maximum(bets.log_factors, 0.0)
        totals = np.stack([canary.sum(-1), champion.sum(-1)], axis=-1)
        price = _least_price(totals, np.stack([ours.sum(-1), theirs.sum(-1)], axis=-1), bets)
        by_share = (best - price).reshape(*best.shape[:-1], len(SHARE_ODDS), -1)
        return np.logaddexp(log_mean(by_share, np.log(SHARE_PRIOR)[:, None], axis=-2), np.log(KEPT))


def _least_price(totals: Array, rise: Array, bets: _Bets) -> Array:
    """A lower bound of the price of the share between `totals` and `totals + rise` (the last axis is n_c, n_b).

    The price is a maximum of functions that are linear in n_c and n_b, so it is convex and lies above its tangent.
    """
    both = totals.sum(-1, keepdims=True)
    known = np.where(both > 0, totals / np.maximum(both, 1.0), np.exp(bets.log_share[:, 0]))
    share = known[..., :1]
    with np.errstate(divide="ignore"):
        logs = np.log(known)
    price = np.zeros((*totals.shape[:-1], bets.log_share.shape[1]))
    for side in range(2):
        slope = np.where(
            share < bets.least_share, bets.lowest[:, side, None], logs[..., side, None] - bets.log_share[side]
        )
        slope = np.where(share > bets.most_share, bets.highest[:, side, None], slope)
        price += np.where(totals[..., side, None] > 0, totals[..., side, None] * slope, 0.0)
        price += rise[..., side, None] * np.minimum(slope, 0.0)
    return price


def failed_at_any_request(seed: int, rollouts: int, requests: int = REQUESTS) -> int:
    """How many of `rollouts` equal canaries fail at any look; see `REQUESTS`."""
    rng, signals = np.random.default_rng(seed), judged_signals(Harm(), 0.01, HOLDOUT)
    failed = 0
    for _ in range(rollouts):
        failed += failing_looks(signals, traffic(champion(), WEIGHT, requests, rng), WEIGHT).size > 0
    return failed


def traffic(version: SimulatedVersion, weight: float, requests: int, rng: np.random.Generator) -> Array:
    """What champion and canary counted after each request; shape (2, requests + 1, COLUMNS), no request first.

    Both are the same version. Half of the answers get their label at once.
    """
    ours, at = rng.random(requests) < weight, np.arange(requests)
    table = np.zeros((requests, COLUMNS))
    table[:, REQUESTS_AT] = table[:, TIMED_AT] = 1
    table[:, ERRORS_AT] = rng.random(requests) < version.error
    bands = rng.choice(version.latency.size, requests, p=version.latency)
    table[:, list(COLUMN.values())] = bands[:, None] > np.arange(len(COLUMN))
    cells = rng.choice(version.labels().size, requests, p=version.labels())
    table[at, SCORES_AT.start + cells // 2] = 1
    table[:, LOSSES_AT] = (rng.random(requests) < LABELLED)[:, None] * PARTS[cells]
    sides = np.stack([table * ~ours[:, None], table * ours[:, None]])
    return np.concatenate([np.zeros((2, 1, COLUMNS)), np.cumsum(sides, axis=1)], axis=1)


def failing_looks(signals: list[Signal], counted: Array, weight: float) -> Looks:
    """The looks, as numbers of requests, that fail a rollout for any of the signals; see `traffic` for `counted`."""
    return np.unique(np.concatenate([_failing(signal, counted, weight) for signal in signals]))


def _failing(signal: Signal, counted: Array, weight: float) -> Looks:
    needed, starts = -np.log(signal.false_alarm), np.array([0])
    requests = counted.shape[1] - 1
    for span, apart in pairwise((requests, requests // MOMENTS, _FEW)):
        starts = (starts[:, None] + np.arange(0, span, apart)).ravel()
        if starts.size:
            bound = signal.log_harm([_arms(signal, counted, weight, starts, starts + apart)], signal.margin)
            starts = starts[bound >= needed]
    looks = (starts[:, None] + np.arange(1, _FEW + 1)).ravel()
    if not looks.size:
        return looks
    found: Looks = looks[signal.log_harm([_arms(signal, counted, weight, looks)], signal.margin) >= needed]
    return found


def _arms(signal: Signal, counted: Array, weight: float, looks: Looks, until: Looks | None = None) -> Arms:
    """The arms at some looks, with those since each moment that is looked at; or between them and later looks."""
    requests = counted.shape[1] - 1
    moment = ((looks if until is not None else looks - 1) * MOMENTS) // requests
    since = [np.maximum(moment - age, 0) * requests // MOMENTS for age in MOMENT_AGES]
    whole, *later = (_since(signal, counted, weight, looks, until, start) for start in (0 * looks, *since))
    return replace(whole, later=tuple(later))


def _since(signal: Signal, counted: Array, weight: float, looks: Looks, until: Looks | None, start: Looks) -> Arms:
    """The arms from the look `start` on; empty where the moment is the beginning itself and another part has it."""
    champion, canary = (signal.select(side[looks] - side[start]) for side in counted)
    if until is None:
        return Arms(weight, canary, champion)
    theirs, ours = (signal.select(side[until] - side[looks]) for side in counted)
    return Between(weight, np.concatenate([canary, ours], axis=-1), np.concatenate([champion, theirs], axis=-1))
