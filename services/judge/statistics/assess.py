"""Assesses one signal of a rollout: harm, safe, or neither; and the interval of its excess.

**Exposure rule.** A canary may get `share` of the traffic when `share * excess <= margin` for
every excess that the evidence still allows. Callers as a whole then never meet more harm than
a promoted canary at its margin would cause. So a step needs evidence that the excess is within
`margin / share`, which takes far fewer requests at 10 % than at 100 %; promotion has the
share 1. Each step is its own e-process at the level `false_alarm`; promotion does not rely on
the earlier steps.

**A weight speaks for itself.** A canary may be good at one weight and harmful at a larger one, and
evidence over all weights would then pass it on what the first ones showed. So a weight is also passed on
its own counts alone, at the level `ALONE`: all weights together keep the promise of `false_alarm`, each alone
shows that nothing began at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.judge.statistics.evalue import Arms, Array
from services.judge.statistics.signals import Signal

#: Resolution of an interval's ends: neighbours in the grid of margins differ by this factor.
_GRID_FACTOR = 2 ** (1 / 16)
_LOWEST_RUNG = 64
#: The level at which a weight's own evidence has to show that the canary is safe. Harm of twice the margin that begins
#: at one weight passes less than 1 % of simulated rollouts with it; 0.05 would cost half as many requests again.
ALONE = 0.2
_LONGEST = 2.0**20


def is_harm(signal: Signal, strata: Sequence[Arms]) -> NDArray[np.bool_]:
    """True where the evidence shows harm beyond the margin; shape (rollouts,).

    For a canary within its margin this becomes true at any look of the whole rollout with a
    probability of at most `signal.false_alarm` (Ville's inequality).
    """
    return signal.log_harm(strata, signal.margin) >= -math.log(signal.false_alarm)


def is_safe(signal: Signal, strata: Sequence[Arms], share: float, false_alarm: float) -> NDArray[np.bool_]:
    """True where the evidence shows that the canary is safe with this share of traffic; shape (rollouts,).

    Every signal is tested at the full level `false_alarm`: a canary that is harmful in one signal
    passes only if that signal errs, so several signals need no correction (intersection-union test).
    """
    return signal.log_safe(strata, allowed_excess(signal, share)) >= -math.log(false_alarm)


def is_safe_alone(signal: Signal, here: Arms, share: float) -> NDArray[np.bool_]:
    """True where the counts of the current weight alone show that the canary may have this share; (rollouts,)."""
    return is_safe(signal, [here], share, ALONE)


def allowed_excess(signal: Signal, share: float) -> float:
    """The largest excess that the exposure rule allows with `share` in (0, 1] of the traffic."""
    return min(1.0, signal.margin / share)


def interval(signal: Signal, strata: Sequence[Arms], false_alarm: float) -> tuple[float | None, float | None]:
    """The lowest and highest excess that the evidence allows, valid at every look (a confidence sequence).

    Inverts the two e-processes over the margin. An end is None where nothing in the range is ruled out.
    """
    margins = _margins(signal)
    lower = _crossing(margins, lambda at: float(signal.log_harm(strata, at)[0]), -math.log(signal.false_alarm))
    upper = _crossing(margins[::-1], lambda at: float(signal.log_safe(strata, at)[0]), -math.log(false_alarm))
    return lower, upper


def observations_needed(signal: Signal, strata: Sequence[Arms], false_alarm: float) -> float | None:
    """About how many canary observations would promote a canary that is equal to the champion.

    None if the champion has answered nothing, or the number is beyond the search range.
    """
    seen = [arms for arms in strata if arms.champion.sum() > 0]
    if not seen:
        return None
    low, high = 2.0**-10, _LONGEST
    if not _would_do(signal, seen, high, false_alarm):
        return None
    while high / low > 1.1:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _would_do(signal, seen, middle, false_alarm) else (middle, high)
    return sum(float(arms.canary[0, 0].sum()) for arms in _alike(signal, seen, high))


def _would_do(signal: Signal, seen: Sequence[Arms], times: float, false_alarm: float) -> bool:
    return bool(is_safe(signal, _alike(signal, seen, times), 1.0, false_alarm)[0])


def _alike(signal: Signal, strata: Sequence[Arms], times: float) -> list[Arms]:
    """The strata with `times` the champion's traffic, and an equal canary at its share of that traffic."""
    alike = []
    for arms in strata:
        champion = arms.champion * times
        n = champion.sum(-1, keepdims=True) * arms.weight / (1 - arms.weight)
        shares = arms.champion / arms.champion.sum(-1, keepdims=True)
        if len(signal.values) == 2:
            hit = np.clip(shares[..., 1] + np.array(signal.centres), 0, 1)
            shares = np.stack([1 - hit, hit], axis=-1)
        alike.append(Arms(arms.weight, n * shares, champion))
    return alike


def _margins(signal: Signal) -> list[float]:
    """The margins at which an interval's ends are searched, rising; the signal's own margin is among them.

    They are always the same, so that the bets against them are computed only once.
    """
    rungs = range(-_LOWEST_RUNG, math.ceil(math.log(1 / signal.margin, _GRID_FACTOR)))
    above = [signal.margin * _GRID_FACTOR**rung for rung in rungs]
    below = [] if signal.two_sided else [-margin for margin in reversed(above)]
    return [*below, 0.0, *above]


def _crossing(margins: list[float], log_e: Callable[[float], float], needed: float) -> float | None:
    """The last of `margins` that is ruled out, or None; the evidence falls along `margins`."""
    if log_e(margins[0]) < needed:
        return None
    low, high = 0, len(margins)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if log_e(margins[middle]) >= needed else (low, middle)
    return margins[low]


def stack_arms(signal: Signal, strata: Iterable[tuple[float, Array, Array]]) -> list[Arms]:
    """The signal's arms from (share, canary table, champion table) of each stratum; tables (rollouts, COLUMNS)."""
    return [Arms(share, signal.select(canary), signal.select(champion)) for share, canary, champion in strata]
