"""The warning before a canary: a kubectl reads the champion's page from a real server, as the API server does."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.spec.contract import Harm, Rollout
from k8s.deploy import rollout_plan
from tests.programs import program
from tests.services.judge.pages import replica_page, served

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATIOS = Rollout(harm=Harm(score_shift=None, label_loss=None, lost_ratio=None))


def pod(name: str = "churn-primary-a", *, hours: float = 1.0, ready: bool = True) -> dict[str, Any]:
    started = (NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    return {
        "kind": "Pod",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "server", "state": {"running": {"startedAt": started}}}],
        },
    }


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is said with these pods, whose /metrics a real server answers."""

    def ask(pods: list[dict[str, Any]], page: Callable[[str], tuple[int, str]]) -> str:
        with served(page) as address:
            (tmp_path / "pods.json").write_text(json.dumps({"items": pods}))
            read = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())"
            script = (
                f'case "$*" in *--raw*) exec {shlex.quote(sys.executable)} -S -c "{read}" "http://{address}$3";;'
                f" *) cat {tmp_path}/pods.json;; esac"
            )
            program(tmp_path, "kubectl", script)
            monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
            return rollout_plan.told("churn", "models", RATIOS, lambda: NOW)

    return ask


def test_too_little_traffic_is_told_with_the_next_step(told: Callable[..., str]) -> None:
    """Two replicas with 0.5 and 0.1 requests a second, each since its own start."""
    asked: list[str] = []

    def page(path: str) -> tuple[int, str]:
        asked.append(path)
        return 200, replica_page(1800, 2)

    said = told([pod(), pod("churn-primary-b", hours=5), pod("churn-5c-canary", hours=0.1)], page)
    assert said.startswith("churn at 36/min: the rollout does not fit. ")
    assert "before the deadline of 60 min; nine in ten take up to " in said
    assert said.endswith("`make plan SERVICE=churn RATE=36/min` tells what to change.")
    assert said.count(". ") <= 2
    assert asked == [
        f"/api/v1/namespaces/models/pods/churn-primary-{replica}:3000/proxy/metrics" for replica in ("a", "b")
    ]


def test_enough_traffic_needs_no_word(told: Callable[..., str]) -> None:
    assert told([pod()], lambda path: (200, replica_page(3600 * 50, 100))) == ""


def test_a_champion_with_many_errors_needs_more(told: Callable[..., str]) -> None:
    """The same rate with 3 % errors instead of 0.1 % is too little."""
    assert told([pod()], lambda path: (200, replica_page(3600 * 8, 29))) == ""
    assert "does not fit" in told([pod()], lambda path: (200, replica_page(3600 * 8, 864)))


def test_a_rate_that_is_not_known_is_told(told: Callable[..., str]) -> None:
    refused = told([pod()], lambda path: (503, "no"))
    assert refused.startswith("churn: the rate of requests is not known (")
    assert refused.endswith("`make plan SERVICE=churn RATE=2` tells whether 2 a second are enough")
    other = told([pod()], lambda path: (200, replica_page(5, service="other")))
    assert "not known (the page has no counters of churn" in other


def test_a_champion_without_requests_is_told(told: Callable[..., str]) -> None:
    assert "has no requests, so nothing will be judged" in told([pod()], lambda path: (200, replica_page(0)))


def test_a_first_version_is_compared_with_nobody(told: Callable[..., str]) -> None:
    assert told([], lambda path: (500, "")) == ""
    assert told([pod(ready=False)], lambda path: (500, "")) == ""
