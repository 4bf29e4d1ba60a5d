"""Says in words how the workers of a Job are, from what the Kubernetes API knows of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.jobs.train_worker import FINAL, LOST

Document = Mapping[str, Any]

_INDEX: Final = "batch.kubernetes.io/job-completion-index"


def worker_name(pod: Document) -> str:
    """`worker 1`, by the number that the Job gave the pod."""
    metadata = pod["metadata"]
    index = metadata.get("labels", {}).get(_INDEX) or metadata.get("annotations", {}).get(_INDEX)
    return f"worker {index}" if index is not None else f"pod {metadata['name']}"


def worker_state(pod: Document) -> str:
    """The phase, the node, and why the pod waits or how it ended."""
    end = ending(pod)
    if end:
        return f"ended{_on(pod)} with {end.get('exitCode')}{_because(pod, end)}"
    if _evicted(pod):
        return f"is evicted{_on(pod)}: {_evicted(pod)}"
    if pod["metadata"].get("deletionTimestamp"):
        return f"is stopped{_on(pod)}"
    phase = pod["status"].get("phase", "Pending")
    if phase == "Failed":
        return f"failed{_on(pod)}: {pod['status'].get('message') or pod['status'].get('reason') or 'no reason given'}"
    if phase == "Pending":
        return f"waits{_on(pod)}{_waiting_for(pod)}"
    return f"{'runs' if phase == 'Running' else 'has ended'}{_on(pod)}"


def ending(pod: Document) -> Document:
    """How the worker's container ended; empty while it has not."""
    return dict(_container_state(pod).get("terminated", {}))


def sentence(pod: Document) -> str:
    """The sentence that a worker left when it failed; empty if it left none.

    What Kubernetes shows of a worker that was killed is the end of its log.
    """
    end = ending(pod)
    return str(end.get("message", "")).strip() if end.get("exitCode") in (*FINAL, LOST) else ""


def refusals(events: Sequence[Document]) -> list[str]:
    """The reasons why pods were refused, each once; the random pod name of each try is left out."""
    said = (re.sub(r'pods? "[^"]*"', "its pod", event["message"]) for event in events)
    return list(dict.fromkeys(said))


def _because(pod: Document, end: Document) -> str:
    if _evicted(pod):
        return f": evicted: {_evicted(pod)}"
    if end.get("exitCode") == 0:
        return ""
    if end.get("reason") == "OOMKilled":
        limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
        return f": it needed more memory than its limit, {limits.get('memory', 'that of its node')}"
    return f": {sentence(pod) or end.get('reason') or 'no reason given'}"


def _evicted(pod: Document) -> str:
    """Why Kubernetes takes a pod away, as when its node is drained."""
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "DisruptionTarget" and each["status"] == "True":
            return str(each.get("message") or each.get("reason"))
    return ""


def _waiting_for(pod: Document) -> str:
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return f" for a node: {each.get('message') or each.get('reason')}"
    waiting = _container_state(pod).get("waiting", {})
    why = [waiting.get("reason", ""), waiting.get("message", "")]
    return "".join(f": {word}" for word in why if word)


def _container_state(pod: Document) -> Document:
    statuses = pod["status"].get("containerStatuses") or [{}]
    return dict(statuses[0].get("state", {}))


def _on(pod: Document) -> str:
    node = pod["spec"].get("nodeName")
    return f" on {node}" if node else ""
