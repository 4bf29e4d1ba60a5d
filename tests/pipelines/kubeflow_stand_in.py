"""A stand-in for the API of Kubeflow Pipelines 2.17, over real HTTP, which behaves as badly as the real one.

It keeps experiments, runs and recurring runs, and plays each run from a list of looks; it runs nothing. What it copies
of the server's and Argo's sources:

- no task has an `error`; pods are tasks of their own, named `executor(0)` and `train-driver`, without their step
- a step that is reused succeeds, with a child `executor` that was skipped
- a run that was ended by hand is CANCELING, then FAILED
- the older API (v1beta1) has Argo's workflow as text, with nodes and messages; above 1 MB its nodes are compressed, and
  the task details of the newer API stay as they were
- with several users each question needs a header or token that says who asks, and an experiment needs a namespace
- a refusal is JSON with `error`, `code`, `message` and `details`
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlparse

#: The size above which Argo compresses the nodes of a workflow.
ARGO_LIMIT: Final = 1024 * 1024
_WORKFLOW: Final = "small-training-x7"
_ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELED")


@dataclass(frozen=True)
class Pod:
    """A try of a step: Argo's phase of the pod, and its message."""

    phase: str
    message: str = ""


@dataclass(frozen=True)
class Step:
    """What Argo knows of a step: its driver's pod, its tries, whether an earlier answer is reused, Argo's own note."""

    driver: Pod = Pod("Succeeded")
    tries: tuple[Pod, ...] = ()
    reused: bool = False
    executor: Pod = Pod("Running")


def running(*earlier: Pod) -> Step:
    """A step whose newest pod runs."""
    return Step(tries=(*earlier, Pod("Running")))


def succeeded(*earlier: Pod) -> Step:
    """A step that succeeded."""
    return Step(tries=(*earlier, Pod("Succeeded")), executor=Pod("Succeeded"))


def failed(message: str, *earlier: Pod) -> Step:
    """A step whose last try ended with Argo's message."""
    return Step(tries=(*earlier, Pod("Failed", message)), executor=Pod("Failed", message))


def waiting(message: str, *earlier: Pod) -> Step:
    """A step whose newest pod waits."""
    return Step(tries=(*earlier, Pod("Pending", message)))


#: A step that Kubeflow looks up and does not run.
REUSED: Final = Step(reused=True, executor=Pod("Skipped", "when 'true != true' evaluated false"))

#: A step after one that failed: Argo has nodes of it, without pods.
OMITTED: Final = Step(driver=Pod("Omitted", "omitted: depends condition not met"))


@dataclass(frozen=True)
class Scene:
    """A look at a run: its state, its steps by name, Kubeflow's first pod, and bytes that fill the workflow."""

    state: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    first: Pod = Pod("Succeeded")
    filling: int = 0


def scene(state: str, **steps: Step) -> Scene:
    """A scene; `an_example` is the step an-example."""
    return Scene(state, {name.replace("_", "-"): step for name, step in steps.items()})


@dataclass(frozen=True)
class Trouble:
    """Instead of an answer: an HTTP status, or a connection that breaks (0), after some seconds.

    Only the answer is lost where `done` is true: the server has done what it was asked.
    """

    status: int = 0
    seconds: float = 0.0
    done: bool = False


