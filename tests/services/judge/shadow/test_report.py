from __future__ import annotations

from components.spec.contract import Harm, Rollout, Shadow
from services import telemetry
from services.judge.evidence.counts import BINS, HoldoutShift
from services.judge.shadow.reading import Compared, ReplicaCounts
from services.judge.shadow.report import ShadowReport, shadow_report
from services.judge.statistics.paired import PairCounts

EQUAL = HoldoutShift((0.0,) * BINS, (0.0,) * BINS)
ROLLOUT = Rollout(false_alarm=0.01, harm=Harm(error_ratio=0.005), shadow=Shadow(different_ratio=0.01))


def seen(
    slices: dict[str, tuple[float, float]],
    *,
    failed: dict[str, float] | None = None,
    whole: tuple[float, float] | None = None,
    crossed: float = 0.0,
    labels: tuple[float, float] = (0.0, 2000.0),
    holdout: HoldoutShift | None = EQUAL,
) -> ReplicaCounts:
    """`slices` by value of the feature `plan`: requests, and of them different.

    `crossed` of the requests score at or below 0.5 at the candidate alone. `labels` has the difference of losses and
    the number of labels.
    """
    total, different = whole or (sum(n for n, _ in slices.values()), sum(k for _, k in slices.values()))
    found = {("plan", value): Compared(n, k) for value, (n, k) in slices.items()}
    edges = tuple((crossed * (edge == 10), 0.0) for edge in range(BINS - 1))
    cells = tuple(labels[1] * (value == labels[0]) for value in telemetry.SHADOW_DIFFERENCES)
    pairs = PairCounts(total, edges, cells)
    return ReplicaCounts("1", "2", Compared(total, different), found, failed or {}, 7.0, pairs, holdout)


def report(found: ReplicaCounts | None, rollout: Rollout = ROLLOUT) -> ShadowReport:
    return shadow_report("churn", found, rollout)


def test_a_slice_beyond_the_margin_fails_and_is_named_first() -> None:
    """A slice that differs by more than the margin fails, and is named first."""
    found = report(seen({"a": (4000, 0), "b": (4000, 120), "c": (4000, 4)}))
    assert found.verdict == "fail"
    assert [(part.name, part.state) for part in found.slices] == [
        ("plan=b", "beyond"),
        ("plan=c", "within"),
        ("plan=a", "within"),
    ]
    assert found.reason.startswith("fail: plan=b: 3.00 % of 4,000 requests were answered differently, at least 1.9")
    assert found.slices[0].lower > 0.01
    assert found.slices[0].lower < 0.03 < found.slices[0].upper


def test_the_surest_of_several_is_the_first() -> None:
    found = report(seen({"a": (4000, 120), "b": (40_000, 1200), "c": (40, 20)}))
    assert [part.name for part in found.slices] == ["plan=b", "plan=c", "plan=a"]


def test_equal_answers_pass_once_there_are_enough() -> None:
    assert report(seen({"a": (4000, 0), "b": (4000, 3)})).verdict == "pass"
    few = report(seen({"a": (4000, 0), "b": (40, 0)}))
    assert few.verdict == "wait"
    assert few.reason.startswith("wait: too little traffic for 1 of 4 ratios, least for plan=b: after 40 requests")


def test_a_difference_at_the_margin_is_neither() -> None:
    assert report(seen({"a": (4000, 40)})).verdict == "wait"


def test_moving_the_margin_moves_the_verdict() -> None:
    wide = Rollout(shadow=Shadow(different_ratio=0.1))
    assert report(seen({"a": (4000, 120)}), wide).verdict == "pass"


def test_a_slice_without_traffic_is_shown_and_blocks_nothing() -> None:
    found = report(seen({"a": (4000, 0), "b": (0, 0)}))
    assert (found.verdict, found.slices[-1].name, found.slices[-1].state) == ("pass", "plan=b", "not seen")
    assert found.to_dict()["slices"][-1]["ratio"] is None


