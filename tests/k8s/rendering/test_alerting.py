"""An environment's setting of its alerts: refused in a sentence where it is half, and loud where nobody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8s.errors import EnvironmentFileError
from k8s.rendering.alerting import Alerting
from k8s.rendering.environment_files import read_platform
from tests.repo.tree import ROOT

_FILE = "k8s/envs/staging/platform.yaml"
_MAIL = {"receiver": "email", "to": "a@b.example", "sender": "c@b.example", "smarthost": "b.example:587"}


def read(folder: Path, text: str) -> Alerting:
    path = folder / "staging" / "platform.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"domain: example.com\n{text}\n")
    (path.parent / "signers.yaml").write_text("unchecked: nobody relies on a test\n")
    return read_platform(path).alerts


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("{receiver: pager}", r"alerts.receiver: Input should be 'none', 'webhook', 'slack' or 'email'"),
        ("{rules: prometheus}", r"alerts.rules: Input should be 'configmap', 'operator' or 'none'"),
        ("{receiver: slack, secret: alerts}", "receiver slack needs channel"),
        ("{receiver: email, to: a@b.example, sender: c@b.example}", "receiver email needs smarthost"),
        ("{receiver: webhook}", "secret must name the secret that holds url"),
        ("{receiver: webhook, watchdog: true}", "secret that holds url and watchdog-url"),
        ("{receiver: webhook, secret: alerts, channel: models}", "channel is not for receiver webhook; remove it"),
        ("{rules: operator, receiver: webhook, secret: alerts}", "with rules operator there is no Alertmanager of the"),
        ("{repository: git@git.example:a/b}", "alerts.repository: String should match pattern"),
        ("{smarthost: b.example}", "alerts.smarthost: String should match pattern"),
        ("{reciever: slack}", "alerts.reciever: Extra inputs are not permitted"),
    ],
)
def test_half_a_setting_is_refused_in_a_sentence(tmp_path: Path, setting: str, sentence: str) -> None:
    with pytest.raises(EnvironmentFileError, match=sentence) as refused:
        read(tmp_path, f"alerts: {setting}")
    assert "platform.yaml" in str(refused.value)


@pytest.mark.parametrize("key", ["alerts: true", "alerts: operator", "serviceMonitor: true", "repository: https://x.y"])
def test_one_key_decides_for_both_charts(tmp_path: Path, key: str) -> None:
    """The chart's own keys, also those of before, are refused beside the key `alerts`."""
    with pytest.raises(
        EnvironmentFileError, match=r"is decided by the key alerts; write `alerts: \{rules: configmap\}`"
    ):
        read(tmp_path, f"values: {{monitoring: {{{key}}}}}")


@pytest.mark.parametrize(
    ("setting", "keys"),
    [
        ({}, ()),
        ({"receiver": "webhook", "secret": "s"}, ("url",)),
        ({"receiver": "slack", "secret": "s", "channel": "#c", "watchdog": True}, ("url", "watchdog-url")),
        (_MAIL, ()),
        ({**_MAIL, "username": "c", "secret": "s"}, ("password",)),
        ({"secret": "s", "watchdog": True}, ("watchdog-url",)),
    ],
)
def test_the_secret_has_what_the_receivers_need(setting: dict[str, Any], keys: tuple[str, ...]) -> None:
    assert Alerting.model_validate(setting).secret_keys == keys


@pytest.mark.parametrize(
    ("setting", "gaps"),
    [
        ({}, ["alerts reach nobody", "nobody notices when Prometheus"]),
        ({"rules": "none"}, ["alerts reach nobody"]),
        ({"receiver": "webhook", "secret": "s"}, ["nobody notices when Prometheus"]),
        ({"secret": "s", "watchdog": True}, ["alerts reach nobody"]),
        ({"receiver": "webhook", "secret": "s", "watchdog": True}, []),
        # Its Alertmanager is its owner's; a test alert shows whether it tells anybody.
        ({"rules": "operator"}, []),
    ],
)
def test_who_is_not_told_is_said(setting: dict[str, Any], gaps: list[str]) -> None:
    said = list(Alerting.model_validate(setting).gaps(_FILE))
    assert [sentence.startswith(gap) for sentence, gap in zip(said, gaps, strict=True)] == [True] * len(gaps)
    assert all(_FILE in sentence for sentence in said)


def test_both_charts_get_what_the_setting_says() -> None:
    setting = {"receiver": "slack", "secret": "s", "channel": "#a,b", "repository": "https://git.example/x"}
    alerting = Alerting.model_validate(setting)
    assert alerting.service_monitoring() == {
        "alerts": "configmap", "serviceMonitor": False, "repository": "https://git.example/x",
    }  # fmt: skip
    values = alerting.platform_values()
    assert (values["alertmanager.channel"], values["alertmanager.watchdog"]) == ("#a,b", False)
    assert values["monitoring.alerts"] == "configmap"
    operated = Alerting(rules="operator")
    assert operated.service_monitoring()["serviceMonitor"] is True
    assert operated.platform_values()["monitoring.alerts"] == "operator"


@pytest.mark.parametrize("path", sorted(ROOT.glob("k8s/envs/*/platform.yaml")), ids=lambda path: path.parent.name)
def test_every_environment_has_rules(path: Path) -> None:
    assert read_platform(path).alerts.rules == "configmap"
