"""Latency over several thresholds: what is harm, what is only told, and what a server made before leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import COLUMNS, REQUESTS_AT, TIMED_AT, Counts, Evidence
from services.judge.statistics.assess import interval, is_harm, stack_arms
from services.judge.statistics.latency import COLUMN, WITHIN, scales
from services.judge.statistics.signal_result import SignalResult
from services.judge.statistics.signals import LatencySignal, judged_signals
from services.judge.verdict import Verdict, judge
from tests.services.judge.builders import HOLDOUT, counts, evidence, stratum

LATENCY = Harm(score_shift=None, label_loss=None)
ROLLOUT = Rollout(harm=LATENCY)
N = 20_000
#: Requests slower than 0.25, 0.5, 2 and 4 times the objective; 200 are slower than the objective.
USUAL = (0.4 * N, 0.1 * N, 60.0, 20.0)


def judged(slow: float, slower: tuple[float, ...] | None, harm: Harm = LATENCY) -> Verdict:
    """The verdict on a canary with as many requests as the champion at half of the traffic."""
    canary, champion = (replace(counts(N, slow=each), slower=part) for each, part in ((slow, slower), (200, USUAL)))
    return judge(evidence(stratum(canary, champion, 50), weight=50), Rollout(harm=harm))


def latency_of(verdict: Verdict) -> SignalResult:
    return next(finding for finding in verdict.findings if finding.name == "slow_ratio")


def test_an_equal_canary_is_safe_and_told_at_every_threshold() -> None:
    found = judged(200, USUAL)
    assert found.verdict == "pass"
    finding = latency_of(found)
    assert [share.times for share in finding.latency] == ["0.25", "0.5", "1", "2", "4"]
    assert [share.margin for share in finding.latency] == [None, None, 0.02, 0.01, 0.005]
    assert [share.canary for share in finding.latency] == [0.4, 0.1, 0.01, 0.003, 0.001]
    assert finding.note == ""


@pytest.mark.parametrize(
    ("slow", "slower", "times", "margin", "words"),
    [
        (1200, USUAL, "1", 0.02, "6.0 % of the canary's 20,000 requests were slower than the objective against 1.0 %"),
        (560, (*USUAL[:2], 500, 20), "2", 0.01, "2.5 % of the canary's 20,000 requests were slower than 2 x the"),
        (400, (*USUAL[:2], 300, 250), "4", 0.005, "1.2 % of the canary's 20,000 requests were slower than 4 x the"),
    ],
)
def test_harm_names_the_threshold_that_shows_it(
    slow: float, slower: tuple[float, ...], times: str, margin: float, words: str
) -> None:
    found = judged(slow, slower)
    finding = latency_of(found)
    assert (found.verdict, finding.times, finding.margin) == ("fail", times, margin)
    assert words in found.reason
    assert finding.lower is not None
    assert margin <= finding.lower < (finding.excess or 0)
    assert f"the margin is {100 * margin:.{1 if margin >= 0.01 else 2}f} %" in found.reason


def test_the_tail_alone_is_missed_at_the_objective_alone() -> None:
    """The negative twin: without the thresholds the same tail is within the margin of the objective."""
    tail = (*USUAL[:2], 300.0, 250.0)
    assert judged(400, tail).verdict == "fail"
    alone = next(s for s in judged_signals(LATENCY, 0.01, HOLDOUT, thresholds=False) if s.name == "slow_ratio")
    tables = (counts(N, slow=400, slower=tail).vector()[None], counts(N, slow=200, slower=USUAL).vector()[None])
    assert not is_harm(alone, stack_arms(alone, [(0.5, *tables)]))[0]


def test_the_weakest_threshold_is_the_one_that_is_not_safe_yet() -> None:
    found = judged(200, (*USUAL[:2], 60.0, 90.0))
    finding = latency_of(found)
    assert (found.verdict, finding.state, finding.times) == ("wait", "open", "4")
    assert "0.45 % of the canary's 20,000 requests were slower than 4 x the objective" in found.reason
    assert finding.allowed == 0.005
    assert finding.upper is not None
    assert finding.upper > finding.allowed


@pytest.mark.parametrize(
    ("slower", "words"),
    [
        (
            (0.7 * N, *USUAL[1:]),
            "70.0 % of the canary's requests were slower than 0.25 x the objective against 40.0 %,",
        ),
        ((0.1 * N, *USUAL[1:]), "were slower than 0.25 x the objective against 40.0 %, faster by at least 19.9 %"),
        ((0.7 * N, 0.6 * N, *USUAL[2:]), "60.0 % of the canary's requests were slower than 0.5 x the objective"),
    ],
)
def test_a_shift_within_the_objective_is_told_and_never_fails(slower: tuple[float, ...], words: str) -> None:
    found = judged(200, slower)
    assert found.verdict == "pass"
    assert "a shift within the objective, told only: " in found.reason
    assert words in found.reason
    told = latency_of(found).latency[0]
    assert told.lower is not None
    assert told.upper is not None
    assert told.lower < told.excess < told.upper


def test_a_shift_within_the_objective_fails_if_the_spec_says_so() -> None:
    found = judged(200, (0.7 * N, *USUAL[1:]), LATENCY.model_copy(update={"latency_shift": 0.1}))
    finding = latency_of(found)
    assert (found.verdict, finding.times) == ("fail", "0.25")
    assert finding.margin == pytest.approx(0.1)
    assert finding.note == ""
    allowed = LATENCY.model_copy(update={"latency_shift": 0.7})
    assert judged(200, (0.7 * N, *USUAL[1:]), allowed).verdict == "pass"


def test_a_server_made_before_is_judged_at_the_objective_alone() -> None:
    for sides, words in (
        (("champion",), "because the champion does not export canario_slower_total"),
        (("canary",), "because the canary does not export"),
        (("champion", "canary"), "because the champion and the canary do not export"),
    ):
        canary, champion = (
            replace(counts(N, slow=200), slower=None) if side in sides else counts(N, slow=200)
            for side in ("canary", "champion")
        )
        found = judge(evidence(stratum(canary, champion, 50), weight=50), ROLLOUT)
        assert found.verdict == "pass"
        assert words in found.reason
        assert latency_of(found).latency == ()


def test_a_margin_for_shifts_waits_for_servers_that_count_them() -> None:
    whole = evidence(stratum(counts(N), replace(counts(N), slower=None), 50), weight=50)
    found = judge(whole, Rollout(harm=LATENCY.model_copy(update={"latency_shift": 0.1})))
    assert found.verdict == "wait"
    assert "slow_ratio cannot be judged: the champion's counters for it are missing" in found.reason


def test_margins_follow_from_the_spec() -> None:
    assert scales(Harm()) == {"1": 1.0, "2": 0.5, "4": 0.25}
    assert scales(Harm(slow_ratio=0.02, latency_shift=0.1)) == {"0.25": 5, "0.5": 5, "1": 1, "2": 0.5, "4": 0.25}
    assert tuple(COLUMN) == ("0.25", "0.5", "1", "2", "4")
    assert WITHIN == ("0.25", "0.5")
    with pytest.raises(ValueError, match="latency_shift is a part of slow_ratio; give slow_ratio a margin"):
        Harm(slow_ratio=None, latency_shift=0.1)


def test_the_bounds_are_those_of_the_decision() -> None:
    """The interval's ends cross the margin exactly where harm and safety are called."""
    signal = next(s for s in judged_signals(LATENCY, 0.01, HOLDOUT) if isinstance(s, LatencySignal))
    rng = np.random.default_rng(3)
    for tail in np.linspace(0, 0.02, 11):
        canary = counts(2000, slow=60, slower=(900.0, 300.0, 50.0, float(rng.binomial(2000, tail))))
        champion = counts(2000, slow=20, slower=(900.0, 300.0, 5.0, 2.0))
        arms = stack_arms(signal, [(0.5, canary.vector()[None], champion.vector()[None])])
        lower, _ = interval(signal, arms, 0.01)
        assert (lower is not None and lower >= signal.margin) == is_harm(signal, arms)[0]


