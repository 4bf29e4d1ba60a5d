"""What each signal's finding is decided on: single replicas, lost requests, pages of before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import Evidence, Stratum
from services.judge.evidence.gathering import evidence_at
from services.judge.findings import findings_of
from services.judge.statistics.signal_result import SignalResult
from tests.services.judge.builders import HOLDOUT, counts, evidence
from tests.services.judge.evidence.told import Told, scraped, weights

ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
LOST_TOO = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None))
BAD = 0.3


def found(champions: list[float], canaries: list[float]) -> tuple[SignalResult, Evidence]:
    """The finding on errors at 50 %, where each replica of a side has this share of errors."""
    told = {
        f"champion-{at}": Told("champion", 90 / len(champions), errors=errors) for at, errors in enumerate(champions)
    }
    told |= {f"canary-{at}": Told("canary", 90 / len(canaries), since=100, errors=e) for at, e in enumerate(canaries)}
    seen = evidence_at(scraped(weights({0: 0, 100: 50}, 400), told, range(0, 401, 10)), 400, 60)
    (finding,) = findings_of(seen, ERRORS_ONLY, 100.0)
    return finding, seen


def test_one_bad_canary_replica_decides_nothing_and_is_named() -> None:
    finding, seen = found([0.0], [0.0, BAD, 0.0])
    assert (finding.state, finding.alone) == ("open", "canary-1 of the canary")
    assert "that is due to one replica alone, canary-1 of the canary; the others do not show it" in finding.reason
    assert [(one.name, one.side, one.signal) for one in seen.outliers] == [("canary-1", "canary", "error_ratio")]


def test_one_bad_replica_of_the_champion_promotes_nobody() -> None:
    """Its errors hide those of the canary, which has twice the margin more than the others."""
    finding, _ = found([0.0, 0.1, 0.0], [0.02])
    assert (finding.state, finding.alone) == ("open", "champion-1 of the champion")


def test_two_bad_replicas_of_three_decide() -> None:
    finding, _ = found([0.0], [BAD, BAD, 0.0])
    assert (finding.state, finding.alone) == ("harm", None)


def test_a_bad_version_is_failed_whichever_replica_is_the_worst() -> None:
    finding, seen = found([0.0], [0.1, 0.2, 0.1])
    assert seen.outliers
    assert (finding.state, finding.alone) == ("harm", None)


def test_a_good_version_is_safe_although_one_champion_is_bad() -> None:
    """Without that replica the two are equal, so it does not decide."""
    finding, seen = found([0.0, 0.1, 0.0], [0.0, 0.0])
    assert seen.outliers
    assert (finding.state, finding.alone) == ("safe", None)


def test_with_one_replica_a_bad_node_cannot_be_told_apart() -> None:
    finding, _ = found([0.0, 0.0], [BAD])
    assert finding.state == "harm"
    assert finding.reason.endswith("; the canary has one replica, so a bad node cannot be told from a bad version")
    both, _ = found([0.0, 0.0], [BAD, BAD])
    assert "one replica" not in both.reason


def test_without_the_others_a_bad_replica_would_decide() -> None:
    """The negative twin: the same counts without the finding that one replica is unlike the others are harm."""
    _, seen = found([0.0], [0.0, BAD, 0.0])
    (finding,) = findings_of(replace(seen, outliers=()), ERRORS_ONLY, 100.0)
    assert finding.state == "harm"


def lost(arrived: tuple[float, float] | None, *earlier: Stratum, weight: float = 50.0) -> SignalResult:
    here = Stratum(weight, counts(5000), counts(5000), arrived=arrived)
    seen = Evidence((*earlier, here), weight, 60.0, HOLDOUT)
    return findings_of(seen, LOST_TOO, 100.0)[-1]


def test_lost_requests_are_harm_and_the_sentence_names_them() -> None:
    finding = lost((10_000.0, 9000.0))
    assert (finding.name, finding.state) == ("lost_ratio", "harm")
    assert finding.reason.startswith("the canary got 47.4% of 19,000 requests that arrived at either version")
    assert "10.0 % of its requests were counted nowhere" in finding.reason


def test_a_canary_that_gets_its_share_is_safe() -> None:
    assert lost((10_000.0, 10_000.0)).state == "safe"


def test_little_traffic_tells_nothing_about_lost_requests() -> None:
    assert lost((100.0, 90.0)).state == "open"


def test_a_server_that_does_not_tell_is_said_to_be_not_judged() -> None:
    finding = lost(None)
    assert (finding.state, finding.reason) == (
        "not judged",
        "lost_ratio is not judged: a replica does not tell when its requests arrived",
    )


def test_no_moment_at_which_all_are_known_is_no_data() -> None:
    """The negative twin: a server that tells, and of which nothing is known yet, holds the rollout back."""
    finding = lost((0.0, 0.0))
    assert (finding.state, finding.reason) == (
        "no data",
        "lost_ratio cannot be judged: no request has arrived yet at a moment at which all replicas are known",
    )


def test_a_weight_without_arrivals_of_its_own_is_not_safe() -> None:
    """What arrived at a smaller weight says nothing about losses that begin at this one."""
    before = Stratum(10.0, counts(90_000), counts(10_000), arrived=(900_000.0, 100_000.0))
    assert lost((0.0, 0.0), before).state == "open"
    assert lost((3000.0, 3000.0), before).state == "safe"


def test_without_a_margin_nobody_asks_for_lost_requests() -> None:
    names = [finding.name for finding in findings_of(evidence(), ERRORS_ONLY, 100.0)]
    assert names == ["error_ratio"]


@pytest.mark.parametrize("looks_before", [0.0, 60.0])
def test_latency_is_no_data_until_the_version_is_warm(looks_before: float) -> None:
    told = {"b": Told("champion", 90.0), "a": Told("canary", 90.0, since=100)}
    seen = evidence_at(scraped(weights({0: 0, 100: 50}, 400), told, range(0, 401, 10)), 400, 60)
    cold = tuple(replace(s, canary=replace(s.canary, slow=0.0, timed=looks_before)) for s in seen.strata)
    rollout = Rollout(harm=Harm(score_shift=None, label_loss=None, lost_ratio=None))
    states = {one.name: one.state for one in findings_of(replace(seen, strata=cold), rollout, 100.0)}
    assert states == {"error_ratio": "safe", "slow_ratio": "open" if looks_before else "no data"}
