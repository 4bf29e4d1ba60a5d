"""A Kubernetes API on loopback, as strict as the real one in what a step asks of it.

It refuses what the service account has no right to, a name that is taken, one that is no DNS label, fields of a Job
that do not go together, and a deletion of another object than was meant. What an owner owns goes with it. It runs no
pods: a test says what happens, as one `act` before each look at the Job.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Document = dict[str, Any]
Right = tuple[str, str, str]

_KUEUE = "kueue.x-k8s.io"
_GROUPS = {"jobs": "batch", "networkpolicies": "networking.k8s.io"}
_GROUPS |= {"workflows": "argoproj.io", "workloads": _KUEUE}
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_VERBS = {"POST": "create", "DELETE": "delete"}


class RefusalError(Exception):
    """A Status that the API answers with."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class KubernetesStandIn:
    """Objects by resource and name, in one namespace; `made` names every object that was ever made."""

    namespace = "runs"

    def __init__(self, rights: Iterable[Right]) -> None:
        self.rights = set(rights)
        self.objects: dict[tuple[str, str], Document] = {}
        self.made: list[tuple[str, str]] = []
        self.acts: list[Callable[[], None]] = []
        self.away = 0
        self.has_kueue = True
        self._version = 0
        self._lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.server.server_port}"

    # --- what tests do and see ---------------------------------------------------------------

    def put(self, resource: str, document: Document) -> Document:
        """Makes an object without asking for rights."""
        with self._lock:
            self._version += 1
            metadata = document.setdefault("metadata", {})
            metadata.setdefault("uid", f"uid-{self._version}")
            metadata.setdefault("creationTimestamp", f"2025-01-01T00:00:{self._version % 60:02}Z")
            metadata["resourceVersion"] = str(self._version)
            document.setdefault("status", {})
            self.objects[resource, metadata["name"]] = document
            self.made.append((resource, metadata["name"]))
            return document

    def only(self, resource: str) -> Document:
        """The one object of a resource."""
        (found,) = self.all(resource)
        return found

    def all(self, resource: str) -> list[Document]:
        """All objects of a resource."""
        with self._lock:
            return [document for (kind, _), document in self.objects.items() if kind == resource]

    def pod(self, index: int, phase: str = "Running", **status: Any) -> None:
        """Makes the pod of a worker, or changes its status."""
        job = self.only("jobs")
        name = f"{job['metadata']['name']}-{index}-pod"
        template = job["spec"]["template"]
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-completion-index": str(index)}
        owner = [{"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}]
        metadata = {"name": name, "labels": labels, "ownerReferences": owner}
        spec = {**template["spec"], "nodeName": "" if phase == "Pending" else "node1"}
        self.put("pods", {"metadata": metadata, "spec": spec, "status": {"phase": phase, **status}})

    def end(self, index: int, code: int, message: str = "", reason: str = "Error", **status: Any) -> None:
        """Ends a worker."""
        terminated = {"exitCode": code, "reason": reason, "message": message, "finishedAt": "2025-01-01T00:01:00Z"}
        states = [{"name": "worker", "state": {"terminated": terminated}}]
        self.pod(index, "Failed" if code else "Succeeded", containerStatuses=states, **status)

    def condition(self, kind: str, reason: str = "", message: str = "") -> None:
        """Sets a condition of the Job."""
        found = {"type": kind, "status": "True", "reason": reason, "message": message}
        self.only("jobs")["status"].setdefault("conditions", []).append(found)

    def remove(self, resource: str, name: str) -> None:
        """Removes an object and what it owns."""
        with self._lock:
            uid = self.objects.pop((resource, name))["metadata"]["uid"]
            for (kind, owned), document in list(self.objects.items()):
                if any(owner["uid"] == uid for owner in document["metadata"].get("ownerReferences", ())):
                    self.remove(kind, owned)

    # --- what the API does -------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Document) -> Any:
        """The answer to one request."""
        with self._lock:
            if self.away:
                self.away -= 1
                raise RefusalError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            if path == f"/apis/{_KUEUE}":
                return self._kueue()
            parts = path.split("/namespaces/")[1].split("/")
            assert parts[0] == self.namespace, path
            resource, name = "/".join([parts[1], *parts[3:]]), parts[2] if len(parts) > 2 else ""
            self._check_right(_VERBS.get(method, "get" if name else "list"), resource)
            if method == "POST":
                return self._create(resource, body)
            if method == "DELETE":
                return self._delete(resource, name, body)
            return self._get(resource, name) if name else self._list(resource, query)

    def _kueue(self) -> Document:
        """The versions of Kueue's API, which every account may read."""
        if not self.has_kueue:
            raise RefusalError(404, "NotFound", "the server could not find the requested resource")
        return {"kind": "APIGroup", "name": _KUEUE, "preferredVersion": {"version": "v1beta2"}}

    def _check_right(self, verb: str, resource: str) -> None:
        group = _GROUPS.get(resource, "")
        if (group, resource, verb) not in self.rights:
            raise RefusalError(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "system:serviceaccount:runs:runner" cannot {verb} resource '
                f'"{resource}" in API group "{group}" in the namespace "{self.namespace}"',
            )

    def _create(self, resource: str, body: Document) -> Document:
        name = body["metadata"]["name"]
        if not _NAME.fullmatch(name):
            raise RefusalError(422, "Invalid", f"metadata.name: Invalid value: {name!r}")
        if (resource, name) in self.objects:
            raise RefusalError(409, "AlreadyExists", f'{resource} "{name}" already exists')
        if resource == "jobs":
            _check_job(body)
        return self.put(resource, body)

    def _get(self, resource: str, name: str) -> Any:
        if resource == "jobs" and self.acts:
            self.acts.pop(0)()
        if resource == "pods/log":
            return f"the log of {name}"
        if (resource, name) not in self.objects:
            raise RefusalError(404, "NotFound", f'{resource} "{name}" not found')
        return self.objects[resource, name]

    def _list(self, resource: str, query: dict[str, list[str]]) -> Document:
        labels = _pairs(query.get("labelSelector", [""])[0])
        fields = _pairs(query.get("fieldSelector", [""])[0])
        items = [
            document
            for document in self.all(resource)
            if labels.items() <= document["metadata"].get("labels", {}).items()
            and all(_field(document, path) == value for path, value in fields.items())
        ]
        return {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _delete(self, resource: str, name: str, options: Document) -> Document:
        found = self._get(resource, name)
        uid = options.get("preconditions", {}).get("uid")
        if uid and uid != found["metadata"]["uid"]:
            raise RefusalError(409, "Conflict", f"the UID in the precondition ({uid}) does not match")
        self.remove(resource, name)
        return {"kind": "Status", "status": "Success"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                split = urlsplit(self.path)
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                try:
                    self._send(200, stand_in.answer(self.command, split.path, parse_qs(split.query), body))
                except RefusalError as refusal:
                    about = {"kind": "Status", "status": "Failure", "reason": refusal.reason, "code": refusal.code}
                    self._send(refusal.code, {**about, "message": refusal.message})

            def _send(self, status: int, answer: Any) -> None:
                content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 -- the names of http.server

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


def _check_job(body: Document) -> None:
    """The rules of the API for a Job of workers: https://kubernetes.io/docs/concepts/workloads/controllers/job."""
    spec, pod = body["spec"], body["spec"]["template"]["spec"]
    longest = len(f"{body['metadata']['name']}-{spec['completions'] - 1}")
    if longest > 63:
        raise RefusalError(422, "Invalid", "metadata.name: a pod's host name would have more than 63 characters")
    if "podFailurePolicy" in spec and pod["restartPolicy"] != "Never":
        raise RefusalError(422, "Invalid", "spec.template.spec.restartPolicy: only Never goes with podFailurePolicy")
    if "successPolicy" in spec and spec["completionMode"] != "Indexed":
        raise RefusalError(422, "Invalid", "spec.successPolicy: requires indexed completion mode")
    mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
    if not mounted <= {volume["name"] for volume in pod["volumes"]}:
        raise RefusalError(422, "Invalid", "spec.containers[0].volumeMounts: Not found")


def _pairs(selector: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in selector.split(",") if pair)


def _field(document: Document, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part, {})
    return document
