"""Applies what nobody else manages: on a shared cluster, the same objects may be a cloud's or another team's."""

from __future__ import annotations

import re
from typing import Final

from k8s.cluster.kubectl import kubectl
from k8s.errors import ClusterError

#: kubectl's words where another manager set a field to another value.
#: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
_CONFLICT: Final = re.compile(r"conflicts? with \"([^\"]+)\"")


#: As whom kubectl applies if nothing is said.
KUBECTL: Final = "kubectl"
#: As whom Helm and Flux install a chart's definitions. Who upgrades them must do so under this name, or a later
#: installation of the chart by Helm 4 meets a conflict with it.
HELM: Final = "helm"
_FLUX: Final = "helm-controller"


def apply_unowned(name: str, option: str, what: str, owner: str = KUBECTL) -> None:
    """Applies a controller's manifest or folder, unless others manage a part of it: then nothing is changed.

    Args:
        name: the controller's.
        option: `--filename` or `--kustomize`.
        what: the address, file or folder.
        owner: as whom; as HELM, what Helm or Flux set before is taken over.

    Raises:
        ClusterError: others manage it, or the cluster refuses.
    """
    # Any other refusal may be due to what the apply itself makes first, such as a namespace; it says the rest.
    managers = _managers(_refusal(owner, option, what))
    if others := _others(managers, owner):
        raise ClusterError(_managed(name, others, f"{option} {what}"))
    force = ["--force-conflicts"] if managers else []
    kubectl("apply", "--server-side", *_as(owner), *force, option, what)


def obstacle(name: str, option: str, what: str, owner: str = KUBECTL) -> str:
    """Why what is there cannot be brought to a manifest or folder, in a sentence; empty if it can."""
    refusal = _refusal(owner, option, what)
    managers = _managers(refusal)
    if others := _others(managers, owner):
        return _managed(name, others, f"{option} {what}")
    if managers:
        refusal = _refusal(owner, "--force-conflicts", option, what)
    return f"{name}: the API server refuses its next version: {refusal}" if refusal else ""


def _managed(name: str, others: list[str], words: str) -> str:
    return (
        f"{name}: is not installed, and nothing was changed: the cluster has another version of it, which is "
        f"managed by {', '.join(others)}. Ask there for one that is new enough, which is then taken as it is, or "
        "for none (on GKE `gateway_api_config` with CHANNEL_DISABLED). If that is you: "
        f"`kubectl apply --server-side --force-conflicts {words}`, then again"
    )


def _as(owner: str) -> list[str]:
    return [] if owner == KUBECTL else [f"--field-manager={owner}"]


def _refusal(owner: str, *words: str) -> str:
    """What the API server would say against it, or nothing; only asked, because an apply would do a part of it."""
    try:
        kubectl("apply", "--server-side", "--dry-run=server", *_as(owner), *words)
    except ClusterError as error:
        return str(error)
    return ""


def _managers(refusal: str) -> set[str]:
    """Who else manages what would be applied."""
    return set(_CONFLICT.findall(refusal))


def _others(managers: set[str], owner: str) -> list[str]:
    return sorted(managers - ({HELM, _FLUX} if owner == HELM else set()))
