"""What Terraform hands over is what the charts take."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.jobs.node_pools import LABELS
from tests.repo.tree import ROOT

HANDED = {
    "cluster": {"name": "canario-staging", "location": "us-central1", "account": "example"},
    "repository": "registry.local/canario",
    "signatures": "registry.local/canario-signatures/images",
    "database": {"address": "10.0.0.5", "secret": "canario-staging-database"},
    "mlflow": {"artifacts": "gs://example/mlflow", "annotations": {"example.com/account": "mlflow"}},
    "signers": [{"name": "kms-first", "kms": "gcpkms://projects/p", "key": "-----BEGIN PUBLIC KEY-----"}],
    "pools": ["cpu"],
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    place = shutil.copytree(ROOT / "terraform/modules/handover", tmp_path_factory.mktemp("tf") / "handover")
    (place / "terraform.tfvars.json").write_text(json.dumps(HANDED))
    for command in (["init", "-backend=false"], ["apply", "-auto-approve"]):
        subprocess.run(["terraform", *command], cwd=place, check=True, capture_output=True)
    told = subprocess.run(["terraform", "output", "-json"], cwd=place, check=True, capture_output=True)
    return {name: output["value"] for name, output in json.loads(told.stdout).items()}


def unknown(given: dict[str, Any], values: dict[str, Any], path: str = "") -> list[str]:
    """Keys that a chart's values do not have; an empty mapping is open, and its schema says to what."""
    missing = [path + key for key in given if key not in values]
    deeper = [
        key for key in given if isinstance(given[key], dict) and values.get(key) and isinstance(values[key], dict)
    ]
    return missing + [name for key in deeper for name in unknown(given[key], values[key], f"{path}{key}.")]


def test_each_key_is_one_of_the_chart(outputs: dict[str, Any]) -> None:
    values = yaml.safe_load((ROOT / "helm/canario/values.yaml").read_text())
    assert unknown(outputs["canario"], values) == []
    assert unknown({"mlflow": {"bucket": "x"}}, values) == ["mlflow.bucket"]


def test_the_secret_has_the_keys_that_the_chart_names(outputs: dict[str, Any]) -> None:
    told = set(re.findall(r"MLFLOW_[A-Z_]+", (ROOT / "helm/canario/values.yaml").read_text()))
    assert set(outputs["mlflow_secret"]) == told
    assert "PGPASSWORD" in (ROOT / "helm/canario/README.md").read_text()


def test_a_pool_is_the_label_that_the_chart_selects(outputs: dict[str, Any]) -> None:
    assert outputs["pools"] == ["cpu"]
    files = (
        "helm/model-service/values.yaml",
        "helm/model-service/templates/_pod.tpl",
        "terraform/modules/node-pool/main.tf",
        "k8s/cluster/kind.yaml",
    )
    assert [file for file in files if LABELS["canario"].pool not in Path(ROOT / file).read_text()] == []


def test_images_have_the_names_that_the_chart_gives_them(outputs: dict[str, Any]) -> None:
    values = yaml.safe_load((ROOT / "helm/canario/values.yaml").read_text())
    for part in ("judge", "mlflow"):
        handed, named = (tree[part]["image"]["repository"] for tree in (outputs["canario"], values))
        # Where the chart says no more, an image has the name of its part.
        assert (handed.rpartition("/")[2], named) == (part, "")


def test_what_others_say_of_an_output_is_one(outputs: dict[str, Any]) -> None:
    named = set()
    for file in (ROOT / "k8s/envs").glob("*/configs/kustomization.yaml"):
        named |= set(re.findall(r"Terraform's output `(\w+)`", file.read_text()))
    assert named == {"repository"}
    assert named | {"cluster"} <= set(outputs)
    workflow = (ROOT / ".github/workflows/README.md").read_text()
    assert all(f"`{name}`" in workflow for name in ("CLUSTER", "LOCATION", "REGISTRY"))


@pytest.mark.parametrize("place", ["modules/platform", "envs/staging", "envs/production"])
def test_the_outputs_pass_through_unchanged(outputs: dict[str, Any], place: str) -> None:
    text = (ROOT / "terraform" / place / "outputs.tf").read_text()
    assert dict(re.findall(r'output "(\w+)" \{.*?value += module\.\w+\.(\w+)', text, re.DOTALL)) == {
        name: name for name in outputs
    }
