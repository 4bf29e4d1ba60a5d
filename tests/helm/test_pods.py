"""What people add to pods: where they run, what they are called, what they read; and what none of it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.model_server.settings import PREFIX, Settings, read_settings
from tests.helm import platform_chart
from tests.helm.charts import OTHER_DIGEST, SHADOW, VERSION, Refused, invalid, rendered, rendered_text

pytestmark = pytest.mark.charts

TOLERATION = {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "Exists"}]}]
        }
    }
}
ANYWHERE = {"nodeSelector": {"disk": "fast"}, "tolerations": [TOLERATION], "priorityClassName": "models"}
NAMED = {"podAnnotations": {"example.com/cost": "7"}, "podLabels": {"team": "risk"}}
#: How a cloud maps an account to its own.
IDENTITY = {"annotations": {"iam.gke.io/gcp-service-account": "churn@example.iam.gserviceaccount.com"}}
SOURCES = [
    {"configMapRef": {"name": "shop"}},
    {"secretRef": {"name": "shop.keys", "optional": True}, "prefix": "SHOP_"},
]


def pods(objects: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods and templates of pods by the names of their owners."""
    owners = {name: one for (kind, name), one in objects.items() if kind in ("Deployment", "StatefulSet", "Pod")}
    return {name: one["spec"].get("template", one) for name, one in owners.items()}


def variables(pod: dict[str, Any], brought: dict[str, str]) -> dict[str, str]:
    """What a server reads: `env` wins over what `envFrom` brings, which the API's reference of a container says."""
    return {**brought, **{one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}}