class KubeflowStandIn(ThreadingHTTPServer):
    """The server. A run shows its next look at each question after it, and repeats the last.

    Attributes:
        asked: `METHOD path` of every request.
        runs: the runs that were made, as the API shows them, by id.
        recurring: the recurring runs, by id.
        trouble: what happens to the next requests to a `METHOD path`, or to all below a `METHOD path/`, each once.
    """

    daemon_threads = True

    def __init__(self, looks: Sequence[Scene | Trouble], users: Mapping[str, str] | None = None) -> None:
        """`users` maps what a request says who asks to the one namespace it may use; None is single-user mode."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.looks, self.users = list(looks), users
        self.asked: list[str] = []
        self.headers: list[Message] = []
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.recurring: dict[str, dict[str, Any]] = {}
        self.trouble: dict[str, list[Trouble]] = {}
        self.looked = threading.Event()
        self.ended: set[str] = set()
        self.made = 0
        self.details: dict[str, list[dict[str, Any]]] = {}
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"

    def add_run(self, name: str, state: str, run_id: str, experiment: str = "e1", **more: Any) -> None:
        """Adds a run that somebody made before."""
        self.experiments.setdefault(experiment, {"experiment_id": experiment, "display_name": "canario"})
        self.runs[run_id] = {
            "run_id": run_id,
            "display_name": name,
            "state": state,
            "experiment_id": experiment,
            "created_at": f"2026-01-01T00:00:{len(self.runs):02d}Z",
            "storage_state": "AVAILABLE",
            **more,
        }


class RefusalError(Exception):
    """A refusal with an HTTP status, a code of gRPC and a message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    server: KubeflowStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        where = urlparse(self.path)
        self.query = {key: values[0] for key, values in parse_qs(where.query).items()}
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
        with self.server.lock:
            self.server.asked.append(f"{self.command} {where.path}")
            self.server.headers.append(self.headers)
            trouble = self._trouble(where.path)
        try:
            if trouble:
                time.sleep(trouble.seconds)
                if not trouble.status and not trouble.seconds:
                    self.close_connection = True
                    self.connection.close()
                    return
                if trouble.done:
                    self._answer(where.path.split("/")[2:], body)
                if trouble.status:
                    raise RefusalError(trouble.status, 14, "the server has trouble")
            with self.server.lock:
                answer = self._answer(where.path.split("/")[2:], body)
        except RefusalError as refusal:
            self._send(refusal.status, {
                "error": str(refusal), "code": refusal.code, "message": str(refusal), "details": [],
            })  # fmt: skip
            return
        self._send(200, answer)

    def _trouble(self, path: str) -> Trouble | None:
        for where, troubles in self.server.trouble.items():
            asked = f"{self.command} {path}"
            if troubles and (asked == where or (where.endswith("/") and asked.startswith(where))):
                return troubles.pop(0)
        if self.command == "GET" and path.startswith("/apis/v2beta1/runs/") and isinstance(self._next(), Trouble):
            self.server.looked.set()
            return self._next(take=True)  # type: ignore[return-value]
        return None

    def _next(self, take: bool = False) -> Scene | Trouble:
        looks = self.server.looks
        return looks.pop(0) if take and len(looks) > 1 else looks[0]

    # --- what is asked ---------------------------------------------------------------

    def _answer(self, path: list[str], body: dict[str, Any]) -> dict[str, Any]:
        version, kind, *rest = path
        name, _, action = rest[0].partition(":") if rest else ("", "", "")
        if version == "v1beta1" and kind == "runs" and self.command == "GET":
            return self._older_run(name)
        kinds = {"experiments": self._experiments, "runs": self._runs, "recurringruns": self._recurring}
        if version != "v2beta1" or kind not in kinds:
            raise RefusalError(404, 5, "Not Found")
        return kinds[kind](name, action, body)

    def _may(self, namespace: str, what: str) -> None:
        """Refuses who may not use a namespace, where there are several users."""
        if self.server.users is None:
            return
        if not namespace:
            raise RefusalError(400, 3, f"{what} cannot have an empty namespace in multi-user mode")
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        user = self.headers["kubeflow-userid"] or token or self.headers["Cookie"]
        if not user:
            raise RefusalError(401, 16, "Request header error: there is no user identity header.")
        if self.server.users.get(user) != namespace:
            raise RefusalError(403, 7, f"User '{user}' is not authorized with reason: (namespace {namespace})")

    def _experiments(self, name: str, _: str, body: dict[str, Any]) -> dict[str, Any]:
        assert not name
        kept = self.server.experiments
        if self.command == "GET":
            self._may(self.query.get("namespace", ""), "An experiment")
            wanted = self._filtered(kept.values())
            found = [each for each in wanted if each.get("namespace") == self.query.get("namespace")]
            return {"experiments": found} if found else {}
        self._may(body.get("namespace") or "", "An experiment")
        kept[f"e{len(kept) + 1}"] = {**body, "experiment_id": f"e{len(kept) + 1}"}
        return kept[f"e{len(kept)}"]

    def _namespace_of(self, experiment: str) -> str:
        if experiment not in self.server.experiments:
            raise RefusalError(404, 5, f"ResourceNotFoundError: Experiment {experiment} not found.")
        return str(self.server.experiments[experiment].get("namespace") or "")

    def _runs(self, run_id: str, action: str, body: dict[str, Any]) -> dict[str, Any]:
        runs = self.server.runs
        if run_id:
            if run_id not in runs:
                raise RefusalError(404, 5, f"ResourceNotFoundError: Run {run_id} not found.")
            self._may(self._namespace_of(runs[run_id]["experiment_id"]), "A run")
            if action == "terminate":
                self.server.ended.add(run_id)
                return {}
            return self._newer_run(run_id)
        experiment = self.query.get("experiment_id") or body.get("experiment_id") or ""
        self._may(self._namespace_of(experiment), "A run")
        if self.command == "GET":
            found = [run for run in self._filtered(runs.values()) if run["experiment_id"] == experiment]
            return {"runs": found[::-1], "total_size": len(found)} if found else {}
        _check_graph(body)
        self.server.add_run(body["display_name"], "PENDING", f"run-{len(runs) + 1}", experiment)
        runs[f"run-{len(runs)}"] |= body
        return runs[f"run-{len(runs)}"]

    def _recurring(self, name: str, action: str, body: dict[str, Any]) -> dict[str, Any]:
        kept = self.server.recurring
        if name and name not in kept:
            raise RefusalError(404, 5, f"ResourceNotFoundError: recurring run {name} not found.")
        if action:
            self._may(self._namespace_of(kept[name]["experiment_id"]), "Recurring run")
            kept[name] |= {"mode": action.upper(), "status": f"{action.upper()}D"}
            return {}
        experiment = self.query.get("experiment_id") or body.get("experiment_id") or ""
        if self.command == "DELETE":
            self._may(self._namespace_of(kept[name]["experiment_id"]), "Recurring run")
            del kept[name]
            if self.query.get("propagation_policy") != "ORPHAN":  # Kubernetes ends what it owned
                self.server.ended |= {
                    run["run_id"] for run in self.server.runs.values() if run.get("recurring_run_id") == name
                }
            return {}
        self._may(self._namespace_of(experiment), "Recurring run")
        if self.command == "GET":
            found = [each for each in self._filtered(kept.values()) if each["experiment_id"] == experiment]
            return {"recurringRuns": found[::-1], "total_size": len(found)} if found else {}
        _check_graph(body)
        if len(body["trigger"]["cron_schedule"]["cron"].split()) not in (5, 6):
            raise RefusalError(
                400, 3, "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron)."
            )
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusalError(400, 3, "Max concurrency of a recurring run must be at least 1 and at most 10.")
        self.server.made += 1
        number = self.server.made
        shown = {"recurring_run_id": f"job-{number}", "created_at": f"2026-01-01T00:00:{number:02d}Z"}
        kept[f"job-{number}"] = {**body, **shown, "status": "ENABLED"}
        return kept[f"job-{number}"]

    def _filtered(self, of: Any) -> list[dict[str, Any]]:
        """What the filter lets pass, as the server reads it."""
        found = list(of)
        for each in json.loads(self.query.get("filter") or "{}").get("predicates", ()):
            assert each["operation"] in (1, "EQUALS")
            value = each.get("string_value", each.get("stringValue"))
            found = [item for item in found if item.get(each["key"]) == value]
        return found

    # --- what a run looks like ----------------------------------------------------------

    def _newer_run(self, run_id: str) -> dict[str, Any]:
        # After a slow question the trouble of the next one may be at hand.
        look = next(each for each in self.server.looks if isinstance(each, Scene))
        if self.server.looks[0] is look:
            self._next(take=True)
        self.server.looked.set()
        state = look.state
        if run_id in self.server.ended and state not in _ENDED:
            state = "CANCELING" if run_id not in self.server.details else "FAILED"
        workflow = _workflow(look, run_id in self.server.ended)
        self.server.runs[run_id] |= {"state": state, "workflow": workflow}
        if "nodes" in workflow["status"]:
            self.server.details[run_id] = _details(workflow, run_id)
        shown = {key: value for key, value in self.server.runs[run_id].items() if key != "workflow"}
        return {**shown, "run_details": {"task_details": self.server.details.get(run_id, [])}}

    def _older_run(self, run_id: str) -> dict[str, Any]:
        run = self.server.runs.get(run_id)
        if run is None:
            raise RefusalError(404, 5, f"ResourceNotFoundError: Run {run_id} not found.")
        self._may(self._namespace_of(run["experiment_id"]), "A run")
        told = json.dumps(run["workflow"]) if "workflow" in run else ""
        return {"run": {"id": run_id}, "pipeline_runtime": {"workflow_manifest": told} if told else {}}

    def _send(self, status: int, body: dict[str, Any]) -> None:
        told = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
        except OSError:  # who asked did not wait
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def _check_graph(body: Mapping[str, Any]) -> None:
    """Refuses parameters that the graph does not have, and a graph without a value that it needs."""
    spec = body["pipeline_spec"].get("pipeline_spec", body["pipeline_spec"])
    known = spec["root"]["inputDefinitions"]["parameters"]
    given = (body.get("runtime_config") or {}).get("parameters") or {}
    for name in given.keys() - known.keys():
        raise RefusalError(400, 3, f"unknown input parameter: {name}")
    for name, definition in known.items():
        if name not in given and not definition.get("isOptional") and "defaultValue" not in definition:
            raise RefusalError(
                400, 3, f"parameter {name} is not optional, yet has neither default value nor user provided"
            )


