"""Sides that are read at different times: a failure that both share is no difference between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Replica, Series
from services.judge.findings import findings_of
from services.judge.statistics.signal_result import SignalResult
from tests.services.judge.builders import counts
from tests.services.judge.evidence.told import Told, weights

ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
FAILS_SECONDS = 5


def series(failing: float, end: int, phases: tuple[int, int], *, canary_errors: float = 0.0) -> Series:
    """10 % of 1,000 requests a second from 100 on; for 5 s all of both sides fail; each is read every 15 s."""
    known = weights({0: 0, 100: 10}, end)
    for told, phase, errors in (
        (Told("champion", 900.0, since=0), phases[0], 0.0),
        (Told("canary", 100.0, since=100), phases[1], canary_errors),
    ):
        one = known.replicas[told.role] = Replica(told.role)
        for at in range(phase, end + 1, 15):
            page, failed = told.at(at), told.rate * min(max(at - max(failing, told.since), 0), FAILS_SECONDS)
            bad = failed + errors * ((page.counts.requests or 0) - failed)
            one.add(at, replace(page, counts=counts(page.counts.requests or 0, errors=bad)))
    return known


def finding(found: Evidence) -> SignalResult:
    return findings_of(found, ERRORS_ONLY, 20.0)[0]


PHASES = [(0, 7), (7, 0), (2, 14), (14, 2)]


@pytest.mark.parametrize("phases", PHASES)
def test_a_failure_of_both_right_after_a_raise_is_no_harm(phases: tuple[int, int]) -> None:
    for failing in range(100, 131, 3):
        for look in range(failing + 1, failing + 46, 4):
            found = finding(evidence_at(series(failing, look, phases), look, 60))
            assert found.state != "harm", (failing, look, found.reason)


@pytest.mark.parametrize("phases", PHASES)
def test_a_failure_of_both_makes_no_harmful_canary_safe(phases: tuple[int, int]) -> None:
    """The canary has four times the error ratio that it may have."""
    for failing in range(100, 131, 3):
        for look in range(failing + 1, failing + 46, 4):
            found = finding(evidence_at(series(failing, look, phases, canary_errors=0.1), look, 60))
            assert found.state != "safe", (failing, look, found.reason)


def test_whole_counts_alone_would_fail_a_good_canary() -> None:
    """The negative twin: the counts of all samples, read at different times."""
    states = set()
    for failing in range(100, 131, 3):
        found = evidence_at(series(failing, failing + 20, (2, 14)), failing + 20, 60)
        whole = tuple(replace(stratum, for_harm=None, for_safety=None) for stratum in found.strata)
        states.add(finding(replace(found, strata=whole)).state)
    assert "harm" in states


@pytest.mark.parametrize("phases", PHASES)
def test_a_difference_is_found_however_the_sides_are_read(phases: tuple[int, int]) -> None:
    assert finding(evidence_at(series(1e9, 200, phases, canary_errors=0.1), 200, 60)).state == "harm"
    assert finding(evidence_at(series(1e9, 200, phases), 200, 60)).state == "safe"


def test_sides_that_are_read_at_once_are_judged_by_all_counts() -> None:
    (found,) = evidence_at(series(1e9, 200, (5, 5)), 200, 60).strata
    assert (found.for_harm, found.for_safety) == (None, None)
    (apart,) = evidence_at(series(1e9, 200, (0, 7)), 200, 60).strata
    assert apart.for_harm is not None
    assert 0 < (apart.for_harm[1].requests or 0) <= (apart.canary.requests or 0)