def test_every_pod_of_a_model_gets_what_is_asked_for(tmp_path: Path) -> None:
    values = {**SHADOW, **ANYWHERE, **NAMED, "affinity": AFFINITY, "serviceAccount": IDENTITY, "pool": "gpu", "gpus": 1}
    values |= {"topologySpreadConstraints": [{"topologyKey": "rack", "maxSkew": 2}], "envFrom": SOURCES}
    text = rendered_text(tmp_path, values)
    assert invalid(text) == []
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}
    assert objects["ServiceAccount", "churn"]["metadata"]["annotations"] == IDENTITY["annotations"]
    found, own = pods(objects), pods(rendered(tmp_path, SHADOW))
    assert sorted(found) == sorted(own) == ["churn", "churn-answers", "churn-shadow"]
    for name, pod in found.items():
        for key, added in (("annotations", NAMED["podAnnotations"]), ("labels", NAMED["podLabels"])):
            assert pod["metadata"][key] == {**own[name]["metadata"][key], **added}
        assert pod["spec"]["priorityClassName"] == "models"
    assert found["churn-answers"]["spec"]["nodeSelector"] == {"disk": "fast"}
    assert found["churn-answers"]["spec"]["tolerations"] == [TOLERATION]
    for name in ("churn", "churn-shadow"):
        spec = found[name]["spec"]
        assert spec["nodeSelector"] == {"disk": "fast", "canario/pool": "gpu"}
        assert (spec["tolerations"], spec["affinity"]) == ([GPU, TOLERATION], AFFINITY)
        assert spec["containers"][0]["envFrom"] == SOURCES
        (spread,) = spec["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["maxSkew"], spread["whenUnsatisfiable"]) == ("rack", 2, "ScheduleAnyway")
        # Flagger makes it the champion's, if it stands in an expression.
        assert spread["labelSelector"] == {"matchExpressions": [{"key": "app", "operator": "In", "values": [name]}]}


def test_pods_have_nothing_that_nobody_asked_for(tmp_path: Path) -> None:
    for pod in pods(rendered(tmp_path, SHADOW)).values():
        assert not {"nodeSelector", "tolerations", "affinity", "priorityClassName"} & set(pod["spec"])
        assert "envFrom" not in pod["spec"]["containers"][0]
    keys = [one["topologyKey"] for one in pods(rendered(tmp_path, {}))["churn"]["spec"]["topologySpreadConstraints"]]
    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert (
        "topologySpreadConstraints" not in pods(rendered(tmp_path, {"topologySpreadConstraints": []}))["churn"]["spec"]
    )


def test_no_configmap_changes_a_setting_of_the_server(tmp_path: Path) -> None:
    """Whatever a ConfigMap calls its keys: faults stay refused, and a server's key, log and name are the chart's."""
    hostile = {PREFIX + field.upper(): "1" for field in Settings.model_fields}
    opened, closed = (
        pods(rendered(tmp_path, {**SHADOW, "settings": {"CANARIO_WORKERS": "2"}, **more}))
        for more in ({}, {"envFrom": SOURCES})
    )
    for name in ("churn", "churn-shadow"):
        package = tmp_path / "baked-in"
        wanted = read_settings(variables(opened[name], {}), package)
        assert read_settings(variables(closed[name], {**hostile, "SHOP_KEY": "1"}), package) == wanted
        assert variables(closed[name], {"SHOP_KEY": "1"})["SHOP_KEY"] == "1"
        names = [one["name"] for one in closed[name]["spec"]["containers"][0]["env"]]
        assert len(names) == len(set(names))
        # What is not closed is open.
        faked = read_settings(variables(opened[name], {"CANARIO_FAULT_ERROR_RATIO": "1"}), package)
        assert faked.fault_error_ratio == 1 != wanted.fault_error_ratio
    assert read_settings(variables(closed["churn"], hostile), tmp_path).workers == 2


def test_every_pod_of_the_platform_gets_what_is_asked_for(tmp_path: Path) -> None:
    whole: dict[str, Any] = {"mlflow": {"enabled": True}, "stores": {"enabled": True}}
    whole |= {"alertmanager": {"receiver": "webhook", "secret": "alerts"}}
    asked = {**ANYWHERE, "affinity": AFFINITY, "imagePullSecrets": [{"name": "registry"}]}
    text = platform_chart.template(tmp_path, {**whole, **asked, **NAMED, "judge": {"serviceAccount": IDENTITY}})
    assert invalid(text) == []
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}
    assert objects["ServiceAccount", "judge"]["metadata"]["annotations"] == IDENTITY["annotations"]
    found, own = pods(objects), pods(platform_chart.objects(tmp_path, whole))
    assert sorted(found) == sorted(own) == ["alertmanager", "judge", "mlflow", "object-store", "postgresql"]
    for name, pod in found.items():
        plain = own[name]
        assert {key: value for key, value in pod["spec"].items() if key not in plain["spec"]} == asked
        assert pod["metadata"]["labels"] == {**plain["metadata"]["labels"], **NAMED["podLabels"]}
        annotations = plain["metadata"].get("annotations", {})
        assert pod["metadata"]["annotations"] == {**annotations, **NAMED["podAnnotations"]}
    assert own["judge"]["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert "checksum/config" in own["alertmanager"]["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"enabled": False}, "enabled: false is for the condition of a parent chart"),
        ({"podAnnotations": {"prometheus.io/scrape": "false"}}, "podAnnotations: prometheus.io/scrape is the chart's"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name is the chart's to set"),
        ({"registry": ""}, "registry: is empty, and no public registry has the image of judge; build, push and sign"),
        (
            {"registry": "host/folder"},
            "judge.image: host/folder/judge has no digest, .*make publish ENV=env PART=judge",
        ),
        # The tag of images that were never pushed, which no registry has.
        (
            {"judge": {"image": {"repository": "host/folder/judge", "tag": VERSION}}},
            "judge.image: host/folder/judge has no digest, and no tag by which a registry has it",
        ),
        (
            {"registry": "host/folder", "judge": {"image": {"tag": "1.2"}}, "mlflow": {"enabled": True}},
            "mlflow.image: host/folder/mlflow has no digest",
        ),
    ],
)
def test_the_platform_refuses_in_a_sentence(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        platform_chart.template(tmp_path, values)


def test_images_come_from_the_registry_that_is_named(tmp_path: Path) -> None:
    values = {
        "registry": "host/folder",
        "judge": {"image": {"digest": OTHER_DIGEST}},
        "mlflow": {"enabled": True, "image": {"tag": "1.2"}},
        "stores": {"enabled": True, "image": {"repository": "registry.local/own/stores"}},
        "alertmanager": {
            "receiver": "webhook",
            "secret": "alerts",
            "image": {"repository": "host/mirror/alertmanager"},
        },
    }
    found = pods(platform_chart.objects(tmp_path, values))
    images = {name: pod["spec"]["containers"][0]["image"] for name, pod in found.items()}
    assert images.pop("alertmanager").startswith("host/mirror/alertmanager")
    assert images == {
        "judge": f"host/folder/judge@{OTHER_DIGEST}",
        "mlflow": "host/folder/mlflow:1.2",
        "object-store": f"registry.local/own/stores:{VERSION}",
        "postgresql": f"registry.local/own/stores:{VERSION}",
    }
