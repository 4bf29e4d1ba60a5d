"""Applies what nobody else manages: on a shared cluster, the same objects may be a cloud's or another team's."""

from __future__ import annotations

import re
from typing import Final

from k8s.cluster.kubectl import apply, kubectl
from k8s.errors import ClusterError

#: kubectl's words where another manager set a field to another value.
#: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
_CONFLICT: Final = re.compile(r"conflicts? with \"([^\"]+)\"")


#: Who manages definitions that came with a Helm release.
HELM: Final = frozenset({"helm", "helm-controller"})


def apply_unowned(name: str, option: str, what: str, ours: frozenset[str] = frozenset()) -> None:
    """Applies a controller's manifest or folder, unless others manage a part of it: then nothing is changed.

    `ours` are managers whose fields are taken over.

    Raises:
        ClusterError: others manage it, or the cluster refuses.
    """
    managers = _managers(option, what)
    if others := sorted(set(managers) - ours):
        raise ClusterError(
            f"{name}: is not installed, and nothing was changed: the cluster has another version of it, which is "
            f"managed by {', '.join(others)}. Ask there for one that is new enough, which is then taken as it is, or "
            "for none (on GKE `gateway_api_config` with CHANNEL_DISABLED). If that is you: "
            f"`kubectl apply --server-side --force-conflicts {option} {what}`, then again"
        )
    apply(option, what, force=bool(managers))


def _managers(option: str, what: str) -> list[str]:
    """Who else manages what would be applied; asked without a change, because an apply would do a part of it."""
    try:
        kubectl("apply", "--server-side", "--dry-run=server", option, what)
    except ClusterError as error:
        # Any other refusal may be due to what the apply itself makes first, such as a namespace; it says the rest.
        return sorted(set(_CONFLICT.findall(str(error))))
    return []
