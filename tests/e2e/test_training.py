"""The train step in a pod, and the workers that it starts: as good as one, and after every kind of loss."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial

import pytest

from components.models.training import train_candidate
from components.models.trials import Trial
from tests.e2e.kube import Kube
from tests.e2e.training_ground import MANY, PARAMETERS, SECONDS, Ground, ground_in, measured
from tests.patience import patient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NAMESPACES = ["e2e-training"]
#: Two workers see each row as often as one does, in other batches: as far apart as two seeds may be.
_TOLERANCE = 0.01


@pytest.fixture(scope="module")
def ground(steps_image: str) -> Iterator[Ground]:
    with ground_in(NAMESPACES[0], steps_image) as made:
        yield made


@pytest.fixture(scope="module")
def single(ground: Ground) -> float:
    """The ROC AUC of the model of one worker."""
    trial = Trial(number=0, candidate="keras_mlp", parameters=PARAMETERS, scores=(0.5,), seconds=0.0)
    training = ground.spec.training.model_copy(update={"workers": 1})
    made = train_candidate(ground.sides.train, ground.spec.model_copy(update={"training": training}), trial)
    return measured(made, ground.sides)[1]


def test_two_workers_make_as_good_a_model_as_one(ground: Ground, single: float) -> None:
    step = ground.start("two")
    said = step.ended("Complete")
    assert "worker 0 runs on" in said
    assert "worker 1 runs on" in said
    fit, auc = step.measured(said)
    assert (fit.strategy, fit.workers, fit.resumed_after) == ("multi_worker_mirrored", 2, 0)
    assert auc == pytest.approx(single, abs=_TOLERANCE)
    step.leaves_nothing()


@pytest.mark.parametrize("loss", ["killed", "evicted"])
@pytest.mark.parametrize("index", [0, 1])
def test_workers_go_on_after_one_is_lost(ground: Ground, loss: str, index: int) -> None:
    step = ground.start(f"{loss}-{index}", times=MANY)
    pod = step.worker(index)
    if loss == "killed":
        ground.kube.run("delete", "pod", pod, "--grace-period=0", "--force")
    else:
        evict(ground.kube, pod)
    said = step.ended("Complete")
    assert "is evicted" in said or f"worker {index} ended" in said or f"worker {index} is stopped" in said
    fit, auc = step.measured(said)
    assert fit.resumed_after >= 1
    assert auc >= 0.8
    step.leaves_nothing()


def evict(kube: Kube, pod: str) -> None:
    """Takes a pod away as the drain of its node does."""
    place = {"name": pod, "namespace": kube.namespace}
    document = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": place}
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{pod}/eviction"
    kube.run("create", "--raw", path, "-f", "-", stdin=json.dumps(document))


def test_the_next_try_of_a_killed_step_adopts_its_workers(ground: Ground) -> None:
    step = ground.start("adopted", times=MANY)
    step.worker(0)
    before = step.job()["metadata"]["uid"]
    first = step.pods()[0]["metadata"]["name"]
    ground.kube.run("delete", "pod", first, "--grace-period=0", "--force")
    tries = partial(step.tries_after, first)
    ground.kube.wait("a second try", tries, patient(60))
    job = step.job()
    assert job is None or job["metadata"]["uid"] == before
    said = step.ended("Complete")
    assert "was started by an earlier try of this step" in said
    assert step.measured(said)[0].resumed_after == 0
    step.leaves_nothing()


def test_the_sentence_of_a_worker_is_the_steps(ground: Ground) -> None:
    begun = time.monotonic()
    step = ground.start("wrong", inputs="wrong")
    step.ended("Failed")
    (pod,) = step.pods()
    told = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    assert told.startswith(("worker 0: ", "worker 1: "))
    assert "7.0" in told
    assert time.monotonic() - begun < patient(SECONDS)
    step.leaves_nothing()


def test_workers_end_with_the_run(ground: Ground) -> None:
    step = ground.start("ended", times=MANY)
    step.worker(1)
    ground.kube.run("delete", "job", "ended", "--cascade=background")
    step.kube.wait("nothing is left", lambda: not step.left(), 90)


def test_an_account_without_rights_is_told_what_lacks(ground: Ground) -> None:
    step = ground.start("lacking", account="nobody")
    step.ended("Failed")
    told = step.pods()[0]["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    assert 'cannot get resource "pods"' in told
    assert f"make rights NAMESPACE={ground.kube.namespace}" in told
