"""When a release that Flux brings has come to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.releases.canary_status import CanaryStatus
from components.releases.release_file import Release
from k8s.deploy.flux_sync import SyncState, follow, has_ended, look, refusal
from k8s.errors import ClusterError

ONE, TWO = ("1", "package 1"), ("2", "package 2")
Identity = tuple[str, str]


def seen(
    asked: Identity | None, answers: Identity | None, phase: str, asked_since: str = "", phase_since: str = ""
) -> SyncState:
    return SyncState(asked, answers, CanaryStatus(phase, phase_since), asked_since)


@pytest.mark.parametrize(
    ("state", "was_asked", "ended"),
    [
        (seen(None, None, ""), False, False),
        (seen(ONE, ONE, "Succeeded"), False, False),
        (seen(TWO, None, "Initializing"), True, False),
        (seen(TWO, TWO, "Initialized"), True, True),
        (seen(TWO, ONE, "Succeeded"), True, False),
        (seen(TWO, ONE, "Progressing"), True, False),
        (seen(TWO, TWO, "Finalising"), True, False),
        (seen(TWO, TWO, "Succeeded"), True, True),
        (seen(TWO, ONE, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:01:00Z"), True, True),
        (seen(TWO, ONE, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:00:00Z"), True, False),
        (seen(TWO, TWO, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:00:00Z"), True, True),
        (seen(ONE, ONE, "Failed"), True, True),
    ],
    ids=[
        "nothing is there yet", "it was not brought yet", "the first one starts", "the first one answers",
        "Flagger has not seen it yet", "a canary", "nearly promoted", "promoted", "rolled back",
        "the failure was of the one before", "the champion is back", "reverted in Git, and that was brought",
    ],
)  # fmt: skip
def test_the_end(state: SyncState, was_asked: bool, ended: bool) -> None:
    assert has_ended(state, TWO, was_asked=was_asked) is ended


def test_what_kubectl_says_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of the champion's Deployment, to which Flagger gives no label of the service's."""

    def deployment(name: str, version: str, **metadata: object) -> dict[str, object]:
        container = {"env": [{"name": "CANARIO_VERSION", "value": version}]}
        annotations = {"canario/package": f"package {version}"}
        pod = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
        return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": pod}}

    written = [
        {"manager": "kustomize-controller", "time": "2026-01-01T00:00:05Z"},
        {"manager": "flagger", "time": "2026-01-01T00:00:09Z"},
    ]
    condition = {"type": "Promoted", "reason": "Failed", "lastUpdateTime": "2026-01-01T00:01:00Z"}
    turned = {"phase": "Failed", "lastTransitionTime": "2026-01-01T09:00:00Z", "conditions": [condition]}
    items = [
        deployment("churn", "2", managedFields=written),
        deployment("churn-primary", "1"),
        {"kind": "Canary", "metadata": {"name": "churn"}, "status": turned},
    ]
    (tmp_path / "said.json").write_text(json.dumps({"kind": "List", "items": items}))
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\ncase "$*" in *--show-managed-fields*) exec /bin/cat {tmp_path}/said.json ;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look("churn", "models") == seen(TWO, ONE, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:01:00Z")
    (tmp_path / "said.json").write_text("")
    assert look("churn", "models") == seen(None, None, "")


def kustomization(environment: str, message: str, status: str = "False") -> dict[str, object]:
    conditions = [{"type": "Ready", "status": status, "message": message}]
    return {"spec": {"path": f"./k8s/envs/{environment}/rendered"}, "status": {"conditions": conditions}}


DENIED = "Deployment/models/churn dry-run failed: admission webhook ... denied the request: no valid signature"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (kustomization("staging", DENIED), DENIED),
        (kustomization("production", DENIED), ""),
        (kustomization("staging", "Applied revision", "True"), ""),
        (kustomization("staging", "the source is not there yet"), ""),
    ],
)
def test_what_flux_was_refused_is_told(item: dict[str, object], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8s.deploy.flux_sync.kubectl.get_json", lambda *_asked: {"items": [item]})
    assert refusal("staging") == reason


def test_a_refusal_that_lasts_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "k8s.deploy.flux_sync.kubectl.get_json", lambda *_asked: {"items": [kustomization("s", DENIED)]}
    )
    monkeypatch.setattr("k8s.deploy.flux_sync.look", lambda *_asked: seen(ONE, ONE, "Succeeded"))
    monkeypatch.setattr("k8s.deploy.flux_sync._LOOK_SECONDS", 0.0)
    monkeypatch.setattr("k8s.deploy.flux_sync._REFUSED_SECONDS", 0.05)
    with pytest.raises(ClusterError, match="no valid signature"):
        follow(Release(service="churn", version="2", package="sha256:" + "0b" * 32), "s", "models", 60, lambda _: None)
