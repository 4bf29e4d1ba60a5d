"""The verdict: what is passed, failed and waited for, and in which words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import BINS, Counts, Evidence, Stratum
from services.judge.verdict import Decision, Verdict, judge, next_weight, verdict_at_end
from tests.services.judge.builders import FLAT, HOLDOUT, counts, evidence, stratum

ROLLOUT = Rollout()
ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
GOOD = evidence(
    stratum(counts(20_000, errors=20, slow=200, labels=20_000), counts(20_000, errors=20, slow=200, labels=20_000), 50),
    weight=50,
)


def with_canary(canary: Counts) -> Evidence:
    return evidence(stratum(canary, counts(20_000, errors=20, slow=200, labels=20_000), 50), weight=50)


def test_an_equal_canary_with_much_traffic_is_promoted() -> None:
    found = judge(GOOD, ROLLOUT)
    assert (found.verdict, found.next_weight) == ("pass", 100)
    assert found.reason.startswith(
        "pass: safe to be promoted: 0.10 % of the canary's 20,000 requests ended in an error"
    )
    assert [finding.state for finding in found.findings] == [*["safe"] * 4, "not judged"]


@pytest.mark.parametrize(
    ("canary", "name", "words"),
    [
        (counts(20_000, errors=400, slow=200, labels=20_000), "error_ratio", "2.0 % of the canary's 20,000 requests"),
        (counts(20_000, errors=20, slow=1400, labels=20_000), "slow_ratio", "were slower than the objective against"),
        (
            counts(20_000, errors=20, slow=200, labels=20_000, shape=(0.2,) + (0.8 / 19,) * 19),
            "score_shift",
            "at or below 0.002",
        ),
        (counts(20_000, errors=20, slow=200, labels=20_000, wrong=0.3), "label_loss", "the canary's Brier loss over"),
    ],
)
def test_harm_in_one_signal_fails_and_the_sentence_names_it(canary: Counts, name: str, words: str) -> None:
    found = judge(with_canary(canary), ROLLOUT)
    assert found.verdict == "fail"
    assert [finding.name for finding in found.findings if finding.state == "harm"] == [name]
    assert words in found.reason
    assert judge(replace(with_canary(canary), elapsed_seconds=3600), ROLLOUT).reason == found.reason


def test_the_sentence_has_all_the_numbers() -> None:
    canary, champion = counts(212, errors=10), counts(1903)
    found = judge(evidence(stratum(canary, champion)), ERRORS_ONLY)
    assert found.reason.startswith(
        "fail: 4.7 % of the canary's 212 requests ended in an error against 0.00 % of the champion's 1,903;"
        " the excess is at least 1."
    )
    assert found.reason.endswith("the margin is 0.50 %")


def test_with_too_little_traffic_wait_says_what_may_still_be() -> None:
    """With too little traffic the verdict is wait, and its reason says what is still possible."""
    found = judge(evidence(stratum(counts(30), counts(270))), ERRORS_ONLY)
    assert found.verdict == "wait"
    assert "too little traffic: the excess may still be 1" in found.reason


def test_a_deadline_without_evidence_names_what_is_enough() -> None:
    """A deadline without enough evidence is undecided, and names the traffic that would have been enough."""
    late = evidence(stratum(counts(30), counts(270)), elapsed_seconds=3600)
    found = judge(late, ERRORS_ONLY)
    assert (found.verdict, found.must_go) == ("undecided", True)
    assert found.reason.startswith("undecided: no decision within the deadline of 60 minutes, for want of evidence (")
    enough = found.findings[0].enough
    assert enough is not None
    assert f"About this many canary observations would have been enough: {enough:,.0f} for error_ratio" in found.reason
    scaled = evidence(stratum(counts(1.3 * enough), counts(1.3 * enough * 9)))
    assert judge(scaled, ERRORS_ONLY, toward=100).verdict == "pass"


def test_a_second_before_the_deadline_is_still_wait() -> None:
    assert judge(evidence(stratum(counts(30), counts(270)), elapsed_seconds=3599), ERRORS_ONLY).verdict == "wait"


def test_a_deadline_with_harm_shown_is_a_fail() -> None:
    bad = evidence(stratum(counts(212, errors=10), counts(1903)))
    assert judge(replace(bad, elapsed_seconds=4000), ERRORS_ONLY) == replace(
        judge(bad, ERRORS_ONLY), elapsed_seconds=4000
    )


def test_a_canary_that_is_safe_at_the_deadline_passes() -> None:
    assert judge(replace(GOOD, elapsed_seconds=4000), ROLLOUT).verdict == "pass"


@pytest.mark.parametrize("missing", ["requests", "errors", "slow", "scores", "losses"])
@pytest.mark.parametrize("side", ["canary", "champion"])
def test_a_missing_metric_is_wait_then_undecided_and_never_pass(missing: str, side: str) -> None:
    whole = GOOD.strata[0]
    torn = replace(whole, **{side: replace(getattr(whole, side), **{missing: None})})
    found = judge(replace(GOOD, strata=(torn,)), ROLLOUT)
    assert found.verdict == "wait"
    assert f"the {side}'s counters for it are missing" in found.reason
    assert judge(replace(GOOD, strata=(torn,), elapsed_seconds=3600), ROLLOUT).verdict == "undecided"


@pytest.mark.parametrize(
    ("canary", "champion", "words"),
    [
        (counts(0), counts(4000, labels=4000), "the canary has answered no request yet"),
        (counts(0), counts(20_000, labels=20_000), "the canary answered 0.0% of 20,000 requests"),
        (counts(4000, labels=4000), counts(0), "the champion has answered no request yet"),
        (counts(20_000), counts(20_000, labels=20_000), "the canary has no label come back yet"),
    ],
)
def test_zero_traffic_on_one_side_is_wait(canary: Counts, champion: Counts, words: str) -> None:
    found = judge(evidence(stratum(canary, champion, 50), weight=50), ROLLOUT)
    assert (found.verdict, words in found.reason) == ("wait", True)


def test_contradictory_counts_are_wait_even_where_they_look_bad() -> None:
    found = judge(with_canary(Counts(100, 300)), ROLLOUT)
    assert found.verdict == "wait"
    assert found.reason.startswith("wait: the canary counts 300 errors in 100 requests; a part cannot exceed the whole")
    assert found.findings == ()


def test_a_problem_of_the_source_holds_up_only_a_good_canary() -> None:
    """A problem of the source keeps a good canary from passing, but not a bad one from failing."""
    problem = "the canary's weight was last read 30 s ago"
    assert judge(replace(GOOD, problems=(problem,)), ROLLOUT).reason == f"wait: {problem}"
    bad = with_canary(counts(20_000, errors=4000, labels=20_000))
    assert judge(replace(bad, problems=(problem,)), ROLLOUT).verdict == "fail"


def test_without_the_hold_out_scores_cannot_be_judged() -> None:
    found = judge(replace(GOOD, holdout=None), ROLLOUT)
    assert found.verdict == "wait"
    assert "score_shift cannot be judged: what the hold-out showed" in found.reason
    unjudged = ROLLOUT.model_copy(update={"harm": Harm(score_shift=None)})
    assert judge(replace(GOOD, holdout=None), unjudged).verdict == "pass"


def test_label_loss_without_a_margin_needs_no_labels() -> None:
    unlabelled = with_canary(counts(20_000, errors=20, slow=200))
    assert judge(unlabelled, ROLLOUT).verdict == "wait"
    assert judge(unlabelled, ROLLOUT.model_copy(update={"harm": Harm(label_loss=None)})).verdict == "pass"


def test_a_shift_of_scores_that_the_hold_out_showed_is_no_harm() -> None:
    shifted = with_canary(counts(20_000, errors=20, slow=200, labels=20_000, shape=(0.2,) + (0.8 / 19,) * 19))
    shift = tuple(0.2 + 0.8 / 19 * i - (i + 1) / 20 for i in range(BINS))
    rollout = ROLLOUT.model_copy(update={"harm": Harm(label_loss=None)})
    assert judge(replace(shifted, holdout=replace(HOLDOUT, shift=shift)), rollout).verdict == "pass"
    assert judge(shifted, rollout).verdict == "fail"


def test_scores_that_move_unlike_the_hold_outs_are_harm() -> None:
    """Scores that did not move as the hold-out showed are harm."""
    expected = replace(HOLDOUT, shift=(0.15,) * (BINS - 1) + (0.0,))
    assert judge(replace(GOOD, holdout=expected), ROLLOUT).verdict == "fail"


def test_no_evidence_at_all_is_wait() -> None:
    assert judge(Evidence(weight=10, holdout=HOLDOUT), ROLLOUT).verdict == "wait"


def test_before_the_first_traffic_it_waits_but_may_start() -> None:
    found = judge(Evidence(holdout=HOLDOUT), ROLLOUT)
    assert (found.verdict, found.may_start, found.next_weight) == ("wait", True, 10)
    assert not judge(Evidence(holdout=HOLDOUT, problems=("no canary",)), ROLLOUT).may_start
    assert not judge(Evidence(), ROLLOUT).may_start
    assert not judge(Evidence(weight=10, holdout=HOLDOUT), ROLLOUT).may_start


@pytest.mark.parametrize(("weight", "following"), [(0, 10), (10, 20), (40, 50), (45, 50), (50, 100), (60, 100)])
def test_weights_go_up_by_steps_then_to_promotion(weight: float, following: float) -> None:
    assert next_weight(weight, ROLLOUT) == following


def test_a_step_needs_less_evidence_than_a_promotion() -> None:
    """A step needs less evidence than a promotion, and the exposure stays within the margin."""
    some = evidence(stratum(counts(600), counts(5400)))
    step, promotion = judge(some, ERRORS_ONLY), judge(some, ERRORS_ONLY, toward=100)
    assert (step.verdict, promotion.verdict) == ("pass", "wait")
    finding = step.findings[0]
    assert finding.allowed == pytest.approx(0.025)
    assert finding.upper is not None
    assert 0.2 * finding.upper <= 0.005


@given(weight=st.sampled_from([2.0, 10.0, 30.0]), errors=st.integers(0, 40), requests=st.integers(40, 4000))
@settings(max_examples=40, deadline=None)
def test_more_traffic_is_never_easier_to_get(weight: float, errors: int, requests: int) -> None:
    some = evidence(stratum(counts(requests, errors=errors), counts(requests * 9, errors=requests // 100), weight))
    verdicts = [judge(some, ERRORS_ONLY, toward).verdict == "pass" for toward in (5, 20, 60, 100)]
    assert verdicts == sorted(verdicts, reverse=True)


@given(requests=st.integers(10, 3000), errors=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_more_harm_is_never_judged_better(requests: int, errors: int) -> None:
    order = {"pass": 0, "wait": 1, "fail": 2}
    found = [
        order[judge(evidence(stratum(counts(requests, errors=e), counts(requests * 9))), ERRORS_ONLY).verdict]
        for e in (errors, errors + 1, min(requests, 4 * errors + 5))
    ]
    assert found == sorted(found)


@given(errors=st.integers(0, 200), slow=st.integers(0, 200))
@settings(max_examples=30, deadline=None)
def test_the_verdict_agrees_with_its_own_intervals(errors: int, slow: int) -> None:
    rollout = ROLLOUT.model_copy(update={"harm": Harm(score_shift=None, label_loss=None, lost_ratio=None)})
    found = judge(evidence(stratum(counts(2000, errors=errors, slow=slow), counts(18_000, 18, 180))), rollout)
    for finding in found.findings:
        assert finding.upper is not None
        assert finding.lower is not None
        assert finding.lower <= finding.upper
        assert (finding.state == "harm") == (finding.lower >= finding.margin)
        if finding.state != "harm":
            assert (finding.state == "safe") == (finding.upper <= finding.allowed)


@given(st.lists(st.integers(10, 400), min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_batches_replicas_and_their_order_do_not_matter(sizes: list[int], random: object) -> None:
    whole = evidence(stratum(counts(sum(sizes), errors=2), counts(9 * sum(sizes), errors=5)))
    pieces = [evidence(stratum(counts(size), counts(9 * size))) for size in sizes]
    random.shuffle(pieces)  # type: ignore[attr-defined]
    added = evidence(stratum(counts(0, errors=0), counts(0)))
    for piece in pieces:
        added = added + piece
    errors = evidence(Stratum(10.0, Counts(0, 5), Counts(0, 2)))
    one, other = judge(whole, ERRORS_ONLY), judge(added + errors, ERRORS_ONLY)
    assert one.verdict == other.verdict
    assert one.findings[0].e_harm == pytest.approx(other.findings[0].e_harm)
    assert one.findings[0].e_safe == pytest.approx(other.findings[0].e_safe)


@pytest.mark.parametrize("given_evidence", [GOOD, Evidence(), with_canary(Counts(math.inf)), with_canary(counts(9, 9))])
def test_every_verdict_is_json(given_evidence: Evidence) -> None:
    document = json.loads(json.dumps(judge(given_evidence, ROLLOUT).to_dict(), allow_nan=False))
    assert document["verdict"] in get_args(Decision)
    assert {"reason", "weight", "next_weight", "signals", "elapsed_seconds", "deadline_seconds"} <= set(document)


def test_strata_without_two_sides_are_left_out() -> None:
    full = Stratum(100.0, counts(10, errors=10), counts(10_000))
    assert judge(replace(GOOD, strata=(*GOOD.strata, full)), ROLLOUT).verdict == "pass"


def test_flat_scores_are_a_distribution() -> None:
    assert sum(FLAT) == pytest.approx(1)


def harmful(errors: float = 20, wrong: float = 0.1) -> Evidence:
    return with_canary(counts(20_000, errors=errors, slow=200, labels=20_000, wrong=wrong))


def test_the_end_names_every_harm_of_the_last_moments() -> None:
    """Which moment decided is not known: each signal that was harmful in any of them stands with its newest harm."""
    moments = [harmful(), harmful(errors=900), harmful(errors=700, wrong=0.3), harmful(wrong=0.4)]
    found = [judge(moment, ROLLOUT) for moment in moments]
    end = verdict_at_end(found)
    states = {finding.name: finding.state for finding in end.findings}
    assert states.pop("lost_ratio") == "not judged"
    assert states == {"error_ratio": "harm", "slow_ratio": "safe", "score_shift": "safe", "label_loss": "harm"}
    assert end.reason == "fail: " + "; ".join(found[at].findings[signal].reason for at, signal in ((1, 0), (2, 3)))


def test_the_end_is_the_newest_moment_where_none_failed() -> None:
    few = judge(with_canary(counts(30)), ROLLOUT)
    assert verdict_at_end(iter([few, judge(GOOD, ROLLOUT)])) == few


def test_harm_ends_a_rollout_rather_than_its_deadline() -> None:
    late = replace(with_canary(counts(30)), elapsed_seconds=ROLLOUT.deadline_minutes * 60)
    missed, bad = judge(late, ROLLOUT), judge(harmful(errors=900), ROLLOUT)
    assert verdict_at_end([missed]) == missed
    end = verdict_at_end([missed, bad])
    assert (missed.verdict, end.verdict) == ("undecided", "fail")
    assert end.reason == bad.reason


def test_harm_is_not_forgotten_where_counts_contradict() -> None:
    """The newest moment's counts contradict themselves, so it has no findings; the harm before it has shown itself."""
    torn = replace(with_canary(Counts(100, 300)), elapsed_seconds=ROLLOUT.deadline_minutes * 60)
    missed, bad = judge(torn, ROLLOUT), judge(harmful(errors=900), ROLLOUT)
    assert (missed.verdict, missed.findings) == ("undecided", ())
    end = verdict_at_end([missed, bad])
    assert (end.verdict, end.reason, end.findings) == ("fail", bad.reason, bad.findings)


