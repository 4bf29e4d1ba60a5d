"""The chart canario: valid, the same each time, closed, and naming only what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.platform.__main__ import platform_command
from services.judge.__main__ import main as judge_main
from services.judge.prometheus import PrometheusSource
from tests.helm.charts import Refused, helm, invalid
from tests.helm.test_joins import METRICS, metrics
from tests.repo.tree import ROOT

CHART = ROOT / "helm" / "canario"
ALL = {
    "monitoring": {"alerts": True},
    "mlflow": {"enabled": True},
    "environment": {"url": "https://git.example/env.git", "secret": "git"},
    "namespaces": ["models", "trials"],
}
SCENARIOS: dict[str, dict[str, Any]] = {"as it comes": {}, "everything": ALL, "one judge": {"judge": {"replicas": 1}}}


def template(folder: Path, values: dict[str, Any]) -> str:
    file = folder / "values.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")
    return helm("template", "canario", str(CHART), "-n", "canario", "-f", str(file))


def objects(folder: Path, values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    documents = [one for one in yaml.safe_load_all(template(folder, values)) if one]
    return {(one["kind"], one["metadata"]["name"] + one["metadata"].get("namespace", "")): one for one in documents}


@pytest.mark.charts
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_is_linted_valid_and_the_same_each_time(tmp_path: Path, scenario: str) -> None:
    text = template(tmp_path, SCENARIOS[scenario])
    assert invalid(text) == []
    assert template(tmp_path, SCENARIOS[scenario]) == text
    helm("lint", "--strict", str(CHART), "-f", str(tmp_path / "values.yaml"))


@pytest.mark.charts
@pytest.mark.parametrize(
    "values",
    [
        {"judge": {"replica": 2}},
        {"judge": {"replicas": 0}},
        {"judge": {"image": {"tag": "latest"}}},
        {"judge": {"image": {"tag": "", "digest": ""}}},
        {"namespaces": []},
        {"prometheus": {"url": "prometheus:9090"}},
        {"environment": {"url": "ssh://git.example/env.git"}},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="values don't meet the specifications"):
        template(tmp_path, values)


@pytest.mark.charts
def test_the_judge_may_look_at_canaries_and_write_events_beside_them_and_nothing_else(tmp_path: Path) -> None:
    found = objects(tmp_path, ALL)
    roles = [one for (kind, _), one in found.items() if kind == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == ["models", "trials"]
    for role in roles:
        assert role["rules"] == [
            {"apiGroups": ["flagger.app"], "resources": ["canaries"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        ]
    assert not any(kind.startswith("Cluster") for kind, _ in found)


@pytest.mark.charts
@pytest.mark.parametrize("name", ["judge", "mlflow"])
def test_pods_are_restricted(tmp_path: Path, name: str) -> None:
    pod = objects(tmp_path, ALL)["Deployment", name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert isinstance(pod["securityContext"]["runAsUser"], int)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip


@pytest.mark.charts
def test_the_judge_understands_its_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = objects(tmp_path, ALL)["Deployment", "judge"]["spec"]["template"]["spec"]["containers"][0]
    module, *arguments = container["args"]
    assert module == "services.judge"
    asked: list[str] = []
    monkeypatch.setattr(PrometheusSource, "__init__", lambda _self, url, _clock: asked.append(url))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert judge_main(arguments) == 2  # all is understood, but this is no pod, and --events wants one
    assert asked == ["http://prometheus.monitoring:9090"]


@pytest.mark.charts
def test_without_a_repository_nothing_is_said_of_one(tmp_path: Path) -> None:
    deployment = objects(tmp_path, {})["Deployment", "judge"]
    assert "environment" not in json.dumps(deployment)


def test_every_metric_is_one_that_is_exported() -> None:
    for path in (*CHART.glob("alerts/*.yaml"), CHART / "dashboard.json"):
        assert metrics(path.read_text(encoding="utf-8")) - METRICS == set(), path


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = sorted(path.stem for path in CHART.glob("alerts/*.yaml"))
    assert alerts == sorted(path.stem for path in CHART.glob("runbooks/*.md"))
    for name in alerts:
        assert (CHART / f"alerts/{name}.yaml").read_text(encoding="utf-8").startswith(f"alert: {name}\n")
        headings = re.findall(r"^## (\w+)$", (CHART / f"runbooks/{name}.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_an_environments_differences_are_read_where_there_are_any() -> None:
    assert str(ROOT / "k8s/envs/local/canario.yaml") in platform_command("local", [], 60)
    assert platform_command("none", ["a=b"], 60)[-4:] == ["--set", "environment.path=k8s/envs/none", "--set", "a=b"]
