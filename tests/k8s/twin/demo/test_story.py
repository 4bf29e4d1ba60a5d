"""How the demo remembers a version after its rollout."""

from __future__ import annotations

import pytest

from k8s.twin.demo.story import fate_at
from k8s.twin.events import Event


@pytest.mark.parametrize(
    ("phase", "reason", "fate"),
    [
        ("Failed", "undecided: no decision within the deadline", "undecided"),
        ("Failed", "fail: 5 % of the requests", "rolled-back"),
        ("Failed", "its process ended 3 times by itself", "rolled-back"),
        ("Succeeded", "Promotion completed!", "promoted"),
        ("Initialized", "Initialization done!", "champion"),
    ],
)
def test_a_fate_is_that_of_phase_and_reason(phase: str, reason: str, fate: str) -> None:
    assert fate_at(Event(1.0, "phase", "3", 0, phase, reason=reason)) == fate
