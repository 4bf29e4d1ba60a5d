"""A plan decides as the judge does."""

from __future__ import annotations

import numpy as np
import pytest

from components.spec.contract import Rollout
from services.judge.evidence import warming
from services.judge.evidence.counts import Counts, Evidence, Stratum
from services.judge.lost_finding import lost_finding
from services.judge.plan.judging import LOOKS_LEFT_OUT, CountedShares, planned_signals
from services.judge.statistics.signals import LOST


def test_the_looks_left_out_are_the_judges() -> None:
    assert LOOKS_LEFT_OUT == warming._LOOKS


def test_every_margin_of_the_spec_is_a_signal() -> None:
    rollout = Rollout()
    assert {signal.name: signal.margin for signal in planned_signals(rollout)} == rollout.harm.margins()
    fewer = rollout.model_copy(update={"harm": rollout.harm.model_copy(update={"lost_ratio": None})})
    assert LOST not in {signal.name for signal in planned_signals(fewer)}


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("arrived", [(900, 100), (9000, 1000), (9000, 900), (9000, 500), (90_000, 10_000), (0, 0)])
def test_lost_requests_are_judged_as_the_judge_does(arrived: tuple[int, int], share: float) -> None:
    """The decision on the requests that arrived at champion and canary is that of the judge's finding."""
    rollout = Rollout()
    signal = next(one for one in planned_signals(rollout) if isinstance(one, CountedShares))
    strata = [(0.1, np.array([float(arrived[1])]), np.array([float(arrived[0])]))]
    state = "open"
    if signal.harm(strata)[0]:
        state = "harm"
    elif signal.safe(strata, share)[0] and signal.safe_alone(strata[0], share)[0]:
        state = "safe"
    stratum = Stratum(10.0, Counts(), Counts(), arrived=(float(arrived[0]), float(arrived[1])))
    known = lost_finding(Evidence((stratum,), 10.0), rollout, signal.margin, share).state
    assert state == (known if sum(arrived) else "open")
