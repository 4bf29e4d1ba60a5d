"""The chart canario: valid, the same each time, closed, and naming only what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from k8s.errors import EnvironmentFileError
from k8s.platform.chart import images, platform_command, rendered
from k8s.platform.tracking import Tracking, local_secret, tracking
from services.image.program import PROGRAMS
from services.judge.__main__ import main as judge_main
from services.judge.evidence.prometheus import PrometheusSource
from tests.helm.charts import Refused, helm, invalid
from tests.helm.metric_names import METRICS, metrics
from tests.helm.platform_chart import CHART, objects, template
from tests.repo.tree import ROOT

ALL = {
    "monitoring": {"alerts": "operator"},
    "mlflow": {"enabled": True},
    "environment": {"url": "https://git.example/env.git", "secret": "git"},
    "namespaces": ["models", "trials"],
}
LOCAL = {**ALL, "stores": {"enabled": True}}
SLACK = {"receiver": "slack", "secret": "alerts", "channel": "#models"}
MAIL = {"receiver": "email", "secret": "alerts", "to": "on-call@example.com", "sender": "canario@example.com",
        "smarthost": "mail.example.com:587", "username": "canario"}  # fmt: skip
SCENARIOS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "everything": ALL,
    "one judge": {"judge": {"replicas": 1}},
    "its own stores": LOCAL,
    "alerts by webhook": {"alertmanager": {"receiver": "webhook", "secret": "alerts", "watchdog": True}},
    "alerts to Slack": {"alertmanager": SLACK, "monitoring": {"repository": "https://git.example/canario/blob/main"}},
    "alerts by mail": {"alertmanager": MAIL},
    "no alerts": {"monitoring": {"alerts": "none"}},
    "its own stores, kept": {**ALL, "stores": {"enabled": True, "size": "5Gi", "storageClass": "fast"}},
}


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
        {"registry": "https://host/folder"},
        {"affinity": {"nodeAfinity": {}}},
        {"tolerations": [{"effect": "Never"}]},
        {"namespaces": []},
        {"prometheus": {"url": "prometheus:9090"}},
        {"environment": {"url": "ssh://git.example/env.git"}},
        {"mlflow": {"workers": 0}},
        {"stores": {"size": "much"}},
        {"monitoring": {"alerts": True}},
        {"alertmanager": {"receiver": "pager"}},
        {"alertmanager": {"smarthost": "mail.example.com"}},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="values don't meet the specifications"):
        template(tmp_path, values)


@pytest.mark.charts
def test_the_judge_may_only_read_canaries_and_write_events(tmp_path: Path) -> None:
    """The judge may read Canaries and write events beside them, and nothing else."""
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
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "judge"), ("Deployment", "mlflow"), ("Deployment", "alertmanager"),
        ("StatefulSet", "postgresql"), ("StatefulSet", "object-store"),
    ],
)  # fmt: skip
def test_pods_are_restricted(tmp_path: Path, kind: str, name: str) -> None:
    pod = objects(tmp_path, {**LOCAL, "monitoring": {}, "alertmanager": MAIL})[kind, name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert isinstance(pod["securityContext"]["runAsUser"], int)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
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
def test_the_judge_names_champions_in_an_mlflow_it_may_reach(tmp_path: Path) -> None:
    """The judge names the champion in the MLflow of the release, when there is one, and may reach it."""
    found = objects(tmp_path, ALL)
    arguments = found["Deployment", "judge"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--mlflow=http://mlflow.canario" in arguments
    assert ("mlflow", 5000) in reached(found["NetworkPolicy", "judge"])
    without = objects(tmp_path, {})
    assert "mlflow" not in json.dumps([without["Deployment", "judge"], without["NetworkPolicy", "judge"]])


@pytest.mark.charts
def test_without_a_repository_nothing_is_said_of_one(tmp_path: Path) -> None:
    deployment = objects(tmp_path, {})["Deployment", "judge"]
    assert "environment" not in json.dumps(deployment)


@pytest.mark.charts
def test_whoever_has_the_alerts_has_the_judges_series_too(tmp_path: Path) -> None:
    assert ("ServiceMonitor", "judge") not in objects(tmp_path, {})
    brought = objects(tmp_path, ALL)
    wanted = brought["ServiceMonitor", "judge"]["spec"]["selector"]["matchLabels"]
    named = {name: one["metadata"]["labels"] for (kind, name), one in brought.items() if kind == "Service"}
    assert [name for name, labels in named.items() if wanted.items() <= labels.items()] == ["judge"]


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


def reached(policy: dict[str, Any]) -> set[tuple[str | None, int]]:
    """Whose pods or which range a policy lets be called, None for anybody, and at which port; but for names.

    Rules without ports are left out.
    """
    ported = [rule for rule in policy["spec"]["egress"] if "ports" in rule]
    rules = [rule for rule in ported if {"protocol": "UDP", "port": 53} not in rule["ports"]]
    return {
        (
            place.get("ipBlock", {}).get("cidr")
            or place.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name"),
            port["port"],
        )
        for rule in rules
        for place in rule.get("to", [{}])
        for port in rule["ports"]
    }


@pytest.mark.charts
def test_mlflow_reaches_its_stores_and_nobody_else_does(tmp_path: Path) -> None:
    # A cloud's, and who tells a pod there which account it is.
    told = {(f"169.254.169.{place}/32", port) for place in (252, 254) for port in (80, 988)}
    assert reached(objects(tmp_path, ALL)["NetworkPolicy", "mlflow"]) == {(None, 5432), (None, 443)} | told
    found = objects(tmp_path, LOCAL)
    ports = {name: found["Service", name]["spec"]["ports"][0]["port"] for name in ("postgresql", "object-store")}
    assert reached(found["NetworkPolicy", "mlflow"]) == set(ports.items())
    for name, port in ports.items():
        policy = found["NetworkPolicy", name]["spec"]
        container = found["StatefulSet", name]["spec"]["template"]["spec"]["containers"][0]
        assert container["ports"] == [{"name": "store", "containerPort": port}]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert "egress" not in policy
        assert [rule["ports"] for rule in policy["ingress"]] == [[{"protocol": "TCP", "port": port}]]
        callers = policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
        assert callers == found["Deployment", "mlflow"]["spec"]["selector"]["matchLabels"]


@pytest.mark.charts
def test_the_local_secret_has_every_key_that_the_stores_ask_for(tmp_path: Path) -> None:
    """The local secret says where the stores are, and has every key that they ask for."""
    found, secret = objects(tmp_path, LOCAL), local_secret()
    for name, key in (("postgresql", "MLFLOW_BACKEND_STORE_URI"), ("object-store", "MLFLOW_S3_ENDPOINT_URL")):
        port = found["Service", name]["spec"]["ports"][0]["port"]
        assert f"{name}:{port}" in secret[key]
    text = json.dumps([one for (kind, _), one in found.items() if kind == "StatefulSet"], sort_keys=True)
    asked = set(re.findall(r'"secretKeyRef": {"key": "(\w+)", "name": "mlflow"}', text))
    assert asked == {"PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert asked < secret.keys()
    bucket = secret["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("s3://")
    assert f'"/data/buckets/{bucket}"' in text


@pytest.mark.charts
@pytest.mark.parametrize(
    ("scenario", "storage_class", "volumes"),
    [("its own stores", None, ["data", "tmp"]), ("its own stores, kept", "fast", ["tmp"])],
)
def test_what_stores_hold_is_claimed_when_a_size_is_given(
    tmp_path: Path, scenario: str, storage_class: str | None, volumes: list[str]
) -> None:
    for name in ("postgresql", "object-store"):
        spec = objects(tmp_path, SCENARIOS[scenario])["StatefulSet", name]["spec"]
        claim = spec.get("volumeClaimTemplates", [{}])[0].get("spec", {})
        assert claim.get("storageClassName") == storage_class
        assert sorted(one["name"] for one in spec["template"]["spec"]["volumes"]) == volumes


@pytest.mark.charts
def test_only_the_local_environment_brings_stores_of_its_own() -> None:
    wanted = {name: tracking(rendered(name, [])) for name in ("local", "staging", "production")}
    nothing = Tracking(None, stores=False)
    assert wanted == {"local": Tracking("mlflow", stores=True), "staging": nothing, "production": nothing}
    assert tracking(rendered("staging", ["--set", "mlflow.enabled=true", "--set", "mlflow.secret=s"])) == Tracking(
        "s", stores=False
    )


@pytest.mark.charts
def test_every_image_that_runs_is_one_that_can_be_made() -> None:
    ours = [image for image in images(rendered("local", [])) if image.startswith("registry.local/")]
    found = {image.rpartition("/")[2].partition(":")[0] for image in ours}
    assert found == {"judge", "mlflow", "stores"} < PROGRAMS.keys()
    made = re.search(r'platform-images REGISTRY= PARTS="([a-z ]+)"', (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert made
    assert set(made[1].split()) == found


def test_an_environments_differences_are_read_if_there_are_any() -> None:
    """The differences of an environment are read if there are any."""
    assert str(ROOT / "k8s/envs/local/canario.yaml") in platform_command("local", [])
    assert platform_command("local", ["--set", "a=b"])[-2:] == ["--set", "a=b"], "what is given wins"
    assert 'environment.path="k8s/envs/local"' in platform_command("local", [])
    with pytest.raises(EnvironmentFileError, match="environments are: local, production, staging"):
        platform_command("none", [])


@pytest.mark.charts
def test_mlflow_has_the_identity_that_a_cloud_gives_it(tmp_path: Path) -> None:
    annotations = {"iam.gke.io/gcp-service-account": "mlflow@example.iam.gserviceaccount.com"}
    rendered = objects(tmp_path, {"mlflow": {"enabled": True, "serviceAccount": {"annotations": annotations}}})
    assert rendered["ServiceAccount", "mlflow"]["metadata"]["annotations"] == annotations
    assert rendered["Deployment", "mlflow"]["spec"]["template"]["spec"]["serviceAccountName"] == "mlflow"
