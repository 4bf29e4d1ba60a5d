"""Both charts below a parent chart: it hands over `global`, asks a condition, and has one chart twice by alias."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.cluster.helm import CHART
from tests.helm import platform_chart
from tests.helm.charts import VALUES, WATCHED, helm, rendered

pytestmark = pytest.mark.charts

HELD = {"registry": "registry.local/canario", "namespaces": ["shop"]}
#: The parent's values; what is off has values that would be refused.
PARENT = {
    "global": {"imageRegistry": "host", "team": "risk"},
    "churn": {**VALUES, **WATCHED},
    "late": {**VALUES, **WATCHED, "name": "late", "route": {"host": "late.canario.local"}, "enabled": True},
    "off": {"enabled": False},
    "canario": {**HELD, "enabled": True},
}


def parent(folder: Path) -> Path:
    """A chart that depends on both of ours, on model-service three times."""
    needed = {"churn": "model-service", "late": "model-service", "off": "model-service", "canario": "canario"}
    dependencies = [
        {"name": name, "alias": alias, "version": "*", "repository": "file://", "condition": f"{alias}.enabled"}
        for alias, name in needed.items()
    ]
    chart = {"apiVersion": "v2", "name": "shop", "version": "1.0.0"}
    for path in (CHART, platform_chart.CHART):
        shutil.copytree(path, folder / "charts" / path.name)
    (folder / "Chart.yaml").write_text(json.dumps({**chart, "dependencies": dependencies}))
    (folder / "values.yaml").write_text(json.dumps(PARENT))
    return folder


def test_below_a_parent_a_chart_makes_what_it_makes_alone(tmp_path: Path) -> None:
    """Labels and selectors too: under an alias, Helm calls the chart itself by the alias."""
    text = helm("template", "canario", str(parent(tmp_path / "shop")), "-n", "models")
    found: dict[str, list[dict[str, Any]]] = {"churn": [], "late": [], "canario": []}
    for one in yaml.safe_load_all(text):
        if one:
            instance = one["metadata"]["labels"]["app.kubernetes.io/instance"]
            found[instance].append(one)
    alone = {"churn": rendered(tmp_path, WATCHED), "late": rendered(tmp_path, without_condition("late"))}
    for alias, objects in alone.items():
        assert {(one["kind"], one["metadata"]["name"]): one for one in found[alias]} == objects
        assert len(objects) == len(found[alias]) > 5
    made = {(one["kind"], one["metadata"]["name"]) for one in found["canario"]}
    values = tmp_path / "canario.yaml"
    values.write_text(json.dumps(HELD))
    lone = yaml.safe_load_all(helm("template", "canario", str(platform_chart.CHART), "-n", "models", "-f", str(values)))
    assert made == {(one["kind"], one["metadata"]["name"]) for one in lone if one}


def without_condition(alias: str) -> dict[str, Any]:
    return {key: value for key, value in dict(PARENT[alias]).items() if key != "enabled"}
