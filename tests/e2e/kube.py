"""The cluster that KUBECONFIG names, through kubectl: ask, wait with a deadline, say what was seen when it is over."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Seen = TypeVar("Seen")

#: What restricted Pod Security asks of each container.
CONTAINER_SECURITY: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

_LOOK_SECONDS = 0.5
_LOG_LINES = "40"


class KubeError(Exception):
    """kubectl refused; holds its words."""


@dataclass(frozen=True)
class Kube:
    """One namespace of a cluster."""

    namespace: str

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl writes.

        Raises:
            KubeError: it failed.
        """
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubeError(f"{' '.join(command)}\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, *what: str) -> Any:
        """An object, or a list's objects, as the API has them; None when it is not there."""
        found = self.run("get", *what, "--ignore-not-found", "-o", "json")
        document = json.loads(found) if found.strip() else None
        return document["items"] if document and document["kind"].endswith("List") else document

    def apply(self, *objects: dict[str, Any]) -> None:
        """Makes objects, or makes them so."""
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        """The port of this machine behind which `pod/NAME` or `service/NAME` listens at `port`, as long as it lasts."""
        command = ["kubectl", "--namespace", self.namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
            try:
                assert forward.stdout is not None
                said = forward.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", said)
                assert found, f"kubectl port-forward said {said!r}"
                yield int(found[1])
            finally:
                forward.terminate()

    def wait(self, what: str, look: Callable[[], Seen | None], seconds: float) -> Seen:
        """Looks until there is something to see.

        Raises:
            AssertionError: the deadline has passed; says what the namespace looked like.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = look()
            if seen:
                return seen
            time.sleep(_LOOK_SECONDS)
        raise AssertionError(f"{what}: not within {seconds:g} s\n{self.described()}")

    def everything(self) -> frozenset[str]:
        """Kind and name of every object, but for those that only tell what happened, and measurements."""
        kinds = self.run("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
        kept = [kind for kind in kinds if not kind.startswith("events") and not kind.endswith("metrics.k8s.io")]
        return frozenset(self.run("get", ",".join(kept), "-o", "name").split())

    def described(self) -> str:
        """What a person would look at first: objects, events, and the ends of the logs."""
        parts = [
            self._said("get", "pods,deployments,hpa,canaries,httproutes", "-o", "wide"),
            self._said("get", "events", "--sort-by=.lastTimestamp"),
            *(self._log(pod) for pod in self.run("get", "pods", "-o", "name").split()),
        ]
        return "\n\n".join(parts)

    def _log(self, pod: str) -> str:
        return f"--- log of {pod}\n{self._said('logs', pod, '--all-containers', '--tail', _LOG_LINES)}"

    def _said(self, *arguments: str) -> str:
        try:
            return self.run(*arguments)
        except KubeError as error:
            return str(error)
