"""One call that fails ends no rollout; a cluster that stays away does."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import k8s.cluster.retry
from components.releases.canary_status import CanaryStatus
from k8s.cluster.retry import retry
from k8s.deploy import flux_sync, rollout_progress
from k8s.deploy.rollout_report import _looked
from k8s.errors import ClusterError
from tests.k8s.followed import release
from tests.programs import program

AWAY = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"
ALLOWED = 4


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k8s.cluster.retry, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that is refused as often as the file `away` has lines, then shows `said`; its folder."""
    refused = f"if [ -s away ]; then sed -i 1d away; echo '{AWAY}' >&2; exit 1; fi"
    program(tmp_path, "kubectl", f'cd {tmp_path}; echo "$*" >> asked\n{refused}\ncat said')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "said").write_text(json.dumps({"kind": "List", "items": objects()}))
    return tmp_path


def objects() -> list[dict[str, Any]]:
    """What a cluster has after version 2 was promoted."""
    wanted = release("2")
    container = {"image": "churn:2", "env": [{"name": "CANARIO_VERSION", "value": "2"}]}
    pod = {"metadata": {"annotations": {"canario/package": wanted.package}}, "spec": {"containers": [container]}}
    names = ("churn", "churn-primary")
    deployments: list[dict[str, Any]] = [
        {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": pod}} for name in names
    ]
    return [*deployments, {"kind": "Canary", "metadata": {"name": "churn"}, "status": {"phase": "Succeeded"}}]


def away(folder: Path, calls: int) -> None:
    (folder / "away").write_text("away\n" * calls)


def test_a_release_is_followed_over_calls_that_fail(kubectl: Path) -> None:
    away(kubectl, ALLOWED)
    said: list[str] = []
    flux_sync.follow(release("2"), "staging", "models", 60, said.append)
    assert [line.partition(":")[0] for line in said[:-1]] == [
        f"no answer, asking again ({number} of {ALLOWED})" for number in range(1, ALLOWED + 1)
    ]
    assert said[-1] == "churn: version 2 was brought, rollout Succeeded"


def test_a_cluster_that_stays_away_ends_it(kubectl: Path) -> None:
    away(kubectl, 100)
    with pytest.raises(ClusterError, match="the cluster is not reached"):
        flux_sync.follow(release("2"), "staging", "models", 60, lambda _: None)
    assert len((kubectl / "asked").read_text().splitlines()) == ALLOWED + 1


def test_so_it_is_where_no_flux_follows(kubectl: Path) -> None:
    service = rollout_progress.Service("churn", "models", "canary", 1)
    before = rollout_progress.State({}, (), CanaryStatus())
    away(kubectl, ALLOWED)
    rollout_progress.follow(service, before, 60, lambda _: None, to_the_end=True)
    away(kubectl, 100)
    with pytest.raises(ClusterError):
        rollout_progress.follow(service, before, 60, lambda _: None, to_the_end=True)


def test_nothing_is_asked_again_after_the_limit(kubectl: Path) -> None:
    away(kubectl, 1)
    with pytest.raises(ClusterError):
        flux_sync.follow(release("2"), "staging", "models", -1, lambda _: None)
    assert len((kubectl / "asked").read_text().splitlines()) == 1


def test_failures_count_only_one_after_the_other() -> None:
    answers = iter([*[ClusterError("away")] * ALLOWED, None] * 3)

    def look() -> None:
        if (answer := next(answers)) is not None:
            raise answer

    for _ in range(3):
        retry(look, ClusterError, time.monotonic() + 60, lambda _: None)


def test_what_is_no_matter_of_the_moment_is_not_asked_again() -> None:
    asked: list[int] = []

    def look() -> None:
        asked.append(1)
        raise ValueError("another")

    with pytest.raises(ValueError, match="another"):
        retry(look, ClusterError, time.monotonic() + 60, lambda _: None)
    assert asked == [1]


def test_a_verdict_is_neither_lost_nor_made_up_without_an_answer(kubectl: Path) -> None:
    """A verdict is not lost when one call fails, and is not made up without an answer."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    away(kubectl, 100)
    found = _looked(release("2"), "staging", "models", began, problem=None)
    assert (found.outcome, found.good) == ("not known", False)
    assert "what the judge said cannot be read" in found.title
    away(kubectl, ALLOWED)
    (kubectl / "said").write_text(json.dumps({"items": []}))
    found = _looked(release("2"), "staging", "models", began, problem=None)
    assert "its state is not understood" in found.title, "the events were had; this cluster has no Canary"