def _workflow(look: Scene, ended: bool) -> dict[str, Any]:
    """Argo's workflow; its nodes are compressed where it is too large."""
    nodes = {node["id"]: node for node in _nodes(look)}
    workflow: dict[str, Any] = {
        "metadata": {"name": _WORKFLOW},
        "spec": {"filling": "x" * look.filling, **({"activeDeadlineSeconds": 0} if ended else {})},
        "status": {"nodes": nodes},
    }
    if len(json.dumps(workflow)) > ARGO_LIMIT:
        packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
        workflow["status"] = {"compressedNodes": packed}
    return workflow


def _nodes(look: Scene) -> list[dict[str, Any]]:
    found = _retried("root-driver", "Pod", look.first, "system-dag-driver")
    for name, step in look.steps.items():
        path = f"root(0).{name}"
        if step is OMITTED:
            found += [_node(each, "Skipped", step.driver, "") for each in (f"{path}-driver", path)]
            continue
        found += _retried(f"{path}-driver", "Pod", step.driver, "system-container-driver")
        if step.driver.phase != "Succeeded":
            continue
        kind = "Skipped" if step.reused else "Retry"
        whole = Pod("Succeeded") if step.reused else step.executor
        found += _retried(path, "DAG", whole, "retry-system-container-executor")
        path = f"{path}(0)"
        found.append(_node(f"{path}.executor", kind, step.executor, "retry-system-container-impl"))
        for number, pod in enumerate(step.tries):
            found.append(_node(f"{path}.executor({number})", "Pod", pod, "retry-system-container-impl"))
    return found


