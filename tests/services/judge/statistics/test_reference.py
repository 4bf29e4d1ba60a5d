from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from components.spec.contract import SCORE_EDGES, Harm, Rollout
from services.judge.evidence.counts import BINS, COLUMNS, SCORES_AT, Evidence, LiveExpectation
from services.judge.evidence.expectation import MOST_RENEWALS
from services.judge.statistics.assess import stack_arms
from services.judge.statistics.reference import reference
from services.judge.statistics.signals import judged_signals
from services.judge.verdict import judge
from tests.services.judge.builders import HOLDOUT, counts, evidence, stratum

MARGIN = 0.05
ROLLOUT = Rollout(harm=Harm(slow_ratio=None, label_loss=None, lost_ratio=None))
#: Where scores are half below the edge of bin 9, a shift of so much at that edge alone.
MOVED = tuple(0.1 if score_bin == 9 else 0.0 for score_bin in range(BINS))


def told(
    shift: tuple[float, ...] = MOVED,
    unlike: float = 0.0,
    far: float = 0.3,
    unexplained: float = 0.01,
    sampled: float = 0.005,
    differing: tuple[str, ...] | None = (),
) -> LiveExpectation:
    far_by_name = (("age", far), ("plan", far / 10))
    return LiveExpectation(1000.0, unlike, shift, (unexplained,) * BINS, (sampled,) * BINS, far_by_name, differing)


def with_callers(known: LiveExpectation | None) -> Evidence:
    """A canary whose scores are shifted by 10 % at the edge of bin 9, beside its champion."""
    theirs = (0.5,) + (0.0,) * 9 + (0.5,) + (0.0,) * 9
    ours = (0.5,) + (0.0,) * 8 + (0.1,) + (0.4,) + (0.0,) * 9
    found = evidence(stratum(counts(9000, shape=ours), counts(9000, shape=theirs), 50.0), weight=50.0)
    return replace(found, expectation=known)


def test_callers_who_moved_change_what_scores_are_compared_with() -> None:
    compared = reference(Evidence(holdout=HOLDOUT, expectation=told()), MARGIN)
    assert compared.used
    assert compared.holdout is not None
    assert compared.holdout.shift == pytest.approx(MOVED)
    assert compared.holdout.shift_error == pytest.approx((0.013,) * BINS)  # 0.01 and 1.63 x 0.005, up
    assert compared.note == "its callers are not like the hold-out, most of all in 'age'"


@pytest.mark.parametrize(
    ("known", "note"),
    [
        (None, ""),
        (told(tuple(part / 25 for part in MOVED)), ""),  # less than a tenth of the margin
        (told(sampled=0.04), ""),  # no more than chance
        (told(unlike=20), "2.0 % of the canary's inputs are unlike any in the hold-out"),
        (LiveExpectation(0.0, 40.0, (), (), (), ()), "100.0 % of the canary's inputs are unlike any in the hold-out"),
        (
            told(differing=("plan", "age")),
            "other inputs than the champion's of the same traffic, most of all in 'plan'",
        ),
        (told((0.0,) * BINS, differing=("plan",)), "it or its route may change them"),
        (told(differing=None), "it is not known whether the champion's server reads the same inputs"),
        (told((0.0,) * BINS, differing=None), ""),  # they have not moved
        (told(far=2.9), "would be worth less than one in 4 of its rows"),
        (told(unexplained=0.026), "has too few rows to be weighted like them"),
        (told(sampled=0.024), "too few of their inputs are known yet"),
    ],
)
def test_else_the_holdout_stays_as_it_is(known: LiveExpectation | None, note: str) -> None:
    compared = reference(Evidence(holdout=HOLDOUT, expectation=known), MARGIN)
    assert compared.holdout is HOLDOUT
    assert not compared.used
    assert note in compared.note
    assert bool(note) == bool(compared.note)


def test_without_a_holdout_nothing_is_expected() -> None:
    assert reference(Evidence(expectation=told()), MARGIN).holdout is None
    assert reference(Evidence(holdout=HOLDOUT, expectation=told()), None).holdout is HOLDOUT


