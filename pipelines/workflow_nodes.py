"""What Argo's record of a run says about each step: why it waits, how often it was tried, how it ended.

Kubeflow's own answer names no reason of anything. Its older answer carries Argo's workflow as text, in which each pod
is a node with a message: the scheduler's or the kubelet's words while the pod waits, and after it failed the sentence
that the step left for Kubernetes (`/dev/termination-log`). A step `train` is these nodes below `<workflow>.root`:

- `train-driver`: Kubeflow's pod that looks up the inputs, and an earlier answer to them
- `train.executor`: skipped if there is an earlier answer
- `train.executor(0)`, `train.executor(1)`: the pods of the step itself, one for each try
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: The words for a step's state.
WAITING: Final = "pending"
STARTING: Final = "starting"
RUNNING: Final = "running"
REUSED: Final = "reused"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
#: What a pod goes through without anybody's help.
_ORDINARY: Final = ("", "ContainerCreating", "PodInitializing")
_ENDED_BADLY: Final = ("Failed", "Error")
#: How Argo words the end of a container: `main: Error (exit code 1): the text of /dev/termination-log`.
_CONTAINER_END: Final = re.compile(r"(?:[a-z-]+: )?(\w+) \(exit code (\d+)\)(?:: (.*))?", re.DOTALL)
_TOO_LONG: Final = ("Pod was active on the node longer than the specified deadline", "Step exceeded its deadline")

#: The number of a try of something that holds other nodes.
_TRY_ABOVE: Final = re.compile(r"\(\d+\)(?=\.)")

Node = Mapping[str, Any]


@dataclass(frozen=True)
class StepState:
    """The state of one step.

    Attributes:
        word: one of the words above.
        why: the reason of a wait or of a failure; empty for the other words.
        lost: for each try that failed and was followed by another, or will be, its reason.
        pod: the name of the newest pod; empty if there is none yet.
    """

    word: str
    why: str = ""
    lost: tuple[str, ...] = ()
    pod: str = ""


def read_nodes(manifest: str) -> dict[str, Any]:
    """The nodes of a workflow, each under its path below the workflow's name; empty if the text has none.

    Argo compresses the nodes of a workflow above 1 MB.
    """
    workflow = _workflow(manifest)
    status = workflow.get("status") or {}
    try:
        packed = status.get("compressedNodes")
        nodes = json.loads(gzip.decompress(base64.b64decode(packed))) if packed else status.get("nodes") or {}
    except (ValueError, OSError, zlib.error, EOFError):
        return {}
    name = (workflow.get("metadata") or {}).get("name", "")
    return {_path(str(node.get("name", "")), name): {**node, "pod": _pod(name, node)} for node in nodes.values()}


def _path(node: str, workflow: str) -> str:
    """The path of a node in the graph. Kubeflow lets Argo retry each level, and so `(0)` stands behind each name."""
    return _TRY_ABOVE.sub("", node).removeprefix(f"{workflow}.")


def was_ended(manifest: str) -> bool:
    """Whether somebody ended the run by hand: Kubeflow then leaves the workflow no time."""
    return (_workflow(manifest).get("spec") or {}).get("activeDeadlineSeconds") == 0


def _workflow(manifest: str) -> dict[str, Any]:
    try:
        workflow = json.loads(manifest or "{}")
    except ValueError:
        return {}
    return workflow if isinstance(workflow, dict) else {}


def step_states(nodes: Mapping[str, Node], steps: Collection[str]) -> dict[str, StepState]:
    """The states of the steps that have begun, by name; `kubeflow` is its own first pod if that waits or failed."""
    states = {step: _step_state(nodes, f"root.{step}") for step in steps}
    first = _driver(nodes, "root-driver")
    if first and first.get("phase") in ("Pending", *_ENDED_BADLY):
        states["kubeflow"] = _driver_state(first)
    return {step: state for step, state in states.items() if state is not None}


def _step_state(nodes: Mapping[str, Node], path: str) -> StepState | None:
    executor, driver = nodes.get(f"{path}.executor"), _driver(nodes, f"{path}-driver")
    tries = _tries(nodes, f"{path}.executor")
    if tries:
        return _pod_state(tries, executor)
    if executor and "Skipped" in (executor.get("type"), executor.get("phase")):
        return StepState(REUSED)
    # What stands after a failed step is never begun.
    return _driver_state(driver) if driver and driver.get("phase") != "Omitted" else None


def _driver(nodes: Mapping[str, Node], path: str) -> Node | None:
    """The newest pod of a driver, or the node above it before there is a pod."""
    tries = _tries(nodes, path)
    return tries[-1] if tries else nodes.get(path)


def _tries(nodes: Mapping[str, Node], path: str) -> list[Node]:
    found = [nodes[f"{path}({number})"] for number in range(100) if f"{path}({number})" in nodes]
    alone = nodes.get(path)
    return found or ([alone] if alone and alone.get("type") == "Pod" else [])


def _pod_state(tries: list[Node], executor: Node | None) -> StepState:
    newest, pod = tries[-1], str(tries[-1]["pod"])
    lost = tuple(reason(str(node.get("message", ""))) for node in tries[:-1])
    phase, message = newest.get("phase"), str(newest.get("message", ""))
    if phase in _ENDED_BADLY and executor is not None and executor.get("phase") in ("Running", "Pending"):
        # Argo has not decided yet, or waits until it is time for the next try. After a container's own failure it waits
        # as well, and only then finds that it need not try again.
        pauses = phase == "Error" and str(executor.get("message", "")).startswith("Backoff")
        return StepState(WAITING, "", (*lost, reason(message)) if pauses else lost, pod)
    if phase in _ENDED_BADLY:
        return StepState(FAILED, reason(message), lost, pod)
    if phase == "Pending":
        return _waiting(message, lost, pod)
    return StepState(SUCCEEDED if phase == "Succeeded" else RUNNING, "", lost, pod)


def _driver_state(driver: Node) -> StepState:
    message, pod = str(driver.get("message", "")), str(driver["pod"])
    if driver.get("phase") in _ENDED_BADLY:
        return StepState(FAILED, f"Kubeflow's own pod failed: {reason(message)}", (), pod)
    return _waiting(message, (), pod) if driver.get("phase") == "Pending" else StepState(STARTING, "", (), pod)


def _waiting(message: str, lost: tuple[str, ...], pod: str) -> StepState:
    ordinary = message in _ORDINARY
    return StepState(STARTING if ordinary else WAITING, "" if ordinary else message, lost, pod)


def reason(message: str) -> str:
    """The reason of a pod's failure, from Argo's message."""
    if message.startswith(_TOO_LONG):
        return "it took longer than it may; training.timeout_minutes in the spec is the limit of tune and train"
    found = _CONTAINER_END.fullmatch(message)
    if not found:
        return message or "no reason is given"
    why, status, told = found[1], found[2], (found[3] or "").strip()
    if why == "OOMKilled":
        return "it needed more memory than it may use (OOMKilled); raise resources.<step>.limits.memory in the spec"
    return told or f"it ended with exit code {status} and left no reason; its log says more"


def _pod(workflow: str, node: Node) -> str:
    """The pod's name, as Argo makes it of the workflow, the template and the hash at the end of the node's id."""
    ending = str(node.get("id", "")).rpartition("-")[2]
    return f"{workflow}-{node.get('templateName', '')}-{ending}"
