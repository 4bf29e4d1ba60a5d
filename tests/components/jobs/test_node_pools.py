"""A pool's labels are ours or those that a cloud sets, and all of them stand in one place."""

from __future__ import annotations

import re

import pytest

from components.errors import SpecError
from components.jobs.node_pools import (
    LABELS,
    Provider,
    devices,
    node_labels,
    provider_named,
    tolerations,
)
from components.spec.contract import Training
from tests.repo.tree import ROOT, files

GPU = Training(accelerator="gpu", accelerator_count=2, accelerator_type="l4")
TPU = Training(accelerator="tpu", accelerator_type="v5e", tpu_topology="2x2")


@pytest.mark.parametrize(
    ("provider", "labels"),
    [
        ("canario", {"canario/accelerator": "l4"}),
        ("gke", {"cloud.google.com/gke-accelerator": "l4"}),
        ("eks", {"eks.amazonaws.com/instance-gpu-name": "l4"}),
        ("aks", {"kubernetes.azure.com/accelerator": "nvidia", "node.kubernetes.io/instance-type": "l4"}),
    ],
)
def test_a_gpu_is_found_by_its_providers_labels(provider: Provider, labels: dict[str, str]) -> None:
    assert node_labels(GPU, provider) == labels
    assert devices(GPU) == {"nvidia.com/gpu": "2"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in tolerations(GPU, provider)


def test_a_tpu_is_found_where_there_are_some() -> None:
    assert node_labels(TPU) == {"canario/accelerator": "v5e", "canario/tpu-topology": "2x2"}
    assert node_labels(TPU, "gke") == {
        "cloud.google.com/gke-tpu-accelerator": "v5e",
        "cloud.google.com/gke-tpu-topology": "2x2",
    }
    with pytest.raises(SpecError, match="tpu is not to be had on pools of eks; POOLS may be canario, gke"):
        node_labels(TPU, "eks")


@pytest.mark.parametrize("provider", LABELS)
def test_the_cpu_asks_for_no_label_device_or_toleration(provider: Provider) -> None:
    assert (node_labels(Training(), provider), devices(Training()), tolerations(Training(), provider)) == ({}, {}, [])


def test_a_taint_of_the_providers_own_is_tolerated() -> None:
    assert [each["key"] for each in tolerations(GPU, "aks")] == ["nvidia.com/gpu", "sku"]


def test_a_pool_is_found_by_its_name() -> None:
    assert LABELS["canario"].pool == "canario/pool"
    assert {labels.pool for labels in LABELS.values()} >= {"cloud.google.com/gke-nodepool"}


def test_a_provider_that_is_none_is_refused() -> None:
    assert [provider_named(name) for name in LABELS] == list(LABELS)
    with pytest.raises(SpecError, match="POOLS is 'oke'; allowed: canario, gke, eks, aks"):
        provider_named("oke")


def test_our_labels_are_those_that_terraform_sets() -> None:
    module = (ROOT / "terraform" / "modules" / "node-pool" / "main.tf").read_text(encoding="utf-8")
    ours = LABELS["canario"]
    assert {ours.pool, ours.gpu, ours.tpu, ours.topology} == set(re.findall(r'"([a-z.]+/[a-z-]+)"\s+=', module))


def test_our_labels_lie_in_no_domain_that_others_keep() -> None:
    """GKE refuses labels of a pool in the domains of Kubernetes and Google, and a kubelet may not set them all."""
    ours = LABELS["canario"]
    domains = {label.partition("/")[0] for label in (ours.pool, ours.gpu, ours.tpu, ours.topology)}
    assert not [domain for domain in domains if re.search(r"(^|\.)(kubernetes|k8s|google)\.(io|com)$", domain)]


def test_no_other_module_names_a_label_of_an_accelerator() -> None:
    ours = r"canario/(accelerator|pool|tpu-topology)"
    label = re.compile(rf"gke-(tpu-)?accelerator|gke-tpu-topology|instance-gpu-name|{ours}")
    modules = [path for path in files(".py") if path.parts[0] in {"components", "pipelines", "services", "k8s"}]
    naming = {str(path) for path in modules if label.search((ROOT / path).read_text(encoding="utf-8"))}
    assert naming == {"components/jobs/node_pools.py"}
