"""What happens to a cluster in the middle of a rollout under load: the rollout ends right, or is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.callers import Callers
from tests.e2e.git_server import GitServer
from tests.e2e.kube import Kube
from tests.e2e.observed import OVER, flagger_said, now, phase, pods, told, weight
from tests.e2e.scenario import SERVICE, Environment, Version, spec_with
from tests.load.tally import NOBODY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_STEP_SECONDS = 120.0
_ROLLOUT_SECONDS = 300.0
#: Of the requests, those that may meet a gateway that is going: it is one pod here.
_GATEWAY_RATIO = 0.02


@contextmanager
def drained(models: Kube, node: str) -> Iterator[None]:
    """The service's pods evicted from a node, which takes no new ones; those of the platform stay where they are."""
    selector = f"app.kubernetes.io/instance={SERVICE}"
    try:
        models.run("drain", node, "--delete-emptydir-data", f"--pod-selector={selector}", "--timeout=120s")
        yield
    finally:
        models.run("uncordon", node)


@contextmanager
def stopped(kube: Kube, deployment: str, selector: str) -> Iterator[None]:
    """A Deployment without any pod."""
    before = str(kube.get("deployment", deployment)["spec"]["replicas"])
    try:
        kube.run("scale", f"deployment/{deployment}", "--replicas=0")
        kube.run("delete", "pods", "--selector", selector, "--now", "--wait")
        yield
    finally:
        kube.run("scale", f"deployment/{deployment}", f"--replicas={before}")
        kube.run("rollout", "status", f"deployment/{deployment}", "--timeout=120s")


def restart_gateway() -> None:
    gateway = Kube("gateway")
    gateway.run("rollout", "restart", "deployment/traefik")
    gateway.run("rollout", "status", "deployment/traefik", "--timeout=120s")


def reached(models: Kube, percent: int) -> None:
    models.wait(f"the canary has {percent} % of traffic", lambda: weight(models) >= percent, _STEP_SECONDS)


def test_a_rollout_ends_right_whatever_is_killed(
    models: Kube, champion: None, environment: Environment, callers: Callers, packages: dict[str, str]
) -> None:
    environment.deploy(Version("7", packages["2"]))
    reached(models, 10)
    models.run("delete", "pod", pods(models, f"{SERVICE}-primary")[0]["metadata"]["name"], "--wait=false")
    models.run("delete", "pod", pods(models, SERVICE)[0]["metadata"]["name"], "--wait=false")
    reached(models, 20)
    with drained(models, pods(models, SERVICE)[0]["spec"]["nodeName"]):
        reached(models, 30)
    assert callers.look()
    assert {name for name, count in callers.requests.items() if count.failed} == set(), callers.faults

    restart_gateway()
    Kube("canario").run("delete", "pods", "--selector", "app.kubernetes.io/name=judge", "--wait=false")
    models.wait("the rollout is over", lambda: phase(models) in OVER, _ROLLOUT_SECONDS)
    callers.stop()
    assert phase(models) == "Succeeded"
    missed = {name: count.failed for name, count in callers.requests.items() if count.failed}
    assert set(missed) <= {NOBODY}, callers.faults
    assert sum(missed.values()) <= _GATEWAY_RATIO * sum(count.sent for count in callers.requests.values())


@pytest.mark.parametrize(
    ("number", "namespace", "deployment", "selector", "reason"),
    [
        ("8", "monitoring", "prometheus", "app=prometheus", "http://prometheus.monitoring"),
        ("9", "canario", "judge", "app.kubernetes.io/name=judge", "POST http://judge"),
    ],
    ids=["prometheus", "judge"],
)
def test_without_evidence_no_version_is_promoted(
    models: Kube,
    champion: None,
    environment: Environment,
    repository: GitServer,
    callers: Callers,
    packages: dict[str, str],
    tmp_path: Path,
    number: str,
    namespace: str,
    deployment: str,
    selector: str,
    reason: str,
) -> None:
    """After the deadline, a minute here, it is rolled back, also in Git; callers have seen nothing of it."""
    environment.deploy(Version(number, packages["2"]), spec=spec_with(tmp_path, deadline_minutes=1))
    reached(models, 10)
    since, released = now(), len(repository.history())
    with stopped(Kube(namespace), deployment, selector):
        seen = [weight(models)]

        def failed() -> bool:
            seen.append(weight(models))
            return phase(models) in OVER

        models.wait("the rollout is over", failed, _ROLLOUT_SECONDS)
        assert phase(models) == "Failed"
        assert max(seen) == seen[0]
        assert any("failed checks threshold reached" in line for line in flagger_said(since))
        assert any(reason in line for line in [*flagger_said(since), *told(models, "JudgeWait")]), flagger_said(since)
    # Nobody heard of it where the judge was away: it looks by itself.
    models.wait("the release is reverted in Git", lambda: len(repository.history()) > released, 120)
    assert len(repository.history()) == released + 1
    assert f"Version {number} (sha256:" in repository.history()[-1][0].message
    callers.stop()
    assert {name for name, count in callers.requests.items() if count.failed} == set(), callers.faults