@pytest.mark.parametrize("few", [50, 400])
def test_enough_is_more_than_what_was_too_few_at_a_weight(few: int) -> None:
    """A deadline at a weight whose own requests are too few names a number that would have promoted the canary."""
    ten = stratum(counts(20_000, errors=20), counts(180_000, errors=180))

    def at(here: float) -> Verdict:
        strata = ten, stratum(counts(here), counts(here), weight=50)
        return judge(evidence(*strata, weight=50, elapsed_seconds=3600), ERRORS_ONLY)

    found = at(few)
    (finding,) = found.findings
    assert f"but {few} at 50 % of the traffic are too few" in found.reason
    assert finding.enough is not None
    assert finding.enough > finding.canary_observations
    assert at(1.1 * (finding.enough - 20_000)).verdict == "pass"


def test_a_weight_is_not_passed_on_what_others_showed() -> None:
    """What the canary did at 10 % of the traffic says nothing about 20 %."""
    ten = stratum(counts(20_000, errors=20), counts(180_000, errors=180))
    assert judge(evidence(ten), ERRORS_ONLY).verdict == "pass"
    found = judge(evidence(ten, weight=20), ERRORS_ONLY)
    assert found.verdict == "wait"
    assert found.reason.endswith("but 0 at 20 % of the traffic are too few")
    few, many = (stratum(counts(n), counts(4 * n), weight=20) for n in (50, 5_000))
    assert judge(evidence(ten, few, weight=20), ERRORS_ONLY).reason.endswith("50 at 20 % of the traffic are too few")
    assert judge(evidence(ten, many, weight=20), ERRORS_ONLY).verdict == "pass"


def test_harm_that_began_late_is_not_hidden() -> None:
    good, bad = (60_000, 60), (3_000, 75)
    late = counts(bad[0], errors=bad[1])
    whole = stratum(counts(good[0] + bad[0], errors=good[1] + bad[1]), counts(252_000, errors=252), weight=20)
    assert judge(evidence(whole, weight=20), ERRORS_ONLY).verdict == "pass"
    told = replace(whole, later=((counts(12_000, errors=12), late),))
    assert judge(evidence(told, weight=20), ERRORS_ONLY).verdict == "fail"
    calm = replace(whole, later=((counts(12_000, errors=12), counts(bad[0], errors=3)),))
    assert judge(evidence(calm, weight=20), ERRORS_ONLY).verdict == "pass"
