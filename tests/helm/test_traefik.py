"""What Traefik's own chart makes of our values; CANARIO_TRAEFIK_CHART names a folder with the chart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.platform.controllers import read_controllers
from k8s.rendering.gateway import PORTS, SERVICE
from tests.helm.charts import helm

CHART = os.environ.get("CANARIO_TRAEFIK_CHART")
pytestmark = [
    pytest.mark.charts,
    pytest.mark.skipif(not CHART, reason="NOT RUN: CANARIO_TRAEFIK_CHART names no chart; `helm pull` brings one"),
]


def made(folder: Path, *, local: bool) -> dict[str, dict[str, Any]]:
    """The objects by kind, for a cloud's cluster or a local one."""
    ours = next(one for one in read_controllers() if one.name == SERVICE)
    assert ours.chart is not None
    assert CHART is not None
    files = [folder / "values.json", folder / "local.json"]
    for file, values in zip(files, (ours.chart.values, ours.chart.local_values if local else {}), strict=True):
        file.write_text(json.dumps(values))
    options = [word for file in files for word in ("--values", str(file))]
    text = helm("template", ours.name, CHART, "--namespace", str(ours.namespace), *options)
    return {one["kind"]: one for one in yaml.safe_load_all(text) if one}


def test_the_chart_makes_the_gateways_pods(tmp_path: Path) -> None:
    objects = made(tmp_path, local=False)
    deployment = objects["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert (deployment["replicas"], pod["terminationGracePeriodSeconds"]) == (2, 75)
    (container,) = pod["containers"]
    for name, port in PORTS.items():
        entry = f"--entryPoints.{name}"
        assert f"{entry}.address=:{port}/tcp" in container["args"]
        assert f"{entry}.transport.keepAliveMaxTime=10s" in container["args"]
        assert f"{entry}.transport.lifeCycle.requestAcceptGraceTimeout=20s" in container["args"]
        assert f"{entry}.transport.lifeCycle.graceTimeOut=45s" in container["args"]
    labels = deployment["template"]["metadata"]["labels"].items()
    for chosen in (
        objects["PodDisruptionBudget"]["spec"]["selector"],
        pod["topologySpreadConstraints"][0]["labelSelector"],
    ):
        assert chosen["matchLabels"].items() <= labels
    assert "Gateway" not in objects
    assert objects["GatewayClass"]["metadata"]["name"] == "traefik"


@pytest.mark.parametrize(("local", "kind"), [(True, "NodePort"), (False, "LoadBalancer")])
def test_only_a_local_gateway_waits_for_no_load_balancer(tmp_path: Path, local: bool, kind: str) -> None:
    """The chart reads the type of its Service at `service.spec`; it ignores a `service.type`, and does not say so."""
    service = made(tmp_path, local=local)["Service"]
    assert service["spec"]["type"] == kind
    assert [port["nodePort"] for port in service["spec"]["ports"]] == [30080, 30443]
    assert service["metadata"]["name"] == SERVICE
