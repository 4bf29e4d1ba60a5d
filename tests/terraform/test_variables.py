"""Every validation of a module's variables refuses what it should: planned by terraform, without the resources."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.repo.tree import ROOT

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")
MODULES = ROOT / "terraform" / "modules"
PLACE = {"project": "example-project", "name": "canario-staging", "region": "us-central1"}
NODES = {"machine_type": "e2-standard-4"}
GPU = {"type": "nvidia-l4"}
GOOD: dict[str, dict[str, Any]] = {
    "network": PLACE,
    "cluster": PLACE | {"network": "n", "subnetwork": "s", "control_plane": {"callers": {"office": "192.0.2.0/24"}}},
    "node-pool": PLACE | {"cluster": "c", "service_account": "a", "nodes": NODES, "gpu": GPU},
    "artifact-store": PLACE,
    "registry": PLACE,
    "database": PLACE | {"network": "n", "password": "a" * 20},
    "workload-identity": {
        "project": "example-project",
        "name": "canario-mlflow",
        "workload": {"namespace": "canario", "service_account": "mlflow"},
    },
}
#: By module: one wrong value for each validation.
WRONG: dict[str, list[tuple[str, Any]]] = {
    "network": [("ranges", {"nodes": "10.0.0.0"})],
    "cluster": [
        ("control_plane", {"range": "172.16.0.0/24"}),
        ("control_plane", {"callers": {"all": "0.0.0.0/0"}}),
        ("release_channel", "NIGHTLY"),
    ],
    "node-pool": [
        ("nodes", {"machine_type": "large"}),
        ("nodes", NODES | {"min": 4, "max": 2}),
        ("nodes", NODES | {"disk_gb": 5}),
        ("gpu", GPU | {"driver": "NONE"}),
        ("gpu", GPU | {"count": 3}),
        ("gpu", GPU | {"shared_by": 0}),
        ("tpu", {"topology": "8"}),
    ],
    "artifact-store": [("keep_old_days", 1), ("kms_key", "key")],
    "registry": [("clean_up", {"keep": 1})],
    "database": [("password", "short"), ("instance", {"tier": "db-f1-micro"}), ("instance", {"disk_gb": 1})],
    "workload-identity": [
        ("workload", {"namespace": "Canario", "service_account": "mlflow"}),
        ("buckets", {"b": "roles/owner"}),
    ],
}
PLACES_WRONG = [("project", "P"), ("name", "a_b"), ("region", "us-central1-a")]
CASES = [(m, *case) for m in WRONG for case in [*WRONG[m], *(c for c in PLACES_WRONG if c[0] in GOOD[m])]]


def plan(module: str, values: dict[str, Any], place: Path) -> str:
    """What terraform says of a module's variables."""
    shutil.copy(MODULES / module / "variables.tf", place)
    (place / "terraform.tfvars.json").write_text(json.dumps(values))
    subprocess.run(["terraform", "init"], cwd=place, check=True, capture_output=True)
    return subprocess.run(
        ["terraform", "plan", "-no-color"], cwd=place, check=False, capture_output=True, text=True
    ).stderr


@pytest.mark.parametrize("module", GOOD)
def test_good_values_are_taken(module: str, tmp_path: Path) -> None:
    assert "Error" not in plan(module, GOOD[module], tmp_path)


@pytest.mark.parametrize(("module", "name", "value"), CASES)
def test_wrong_values_are_refused(module: str, name: str, value: Any, tmp_path: Path) -> None:
    said = plan(module, GOOD[module] | {name: value}, tmp_path)
    assert said.count("Error: ") == 1
    assert "Invalid value for variable" in said
    assert f"var.{name}" in said or f'variable "{name}"' in said


@pytest.mark.parametrize("module", GOOD)
def test_each_validation_has_a_wrong_value(module: str) -> None:
    written = (MODULES / module / "variables.tf").read_text().count("validation {")
    assert sum(case[0] == module for case in CASES) == written
