"""What the hold-out lets expect of all replicas of the canary together, renewed now and then.

With each input the expectation changes a little. What it may be off is bounded for all references of a rollout together
(`statistics.reference`), so the judge takes another only when the inputs have grown by half: in a rollout of a hundred
thousand inputs that is twenty times, and never more often than `MOST_RENEWALS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from services.judge.evidence.counts import LiveExpectation
from services.judge.evidence.series import Replica

#: So few inputs tell nothing.
FEWEST_INPUTS = 30
_GROWTH = 1.5
#: After so many, with about three hundred million inputs, the reference stays.
MOST_RENEWALS = 40


def expectation_of(replicas: Sequence[Replica]) -> LiveExpectation | None:
    """What is expected, as it stood when the inputs last passed a step; None where too few are known."""
    told = [
        (at, place, reading.expectation)
        for place, one in enumerate(replicas)
        for at, reading in zip(one.times, one.readings, strict=True)
        if reading.expectation is not None
    ]
    told.sort(key=lambda each: each[:2])
    total = _all({place: known for _, place, known in told})
    if total < FEWEST_INPUTS:
        return None
    renewals = min(math.floor(math.log(total / FEWEST_INPUTS, _GROWTH) + 1e-9), MOST_RENEWALS - 1)
    step = FEWEST_INPUTS * _GROWTH**renewals
    latest: dict[int, LiveExpectation] = {}
    for _, place, known in told:
        latest[place] = known
        if _all(latest) >= step:
            break
    return _merged(list(latest.values()))


def _all(latest: dict[int, LiveExpectation]) -> float:
    return sum(known.inputs + known.unlike for known in latest.values())


def _merged(parts: Sequence[LiveExpectation]) -> LiveExpectation:
    """The expectation of all inputs: their means are independent, the hold-out's rows are the same."""
    unlike = sum(part.unlike for part in parts)
    parts = [part for part in parts if part.inputs]
    if not parts:
        return LiveExpectation(0.0, unlike, (), (), (), ())
    inputs = np.array([part.inputs for part in parts])
    shares = inputs / max(inputs.sum(), 1.0)
    sampled = np.sqrt(((shares[:, None] * np.array([part.sampled for part in parts])) ** 2).sum(axis=0))
    names = [name for name, _ in parts[0].distance]
    far = shares @ np.array([[dict(part.distance).get(name, 0.0) for name in names] for part in parts])
    return LiveExpectation(
        float(inputs.sum()),
        unlike,
        tuple((shares @ np.array([part.shift for part in parts])).tolist()),
        tuple((shares @ np.array([part.unexplained for part in parts])).tolist()),
        tuple(sampled.tolist()),
        tuple(zip(names, far.tolist(), strict=True)),
    )
