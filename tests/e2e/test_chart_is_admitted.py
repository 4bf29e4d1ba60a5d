"""An API server takes every object of the chart, in a namespace that enforces restricted Pod Security."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.charts import SCENARIOS, rendered_text

pytestmark = pytest.mark.e2e


def kubectl(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = f"admitted-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    made = kubectl(
        "create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    )
    assert made.returncode == 0, made.stderr
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def known_kinds() -> set[str]:
    listed = kubectl("api-resources", "--no-headers", "-o", "wide")
    return {line.split("true")[-1].split("false")[-1].split()[0] for line in listed.stdout.splitlines()}


def unpacked(manifests: str) -> list[dict[str, Any]]:
    """The objects, and each Deployment's pod as an object of its own: only a pod is refused by Pod Security."""
    objects = [one for one in yaml.safe_load_all(manifests) if one]
    for one in list(objects):
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            metadata = {"name": f"{one['metadata']['name']}-pod", "labels": template["metadata"]["labels"]}
            pod_spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
            objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec})
    return objects


def refused(namespace: str, objects: list[dict[str, Any]]) -> str:
    document = {"apiVersion": "v1", "kind": "List", "items": objects}
    done = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", text=json.dumps(document))
    return done.stderr if done.returncode or "would violate" in done.stderr else ""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_object_is_admitted(tmp_path: Path, namespace: str, scenario: str) -> None:
    objects = unpacked(rendered_text(tmp_path, SCENARIOS[scenario], namespace))
    kinds = known_kinds()
    there = [one for one in objects if one["kind"] in kinds]
    # What has no controller in this cluster is checked against its published schema only.
    assert {one["kind"] for one in objects} - {one["kind"] for one in there} <= {
        "PrometheusRule",
        "ServiceMonitor",
        "ScaledObject",
    }
    assert refused(namespace, there) == ""


def test_a_pod_that_may_be_root_is_refused(tmp_path: Path, namespace: str) -> None:
    text = rendered_text(tmp_path, {}, namespace).replace("runAsNonRoot: true", "runAsNonRoot: false")
    assert "runAsNonRoot" in refused(namespace, unpacked(text))
