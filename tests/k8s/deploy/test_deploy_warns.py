"""`make deploy` warns before a canary that the champion's traffic is too little, and deploys all the same."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from components.spec.reading.loading import load_spec
from k8s.deploy.__main__ import main
from tests.programs import program
from tests.repo.tree import ROOT
from tests.services.judge.pages import replica_page, served

PACKAGE = "sha256:" + "01" * 32


def pod(name: str) -> dict[str, object]:
    started = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    return {
        "kind": "Pod",
        "metadata": {"name": name, "creationTimestamp": started},
        "spec": {"containers": [{"image": "example.com/churn:1"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "server", "state": {"running": {"startedAt": started}}}],
        },
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one environment, in which a version is to run; errors are all that is judged."""
    spec = load_spec(ROOT / "services" / "churn" / "service.yaml").model_dump(mode="json")
    harm = dict.fromkeys(spec["rollout"]["harm"]) | {"error_ratio": 0.005}
    spec["rollout"]["harm"] = harm
    (tmp_path / "service.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    environment = tmp_path / "k8s" / "envs" / "local"
    environment.mkdir(parents=True)
    told = "{receiver: webhook, secret: alerts, watchdog: true}"
    (environment / "platform.yaml").write_text(f"domain: example.com\nalerts: {told}\n", encoding="utf-8")
    (environment / "signers.yaml").write_text("unchecked: nobody relies on a test\n", encoding="utf-8")
    image = {"repository": "example.com/churn", "digest": PACKAGE}
    release = {"service": "churn", "version": "2", "package": PACKAGE, "image": image}
    (environment / "churn.yaml").write_text(yaml.safe_dump(release), encoding="utf-8")
    return tmp_path


def deployed(root: Path, monkeypatch: pytest.MonkeyPatch, requests: int, *, operator: bool = True) -> int:
    """Deploys into a cluster whose champion answered so many requests within its hour; the rollout is at rest.

    Args:
        operator: whether the Prometheus operator is there.
    """
    lacking = "" if operator else "*prometheusrules*) ;; "
    programs = root / "programs"
    programs.mkdir()
    canary = {"kind": "Canary", "metadata": {"name": "churn"}, "status": {"phase": "Succeeded"}}
    (programs / "objects.json").write_text(json.dumps({"items": [canary, pod("churn-primary-a")]}), encoding="utf-8")
    with served(lambda path: (200, replica_page(requests))) as address:
        read = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())"
        script = (
            f'case "$*" in {lacking}*kustomizations*) ;; *readyz*) echo ok;;'
            f' *--raw*) exec {shlex.quote(sys.executable)} -S -c "{read}" "http://{address}$3";;'
            ' *"get namespace models -o json"*) echo "{\\"metadata\\": {}}";;'
            f' *"-o name"*) echo there;; *) cat {programs}/objects.json;; esac'
        )
        program(programs, "kubectl", script)
        program(programs, "helm", f'echo "$1" >> {programs}/told')
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        return main(["--spec", str(root / "service.yaml"), "--env", "local", "--root", str(root)])


def test_too_little_traffic_is_warned_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployed(root, monkeypatch, 1800) == 0
    warned = capsys.readouterr().err
    assert warned.startswith("warning: churn at 30/min: the rollout does not fit. ")
    assert warned.endswith("`make plan SERVICE=churn RATE=30/min` tells what to change.\n")
    assert (root / "programs" / "told").read_text() == "upgrade\n"


def test_enough_traffic_is_not_warned_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployed(root, monkeypatch, 50 * 3600) == 0
    assert capsys.readouterr().err == ""


def test_alerts_that_reach_nobody_are_warned_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "k8s" / "envs" / "local" / "platform.yaml").write_text("domain: example.com\n", encoding="utf-8")
    assert deployed(root, monkeypatch, 50 * 3600) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: alerts reach nobody: k8s/envs/local/platform.yaml has no alerts.receiver")
    assert second.startswith("warning: nobody notices when Prometheus or Alertmanager stops")


@pytest.mark.parametrize("there", [True, False])
def test_rules_for_an_operator_are_refused_without_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    """The whole release would fail; nothing of it is begun."""
    platform = root / "k8s" / "envs" / "local" / "platform.yaml"
    platform.write_text("domain: example.com\nalerts: {rules: operator}\n", encoding="utf-8")
    assert deployed(root, monkeypatch, 50 * 3600, operator=there) == (0 if there else 1)
    assert (root / "programs" / "told").exists() == there
    said = capsys.readouterr().err
    assert (
        there or "not deployed: k8s/envs/local/platform.yaml has alerts.rules operator, and the cluster lacks" in said
    )
