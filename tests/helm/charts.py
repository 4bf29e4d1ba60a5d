"""Renders charts and checks manifests with the programs on the PATH."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.spec.contract import Spec
from k8s.cluster.helm import CHART
from k8s.rendering.environment_files import ClusterRelease, Platform, chart_values, merged
from tests.helm.schemas import FOLDER

#: The version of both charts.
VERSION = str(yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"])
DIGEST = "sha256:" + "01" * 32
OTHER_DIGEST = "sha256:" + "23" * 32
RELEASE: dict[str, Any] = {
    "version": "1",
    "package": DIGEST,
    "image": {"repository": "registry.local/canario/churn", "tag": "0123456789ab"},
}
CANDIDATE: dict[str, Any] = {
    "version": "2",
    "package": OTHER_DIGEST,
    "image": {"repository": "registry.local/canario/churn", "digest": OTHER_DIGEST},
}
VALUES: dict[str, Any] = {"name": "churn", **RELEASE, "route": {"host": "churn.canario.local"}}
#: Everything that is watched.
WATCHED = {"monitoring": {"alerts": "operator", "dashboard": True, "serviceMonitor": True}}
KEDA = {"autoscaler": "keda", "keda": {"prometheus": "http://prometheus.monitoring:9090"}}
SHADOW = {"rollout": {"strategy": "shadow"}, "candidate": CANDIDATE}
#: Values that between them render every template and every branch.
SCENARIOS: dict[str, dict[str, Any]] = {
    "canary": {},
    "canary, watched": WATCHED,
    "canary, keda": KEDA,
    "shadow, then canary": {"rollout": {"strategy": "shadow-then-canary", "label_maturity_minutes": 2}},
    "shadow, then canary, keda, watched": {**WATCHED, **KEDA, "rollout": {"strategy": "shadow-then-canary"}},
    "basic": {"rollout": {"strategy": "basic"}, "autoscaler": "none"},
    "basic, inside only": {"rollout": {"strategy": "basic"}, "route": {"host": ""}, "callers": ["load", "shop"]},
    "shadow without a candidate": {"rollout": {"strategy": "shadow"}},
    "shadow, watched": {**SHADOW, **WATCHED},
    "shadow, keda, gpu": {**SHADOW, **KEDA, "pool": "gpu", "gpus": 1, "settings": {"CANARIO_WORKERS": "2"}},
}


class Refused(Exception):  # noqa: N818 -- nothing went wrong
    """Helm said no; the text is what it said."""


def helm(*arguments: str) -> str:
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def values_file(folder: Path, differences: Mapping[str, Any]) -> Path:
    file = folder / "values.yaml"
    file.write_text(json.dumps(merged(VALUES, differences)))
    return file


def rendered_text(folder: Path, differences: Mapping[str, Any], namespace: str = "models") -> str:
    return helm("template", "churn", str(CHART), "-n", namespace, "-f", str(values_file(folder, differences)))


def rendered(folder: Path, differences: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by kind and name."""
    documents = [one for one in yaml.safe_load_all(rendered_text(folder, differences)) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}


def invalid(manifests: str) -> list[str]:
    """What kubeconform finds wrong, and what it could not check."""
    schemas = str(FOLDER / "{{.ResourceKind}}{{.KindSuffix}}.json")
    command = ["kubeconform", "-strict", "-output", "json", "-schema-location", schemas, "-summary", "-"]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    if report["summary"]["valid"] + report["summary"]["invalid"] + report["summary"]["errors"] == 0:
        raise AssertionError(f"kubeconform saw no object: {done.stderr}")
    return [f"{one['kind']}/{one['name']}: {one['msg']}" for one in report.get("resources") or ()]


def spec_values(spec: Spec) -> dict[str, Any]:
    """The values of a service in an environment, with a made-up release."""
    release = ClusterRelease.model_validate({"service": spec.name, **RELEASE})
    return chart_values(spec, release, Platform(domain="canario.local"))
