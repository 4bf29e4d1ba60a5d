"""Runs a compiled pipeline on a cluster, each step in a pod of its own, without Kubeflow.

Kubeflow's own parts are an API server, a database and Argo. This reads the same file and the same parameters as they
do, and each pod runs `tests.pipelines.launch`, which is as strict as Kubeflow's launcher. What it does not know it
refuses, so that no part of a graph is left out without a word. Steps run one after another; no answer is reused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

from pipelines.kubeflow import RunGraph
from tests.e2e.kube import CONTAINER_SECURITY, Kube
from tests.patience import patient
from tests.pipelines import launch

_PROGRAM: Final = "launcher"
#: The folders that Kubeflow's own pods have, and the only ones that a step may write to besides /tmp.
_FOLDERS: Final = ("gcs", "s3", "minio", ".local", ".cache", ".config")
#: What a step's pod may ask of Kubernetes, and this launcher gives.
_KNOWN: Final = {"activeDeadlineSeconds", "secretAsEnv", "nodeSelector", "tolerations"}
_POD_SECURITY: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_SECONDS: Final = 600.0


class StepFailedError(Exception):
    """A step's pod failed; holds the words that Kubernetes has of it."""


@dataclass(frozen=True)
class Launcher:
    """One run of a graph in a namespace.

    Attributes:
        graph: the compiled pipeline with the run's parameters; its root must be an address.
        run: a name for the run's pods, in small letters.
        pod: more fields of each pod.
    """

    kube: Kube
    graph: RunGraph
    run: str
    pod: Mapping[str, Any] = field(default_factory=dict)

    def run_all(self) -> dict[str, dict[str, Any]]:
        """Runs every step; returns the parameters that each told.

        Raises:
            StepFailedError: a step failed; those after it did not run.
        """
        self._keep_program()
        told: dict[str, dict[str, Any]] = {}
        for name in self.steps():
            told[name] = self._run(name, told)
        return told

    def steps(self) -> Iterator[str]:
        """The names of the steps, each after those that it depends on."""
        tasks = self._pipeline["root"]["dag"]["tasks"]
        yield from TopologicalSorter(
            {name: task.get("dependentTasks", ()) for name, task in tasks.items()}
        ).static_order()

    @property
    def _pipeline(self) -> dict[str, Any]:
        found: dict[str, Any] = next(yaml.safe_load_all(self.graph.text))
        return found

    def _wishes(self, executor: str) -> dict[str, Any]:
        """What a step asks of Kubernetes."""
        _, *platform = yaml.safe_load_all(self.graph.text)
        executors = platform[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}
        wishes: dict[str, Any] = executors.get(executor, {})
        assert wishes.keys() <= _KNOWN, f"{executor}: this launcher does not know {sorted(wishes.keys() - _KNOWN)}"
        return wishes

    def _keep_program(self) -> None:
        text = Path(launch.__file__).read_text(encoding="utf-8")
        self.kube.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _PROGRAM}, "data": {"launch.py": text}}
        )

    def _run(self, name: str, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        pod = f"{self.run}-{name}"
        self.kube.apply(self._pod(pod, name, told))
        ended = self.kube.wait(f"step {name}", lambda: self._ended(pod), patient(_SECONDS))
        said = self.kube.run("logs", pod)
        if ended["status"]["phase"] != "Succeeded":
            states = ended["status"].get("containerStatuses", [{}])
            reason = states[0].get("state", {}).get("terminated", {}).get("message", "")
            raise StepFailedError(f"{name}: {reason or ended['status'].get('message', '')}\n{said[-3000:]}")
        (line,) = [line for line in said.splitlines() if line.startswith(launch.TOLD)]
        values: dict[str, Any] = json.loads(line.removeprefix(launch.TOLD))
        return values

    def _ended(self, pod: str) -> Any:
        found = self.kube.get("pod", pod)
        return found if found and found["status"]["phase"] in ("Succeeded", "Failed") else None

    def _pod(self, pod: str, name: str, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        task = self._pipeline["root"]["dag"]["tasks"][name]
        component = self._pipeline["components"][task["componentRef"]["name"]]
        executor = component["executorLabel"]
        wishes = self._wishes(executor)
        given = self._pipeline["deploymentSpec"]["executors"][executor]["container"]
        root = f"{self.graph.root}/{self._pipeline['pipelineInfo']['name']}/{self.run}"
        launched = {
            "--executor_input": json.dumps(
                {
                    "inputs": {"parameterValues": self._inputs(task, told)},
                    "outputs": _outputs(component, f"{root}/{name}"),
                }
            ),
            "--component_spec": json.dumps(component),
            "--root": root,
        }
        container = {
            "name": "main",
            "image": given["image"],
            "command": ["python3", "/launcher/launch.py", *(word for pair in launched.items() for word in pair)],
            "args": [*given["command"], *given["args"]],
            "env": [*given.get("env", ()), *_secret_env(wishes.get("secretAsEnv", ()))],
            "resources": _resources(given.get("resources", {})),
            "terminationMessagePolicy": "File",
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": [
                {"name": _PROGRAM, "mountPath": "/launcher"},
                *({"name": _volume(folder), "mountPath": f"/{folder}"} for folder in _FOLDERS),
            ],
        }
        spec = {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(wishes["activeDeadlineSeconds"]),
            "nodeSelector": wishes.get("nodeSelector", {}).get("labels", {}),
            "tolerations": wishes.get("tolerations", []),
            "securityContext": _POD_SECURITY,
            "containers": [container],
            "volumes": [
                {"name": _PROGRAM, "configMap": {"name": _PROGRAM}},
                *({"name": _volume(folder), "emptyDir": {}} for folder in _FOLDERS),
            ],
            **self.pod,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}

    def _inputs(self, task: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        assert not task["inputs"].get("artifacts"), "this launcher downloads no artifact"
        return {name: self._value(source, told) for name, source in task["inputs"]["parameters"].items()}

    def _value(self, source: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> Any:
        ((kind, where),) = source.items()
        if kind == "taskOutputParameter":
            return told[where["producerTask"]][where["outputParameterKey"]]
        if kind == "componentInputParameter":
            defaults = self._pipeline["root"]["inputDefinitions"]["parameters"]
            return self.graph.parameters.get(where, defaults[where].get("defaultValue"))
        assert (kind, list(where)) == ("runtimeValue", ["constant"]), f"this launcher does not know {source}"
        return where["constant"]


def _outputs(component: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The places of a step's outputs, as Kubeflow's driver writes them."""
    wanted = component.get("outputDefinitions", {})
    artifacts = {
        name: {"artifacts": [{"name": name, "uri": f"{folder}/{name}", "type": one["artifactType"], "metadata": {}}]}
        for name, one in wanted.get("artifacts", {}).items()
    }
    parameters = {name: {"outputFile": f"/tmp/kfp/outputs/{name}"} for name in wanted.get("parameters", {})}
    return {"artifacts": artifacts, "parameters": parameters, "outputFile": "/tmp/kfp_outputs/output_metadata.json"}


def _secret_env(uses: Any) -> Iterator[dict[str, Any]]:
    for use in uses:
        for pair in use["keyToEnv"]:
            key = {"name": use["secretName"], "key": pair["secretKey"], "optional": use["optional"]}
            yield {"name": pair["envVar"], "valueFrom": {"secretKeyRef": key}}


def _resources(given: Mapping[str, Any]) -> dict[str, Any]:
    """Requests and limits as Kubernetes writes them; an accelerator is asked for by its limit."""
    amounts = {
        "requests": {"cpu": given.get("resourceCpuRequest"), "memory": given.get("resourceMemoryRequest")},
        "limits": {"cpu": given.get("resourceCpuLimit"), "memory": given.get("resourceMemoryLimit")},
    }
    assert "accelerator" not in given, "this launcher asks for no accelerator"
    return {kind: {name: amount for name, amount in of.items() if amount} for kind, of in amounts.items()}


def _volume(folder: str) -> str:
    return f"kfp{folder.replace('.', '-')}" if folder.startswith(".") else f"kfp-{folder}"
