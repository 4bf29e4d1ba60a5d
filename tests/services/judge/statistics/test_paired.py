"""Paired evidence: its promise at every look, what it bounds, and how few labels it needs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from components.spec.contract import Harm
from services import telemetry
from services.judge.evidence.counts import BINS, HoldoutShift
from services.judge.simulate.pairs import LEAST_TIMES, pairs_claims, pairs_rows
from services.judge.simulate.worlds import surely_above
from services.judge.statistics.evalue import Array
from services.judge.statistics.paired import PairCounts, PairedSignal, log_above, paired_findings, paired_signals
from services.judge.statistics.signal_result import SignalResult

EQUAL = HoldoutShift((0.0,) * BINS, (0.0,) * BINS)
LEVEL = 0.05
ROLLOUTS = 1000
LOOKS = 60


def walks(differences: tuple[float, ...], shares: tuple[float, ...], values: tuple[float, ...]) -> list[Array]:
    """Counts of (rollouts, 1, values) after each look, of differences that come with these shares."""
    rng = np.random.default_rng(5)
    places = [values.index(difference) for difference in differences]
    counts, looks = np.zeros((ROLLOUTS, 1, len(values))), []
    for _ in range(LOOKS):
        counts[:, 0, places] += rng.multinomial(40, shares, ROLLOUTS)
        looks.append(counts.copy())
    return looks


#: Mean 0.02, the margin: rare and large, frequent and small, and one that is always the same.
AT_MARGIN = [
    ((0.0, 1.0), (0.98, 0.02)),
    ((-0.1, 0.1), (0.4, 0.6)),
    ((0.02,), (1.0,)),
    ((-1.0, 0.0, 0.6), (0.3, 0.16, 0.54)),
]


@pytest.mark.parametrize(("differences", "shares"), AT_MARGIN)
def test_at_the_margin_neither_harm_nor_safety_is_shown(
    differences: tuple[float, ...], shares: tuple[float, ...]
) -> None:
    """At the margin, over all looks, harm and safety are each shown with at most the level's probability."""
    signal = PairedSignal("label_loss", 0.02, LEVEL, telemetry.SHADOW_DIFFERENCES)
    if differences == (-1.0, 0.0, 0.6):
        signal = replace(signal, margin=0.024)
    for evidence in (signal.log_harm, signal.log_safe):
        ever = np.zeros(ROLLOUTS, dtype=bool)
        for counts in walks(differences, shares, signal.values):
            ever |= evidence(counts, signal.margin) >= -math.log(LEVEL)
        assert surely_above(int(ever.sum()), ROLLOUTS) <= LEVEL


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shift_of_scores_at_the_margin_is_no_harm_either(sign: int) -> None:
    """A shift of scores by the margin beyond the hold-out's, up or down, is called harm at most at the level."""
    centres = (0.03,) + (0.0,) * (BINS - 2)
    signal = PairedSignal("score_shift", 0.05, LEVEL, (-1.0, 0.0, 1.0), centres, (0.01,) * (BINS - 1), two_sided=True)
    mean = 0.03 + sign * 0.06
    shares = (0.2 - mean / 2, 0.6, 0.2 + mean / 2)
    ever = np.zeros(200, dtype=bool)
    rng, counts = np.random.default_rng(3), np.zeros((200, BINS - 1, 3))
    for _ in range(40):
        counts += rng.multinomial(100, shares, 200)[:, None, :] * (np.arange(BINS - 1) == 0)[None, :, None]
        counts[:, 1:, 1] += 100
        ever |= signal.log_harm(counts, 0.05) >= -math.log(LEVEL)
    assert surely_above(int(ever.sum()), 200) <= LEVEL


def finding(pairs: PairCounts, harm: Harm, holdout: HoldoutShift | None = EQUAL) -> SignalResult:
    (found,) = paired_findings(harm, pairs, holdout, 0.01, 0.01)
    return found


LABELS = Harm(score_shift=None, label_loss=0.02)


def labelled(**cells: float) -> PairCounts:
    """`c8=100`: a hundred labelled requests in cell 8, that of no difference."""
    return PairCounts(labelled=tuple(cells.get(f"c{cell}", 0.0) for cell in range(len(telemetry.SHADOW_DIFFERENCES))))


def test_the_bounds_close_in_on_the_difference() -> None:
    few, many = (finding(labelled(c7=4 * times, c10=6 * times), LABELS) for times in (20, 2000))
    for found in (few, many):
        assert found.excess == pytest.approx(0.6 * 0.05 - 0.4 * 0.02)
        assert found.lower is not None
        assert found.upper is not None
        assert found.excess is not None
        assert found.lower < found.excess < found.upper
    assert many.upper is not None
    assert few.upper is not None
    assert few.lower is not None
    assert many.lower is not None
    assert many.upper - many.lower < 0.2 * (few.upper - few.lower)


@pytest.mark.parametrize("times", [10, 100, 1000])
def test_the_bounds_say_the_same_as_the_state(times: float) -> None:
    for cells in (labelled(c8=times), labelled(c10=times), labelled(c9=times), labelled(c12=times)):
        found = finding(cells, LABELS)
        assert (found.state == "harm") == (found.lower is not None and found.lower >= found.margin)
        assert (found.state == "safe") == (found.upper is not None and found.upper <= found.margin)


def test_counts_are_all_that_the_evidence_needs() -> None:
    """Evidence of two halves together is that of the whole, and a part between two cells is no more than its mean."""
    bounds, values = np.array([0.02]), telemetry.SHADOW_DIFFERENCES
    halves, whole = np.zeros((1, 1, len(values))), np.zeros((1, 1, len(values)))
    halves[0, 0, [9, 10]] = 100 * 0.5
    exact = log_above(np.full((1, 1, 1), 100.0), (0.035,), bounds)
    assert log_above(halves, values, bounds)[0, 0] <= exact[0, 0]
    whole[0, 0, 10] = 100
    assert log_above(whole, values, bounds)[0, 0] == pytest.approx(
        log_above(np.full((1, 1, 1), 100.0), (0.05,), bounds)[0, 0]
    )


def test_a_level_is_divided_among_the_signals_of_the_spec() -> None:
    both = paired_signals(Harm(), 0.01, EQUAL)
    assert [(signal.name, signal.false_alarm) for signal in both] == [("score_shift", 0.005), ("label_loss", 0.005)]
    (alone,) = paired_signals(LABELS, 0.01, None)
    assert alone.false_alarm == 0.01
    # What the hold-out does not show cannot be judged, and the labels gain nothing by it.
    (unknown,) = paired_signals(Harm(), 0.01, None)
    assert (unknown.name, unknown.false_alarm) == ("label_loss", 0.005)


def test_pairs_need_seven_times_fewer_labels() -> None:
    """At the correlation of the demo's versions, pairs need at least seven times fewer labels, safe or harmful."""
    rows = pairs_rows(40, 7)
    assert [row.kind for row in rows] == ["as good: promoted", "twice the margin worse: failed"]
    assert all(row.times >= LEAST_TIMES for row in rows), rows
    assert all(claim.met for claim in pairs_claims(rows))
