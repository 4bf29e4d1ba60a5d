from __future__ import annotations

from components.spec.contract import Harm, Rollout, Shadow
from services.judge.shadow.reading import Compared, ReplicaCounts
from services.judge.shadow.report import ShadowReport, shadow_report

ROLLOUT = Rollout(false_alarm=0.01, harm=Harm(error_ratio=0.005), shadow=Shadow(different_ratio=0.01))


def seen(
    slices: dict[str, tuple[float, float]],
    *,
    failed: dict[str, float] | None = None,
    whole: tuple[float, float] | None = None,
) -> ReplicaCounts:
    """`slices` by value of the feature `plan`: requests, and of them different."""
    total, different = whole or (sum(n for n, _ in slices.values()), sum(k for _, k in slices.values()))
    found = {("plan", value): Compared(n, k) for value, (n, k) in slices.items()}
    return ReplicaCounts("1", "2", Compared(total, different), found, failed or {}, 7.0)


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
