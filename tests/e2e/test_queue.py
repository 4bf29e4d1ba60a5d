"""Workers in a queue of a real Kueue: they wait for all their quota at once, and keep it when one of them is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.jobs.queue_state import JOB
from tests.e2e.kube import Kube
from tests.e2e.training_ground import MANY, Ground, Step, ground_in
from tests.patience import patient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NAMESPACES = ["e2e-queue"]
_API = "kueue.x-k8s.io/v1beta2"
_QUEUE = "trainings"
_WORKERS = "app.kubernetes.io/name=training"
#: Each worker asks for 250m.
FOR_ONE, FOR_TWO = "400m", "500m"


def flavor() -> dict[str, Any]:
    """Nodes of any kind."""
    return {"apiVersion": _API, "kind": "ResourceFlavor", "metadata": {"name": NAMESPACES[0]}, "spec": {}}


def cluster_queue(cpu: str, stop: str = "None") -> dict[str, Any]:
    """The quota of all trainings together; with `stop`, Kueue takes back what runs."""
    quotas = [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "8Gi"}]
    flavors = [{"name": NAMESPACES[0], "resources": quotas}]
    groups = [{"coveredResources": ["cpu", "memory"], "flavors": flavors}]
    spec = {"namespaceSelector": {}, "resourceGroups": groups, "stopPolicy": stop}
    return {"apiVersion": _API, "kind": "ClusterQueue", "metadata": {"name": NAMESPACES[0]}, "spec": spec}


@pytest.fixture(scope="module")
def kueue(cluster: None) -> str:
    """The cluster's kind of queues; without it these tests are skipped."""
    kind = "clusterqueues.kueue.x-k8s.io"
    if Kube("default").get("crd", kind) is None:
        pytest.skip("this cluster has no Kueue")
    return kind


@pytest.fixture(scope="module")
def ground(kueue: str, steps_image: str) -> Iterator[Ground]:
    with ground_in(NAMESPACES[0], steps_image) as made:
        queue = {"apiVersion": _API, "kind": "LocalQueue", "metadata": {"name": _QUEUE}}
        made.kube.apply(flavor(), cluster_queue(FOR_TWO), {**queue, "spec": {"clusterQueue": NAMESPACES[0]}})
        yield made
        made.kube.run("delete", kueue, NAMESPACES[0])
        made.kube.run("delete", "resourceflavors.kueue.x-k8s.io", NAMESPACES[0])


def admission(step: Step) -> Any:
    """What Kueue gave the Job of a step: the time, and the quota; None before."""
    (workload,) = step.kube.get("workloads.kueue.x-k8s.io", "-l", f"{JOB}={step.job()['metadata']['uid']}")
    status = workload.get("status", {})
    times = [each["lastTransitionTime"] for each in status.get("conditions", ()) if each["type"] == "Admitted"]
    return (times, status["admission"]) if "admission" in status else None


def leaves_nothing(step: Step) -> None:
    """Waits until neither the workers nor Kueue keep anything."""
    step.leaves_nothing()
    step.kube.wait("no workload is left", lambda: not step.kube.get("workloads.kueue.x-k8s.io"), patient(60))


def test_a_quota_for_one_worker_starts_none_and_is_told(ground: Ground) -> None:
    ground.kube.apply(cluster_queue(FOR_ONE))
    step = ground.start("small", queue=_QUEUE)
    step.says(f"waits in queue '{_QUEUE}': couldn't assign flavors to pod set main: insufficient quota for cpu")
    assert f"maximum capacity ({FOR_ONE})" in step.said()
    assert step.job()["spec"]["suspend"]
    assert not ground.kube.get("pods", "-l", _WORKERS)

    ground.kube.apply(cluster_queue(FOR_TWO))
    step.says(f"is admitted by queue '{_QUEUE}'")
    _, given = admission(step)
    (workers,) = given["podSetAssignments"]
    assert (workers["count"], workers["resourceUsage"]["cpu"]) == (2, FOR_TWO)
    fit, _ = step.measured(step.ended("Complete"))
    assert fit.workers == 2
    leaves_nothing(step)


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_is_lost_starts_again_in_the_same_quota(ground: Ground, index: int) -> None:
    ground.kube.apply(cluster_queue(FOR_TWO))
    step = ground.start(f"killed-{index}", times=MANY, queue=_QUEUE)
    pod = step.worker(index)
    before = admission(step)
    ground.kube.run("delete", "pod", pod, "--grace-period=0", "--force")
    ground.kube.wait("the worker again", another(ground.kube, index, pod), patient(120))
    assert admission(step) == before
    said = step.ended("Complete")
    assert said.count("is admitted by queue") == 1
    fit, _ = step.measured(said)
    assert fit.resumed_after >= 1
    leaves_nothing(step)


def another(kube: Kube, index: int, than: str) -> Callable[[], bool]:
    """Whether a pod of the worker runs, and is another than the one before."""
    selector = f"batch.kubernetes.io/job-completion-index={index},{_WORKERS}"

    def runs() -> bool:
        found = kube.get("pods", "-l", selector, "--field-selector", "status.phase=Running") or []
        return any(pod["metadata"]["name"] != than for pod in found)

    return runs


def test_a_training_that_kueue_takes_back_goes_on_later(ground: Ground) -> None:
    ground.kube.apply(cluster_queue(FOR_TWO))
    step = ground.start("back", times=MANY, queue=_QUEUE)
    step.worker(0)
    ground.kube.apply(cluster_queue(FOR_TWO, stop="HoldAndDrain"))
    step.says(f"waits in queue '{_QUEUE}': The ClusterQueue is stopped")
    ground.kube.wait("no worker", lambda: not ground.kube.get("pods", "-l", _WORKERS), patient(120))
    ground.kube.apply(cluster_queue(FOR_TWO))
    said = step.ended("Complete")
    assert said.count("is admitted by queue") == 2
    fit, _ = step.measured(said)
    assert fit.resumed_after >= 1
    leaves_nothing(step)


def test_a_queue_that_is_not_there_is_told(ground: Ground) -> None:
    step = ground.start("nowhere", queue="gpus")
    step.says("waits in queue 'gpus': LocalQueue gpus doesn't exist")
    ground.kube.run("delete", "job", "nowhere", "--cascade=background")
    leaves_nothing(step)
