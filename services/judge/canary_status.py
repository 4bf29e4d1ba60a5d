"""How a rollout ended, as its Canary says: Flagger tells of it once, perhaps while no judge listened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from services.judge.webhook import WebhookPayload, payload_of

#: Flagger's phases in which nothing is under way; Initialized is that of a first version.
OVER: Final = ("Initialized", "Succeeded", "Failed")


class RolloutEnd(NamedTuple):
    """The end of a rollout. `question` names the release, `at` is its time as Kubernetes writes it."""

    question: WebhookPayload
    at: str

    @property
    def failed(self) -> bool:
        """Whether the release was rolled back; otherwise it serves."""
        return self.question.phase == "Failed"


def turned_at(status: Mapping[str, Any]) -> str:
    """When a Canary came to its phase, as Kubernetes writes a time; empty where its status does not say.

    It is the time of the condition: as long as a canary is Failed, Flagger renews the status' own
    lastTransitionTime at every look (flagger v1.44, pkg/controller/scheduler.go: shouldAdvance).
    """
    conditions = (one for one in status.get("conditions") or () if one.get("reason") == status.get("phase"))
    return max((str(one.get("lastUpdateTime") or "") for one in conditions), default="")


def rollout_end(canary: dict[str, Any]) -> RolloutEnd | None:
    """What a Canary says of its rollout's end; None while one is under way, or if it does not say of which release.

    The status does not name the release, the spec does, if it was not written since. Without
    the times of its writing (k8s.io/apimachinery, ManagedFieldsEntry) nobody knows, and it is none.

    Args:
        canary: an object of flagger.app/v1beta1.

    Raises:
        QuestionError: its webhook's metadata cannot be understood.
    """
    status, metadata = canary.get("status") or {}, canary["metadata"]
    phase, at = status.get("phase"), turned_at(status)
    writings = [one for one in metadata.get("managedFields") or [] if one.get("subresource") != "status"]
    written = max((str(one.get("time") or "~") for one in writings), default="~")  # "~" is after every time
    if phase not in OVER or not at or written >= at:
        return None
    webhooks = (canary["spec"].get("analysis") or {}).get("webhooks") or []
    told = next((one.get("metadata") for one in webhooks if one.get("type") == "event"), None)
    if not (told or {}).get("version"):
        return None
    payload = {"name": metadata["name"], "namespace": metadata["namespace"], "phase": phase, "metadata": told}
    return RolloutEnd(payload_of(payload), at)
