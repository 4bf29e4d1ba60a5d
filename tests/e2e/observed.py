"""What a cluster shows of a service and of its rollouts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.judge.decisions import outline
from tests.e2e.kube import Kube
from tests.e2e.scenario import SERVICE

#: Flagger's phases in which a rollout is over.
OVER = ("Succeeded", "Failed")


def phase(models: Kube) -> str:
    """What Flagger says about the service."""
    return str(_rollout(models).get("phase", ""))


def weight(models: Kube) -> int:
    """Percent of traffic that the canary gets."""
    return int(_rollout(models).get("canaryWeight", 0))


def pods(models: Kube, app: str) -> list[dict[str, Any]]:
    """Pods of a version that are not about to go: of the canary `churn`, or of the champion `churn-primary`."""
    found = models.get("pods", "--selector", f"app={app}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def replicas(models: Kube, app: str) -> int:
    """How many replicas of a version are ready."""
    return int(models.get("deployment", app).get("status", {}).get("readyReplicas", 0))


def champion_restarts(models: Kube) -> list[int]:
    """Restarts of each pod that serves the champion; the autoscaler may add pods, and take them away."""
    found = pods(models, f"{SERVICE}-primary")
    assert found
    return [sum(one["restartCount"] for one in pod["status"]["containerStatuses"]) for pod in found]


def decided(*versions: str) -> list[str]:
    """What the judges that run now decided about versions, in the order of time."""
    logs = Kube("canario").run("logs", "--selector", "app.kubernetes.io/name=judge", "--tail", "-1")
    return [line for line in outline(logs.splitlines(), SERVICE) if line.partition(":")[0] in versions]


def told(models: Kube, reason: str) -> list[str]:
    """Messages of the service's Events with a reason, such as JudgeFail."""
    events = models.get("events", "--field-selector", f"reason={reason},involvedObject.name={SERVICE}")
    return [str(event["message"]) for event in events]


def flagger_said(since: str) -> list[str]:
    """Lines of Flagger's log about the service since a moment; of its Events the API drops some, by their rate."""
    logs = Kube("flagger-system").run("logs", "deployment/flagger", "--since-time", since)
    return [line for line in logs.splitlines() if f'"{SERVICE}.models"' in line]


def now() -> str:
    """This moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rollout(models: Kube) -> dict[str, Any]:
    canary = models.get("canary", SERVICE)
    return dict(canary.get("status", {})) if canary else {}