def test_no_answer_is_no_pass() -> None:
    assert report(None).verdict == "wait"
    assert report(seen({})).reason == "wait: the candidate has answered nothing yet"
    assert report(seen({}, failed={"unreachable": 10_000})).verdict == "wait"


def test_a_candidate_fails_by_failed_requests_not_by_absence() -> None:
    """A candidate that fails requests fails, but one that cannot be reached does not."""
    healthy = {"a": (8000.0, 0.0)}
    found = report(seen(healthy, failed={"status": 100, "timeout": 50, "answer": 50}))
    assert found.verdict == "fail"
    assert found.reason.startswith("fail: not answered: 2.44 % of 8,200 requests were not answered by the candidate")
    assert report(seen(healthy, failed={"unreachable": 5000})).verdict == "pass"


def test_more_slices_need_more_evidence() -> None:
    differing = (1000.0, 25.0)
    alone = report(seen({"a": differing}))
    among = report(seen({"a": differing} | {f"v{n}": (1000.0, 0.0) for n in range(200)}))
    (one,) = alone.slices
    same = next(part for part in among.slices if part.name == "plan=a")
    assert same.lower < one.lower


def states(found: ShadowReport) -> dict[str, str]:
    return {finding.name: finding.state for finding in found.findings}


def test_scores_and_labels_are_judged_in_pairs() -> None:
    """Scores and labels are judged beside the ratios: harm fails, and both must be safe for a pass."""
    good = report(seen({"a": (4000, 0)}))
    assert (good.verdict, states(good)) == ("pass", {"score_shift": "safe", "label_loss": "safe"})
    assert "over 2,000 labelled requests that both versions answered" in good.reason
    shifted = report(seen({"a": (4000, 0)}, crossed=600))
    assert (shifted.verdict, states(shifted)["score_shift"]) == ("fail", "harm")
    assert "the share of scores at or below 0.5 is shifted by 15.0 % beyond what the hold-out showed" in shifted.reason
    worse = report(seen({"a": (4000, 0)}, labels=(0.1, 400)))
    assert (worse.verdict, states(worse)["label_loss"]) == ("fail", "harm")
    assert "the new version's Brier loss is 0.100 above the champion's; the excess is at least 0.0" in worse.reason
    few = report(seen({"a": (4000, 0)}, labels=(0.0, 20)))
    assert (few.verdict, states(few)["label_loss"]) == ("wait", "open")
    assert "over 20 labelled requests" in few.reason
    assert few.to_dict()["findings"][1]["state"] == "open"


def test_what_the_hold_out_showed_is_no_harm() -> None:
    shift = HoldoutShift(tuple(0.15 * (score_bin == 10) for score_bin in range(BINS)), (0.0,) * BINS)
    assert report(seen({"a": (4000, 0)}, crossed=600, holdout=shift)).verdict == "pass"
    unknown = report(seen({"a": (4000, 0)}, holdout=None))
    assert (unknown.verdict, "what the hold-out showed" in unknown.reason) == ("wait", True)


def test_without_labels_nothing_passes_unless_the_spec_says_so() -> None:
    """Without labels there is no pass, unless the spec does not judge them."""
    unlabelled = seen({"a": (4000, 0)}, labels=(0.0, 0))
    assert report(unlabelled).reason == (
        "wait: label_loss cannot be judged: no label has come back for a request that both versions answered yet"
    )
    scores_only = ROLLOUT.model_copy(update={"harm": Harm(label_loss=None)})
    assert report(unlabelled, scores_only).verdict == "pass"


def test_without_a_margin_differences_are_not_judged() -> None:
    """Where the spec has no margin for different answers, they are shown and not judged."""
    free = ROLLOUT.model_copy(update={"shadow": Shadow(different_ratio=None)})
    found = report(seen({"a": (4000, 2000)}), free)
    assert (found.verdict, found.slices[0].state) == ("pass", "not judged")
    assert "50.0 % of 4,000 requests were answered differently, which is not judged" in found.reason
