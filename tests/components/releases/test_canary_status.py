"""A Canary's status is read in one way, whatever is missing in it."""

from __future__ import annotations

import pytest

from components.releases.canary_status import AT_REST, CanaryStatus, status_of

STATUS = {
    "phase": "Failed",
    "canaryWeight": 20,
    "lastAppliedSpec": "new",
    "lastPromotedSpec": "old",
    "lastTransitionTime": "2026-01-01T09:00:00Z",
    "conditions": [
        {"type": "Promoted", "reason": "Failed", "lastUpdateTime": "2026-01-01T00:01:00Z"},
        {"type": "Promoted", "reason": "Progressing", "lastUpdateTime": "2026-01-01T00:02:00Z"},
    ],
}


def test_the_phase_began_with_its_own_condition() -> None:
    """Flagger renews lastTransitionTime while a canary is Failed, so that the condition's time counts."""
    expected = CanaryStatus("Failed", "2026-01-01T00:01:00Z", 20, "new", "old")
    assert status_of({"kind": "Canary", "status": STATUS}) == expected


@pytest.mark.parametrize("canary", [{}, {"status": None}, {"status": {}}])
def test_before_flagger_saw_it_nothing_is_known(canary: dict[str, object]) -> None:
    assert status_of(canary) == CanaryStatus()
    assert not status_of(canary).at_rest


@pytest.mark.parametrize("phase", ["Initializing", "Waiting", "Progressing", "Promoting", "Finalising", "Terminating"])
def test_only_the_phases_at_rest_are_at_rest(phase: str) -> None:
    assert not CanaryStatus(phase).at_rest
    assert all(CanaryStatus(rest).at_rest for rest in AT_REST)
    assert [rest for rest in AT_REST if CanaryStatus(rest).failed] == ["Failed"]
