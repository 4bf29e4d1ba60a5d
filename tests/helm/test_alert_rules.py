"""The rules and the way of an alert: one text for both kinds of Prometheus, runbooks that are there, who is told."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from k8s.cluster.helm import CHART
from k8s.platform.controllers import read_controllers
from k8s.rendering.alerting import Alerting
from tests.helm import platform_chart
from tests.helm.charts import SHADOW, Refused, rendered
from tests.repo.tree import ROOT

charts = pytest.mark.charts
_REPOSITORY: Final = "https://git.example/canario/blob/main"
_NAMES: Final = {path.stem for chart in (CHART, platform_chart.CHART) for path in chart.glob("alerts/*.yaml")}
_WEBHOOK: Final = {"receiver": "webhook", "secret": "alerts"}
_LABEL: Final = ("prometheus_rules", "1")

Objects = dict[tuple[str, str], dict[str, Any]]


def _service(folder: Path, kind: str, repository: str = "", **values: Any) -> Objects:
    return rendered(folder, {"monitoring": {"alerts": kind, "repository": repository}, **values})


def _platform(folder: Path, kind: str, repository: str = "", **alertmanager: Any) -> Objects:
    values = {"monitoring": {"alerts": kind, "repository": repository}, "alertmanager": alertmanager}
    return platform_chart.objects(folder, values)


def _groups(found: Objects, name: str) -> Any:
    """The groups of rules, whichever kind of object holds them."""
    if ("PrometheusRule", name) in found:
        return found["PrometheusRule", name]["spec"]["groups"]
    ((_, text),) = found["ConfigMap", f"{name}-rules"]["data"].items()
    return yaml.safe_load(text)["groups"]


def _alerts(found: Objects, name: str) -> list[dict[str, Any]]:
    return [rule for group in _groups(found, name) for rule in group["rules"]]


def _told(found: Objects) -> Any:
    return yaml.safe_load(found["ConfigMap", "alertmanager"]["data"]["alertmanager.yml"])


@charts
def test_both_kinds_of_prometheus_get_one_text(tmp_path: Path) -> None:
    for make, name in ((_service, "churn"), (_platform, "canario")):
        plain, operated = (make(tmp_path, kind, _REPOSITORY) for kind in ("configmap", "operator"))
        assert _groups(plain, name) == _groups(operated, name)
        assert ("PrometheusRule", name) not in plain
        assert ("ConfigMap", f"{name}-rules") not in operated
        assert not [key for key in make(tmp_path, "none") if key[0] == "PrometheusRule" or key[1].endswith("-rules")]
    for kind, alertmanager in (("operator", _WEBHOOK), ("configmap", {})):
        found = _platform(tmp_path, kind, **alertmanager)
        assert not [key for key in found if key[1].startswith("alertmanager")], "an operator has its own, nobody none"


@charts
def test_the_platforms_prometheus_reads_what_releases_bring(tmp_path: Path) -> None:
    """Label, folder and address are the same in the charts and in the values of Prometheus's chart."""
    (chart,) = [one.chart for one in read_controllers() if one.name == "prometheus"]
    assert chart
    server = chart.values["server"]
    sidecar = server["sidecarContainers"]["rules"]
    reads = {one["name"]: one["value"] for one in sidecar["env"]}
    assert (reads["LABEL"], reads["LABEL_VALUE"]) == _LABEL
    assert reads["NAMESPACE"] == "ALL"
    assert chart.values["serverFiles"]["prometheus.yml"]["rule_files"] == [f"{reads['FOLDER']}/*.yaml"]
    reloader = chart.values["configmapReload"]["prometheus"]
    assert reloader["extraVolumeDirs"] == [reads["FOLDER"]]
    for mounts in (sidecar["volumeMounts"], server["extraVolumeMounts"], reloader["extraVolumeMounts"]):
        assert [(mount["name"], mount["mountPath"]) for mount in mounts] == [("rules", reads["FOLDER"])]
    found = _platform(tmp_path, "configmap", **_WEBHOOK)
    port = found["Service", "alertmanager"]["spec"]["ports"][0]["port"]
    assert server["alertmanagers"] == [{"static_configs": [{"targets": [f"alertmanager.canario:{port}"]}]}]
    policy = found["NetworkPolicy", "alertmanager"]["spec"]["ingress"]
    assert policy[0]["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == "monitoring"
    for objects, name in ((found, "canario"), (_service(tmp_path, "configmap"), "churn")):
        rules = objects["ConfigMap", f"{name}-rules"]
        assert _LABEL in rules["metadata"]["labels"].items()
        assert all(re.fullmatch(r"[a-z]+-[a-z]+\.yaml", key) for key in rules["data"])


@charts
def test_every_alert_leads_to_its_runbook(tmp_path: Path) -> None:
    """By an address where the repository has one; else by a path, with what the runbook says the alert means."""
    linked = [*_alerts(_service(tmp_path, "configmap", _REPOSITORY + "/", **SHADOW), "churn")]
    linked += [*_alerts(_service(tmp_path, "configmap", _REPOSITORY), "churn")]
    linked += _alerts(_platform(tmp_path, "configmap", _REPOSITORY), "canario")
    assert {rule["alert"] for rule in linked} == _NAMES
    for rule in linked:
        path = rule["annotations"]["runbook_url"].removeprefix(f"{_REPOSITORY}/")
        assert (ROOT / path).read_text(encoding="utf-8").startswith(f"# {rule['alert']}\n"), rule
        assert "runbook" not in rule["annotations"]
    for rule in (
        *_alerts(_service(tmp_path, "operator"), "churn"),
        *_alerts(_platform(tmp_path, "operator"), "canario"),
    ):
        path = rule["annotations"]["runbook"].removesuffix(" in the repository")
        text = (ROOT / path).read_text(encoding="utf-8").replace("\n", " ")
        assert "runbook_url" not in rule["annotations"]
        assert f"## Meaning  {rule['annotations']['description']}  " in text


@charts
def test_every_alert_says_whose_it_is(tmp_path: Path) -> None:
    """An alert without a namespace would be one with that of a service of the same name elsewhere."""
    for rule in _alerts(_service(tmp_path, "configmap"), "churn"):
        assert (rule["labels"]["service"], rule["labels"]["namespace"]) == ("churn", "models"), rule
    for rule in _alerts(_platform(tmp_path, "configmap"), "canario"):
        of_a_service = "$labels.place" in rule["labels"]["namespace"]
        assert of_a_service == ("$labels.service" in rule["annotations"]["summary"]), rule
        assert of_a_service or rule["labels"]["namespace"] == "canario"


@charts
@pytest.mark.parametrize(
    ("setting", "integration"),
    [
        (_WEBHOOK, "webhook_configs"),
        ({"receiver": "slack", "secret": "alerts", "channel": "#models"}, "slack_configs"),
        ({"receiver": "email", "secret": "alerts", "to": "a@b.example", "sender": "c@b.example",
          "smarthost": "b.example:587", "username": "c"}, "email_configs"),
    ],
    ids=["webhook", "slack", "email"],
)  # fmt: skip
def test_a_receiver_is_one_setting(tmp_path: Path, setting: dict[str, Any], integration: str) -> None:
    """What an environment sets becomes Alertmanager's receiver, whose secrets are files that the check asks for."""
    alerting = Alerting(**setting, watchdog=True)
    found = _platform(tmp_path, "configmap", **setting, watchdog=True)
    people, dead_man = _told(found)["receivers"]
    assert list(people) == ["name", integration]
    assert dead_man["webhook_configs"] == [
        {"url_file": "/etc/alertmanager/secret/watchdog-url", "send_resolved": False}
    ]
    files = re.findall(r"/etc/alertmanager/secret/([\w-]+)", json.dumps([people, dead_man]))
    assert sorted(files) == sorted(alerting.secret_keys)
    pod = found["Deployment", "alertmanager"]["spec"]["template"]["spec"]
    assert {"name": "secret", "secret": {"secretName": "alerts", "defaultMode": 0o440}} in pod["volumes"]


@charts
@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"receiver": "slack", "secret": "alerts"}, "receiver slack needs channel"),
        ({"receiver": "email", "to": "a@b.example"}, "receiver email needs sender"),
        ({"receiver": "webhook"}, "secret must name the secret"),
        ({"watchdog": True}, "secret must name the secret"),
    ],
)
def test_half_a_receiver_is_refused(tmp_path: Path, setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        _platform(tmp_path, "configmap", **setting)


@charts
def test_alerts_are_grouped_and_what_is_caused_is_held_back(tmp_path: Path) -> None:
    config = _told(_platform(tmp_path, "configmap", secret="alerts", watchdog=True))
    assert config["route"]["group_by"] == ["namespace", "service"]
    assert [route["matchers"] for route in config["route"]["routes"]] == [['alertname="Watchdog"'], ['severity="page"']]
    assert config["receivers"][0] == {"name": "people"}
    causes = {}
    for rule in config["inhibit_rules"]:
        ((source,), (target,)) = (rule[key] for key in ("source_matchers", "target_matchers"))
        cause, caused = source.split('"')[1], set(target.split('"')[1].split("|"))
        assert {cause, *caused} <= _NAMES, rule
        assert cause not in caused
        causes[cause] = (caused, rule.get("equal", []))
    assert causes["JudgeDown"] == ({"JudgeIsSilent", "RolloutWaits"}, []), "one judge for all services"
    assert all(equal == ["namespace", "service"] for cause, (_, equal) in causes.items() if cause != "JudgeDown")


@charts
def test_the_watchdog_rings_until_nobody_is_told(tmp_path: Path) -> None:
    """It rings from the first moment, and not while Alertmanager could not tell people."""
    failed = 'alertmanager_notifications_failed_total{integration="slack",receiver_name="%s",reason="other"}'
    question = 'count(ALERTS{alertname="Watchdog",alertstate="firing"})'

    def looked(at: int, *, firing: bool) -> dict[str, Any]:
        return {"expr": question, "eval_time": f"{at}m", "exp_samples": [{"value": 1}] if firing else []}

    def played(receiver: str, *looks: dict[str, Any]) -> dict[str, Any]:
        series = [{"series": failed % receiver, "values": "0x10 1x2000"}]
        return {"interval": "1m", "input_series": series, "promql_expr_test": list(looks)}

    rules = {"groups": _groups(_platform(tmp_path, "configmap"), "canario")}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    one_refused = [(0, True), (10, True), (12, False), (24, False), (27, True)]
    tests = [
        played("people", *(looked(at, firing=firing) for at, firing in one_refused)),
        played("watchdog", looked(12, firing=True)),
    ]
    document = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.json").write_text(json.dumps(document))
    command = ["promtool", "test", "rules", str(tmp_path / "tests.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
