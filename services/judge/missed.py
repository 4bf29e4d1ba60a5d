"""Rollouts that failed while no judge listened: Flagger tells of a rollback once, and a Canary remembers it."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.judge.question import Question, question_of


class Failure(NamedTuple):
    """A rollback as a Canary remembers it. `at` is its time, as Kubernetes writes it."""

    question: Question
    at: str


def failure(canary: dict[str, Any]) -> Failure | None:
    """What a Canary says of a rollback: what Flagger would tell; None if it says none, or not for which release.

    The status does not name the release that failed, the spec does, if it was not written since. Without
    the times of its writing (k8s.io/apimachinery, ManagedFieldsEntry) nobody knows, and it is none.

    Args:
        canary: an object of flagger.app/v1beta1.

    Raises:
        QuestionError: its webhook's metadata cannot be understood.
    """
    status, metadata = canary.get("status") or {}, canary["metadata"]
    at = str(status.get("lastTransitionTime") or "")
    writings = [one for one in metadata.get("managedFields") or [] if one.get("subresource") != "status"]
    written = max((str(one.get("time") or "~") for one in writings), default="~")  # "~" is after every time
    if status.get("phase") != "Failed" or not at or written >= at:
        return None
    webhooks = (canary["spec"].get("analysis") or {}).get("webhooks") or []
    told = next((one.get("metadata") for one in webhooks if one.get("type") == "event"), None)
    if not (told or {}).get("version"):
        return None
    payload = {"name": metadata["name"], "namespace": metadata["namespace"], "phase": "Failed", "metadata": told}
    return Failure(question_of(payload), at)