def _retried(path: str, kind: str, pod: Pod, template: str) -> list[dict[str, Any]]:
    """A node for all tries, without a reason of its own, and one for the first try; seen on Kubeflow 2.17."""
    return [_node(path, "Retry", Pod(pod.phase), template), _node(f"{path}(0)", kind, pod, template)]


def _node(path: str, kind: str, pod: Pod, template: str) -> dict[str, Any]:
    return {
        "id": f"{_WORKFLOW}-{zlib.crc32(path.encode())}",
        "name": f"{_WORKFLOW}(0).{path}",
        "displayName": path.rpartition(".")[2],
        "type": kind,
        "phase": pod.phase,
        "templateName": template,
        **({"message": pod.message} if pod.message else {}),
    }


def _details(workflow: Mapping[str, Any], run_id: str) -> list[dict[str, Any]]:
    """The tasks of the newer API: no error, no path, Argo's phases in its own words."""
    words = {"Error": "FAILED", "Omitted": "RUNTIME_STATE_UNSPECIFIED"}
    return [
        {
            "run_id": run_id,
            "task_id": f"t{number}",
            "display_name": node["displayName"],
            "state": words.get(node["phase"], node["phase"].upper()),
            "child_tasks": [],
        }
        for number, node in enumerate(workflow["status"]["nodes"].values())
    ]
