"""What an environment's alerts need in a cluster is missed before anything is installed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from k8s.alerts.prerequisites import check_operator, check_secret
from k8s.errors import ClusterError
from k8s.rendering.alerting import Alerting
from tests.programs import program

_FILE = "k8s/envs/staging/platform.yaml"
_WEBHOOK = Alerting(receiver="webhook", secret="alerts", watchdog=True)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a kubectl that prints the file `answer`."""
    (tmp_path / "answer").write_text("")
    program(tmp_path, "kubectl", f"cat {tmp_path}/answer")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_rules_for_an_operator_need_one(kubectl: Path) -> None:
    with pytest.raises(ClusterError, match=f"{_FILE} has alerts.rules operator, and the cluster lacks the Prometheus"):
        check_operator(Alerting(rules="operator"), _FILE)
    check_operator(Alerting(), _FILE)
    (kubectl / "answer").write_text("customresourcedefinition.apiextensions.k8s.io/prometheusrules\n")
    check_operator(Alerting(rules="operator"), _FILE)


@pytest.mark.parametrize("keys", [None, (), ("url",), ("watchdog-url", "password")])
def test_a_secret_without_its_keys_is_named(kubectl: Path, keys: tuple[str, ...] | None) -> None:
    """The message has the command that makes the secret."""
    if keys is not None:
        (kubectl / "answer").write_text(json.dumps({"kind": "Secret", "data": dict.fromkeys(keys, "eA==")}))
    missing = [key for key in ("url", "watchdog-url") if key not in (keys or ())]
    with pytest.raises(
        ClusterError, match=f"secret alerts in namespace canario.* has no {' and no '.join(missing)};"
    ) as no:
        check_secret(_WEBHOOK, "canario")
    command = "kubectl -n canario create secret generic alerts --from-file=url --from-file=watchdog-url"
    assert command in str(no.value)


def test_a_whole_secret_passes_and_none_is_asked_for_in_vain(kubectl: Path) -> None:
    check_secret(Alerting(), "canario")
    (kubectl / "answer").write_text(json.dumps({"data": {"url": "eA==", "watchdog-url": "eA=="}}))
    check_secret(_WEBHOOK, "canario")
