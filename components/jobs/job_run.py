"""Runs one training as a Job: creates or adopts it, tells how its workers are, and removes it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

from components.errors import TrainingJobError
from components.jobs.cluster import ClusterApi, Document, ForbiddenError
from components.jobs.queue_state import JOB, why_it_waits
from components.jobs.train_worker import FINAL
from components.jobs.training_job import INPUTS, INSTANCE, JobPlan, job_object, network_objects
from components.jobs.worker_state import ending, refusals, sentence, worker_name, worker_state

_LOOK_SECONDS: Final = 2.0
#: Time for the cluster to end a Job, or to remove an earlier one.
_SLACK_SECONDS: Final = 120.0
_LOG_LINES: Final = 30
#: The reason of a Job's Event when the API server refuses one of its pods.
_REFUSED: Final = "FailedCreate"


class Stopped(BaseException):
    """SIGTERM, by which Kubernetes ends the step; not an `Exception`, so that no handler on the way catches it."""


class JobRun:
    """One training in a namespace; `say` gets a line for each change."""

    def __init__(
        self, plan: JobPlan, api: ClusterApi, say: Callable[[str], None], look_seconds: float = _LOOK_SECONDS
    ) -> None:
        self._plan, self._api, self._say, self._pause = plan, api, say, look_seconds
        self._told: dict[str, str] = {}

    def train(self) -> None:
        """Creates the Job, or adopts the one of an earlier try of this step, and waits until it is complete.

        The Job is removed when this is over, also when the run was ended by hand. It stays when only this pod is
        killed: the next try adopts it. A process that gets SIGTERM ends here.

        Raises:
            TrainingJobError: the Job failed; holds the sentence of the worker that failed. Or it has a queue, and
                the cluster has no Kueue.
            ForbiddenError: the step's service account lacks a right.
        """
        if self._plan.queue and not self._api.kueue:
            raise TrainingJobError(
                f"queue {self._plan.queue!r}: this cluster has no Kueue, so nothing would ever admit the workers; "
                "install Kueue, or submit without QUEUE="
            )
        with _told_to_stop():
            job = self._started()
            try:
                self._follow()
            except Stopped:
                if not self._run_is_ended():
                    self._say(f"job {self._plan.name} goes on; the next try of this step adopts it")
                    raise
                self._remove(job)
                raise
            except BaseException:
                self._remove(job)
                raise
            self._remove(job)

    def _started(self) -> Document:
        """The Job with its network."""
        job = self._created_or_adopted()
        for document in network_objects(self._plan, job):
            self._api.create(document)
        return job

    def _created_or_adopted(self) -> Document:
        deadline = time.monotonic() + _SLACK_SECONDS
        while time.monotonic() < deadline:
            created = self._api.create(job_object(self._plan))
            if created:
                self._say(f"job {self._plan.name}: {self._plan.inputs.workers} workers")
                return created
            found = self._api.get("Job", self._plan.name)
            if found and not found["metadata"].get("deletionTimestamp"):
                if not _failed(found):
                    return self._adopted(found)
                self._say(f"job {self._plan.name} failed while no step waited for it; it starts again")
                self._remove(found)
            time.sleep(self._pause)
        raise TrainingJobError(f"an earlier job {self._plan.name} was not removed in {_SLACK_SECONDS:g} s")

    def _adopted(self, job: Document) -> Document:
        found = job["metadata"].get("annotations", {}).get(INPUTS)
        if found != self._plan.inputs.digest:
            raise TrainingJobError(
                f"there is a job {self._plan.name} with the inputs {found}, not {self._plan.inputs.digest}; remove it"
            )
        self._say(f"job {self._plan.name} was started by an earlier try of this step; this one goes on with it")
        return job

    def _follow(self) -> None:
        while True:
            job = self._api.get("Job", self._plan.name)
            if job is None:
                raise TrainingJobError(f"job {self._plan.name} was removed while its workers trained")
            pods = self._api.items("Pod", labelSelector=f"{INSTANCE}={self._plan.name}")
            self._tell(job, pods)
            if self._is_complete(job, pods):
                return
            time.sleep(self._pause)

    def _tell(self, job: Document, pods: list[Document]) -> None:
        """Says what changed since the last look."""
        if self._waits_in_queue(job):
            return
        for pod in sorted(pods, key=lambda pod: (worker_name(pod), pod["metadata"].get("creationTimestamp", ""))):
            self._tell_once(pod["metadata"]["name"], f"{worker_name(pod)} {worker_state(pod)}")
        if len(pods) < self._plan.inputs.workers and not job["status"].get("succeeded"):
            about = f"involvedObject.kind=Job,involvedObject.name={self._plan.name},reason={_REFUSED}"
            for why in refusals(self._api.items("Event", fieldSelector=about)):
                self._tell_once(why, f"job {self._plan.name}: no pod is made: {why}")

    def _waits_in_queue(self, job: Document) -> bool:
        """Whether Kueue has not admitted the Job, or has taken it back; says so."""
        if not self._plan.queue:
            return False
        name, waits = job["metadata"]["name"], bool(job["spec"].get("suspend"))
        line = f"job {name} is admitted by queue {self._plan.queue!r}"
        if waits:
            workloads = self._api.items("Workload", labelSelector=f"{JOB}={job['metadata']['uid']}")
            line = f"job {name} waits in queue {self._plan.queue!r}: {why_it_waits(workloads)}"
        self._tell_once(name, line)
        return waits

    def _tell_once(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            self._say(line)

    def _is_complete(self, job: Document, pods: list[Document]) -> bool:
        failed = _failed(job)
        if failed:
            raise TrainingJobError(self._failure(failed, pods))
        # SuccessCriteriaMet comes before Complete: worker 0 is done, and the others are being stopped.
        return bool({"Complete", "SuccessCriteriaMet"} & _conditions(job).keys())

    def _failure(self, condition: Mapping[str, Any], pods: list[Document]) -> str:
        """The sentence of the worker that failed first and for a reason of its own; else all that is known."""
        failed = [pod for pod in pods if ending(pod).get("exitCode")]
        failed.sort(key=lambda pod: (ending(pod)["exitCode"] not in FINAL, ending(pod).get("finishedAt") or ""))
        for pod in failed[:1]:
            log = self._api.log(pod["metadata"]["name"], _LOG_LINES)
            self._say(f"the end of the log of {worker_name(pod)}:\n{log}")
            if condition["reason"] == "PodFailurePolicy" and sentence(pod):
                return f"{worker_name(pod)}: {sentence(pod)}"
        ends = "; ".join(f"{worker_name(pod)} {worker_state(pod)}" for pod in failed) or "no pod is left"
        return f"job {self._plan.name} failed ({condition['reason']}: {condition.get('message', '')}); {ends}"

    def _run_is_ended(self) -> bool:
        """Whether the whole run ends and not just this pod; true in doubt, since the store has a checkpoint."""
        owner = self._plan.owner
        if owner["kind"] != "Workflow":
            return False
        try:
            workflow = self._api.get("Workflow", owner["name"])
        except ForbiddenError as error:
            self._say(str(error))
            return True
        return workflow is None or bool(workflow["spec"].get("shutdown"))

    def _remove(self, job: Document) -> None:
        self._api.delete("Job", self._plan.name, job["metadata"]["uid"])


def _conditions(job: Document) -> dict[str, Document]:
    given = job.get("status", {}).get("conditions", ())
    return {each["type"]: each for each in given if each["status"] == "True"}


def _failed(job: Document) -> Document | None:
    """Why a Job has failed or is about to; None if it has not."""
    conditions = _conditions(job)
    return conditions.get("Failed") or conditions.get("FailureTarget")


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Turns SIGTERM into `Stopped`, and at last ends the process as SIGTERM would have."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    # A second signal must not break off what the first one began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped(f"process {os.getpid()} is to end")
