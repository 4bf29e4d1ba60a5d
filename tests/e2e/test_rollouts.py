"""From nothing to a champion, a good version promoted, and every bad one rolled back, under load and judged live.

The tests build on each other and run in their order.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.callers import Callers
from tests.e2e.git_server import GitServer
from tests.e2e.kube import Kube
from tests.e2e.observed import champion_restarts, decided, phase, told
from tests.e2e.scenario import SERVICE, Environment, Version, bad_versions, spec_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_ROLLOUT_SECONDS = 300.0


def reverted(repository: GitServer, models: Kube, version: Version) -> str:
    """The message of the one commit that undid the newest release, whose files are those of the release before."""
    history = repository.history()
    released = next(
        at for at, (commit, _) in enumerate(history) if commit.message.endswith(f"{version.number} to local")
    )
    models.wait("the release is reverted in Git", lambda: len(repository.history()) > released + 1, 60)
    (_, good), (bad, _), (revert, tree) = repository.history()[released - 1 :]
    assert f"This reverts commit {bad.id}." in revert.message
    assert f"Version {version.number} ({version.package}) of {SERVICE} was rolled back" in revert.message
    assert tree == good
    return revert.message


def test_a_first_version_is_served(models: Kube, champion: None, callers: Callers) -> None:
    assert phase(models) == "Initialized"
    tested = subprocess.run(
        ["helm", "test", SERVICE, "--namespace", models.namespace, "--logs"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    models.wait("an answer through the gateway", lambda: callers.look() and "1" in callers.requests, 60)


def test_a_good_version_is_promoted_and_no_request_fails(
    models: Kube, environment: Environment, callers: Callers, packages: dict[str, str]
) -> None:
    models.wait("an answer of version 1", lambda: callers.look() and "1" in callers.requests, 60)
    environment.deploy(Version("2", packages["2"]), "--follow")
    assert phase(models) == "Succeeded"
    callers.stop()
    assert {name: count.failed for name, count in callers.requests.items()} == {"1": 0, "2": 0}, callers.faults
    assert decided("2")[-1].startswith("2: pass")


@pytest.mark.parametrize("fault", ["wrong-unit", "errors", "slow", "worse", "under-load", "lossy", "swapped-classes"])
def test_a_bad_version_is_rolled_back_for_the_right_reason(
    models: Kube,
    environment: Environment,
    repository: GitServer,
    callers: Callers,
    packages: dict[str, str],
    fault: str,
    tmp_path: Path,
) -> None:
    bad = next(one for one in bad_versions(packages) if one.fault == fault)
    number = bad.version.number
    environment.deploy(bad.version, spec=spec_with(tmp_path, **bad.steps))
    models.wait("the bad version is rolled back", lambda: phase(models) == "Failed", _ROLLOUT_SECONDS)
    callers.stop()
    failed = {name: count.failed for name, count in callers.requests.items() if count.failed}
    by = {"errors": {number}, "under-load": {number}, "lossy": {"none"}}.get(fault, set())
    assert set(failed) <= by, callers.faults
    verdicts = decided(number)
    assert verdicts[-1].startswith(f"{number}: fail")
    # Where Prometheus reads the gateway too, its errors may show first what is lost.
    shown = (bad.signal, "error_ratio") if fault == "lossy" else (bad.signal,)
    assert any(signal in verdicts[-1] for signal in shown), verdicts
    assert fault != "under-load" or f"{number}: pass at 10 %" in verdicts
    assert not any(champion_restarts(models))
    message = reverted(repository, models, bad.version)
    assert any(f"- {signal}: state harm" in message for signal in shown), message
    assert told(models, "Reverted")
