"""What serves before an upgrade serves after it: the same pods, at rest, and answering."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8s.upgrade.serving import ServingPods, phases, restarted, rollouts_under_way, serving
from tests.programs import program


def pod(uid: str, app: str, restarts: int = 0, **more: Any) -> dict[str, Any]:
    labels = {"app": app, "app.kubernetes.io/instance": "churn"}
    metadata = {"uid": uid, "namespace": "models", "labels": labels, **more}
    return {"metadata": metadata, "status": {"containerStatuses": [{"restartCount": restarts}]}}


def replica_set(app: str, replicas: int) -> dict[str, Any]:
    labels = {"app": app, "app.kubernetes.io/instance": "churn"}
    spec = {"replicas": replicas}
    return {"kind": "ReplicaSet", "metadata": {"namespace": "models", "labels": labels}, "spec": spec}


def canary(name: str, phase: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "models"}, "status": {"phase": phase} if phase else {}}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that lists the pods and canaries of two files."""
    script = [
        'case "$*" in',
        "  *' crd '*) echo there ;;",
        f"  *pods*) cat {tmp_path}/pods ;;",
        f"  *canaries*) cat {tmp_path}/canaries ;;",
        "esac",
    ]
    program(tmp_path, "kubectl", "\n".join(script))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def keep(folder: Path, name: str, *items: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps({"items": items}))


def test_the_champions_pods_serve_and_not_the_canarys(cluster: Path) -> None:
    gone = pod("4", "churn-primary", deletionTimestamp="2026-01-02T03:04:05Z")
    sets = [replica_set("churn-primary", 2), replica_set("churn-primary", 0), replica_set("churn", 1)]
    keep(cluster, "pods", pod("1", "churn-primary"), pod("2", "churn-primary", 3), pod("3", "churn"), gone, *sets)
    assert serving() == {"models/churn": ServingPods("models", "churn", {"1": 0, "2": 3}, 2)}


def test_without_a_canary_the_pods_are_the_services_own(cluster: Path) -> None:
    keep(cluster, "pods", pod("3", "churn"))
    assert serving()["models/churn"].restarts == {"3": 0}


@pytest.mark.parametrize("phase", ["Progressing", "Waiting", "WaitingPromotion", "Promoting", "Finalising", ""])
def test_a_rollout_that_goes_on_is_named(cluster: Path, phase: str) -> None:
    keep(cluster, "canaries", canary("churn", phase), canary("loans", "Succeeded"))
    (said,) = rollouts_under_way()
    assert said.startswith(
        f"models/churn: a rollout is under way ({phase or 'Flagger has not seen it yet'}); wait for "
    )


def test_a_rollout_that_ended_is_none(cluster: Path) -> None:
    keep(cluster, "canaries", *(canary(phase.lower(), phase) for phase in ("Initialized", "Succeeded", "Failed")))
    assert list(rollouts_under_way()) == []
    assert phases() == {
        "models/initialized": "Initialized",
        "models/succeeded": "Succeeded",
        "models/failed": "Failed",
    }


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"1": 0, "2": 0}, []),
        ({"1": 0, "2": 0, "3": 0}, []),
        ({"1": 0, "3": 0}, ["models/churn: 1 of its pods went, and 0 were restarted"]),
        ({"1": 0, "2": 1}, ["models/churn: 0 of its pods went, and 1 were restarted"]),
        (None, ["models/churn: 2 of its pods went, and 0 were restarted"]),
    ],
)
def test_a_pod_that_went_or_was_restarted_is_said(after: dict[str, int] | None, said: list[str]) -> None:
    """An autoscaler may add pods."""
    before = {"models/churn": ServingPods("models", "churn", {"1": 0, "2": 0}, 2)}
    now = {"models/churn": ServingPods("models", "churn", after, 2)} if after else {}
    assert list(restarted(before, now)) == said


@pytest.mark.parametrize(
    ("after", "wanted", "fine"),
    [({"1": 0}, 1, True), ({"3": 0}, 1, False), ({"1": 1}, 1, False), ({}, 0, False), ({"1": 0}, 2, False)],
)
def test_an_autoscaler_may_take_pods_away(after: dict[str, int], wanted: int, fine: bool) -> None:
    """As many as there are fewer to be, while others stay as they were."""
    before = {"models/churn": ServingPods("models", "churn", {"1": 0, "2": 0}, 2)}
    now = {"models/churn": ServingPods("models", "churn", after, wanted)}
    assert (list(restarted(before, now)) == []) is fine
