"""Two versions on the twin and on the cluster: the same verdicts at the same weights for the same signals."""

from __future__ import annotations

import pytest

from services.judge.decisions import outline
from tests.e2e.callers import Callers
from tests.e2e.kube import Kube
from tests.e2e.observed import decided, phase
from tests.e2e.scenario import DEMO, SERVICE, Environment, Version

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_ROLLOUT_SECONDS = 300.0


@pytest.fixture
def rolled_out(
    models: Kube, champion: None, environment: Environment, callers: Callers, packages: dict[str, str]
) -> None:
    """The demo's versions 2 and 3 were canaries; test_rollouts.py, where it ran before, has made them so."""
    if decided("2", "3"):
        return
    environment.deploy(Version("2", packages["2"]), "--follow")
    environment.deploy(Version("3", packages["3"]))
    models.wait("version 3 is rolled back", lambda: phase(models) == "Failed", _ROLLOUT_SECONDS)


def test_the_cluster_decided_as_the_twin_did(rolled_out: None) -> None:
    """The demo's versions 2 and 3, line by line: which verdict at which weight, and for which signal."""
    twin = (DEMO / "twin" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert decided("2", "3") == outline(twin, SERVICE)
