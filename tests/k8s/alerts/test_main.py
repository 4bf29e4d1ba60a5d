"""`make alert-test` names the part of the way that is broken, and passes only where the receiver took the alert."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8s.alerts.__main__ import main
from tests.k8s.alerts.alert_way import AlertWay, reached
from tests.programs import program

_WEBHOOK = "{receiver: webhook, secret: alerts, watchdog: true}"


def asked(way: AlertWay, folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str = _WEBHOOK) -> int:
    """The exit status for a setting, where the receiver has two seconds."""
    platform = folder / "k8s" / "envs" / "staging" / "platform.yaml"
    platform.parent.mkdir(parents=True)
    platform.write_text(f"domain: example.com\nalerts: {setting}\n")
    (platform.parent / "signers.yaml").write_text("unchecked: nobody relies on a test\n")
    monkeypatch.setattr("k8s.alerts.__main__._LOOK_SECONDS", 0.05)
    with reached(way, folder) as path:
        monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
        return main(["--env", "staging", "--root", str(folder), "--timeout-seconds", "0.5"])


def test_an_alert_that_arrives_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    way = AlertWay()
    assert asked(way, tmp_path, monkeypatch) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "has 3 alerts, of canario, churn" in said.out
    assert "receiver webhook: took it" in said.out
    assert "watchdog: was told 3 times" in said.out
    first, last = way.sent
    assert first["labels"] == last["labels"], "the second is the end of the first"
    assert first["endsAt"] > last["endsAt"] > first["startsAt"]


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        (AlertWay(rules=[]), "has not loaded the rules of helm/canario"),
        (AlertWay(rules=[("node", ["DiskFull"])]), "has not loaded the rules of helm/canario"),
        (AlertWay(heard=False), "does not hear Prometheus"),
        (AlertWay(takes=False), "receiver webhook refused it 1 times within 0.5 s; its log"),
        (AlertWay(beats=(0, 4)), "watchdog-url in secret alerts took nothing yet (4 requests failed)"),
        (AlertWay(accepts=503), "Alertmanager does not accept an alert: 503"),
    ],
    ids=["no rules", "other rules", "unheard", "refused", "no beat", "not accepted"],
)
def test_the_broken_part_of_the_way_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: AlertWay, sentence: str
) -> None:
    assert asked(way, tmp_path, monkeypatch) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["{}", "{rules: none}", "{secret: alerts, watchdog: true}"])
def test_nobody_to_tell_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    """Where nobody is told nothing is sent, and the status says so."""
    way = AlertWay()
    assert asked(way, tmp_path, monkeypatch, setting) == 1
    assert "not tested: alerts reach nobody" in capsys.readouterr().err
    assert way.sent == []


def test_a_service_that_is_not_reached_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    way = AlertWay()
    script = 'case "$*" in *port-forward*) echo "error: services \\"prometheus-operated\\" not found"; exit 1 ;; esac'
    with monkeypatch.context() as patched:
        patched.setattr("tests.k8s.alerts.alert_way.program", lambda folder, name, _: program(folder, name, script))
        assert asked(way, tmp_path, monkeypatch, "{rules: operator}") == 1
    said = capsys.readouterr().err
    assert 'monitoring/prometheus-operated is not reached: error: services "prometheus-operated" not found' in said
