"""The end of a rollout, read from its Canary: Flagger tells of it once, perhaps while no judge listened."""

from __future__ import annotations

from typing import Any, NamedTuple

from components.releases.canary_status import FAILED, status_of
from services.judge.webhook import WebhookPayload, payload_of


class RolloutEnd(NamedTuple):
    """The end of a rollout: `question` names the release, `at` is the time as Kubernetes writes it."""

    question: WebhookPayload
    at: str

    @property
    def failed(self) -> bool:
        """Whether the release was rolled back; otherwise it serves."""
        return self.question.phase == FAILED


def rollout_end(canary: dict[str, Any]) -> RolloutEnd | None:
    """The end of a Canary's rollout; None while one is under way, or if the Canary does not say of which release.

    The spec names the release, as long as it was not written after the rollout's end. Without the times
    of its writing (k8s.io/apimachinery, ManagedFieldsEntry) that is not known, and the answer is None.

    Args:
        canary: an object of flagger.app/v1beta1.

    Raises:
        WebhookPayloadError: its webhook's metadata cannot be understood.
    """
    status, metadata = status_of(canary), canary["metadata"]
    writings = [one for one in metadata.get("managedFields") or [] if one.get("subresource") != "status"]
    written = max((str(one.get("time") or "~") for one in writings), default="~")  # "~" sorts after every time
    if not status.at_rest or not status.phase_since or written >= status.phase_since:
        return None
    webhooks = (canary["spec"].get("analysis") or {}).get("webhooks") or []
    told = next((one.get("metadata") for one in webhooks if one.get("type") == "event"), None)
    if not (told or {}).get("version"):
        return None
    payload = {"name": metadata["name"], "namespace": metadata["namespace"], "phase": status.phase, "metadata": told}
    return RolloutEnd(payload_of(payload), status.phase_since)
