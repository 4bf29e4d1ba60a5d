"""What a step does with its Job, whatever happens to the workers, to the Job and to the step itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from components.code import ROOT
from components.errors import TrainingJobError
from components.jobs.cluster import ForbiddenError
from components.jobs.queue_state import JOB
from components.jobs.training_job import INPUTS, QUEUE, JobPlan
from k8s.training.rights import RULES
from tests.components.jobs.kubernetes_stand_in import KubernetesStandIn
from tests.components.jobs.small_job import WORKFLOW, job_run, small_plan
from tests.patience import patient

RIGHTS = [(group, what, verb) for group, what, verbs in RULES for verb in verbs]
UNSCHEDULABLE = "0/2 nodes are available: 2 Insufficient cpu."


def trained(cluster: KubernetesStandIn, *acts: Callable[[], None], plan: JobPlan | None = None) -> list[str]:
    """What a run said, while the acts happened one after the other."""
    cluster.acts = list(acts)
    said: list[str] = []
    job_run(cluster.url, plan or small_plan(), said.append).train()
    return said


def refused(cluster: KubernetesStandIn, *acts: Callable[[], None], plan: JobPlan | None = None) -> str:
    """The error of a run."""
    with pytest.raises(TrainingJobError) as raised:
        trained(cluster, *acts, plan=plan)
    return str(raised.value)


def both(act: Callable[..., None], *words: Any, **more: Any) -> Callable[[], None]:
    """Does the same to both workers."""

    def do() -> None:
        for index in (0, 1):
            act(index, *words, **more)

    return do


def done(cluster: KubernetesStandIn) -> Callable[[], None]:
    def do() -> None:
        cluster.end(0, 0)
        cluster.condition("SuccessCriteriaMet", "SuccessPolicy")

    return do


def waits(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": reason}]}


def test_a_job_is_made_told_and_removed_with_its_network(cluster: KubernetesStandIn) -> None:
    name = small_plan().name
    said = trained(cluster, both(cluster.pod, "Pending", **waits(UNSCHEDULABLE)), both(cluster.pod), done(cluster))
    assert said == [
        f"job {name}: 2 workers",
        f"worker 0 waits for a node: {UNSCHEDULABLE}",
        f"worker 1 waits for a node: {UNSCHEDULABLE}",
        "worker 0 runs on node1",
        "worker 1 runs on node1",
        "worker 0 ended on node1 with 0",
    ]
    assert cluster.made[:3] == [(kind, name) for kind in ("jobs", "services", "networkpolicies")]
    assert cluster.objects == {}


def test_the_sentence_of_the_worker_that_failed_is_the_error(cluster: KubernetesStandIn) -> None:
    def fail() -> None:
        cluster.end(0, 75, "worker 0 lost another worker: connection reset")
        cluster.end(1, 2, "column 'age' is missing")
        cluster.condition("FailureTarget", "PodFailurePolicy", "Container worker failed with exit code 2")

    assert refused(cluster, fail) == "worker 1: column 'age' is missing"
    assert cluster.objects == {}


def test_workers_that_are_lost_too_often_fail_with_the_reason(cluster: KubernetesStandIn) -> None:
    def fail() -> None:
        cluster.end(1, 137, reason="OOMKilled")
        cluster.condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")

    error = refused(cluster, fail)
    assert "BackoffLimitExceeded: Job has reached" in error
    assert "worker 1 ended on node1 with 137: it needed more memory than its limit, 2Gi" in error


def test_a_lost_worker_is_told_and_the_run_goes_on(cluster: KubernetesStandIn) -> None:
    drained = {"type": "DisruptionTarget", "status": "True", "message": "Eviction API"}
    said = trained(
        cluster,
        both(cluster.pod),
        lambda: cluster.pod(1, conditions=[drained]),
        lambda: cluster.end(0, 75, "worker 0 lost another worker: Connection reset by peer"),
        both(cluster.pod),
        done(cluster),
    )
    assert "worker 1 is evicted on node1: Eviction API" in said
    assert "worker 0 ended on node1 with 75: worker 0 lost another worker: Connection reset by peer" in said
    assert said.count("worker 1 runs on node1") == 2


def test_a_refused_pod_is_told_once(cluster: KubernetesStandIn) -> None:
    for pod in ("a", "b"):
        about = {"kind": "Job", "name": small_plan().name}
        message = f'pods "{pod}" is forbidden: exceeded quota: quota'
        event = {"metadata": {"name": pod}, "involvedObject": about, "reason": "FailedCreate", "message": message}
        cluster.put("events", event)
    said = trained(cluster, lambda: None, lambda: None, both(cluster.pod), done(cluster))
    told = [line for line in said if "no pod is made" in line]
    assert told == [f"job {small_plan().name}: no pod is made: its pod is forbidden: exceeded quota: quota"]


def workload(cluster: KubernetesStandIn, job: str = "", **status: Any) -> None:
    """What Kueue keeps of the Job, or of another."""
    labels = {JOB: job or cluster.only("jobs")["metadata"]["uid"]}
    cluster.put("workloads", {"metadata": {"name": "job-of-mine", "labels": labels}, "status": status})


def admission(cluster: KubernetesStandIn, given: bool) -> Callable[[], None]:
    """Kueue admits the Job, or takes it back."""

    def do() -> None:
        job = cluster.only("jobs")
        assert (job["spec"]["suspend"], job["metadata"]["labels"][QUEUE]) == (given, "gpus")
        job["spec"]["suspend"] = not given

    return do


def test_a_job_waits_in_its_queue_and_says_what_kueue_says(cluster: KubernetesStandIn) -> None:
    name = small_plan(queue="gpus").name
    full = {"type": "QuotaReserved", "status": "False", "message": "insufficient quota for cpu"}
    taken = {"type": "Evicted", "status": "True", "message": "Preempted to accommodate a workload"}
    said = trained(
        cluster,
        lambda: workload(cluster, "another", conditions=[{**full, "message": "something else"}]),
        lambda: workload(cluster, conditions=[full]),
        admission(cluster, given=True),
        both(cluster.pod),
        admission(cluster, given=False),
        lambda: workload(cluster, conditions=[taken, full]),
        admission(cluster, given=True),
        both(cluster.pod),
        done(cluster),
        plan=small_plan(queue="gpus"),
    )
    assert [line.removeprefix(f"job {name} ") for line in said if line.startswith(f"job {name} ")] == [
        "waits in queue 'gpus': Kueue has not looked at it yet",
        "waits in queue 'gpus': insufficient quota for cpu",
        "is admitted by queue 'gpus'",
        "waits in queue 'gpus': insufficient quota for cpu",
        "waits in queue 'gpus': Preempted to accommodate a workload; insufficient quota for cpu",
        "is admitted by queue 'gpus'",
    ]


def test_a_check_of_kueue_that_is_not_ready_is_told(cluster: KubernetesStandIn) -> None:
    check = {"name": "nodes", "state": "Pending", "message": "no node yet"}
    reserved = {"type": "QuotaReserved", "status": "True", "message": "Quota reserved in ClusterQueue gpus"}
    said = trained(
        cluster,
        lambda: workload(cluster, conditions=[reserved], admissionChecks=[check, {**check, "state": "Ready"}]),
        admission(cluster, given=True),
        both(cluster.pod),
        done(cluster),
        plan=small_plan(queue="gpus"),
    )
    assert said[1].endswith(" waits in queue 'gpus': check nodes is Pending: no node yet")


def test_a_queue_without_kueue_is_refused_before_a_job_is_made(cluster: KubernetesStandIn) -> None:
    cluster.has_kueue = False
    assert "queue 'gpus': this cluster has no Kueue" in refused(cluster, plan=small_plan(queue="gpus"))
    assert cluster.made == []
    assert trained(cluster, both(cluster.pod), done(cluster))[-1] == "worker 0 ended on node1 with 0"


# --- the step is killed, tried again, ended ----------------------------------------------------


def other_process(cluster: KubernetesStandIn) -> subprocess.Popen[str]:
    """A step in a process of its own, which has seen its two workers run."""
    cluster.acts = [both(cluster.pod)]
    command = [sys.executable, "-m", "tests.components.jobs.small_job", cluster.url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("worker 1 runs"):
                return process
        raise AssertionError(process.communicate())
    except BaseException:
        process.kill()
        process.communicate()
        raise


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """What a step still says after a signal, by which it must end."""
    with process:
        try:
            process.send_signal(number)
            said, errors = process.communicate(timeout=patient(60))
        finally:
            process.kill()
    assert process.returncode == -number, errors
    return said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_try_of_a_killed_step_adopts_its_job(cluster: KubernetesStandIn, number: signal.Signals) -> None:
    cluster.put("workflows", {"metadata": {"name": WORKFLOW["name"]}, "spec": {}})
    stopped(other_process(cluster), number)
    said = trained(cluster, done(cluster))
    assert said[0].endswith("was started by an earlier try of this step; this one goes on with it")
    assert [name for kind, name in cluster.made if kind == "jobs"] == [small_plan().name]
    assert cluster.all("jobs") == []


def test_a_run_that_is_ended_by_hand_leaves_no_job(cluster: KubernetesStandIn) -> None:
    cluster.put("workflows", {"metadata": {"name": WORKFLOW["name"]}, "spec": {"shutdown": "Terminate"}})
    stopped(other_process(cluster), signal.SIGTERM)
    assert [kind for kind, _ in cluster.objects] == ["workflows"]


def test_a_run_that_cannot_be_seen_counts_as_ended(cluster: KubernetesStandIn) -> None:
    cluster.rights.remove(("argoproj.io", "workflows", "get"))
    assert "workflows is forbidden" in stopped(other_process(cluster), signal.SIGTERM)
    assert cluster.objects == {}


def test_a_finished_job_of_an_earlier_try_is_taken(cluster: KubernetesStandIn) -> None:
    stopped(other_process(cluster), signal.SIGKILL)
    done(cluster)()
    assert len([line for line in trained(cluster) if "earlier try" in line]) == 1


def test_a_job_that_failed_while_nobody_waited_starts_again(cluster: KubernetesStandIn) -> None:
    stopped(other_process(cluster), signal.SIGKILL)
    cluster.end(0, 2, "nobody has waited for this training for 600 s")
    cluster.condition("Failed", "PodFailurePolicy", "Container worker failed")
    said = trained(cluster, lambda: None, lambda: None, lambda: None, both(cluster.pod), done(cluster))
    assert said[0].endswith("failed while no step waited for it; it starts again")
    assert len([kind for kind, _ in cluster.made if kind == "jobs"]) == 2


def test_a_job_that_is_being_removed_is_waited_for(cluster: KubernetesStandIn) -> None:
    stopped(other_process(cluster), signal.SIGKILL)
    name = small_plan().name
    cluster.only("jobs")["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z"
    said = trained(
        cluster, lambda: None, lambda: cluster.remove("jobs", name), lambda: None, both(cluster.pod), done(cluster)
    )
    assert said[0] == f"job {name}: 2 workers"


def test_a_job_with_other_inputs_is_not_adopted(cluster: KubernetesStandIn) -> None:
    stopped(other_process(cluster), signal.SIGKILL)
    cluster.only("jobs")["metadata"]["annotations"][INPUTS] = "sha256:other"
    assert "with the inputs sha256:other" in refused(cluster)
    assert cluster.all("jobs")


def test_a_removed_job_is_an_error(cluster: KubernetesStandIn) -> None:
    name = small_plan().name
    error = refused(cluster, both(cluster.pod), lambda: cluster.remove("jobs", name))
    assert error == f"job {name} was removed while its workers trained"


def test_a_later_job_of_the_same_name_is_not_removed(cluster: KubernetesStandIn) -> None:
    def replaced() -> None:
        done(cluster)()
        cluster.only("jobs")["metadata"]["uid"] = "another"

    trained(cluster, both(cluster.pod), replaced)
    assert cluster.only("jobs")["metadata"]["uid"] == "another"


# --- the API refuses or is away --------------------------------------------------------------------


#: The step goes on without a log, and without the run's workflow it removes its Job: see above.
NEEDED = [right for right in RIGHTS if right[1] not in ("workflows", "pods/log")]


@pytest.mark.parametrize("right", [right for right in NEEDED if right != ("", "pods", "get")])
def test_each_right_is_needed(cluster: KubernetesStandIn, right: tuple[str, str, str]) -> None:
    cluster.rights.remove(right)
    acts = lambda: None, admission(cluster, given=True), lambda: None, both(cluster.pod), done(cluster)
    with pytest.raises(ForbiddenError, match=rf"cannot {right[2]} resource \"{right[1]}\".*make rights NAMESPACE=runs"):
        trained(cluster, *acts, plan=small_plan(queue="gpus"))


def test_an_api_that_is_away_for_a_moment_ends_nothing(cluster: KubernetesStandIn) -> None:
    def leave() -> None:
        both(cluster.pod)()
        cluster.away = 1

    assert trained(cluster, leave, done(cluster))[-1] == "worker 0 ended on node1 with 0"


def test_two_runs_share_no_name(cluster: KubernetesStandIn) -> None:
    trained(cluster, both(cluster.pod), done(cluster))
    trained(cluster, both(cluster.pod), done(cluster), plan=small_plan(train="sha256:3"))
    names = [name for kind, name in cluster.made if kind == "jobs"]
    assert len(set(names)) == 2
    assert all(name.startswith("churn-training-x7-train-") for name in names)
