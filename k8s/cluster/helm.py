"""Every call of helm for a chart of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from k8s.cluster.program import run

#: The chart that serves any model.
CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "model-service"
#: The annotation, and its value, of an object that Helm leaves when its release has it no more.
RESOURCE_POLICY, KEEP = "helm.sh/resource-policy", "keep"


def render(chart: Path, name: str, namespace: str, *options: str) -> str:
    """A chart's manifests; needs no cluster.

    Raises:
        ClusterError: the chart refuses the values.
    """
    return run(["helm", "template", name, str(chart), "--namespace", namespace, *options])


def install(name: str, namespace: str, values: Path) -> None:
    """Brings the model service's chart to the cluster; does not wait.

    Raises:
        ClusterError: the chart refuses the values, or the cluster an object.
    """
    run(["helm", "upgrade", "--install", name, str(CHART), "--namespace", namespace, "--values", str(values)])
