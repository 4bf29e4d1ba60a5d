"""Follows a training Job from its start until its model is on this machine."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from components.jobs.train_worker import TAKEN
from components.jobs.training_job import INSTANCE, MODEL_FOLDER
from components.models.trained import FIT
from components.package.model_package import MODEL
from k8s.cluster.kubectl import get_json, kubectl, kubectl_bytes, kubectl_process
from k8s.training.errors import TrainingError

_LOOK_SECONDS: Final = 0.5
_LOG_SECONDS: Final = 5.0
#: Extra time for the cluster to end a Job that is over time.
_SLACK_SECONDS: Final = 60.0


#: The reason of a Job's Event when the API server refuses one of its pods.
_REFUSED: Final = "FailedCreate"


class TrainingJob:
    """One training in a namespace."""

    def __init__(self, name: str, namespace: str, say: Callable[[str], None]) -> None:
        self._name, self._say = name, say
        self._place = ("--namespace", namespace)
        self._told: dict[str, str] = {}
        self._refused: set[str] = set()
        self._logs: dict[str, subprocess.Popen[bytes]] = {}
        self._model = b""

    @contextmanager
    def brought(self, objects: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Creates the objects on the cluster, and removes them all afterwards.

        Raises:
            ClusterError: the cluster is not reached, or refuses an object.
        """
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        try:
            # Not `apply`, which also stores the inputs in an annotation, where only a quarter of their size fits.
            self._bytes("create", "-f", "-", stdin=document.encode())
            yield
        finally:
            for log in self._logs.values():
                _end(log)
            kinds, selector = "jobs,services,networkpolicies,configmaps", f"{INSTANCE}={self._name}"
            # In the foreground, the pods are gone before their Job.
            kubectl(*self._place, "delete", kinds, "--selector", selector, "--cascade=foreground")

    def model(self, out: Path, seconds: float) -> None:
        """Waits for the Job and writes its model to the folder `out`.

        Raises:
            TrainingError: the Job failed, or did not end in `seconds` and some slack.
            ClusterError: the cluster is not reached.
        """
        deadline = time.monotonic() + seconds + _SLACK_SECONDS
        while time.monotonic() < deadline:
            pods = self._get("pods", "--selector", f"{INSTANCE}={self._name}")["items"]
            self._tell(pods)
            job = self._get("job", self._name)
            if len(pods) < job["spec"]["parallelism"]:
                self._tell_refusals()
            if verdict(job, pods):
                _unpack(self._model, out)
                return
            self._take(pods)
            time.sleep(_LOOK_SECONDS)
        raise TrainingError(f"job {self._name} did not end in {seconds + _SLACK_SECONDS:g} s")

    def _tell(self, pods: Sequence[Mapping[str, Any]]) -> None:
        """Reports what changed since the last look, and shows the log of every worker that has started."""
        for pod in pods:
            name, state = pod["metadata"]["name"], pod_state(pod)
            if self._told.get(name) != state:
                self._told[name] = state
                self._say(f"{name}: {state}")
            if name not in self._logs and pod["status"]["phase"] in ("Running", "Succeeded", "Failed"):
                self._logs[name] = kubectl_process(*self._place, "logs", "--follow", "--prefix", f"pod/{name}")

    def _tell_refusals(self) -> None:
        """Reports why the cluster refuses to create pods; it keeps trying, so the wait goes on."""
        about = f"involvedObject.kind=Job,involvedObject.name={self._name},reason={_REFUSED}"
        for why in refusals(self._get("events", "--field-selector", about)["items"]):
            if why not in self._refused:
                self._refused.add(why)
                self._say(f"job {self._name}: no pod is made: {why}")

    def _take(self, pods: Sequence[Mapping[str, Any]]) -> None:
        """Fetches the model from the worker that has it, and tells that worker to end."""
        for pod in pods:
            statuses = pod["status"].get("containerStatuses") or [{}]
            if not self._model and statuses[0].get("ready"):
                execute = ("exec", pod["metadata"]["name"], "--")
                self._model = self._bytes(*execute, "tar", "-cf", "-", "-C", MODEL_FOLDER, MODEL, FIT)
                self._bytes(*execute, "touch", f"{MODEL_FOLDER}/{TAKEN}")

    def _get(self, *what: str) -> Any:
        return get_json(*self._place, "get", *what)

    def _bytes(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        return kubectl_bytes(*self._place, *arguments, given=stdin)


def verdict(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the Job is complete, or still runs.

    Raises:
        TrainingError: the Job failed; names the reason and how its workers ended.
    """
    conditions = {each["type"]: each for each in job["status"].get("conditions", ()) if each["status"] == "True"}
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    if failed:
        name, why = job["metadata"]["name"], f"{failed['reason']}: {failed['message']}"
        ends = "; ".join(f"{pod['metadata']['name']}: {pod_state(pod)}" for pod in pods) or "no pod is left"
        raise TrainingError(f"job {name} failed ({why}); {ends}")
    return "Complete" in conditions


def refusals(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The reasons why pods were refused, each once; the random pod name of each try is left out."""
    said = (re.sub(r'pods? "[^"]*"', "its pod", event["message"]) for event in events)
    return list(dict.fromkeys(said))


def pod_state(pod: Mapping[str, Any]) -> str:
    """A phrase with the phase, the node, and why the pod waits or how it ended."""
    status = pod["status"]
    state: Mapping[str, Any] = (status.get("containerStatuses") or [{}])[0].get("state", {})
    if "terminated" in state:
        end = state["terminated"]
        return f"ended with {end['exitCode']} ({end.get('reason', 'no reason given')})"
    node = pod["spec"].get("nodeName")
    waits = [each.get("message", "") for each in status.get("conditions", ()) if each.get("reason") == "Unschedulable"]
    why = state.get("waiting", {}).get("reason") or "".join(waits)
    return f"{status['phase']}{f' on {node}' if node else ''}{f': {why}' if why else ''}"


def _unpack(archive: bytes, out: Path) -> None:
    if not archive:
        raise TrainingError("the Job is complete, and no worker showed a model; its log says more")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(out, filter="data")


def _end(log: subprocess.Popen[bytes]) -> None:
    """Waits a moment for the rest of a log, then ends its reader."""
    try:
        log.wait(_LOG_SECONDS)
    except subprocess.TimeoutExpired:
        log.kill()
        log.wait()