def test_at_every_margin_a_canary_is_failed_as_seldom_as_said() -> None:
    """Latency at the margin of the objective, of twice and of four times as much: no look of 60 may call it harm."""
    signal = next(s for s in judged_signals(LATENCY, 0.01, HOLDOUT) if isinstance(s, LatencySignal))
    usual = np.array([0.6, 0.3, 0.09, 0.007, 0.002, 0.001])
    worse = usual + np.array([-0.02, 0, 0, 0.01, 0.005, 0.005])
    rng, rollouts = np.random.default_rng(2), 1000
    tables, harm = np.zeros((2, rollouts, COLUMNS)), np.zeros(rollouts, dtype=bool)
    for _ in range(60):
        for side, bands in enumerate((usual, worse)):
            answers = rng.multinomial(200, bands, rollouts)
            tables[side, :, [REQUESTS_AT, TIMED_AT]] += 200
            tables[side][:, list(COLUMN.values())] += np.cumsum(answers[:, :0:-1], axis=1)[:, ::-1]
        harm |= is_harm(signal, stack_arms(signal, [(0.5, tables[1], tables[0])]))
    assert harm.mean() <= signal.false_alarm


def test_totals_of_strata_without_thresholds_stay_without() -> None:
    assert (Counts(5.0, slower=None) + Counts(5.0)).slower is None
    assert Evidence((stratum(counts(5), counts(5)),)).strata[0].canary.slower == (0, 0, 0, 0)
