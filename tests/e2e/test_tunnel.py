"""Who may forward ports in a namespace, and nothing else, reaches its services from outside the cluster."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from k8s.cluster.tunnel import ClusterService, reached
from k8s.errors import ClusterError
from k8s.training.rights import caller_rights
from tests.e2e.kube import Kube

pytestmark = pytest.mark.e2e

USER = "training@example-project.iam.gserviceaccount.com"
NAMESPACES = ("monitoring",)
KUBE = Kube("monitoring")
PROMETHEUS = ClusterService("PROMETHEUS", "monitoring", "prometheus", 9090)


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """kubectl speaks as a user who has the rights of a caller; the namespace that they are for."""
    allowed = yaml.safe_dump_all(caller_rights("monitoring", USER))
    KUBE.run("apply", "--server-side", "--filename", "-", stdin=allowed)
    settings = yaml.safe_load(KUBE.run("config", "view", "--raw", "--output", "json"))
    for user in settings["users"]:
        user["user"]["as"] = USER
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(settings))
    with monkeypatch.context() as speaking:
        speaking.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield "monitoring"
    KUBE.run("delete", "--filename", "-", stdin=allowed)


def test_a_caller_reaches_a_service_through_the_control_plane(caller: str) -> None:
    with reached(PROMETHEUS) as address, urllib.request.urlopen(f"{address}/-/ready", timeout=30) as answer:
        assert answer.status == 200


def test_a_caller_may_nothing_else(caller: str) -> None:
    for words in (["get", "secrets"], ["delete", "pods"], ["create", "pods/exec"], ["get", "pods", "-n", "default"]):
        may = subprocess.run(
            ["kubectl", "auth", "can-i", "--namespace", caller, *words],
            env=os.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert may.stdout.strip() == "no", words
    elsewhere = ClusterService("DNS", "kube-system", "kube-dns", 53)
    with pytest.raises(ClusterError, match=r"kube-dns is not reached: .*forbidden"), reached(elsewhere):
        pass
