"""Node pools: the labels by which one is chosen, the devices that its nodes offer, and the taints that guard them.

The labels are ours (`terraform/` sets them, and any pool can carry them) or those that a cloud sets by itself:

- gke: https://cloud.google.com/kubernetes-engine/docs/how-to/gpus and .../concepts/tpus
- eks: the nodes of Auto Mode, https://docs.aws.amazon.com/eks/latest/userguide/create-node-pool.html; nodes of a
  managed node group do not say their GPU, so label the group with ours
- aks: https://learn.microsoft.com/azure/aks/use-labels; a pool says its vendor and its machine type
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from components.errors import SpecError
from components.spec.contract import Training

Provider = Literal["canario", "gke", "eks", "aks"]

GPU_RESOURCE: Final = "nvidia.com/gpu"
TPU_RESOURCE: Final = "google.com/tpu"


@dataclass(frozen=True)
class PoolLabels:
    """The labels of one provider's nodes.

    Attributes:
        pool: names the pool.
        gpu: names the kind of GPU.
        every_gpu: labels of every node with a GPU, whatever its kind.
        tpu: names the kind of TPU; empty where there are none.
        topology: names the shape of a TPU slice.
        taints: keys of taints that guard nodes with a GPU, beside the device's own.
    """

    pool: str
    gpu: str
    every_gpu: Mapping[str, str] = field(default_factory=dict)
    tpu: str = ""
    topology: str = ""
    taints: tuple[str, ...] = ()


LABELS: Final[Mapping[Provider, PoolLabels]] = {
    "canario": PoolLabels(
        pool="canario/pool",
        gpu="canario/accelerator",
        tpu="canario/accelerator",
        topology="canario/tpu-topology",
    ),
    "gke": PoolLabels(
        pool="cloud.google.com/gke-nodepool",
        gpu="cloud.google.com/gke-accelerator",
        tpu="cloud.google.com/gke-tpu-accelerator",
        topology="cloud.google.com/gke-tpu-topology",
    ),
    "eks": PoolLabels(pool="karpenter.sh/nodepool", gpu="eks.amazonaws.com/instance-gpu-name"),
    "aks": PoolLabels(
        pool="kubernetes.azure.com/agentpool",
        gpu="node.kubernetes.io/instance-type",
        every_gpu={"kubernetes.azure.com/accelerator": "nvidia"},
        taints=("sku",),
    ),
}


def provider_named(name: str) -> Provider:
    """The provider of a setting such as POOLS=gke.

    Raises:
        SpecError: there is no such provider.
    """
    for provider in get_args(Provider):
        if name == provider:
            return provider  # type: ignore[no-any-return]
    raise SpecError(f"POOLS is {name!r}; allowed: {', '.join(get_args(Provider))}")


def node_labels(training: Training, provider: Provider = "canario") -> dict[str, str]:
    """The labels of nodes that have the accelerator which a spec names; none for cpu.

    Raises:
        SpecError: the provider has no such accelerator.
    """
    if training.accelerator == "cpu":
        return {}
    known = LABELS[provider]
    if training.accelerator == "gpu":
        return {**known.every_gpu, **_valued({known.gpu: training.accelerator_type})}
    if not known.tpu:
        having = ", ".join(name for name, labels in LABELS.items() if labels.tpu)
        raise SpecError(f"training.accelerator: tpu is not to be had on pools of {provider}; POOLS may be {having}")
    return _valued({known.tpu: training.accelerator_type, known.topology: training.tpu_topology})


def _valued(labels: Mapping[str, str | None]) -> dict[str, str]:
    return {label: value for label, value in labels.items() if value}


def devices(training: Training) -> Mapping[str, str]:
    """The devices that the training asks a node for, by resource name; none for cpu."""
    resource = {"gpu": GPU_RESOURCE, "tpu": TPU_RESOURCE}.get(training.accelerator)
    return {resource: str(training.accelerator_count)} if resource else {}


def tolerations(training: Training, provider: Provider = "canario") -> list[dict[str, str]]:
    """The tolerations of a pod that may use the accelerator's nodes; none for cpu."""
    more = LABELS[provider].taints if training.accelerator == "gpu" else ()
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in (*devices(training), *more)]
