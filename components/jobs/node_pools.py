"""Node pools: the labels by which one is chosen, and the devices that its nodes offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components.spec.contract import Training

#: The label that chooses a pool by its name.
POOL_LABEL: Final = "node.kubernetes.io/pool"

#: Where the accelerators are: resource name, node labels of their kind and shape, taint of their nodes.
GPU_RESOURCE: Final = "nvidia.com/gpu"
GPU_LABEL: Final = "cloud.google.com/gke-accelerator"
TPU_RESOURCE: Final = "google.com/tpu"
TPU_LABEL: Final = "cloud.google.com/gke-tpu-accelerator"
TPU_TOPOLOGY_LABEL: Final = "cloud.google.com/gke-tpu-topology"


def node_labels(training: Training) -> dict[str, str]:
    """The labels of nodes that have the accelerator which a spec names; none for cpu."""
    if training.accelerator == "cpu":
        return {}
    kind = TPU_LABEL if training.accelerator == "tpu" else GPU_LABEL
    labels = {kind: training.accelerator_type, TPU_TOPOLOGY_LABEL: training.tpu_topology}
    return {label: value for label, value in labels.items() if value}


def devices(training: Training) -> Mapping[str, str]:
    """The devices that the training asks a node for, by resource name; none for cpu."""
    resource = {"gpu": GPU_RESOURCE, "tpu": TPU_RESOURCE}.get(training.accelerator)
    return {resource: str(training.accelerator_count)} if resource else {}
