"""What the shadow judges before the first weight, and what is left for the canary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.spec.contract import Harm, Rollout
from services import telemetry
from services.judge.evidence.counts import BINS, Evidence, HoldoutShift, LiveExpectation
from services.judge.shadow.first import SHADOW_SHARE, canary_verdict, shadow_verdict
from services.judge.shadow.reading import Compared, ReplicaCounts
from services.judge.shadow.series import InShadow
from services.judge.statistics.paired import PairCounts
from services.judge.verdict import judge
from tests.services.judge.builders import counts, evidence, stratum

EQUAL = HoldoutShift((0.0,) * BINS, (0.0,) * BINS)
READ = Evidence(holdout=EQUAL)
ROLLOUT = Rollout(strategy="shadow-then-canary", deadline_minutes=10, harm=Harm(lost_ratio=None))


def shadowed(
    compared: float = 2000, labels: float = 1000, difference: float = 0.0, failed: float = 0, seconds: float = 60
) -> InShadow:
    cells = tuple(labels * (value == difference) for value in telemetry.SHADOW_DIFFERENCES)
    seen = ReplicaCounts(
        "1", "2", Compared(compared, 0.0), {}, {"status": failed}, 0.0, PairCounts(compared, labelled=cells)
    )
    return InShadow("2", seconds, 1000.0, seen)


def test_scores_and_labels_pass_the_shadow() -> None:
    found = shadow_verdict(READ, shadowed(), "2", ROLLOUT)
    assert (found.verdict, found.weight, found.next_weight, found.may_start) == ("pass", 0, 10, False)
    assert found.reason.startswith("pass: safe in the shadow, may get 10 % of traffic: over 2,000 requests")
    assert [(finding.name, finding.state) for finding in found.findings] == [
        ("score_shift", "safe"),
        ("label_loss", "safe"),
    ]


@pytest.mark.parametrize(
    ("shadow", "harmed"),
    [
        (shadowed(difference=0.1), "label_loss"),
        (shadowed(failed=400), "error_ratio"),
        (shadowed(0, 0, failed=400), "error_ratio"),
    ],
    ids=["worse", "fails copies", "fails every copy"],
)
def test_harm_in_the_shadow_fails(shadow: InShadow, harmed: str) -> None:
    found = shadow_verdict(READ, shadow, "2", ROLLOUT)
    assert (found.verdict, found.must_go) == ("fail", True)
    assert [finding.name for finding in found.findings if finding.state == "harm"] == [harmed]
    assert found.reason.startswith("fail: in the shadow, ")


def test_too_little_waits_until_the_deadline() -> None:
    """Too little evidence waits, and is undecided at the deadline; harm fails even then."""
    few = shadow_verdict(READ, shadowed(labels=20), "2", ROLLOUT)
    assert (few.verdict, "over 20 labelled requests" in few.reason) == ("wait", True)
    late = shadow_verdict(READ, shadowed(labels=20, seconds=601), "2", ROLLOUT)
    assert (late.verdict, late.must_go) == ("undecided", True)
    assert late.reason.startswith("undecided: no decision within the deadline of 10 minutes in the shadow")
    assert shadow_verdict(READ, shadowed(difference=0.1, seconds=601), "2", ROLLOUT).verdict == "fail"


def test_what_cannot_be_read_is_no_pass() -> None:
    unread = Evidence(holdout=EQUAL, problems=("no replica of the canary could be read for 40 s",))
    assert shadow_verdict(unread, shadowed(), "2", ROLLOUT).reason == (
        "wait: in the shadow, no replica of the canary could be read for 40 s"
    )
    assert shadow_verdict(Evidence(), shadowed(), "2", ROLLOUT).verdict == "wait"
    assert shadow_verdict(READ, InShadow(problems=("it is down",)), "2", ROLLOUT).reason == (
        "wait: in the shadow, it is down; version 2 has not been seen in the shadow yet"
    )


def test_an_earlier_candidates_harm_is_not_the_next_ones() -> None:
    """What is known of an earlier candidate neither fails nor ends the one that is asked about."""
    found = shadow_verdict(READ, shadowed(difference=0.1, seconds=9999), "3", ROLLOUT)
    assert found.reason == "wait: in the shadow, version 3 has not been seen in the shadow yet"
    assert shadow_verdict(READ, shadowed(difference=0.1), "", ROLLOUT).verdict == "fail"


def test_the_canary_is_judged_by_the_rest_and_says_so() -> None:
    """After the shadow the canary is judged by errors and latency, at the level that the shadow left."""
    moved = (0.5, *(0.5 / (BINS - 1),) * (BINS - 1))
    rollout = evidence(stratum(counts(3000, shape=moved, labels=10, wrong=0.9), counts(27_000, labels=10)))
    assert judge(rollout, ROLLOUT).verdict == "fail"
    found = canary_verdict(rollout, ROLLOUT)
    assert found.verdict == "pass"
    assert {finding.name for finding in found.findings} == {"error_ratio", "slow_ratio"}
    assert found.reason.endswith(". score_shift and label_loss: judged in the shadow before the first weight")
    needed = sum(1 / finding.e_harm_needed for finding in found.findings if finding.e_harm_needed)
    assert needed == pytest.approx(0.01 * (1 - SHADOW_SHARE))
    bad = evidence(stratum(counts(3000, 300), counts(27_000)))
    assert canary_verdict(bad, ROLLOUT).verdict == "fail"
    # Only what the spec judges was judged in the shadow.
    labels_only = ROLLOUT.model_copy(update={"harm": Harm(score_shift=None, lost_ratio=None)})
    assert canary_verdict(rollout, labels_only).reason.endswith(
        ". label_loss: judged in the shadow before the first weight"
    )


def test_shadow_and_canary_share_the_level() -> None:
    """What the shadow may wrongly call harm, with what the canary may, is no more than the spec's."""
    found = shadow_verdict(READ, shadowed(failed=400, difference=0.1), "2", ROLLOUT)
    levels = {finding.name: 1 / finding.e_harm_needed for finding in found.findings if finding.e_harm_needed}
    assert set(levels) == {"score_shift", "label_loss", "error_ratio"}
    assert sum(levels.values()) == pytest.approx(0.01 * SHADOW_SHARE)


def test_callers_unlike_the_holdout_are_no_harm_in_the_shadow() -> None:
    """One request in ten crosses an edge; as many are expected of callers who are not those of the hold-out."""
    crossed = tuple((400.0, 0.0) if edge == 9 else (0.0, 0.0) for edge in range(BINS - 1))
    seen = ReplicaCounts("1", "2", Compared(4000, 0.0), {}, {}, 0.0, PairCounts(4000, crossed))
    rollout = ROLLOUT.model_copy(update={"harm": Harm(label_loss=None, lost_ratio=None)})
    shift = tuple(0.1 if edge == 9 else 0.0 for edge in range(BINS))
    told = LiveExpectation(4000, 0, shift, (0.001,) * BINS, (0.001,) * BINS, (("age", 0.3),))
    moved = shadow_verdict(replace(READ, expectation=told), InShadow("2", 60, 1000.0, seen), "2", rollout)
    assert shadow_verdict(READ, InShadow("2", 60, 1000.0, seen), "2", rollout).verdict == "fail"
    assert moved.verdict == "pass"
    assert "not like the hold-out, most of all in 'age': weighted like them, it shows a shift of" in moved.reason