def test_what_is_expected_is_no_harm_and_is_told() -> None:
    assert judge(with_callers(None), ROLLOUT).verdict == "fail"
    verdict = judge(with_callers(told()), ROLLOUT)
    assert verdict.verdict == "pass"
    words = "not like the hold-out, most of all in 'age': weighted like them, it shows a shift of"
    assert words in verdict.reason


def test_a_shift_that_is_not_expected_is_harm_all_the_same() -> None:
    """The other way round than the callers explain."""
    verdict = judge(with_callers(told(tuple(-part for part in MOVED))), ROLLOUT)
    assert verdict.verdict == "fail"
    assert "a shift of 20.0 % beyond what the hold-out showed" in verdict.reason


def test_why_the_holdout_was_kept_is_told() -> None:
    verdict = judge(with_callers(told(unlike=20)), ROLLOUT)
    assert verdict.verdict == "fail"
    assert "are unlike any in the hold-out, so scores are compared with the hold-out as it is" in verdict.reason


def test_inputs_all_unlike_the_holdout_are_said() -> None:
    """There is nothing to expect of them, and that is no reason to keep silent."""
    verdict = judge(with_callers(LiveExpectation(0.0, 400.0, (), (), (), ())), ROLLOUT)
    assert "100.0 % of the canary's inputs are unlike any in the hold-out, so scores are compared" in verdict.reason
    (scores,) = (one for one in verdict.to_dict()["signals"] if one["name"] == "score_shift")
    assert (scores["moved"]["unlike"], scores["moved"]["used"]) == (400, False)


def test_inputs_that_the_champion_did_not_get_explain_nothing() -> None:
    """The canary's scores and inputs move together, as by a fault of its own server."""
    assert judge(with_callers(told()), ROLLOUT).verdict == "pass"
    verdict = judge(with_callers(told(differing=("age",))), ROLLOUT)
    assert verdict.verdict == "fail"
    assert "the canary's server reads other inputs than the champion's of the same traffic" in verdict.reason


@pytest.mark.parametrize("seed", range(6))
def test_evidence_of_harm_falls_as_its_bound_rises(seed: int) -> None:
    """So a reference that asks for more than another never shows harm that the other would not show."""
    rng = np.random.default_rng(seed)
    (signal,) = judged_signals(ROLLOUT.harm.model_copy(update={"error_ratio": None}), 0.01, HOLDOUT)
    base, moved = rng.dirichlet(np.ones(BINS)), rng.dirichlet(np.ones(BINS))
    shares = rng.uniform(0, 0.6) * (moved - base) + base
    tables = []
    for weight, number in ((0.1, rng.integers(200, 20_000)), (0.5, rng.integers(200, 20_000))):
        sides = np.zeros((1, COLUMNS)), np.zeros((1, COLUMNS))
        for side, part, shape in zip(sides, (weight, 1 - weight), (shares, base), strict=True):
            side[0, SCORES_AT] = rng.multinomial(int(number * part), shape)
        tables.append((weight, sides[0], sides[1]))
    strata = stack_arms(signal, tables)
    found = [float(signal.log_harm(strata, margin)[0]) for margin in np.linspace(0.0, 0.4, 41)]
    shown = [(low, high) for at, high in enumerate(found) for low in found[:at] if high > math.log(100)]
    assert all(low >= high - 1e-9 for low, high in shown)


def test_what_is_added_holds_for_all_renewals_together() -> None:
    """Two standard errors are exceeded in 4.6 of 100 references; those of the inputs in no more of rollouts."""
    assert MOST_RENEWALS * 2 * norm.sf(2 * 1.63) <= 2 * norm.sf(2)


def test_the_record_says_what_was_expected() -> None:
    verdict = judge(with_callers(told()), ROLLOUT).to_dict()
    (scores,) = (one for one in json.loads(json.dumps(verdict))["signals"] if one["name"] == "score_shift")
    assert scores["moved"] == {
        "inputs": 1000, "unlike": 0, "distance": pytest.approx(0.33), "feature": "age", "used": True,
        "expected": MOVED[SCORE_EDGES.index(scores["edge"])], "on_holdout": 0,
    }  # fmt: skip
