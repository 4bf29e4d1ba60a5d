"""What the cluster is given for two workers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components.jobs.inputs import WorkerInputs
from components.jobs.training_job import INPUTS, job_name, job_object, network_objects
from components.jobs.worker_pod import WorkerSettings
from tests.components.jobs.small_job import INPUTS as GIVEN
from tests.components.jobs.small_job import WORKFLOW, small_plan


def job(**asked: Any) -> dict[str, Any]:
    return job_object(small_plan(**asked))


def test_a_lost_worker_starts_again_and_a_sentence_ends_all() -> None:
    """A lost worker starts again, an evicted one is not counted, and one with a reason of its own ends all."""
    spec = job()["spec"]
    assert {name: spec[name] for name in ("completionMode", "completions", "parallelism", "backoffLimit")} == {
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
        "backoffLimit": 6,
    }
    at_once, forgiven = spec["podFailurePolicy"]["rules"]
    assert (at_once["action"], at_once["onExitCodes"]["values"]) == ("FailJob", [1, 2])
    assert (forgiven["action"], forgiven["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"], spec["suspend"]) == (300, 3600, False)


def test_the_run_owns_the_job_which_owns_its_network() -> None:
    made = {**job(), "metadata": {**job()["metadata"], "uid": "j-1"}}
    assert made["metadata"]["ownerReferences"] == [WORKFLOW]
    assert made["metadata"]["annotations"] == {INPUTS: GIVEN.digest}
    for document in network_objects(small_plan(), made):
        assert document["metadata"]["ownerReferences"][0] == {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": made["metadata"]["name"],
            "uid": "j-1",
        }


def test_workers_reach_each_other_early_and_nobody_else_does() -> None:
    """Workers find each other before they are ready, and nobody else reaches them."""
    plan = small_plan()
    service, policy = network_objects(plan, {"metadata": {"uid": "j-1"}})
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    peers = [{"podSelector": {"matchLabels": {"app.kubernetes.io/instance": plan.name}}}]
    assert policy["spec"]["ingress"] == [{"from": peers}]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    template = job()["spec"]["template"]
    assert template["spec"]["subdomain"] == service["metadata"]["name"] == plan.name
    assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


def test_a_worker_is_like_the_step_without_what_is_argos() -> None:
    """A worker has the step's image, secrets, identity and place, and nothing of Argo's or of the account's token."""
    pod = job()["spec"]["template"]["spec"]
    (worker,) = pod["containers"]
    assert (worker["image"], worker["envFrom"]) == ("steps:1", [{"secretRef": {"name": "more"}}])
    assert [each["name"] for each in worker["env"]] == ["AWS_ACCESS_KEY_ID"]
    assert worker["volumeMounts"] == [{"name": "ca", "mountPath": "/etc/ca"}, {"name": "tmp", "mountPath": "/tmp"}]
    assert [each["name"] for each in pod["volumes"]] == ["ca", "tmp"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("runner", False)
    assert (pod["nodeSelector"], pod["imagePullSecrets"]) == ({"pool": "small"}, [{"name": "pull"}])
    assert worker["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}
    assert worker["args"][0] == "components.jobs.train_worker"
    assert worker["args"][-2:] == ["--name", small_plan().name]


def test_settings_come_before_the_steps_own_place() -> None:
    toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    settings = WorkerSettings(
        resources={"limits": {"nvidia.com/gpu": "1"}}, node_selector={"pool": "gpu"}, tolerations=(toleration,)
    )
    pod = job(settings=settings)["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"pool": "gpu"}, [toleration])


@pytest.mark.parametrize("run", ["churn", "Churn_Training.2", "2024-run", "x" * 250, "a-" * 60, "---"])
def test_every_name_of_a_run_makes_a_name_for_its_job(run: str) -> None:
    name = job_name({**WORKFLOW, "name": run}, GIVEN)
    assert len(name) <= 60
    assert name[0].isalpha()
    assert name.replace("-", "").isalnum()
    assert name == name.lower()


def changed(name: str) -> WorkerInputs:
    """The inputs with another value under a name."""
    return WorkerInputs(**{**dataclasses.asdict(GIVEN), name: "x"})


def test_a_name_differs_by_run_and_by_inputs() -> None:
    names = {
        job_name(WORKFLOW, GIVEN),
        job_name({**WORKFLOW, "uid": "w-2"}, GIVEN),
        *(job_name(WORKFLOW, changed(each.name)) for each in dataclasses.fields(GIVEN)),
    }
    assert len(names) == 2 + len(dataclasses.fields(GIVEN))
    assert job_name(WORKFLOW, GIVEN) == job_name(dict(WORKFLOW), dataclasses.replace(GIVEN))
