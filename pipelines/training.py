"""The training graph: each step's inputs, machine, time limit, retries and reuse.

The spec decides the graph's machines, so it is part of the compiled graph; values
that change from run to run (data, names, locations) are parameters. What a step
outside its inputs makes travels as a digest in a string: Kubeflow reuses an answer
only for equal strings and equal artifacts, and an artifact that is made anew by
every run is never equal.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from kfp import dsl, kubernetes

from components.champion import find_champion
from components.evaluate import evaluate
from components.explain import explain
from components.gate import gate
from components.ingest import ingest
from components.jobs.node_pools import devices, node_labels
from components.packaging import package
from components.register import register
from components.release import release
from components.spec.contract import Spec, Training
from components.split import split
from components.step import IMAGE
from components.train import train
from components.tune import tune
from components.validate import validate


@dataclass(frozen=True)
class Needs:
    """The requirements of a step.

    Attributes:
        cpu: cores, in Kubernetes' notation.
        memory: memory, in Kubernetes' notation.
        minutes: time limit, after which the step is stopped.
        reuse: whether an earlier answer to the same inputs is good enough; false if
            the step reads or changes anything outside its inputs and outputs.
    """

    cpu: str
    memory: str
    minutes: int
    reuse: bool


OUTSIDE: Final = Needs("1", "2Gi", 10, reuse=False)
LARGE: Final = Needs("4", "8Gi", 30, reuse=True)

#: Retries, after 10 and 20 seconds, for a node that went away or a store that was busy.
RETRIES: Final = 2
BACKOFF: Final = "10s"


def training_pipeline(service: Spec, image: str = IMAGE, retries: int = RETRIES) -> Any:
    """The graph for a service's spec, with all steps on one image.

    It is made on a thread of its own. At every setting of a task KFP reads the whole stack, and for some frames of a
    program's start Python then looks through all loaded modules: on a short stack that half second is saved.
    """
    with ThreadPoolExecutor(1) as short_stack:
        return short_stack.submit(_training_pipeline, service, image, retries).result()


def _training_pipeline(service: Spec, image: str, retries: int) -> Any:
    def on(task: Any, needs: Needs) -> Any:
        return _placed(task, needs, image, retries)

    @dsl.pipeline(name=f"{service.name}-training", description=service.description or None)  # type: ignore[untyped-decorator]
    def training(
        spec: str,
        data: str,
        mlflow: str,
        store: str,
        code: str,
        commit: str,
        run: str = "",
        repository: str = "",
        environment: str = "",
        settings: str = "{}",
    ) -> str:
        same = {"store": store, "code": code}
        taken = on(ingest(spec=spec, data=data, run=run, **same), OUTSIDE).outputs
        told, seen, learned, snapshot = (taken[name] for name in ("told", "seen", "learned", "snapshot"))
        known = on(find_champion(name=service.name, mlflow=mlflow, **same), OUTSIDE).outputs
        checked = on(validate(spec=seen, snapshot=snapshot, reference=known["snapshot"], **same), LARGE)
        parts = on(split(spec=learned, snapshot=snapshot, **same).after(checked), LARGE)
        holdout = parts.outputs["holdout"]
        fit = {"spec": learned, "train": parts.outputs["train"], **same}
        search = _accelerated(on(tune(**fit), _long(service)), service.training)
        trials = search.outputs["trials"]
        fitted = _accelerated(on(train(trials=trials, **fit), _long(service)), service.training)
        model = fitted.outputs["model"]
        compared = {"champion": known["package"], "champion_version": known["version"]}
        measured = on(evaluate(spec=seen, model=model, holdout=holdout, **compared, **same), LARGE)
        evaluation = measured.outputs["evaluation"]
        explained = on(explain(spec=seen, model=model, holdout=holdout, evaluation=evaluation, **same), LARGE)
        told_of = {"evaluation": evaluation, "trials": trials, "figures": explained.outputs["figures"]}
        recorded = {"run": taken["run"], "mlflow": mlflow, **same}
        passed = on(gate(spec=told, **compared, **told_of, **recorded), OUTSIDE)
        made = {"spec": told, "commit": commit, "snapshot": snapshot, "model": model, "holdout": holdout}
        packed = on(package(evaluation=evaluation, **made, **recorded).after(passed), OUTSIDE)
        registered = on(
            register(
                service=service.name,
                source=taken["source"],
                package=packed.output,
                snapshot=snapshot,
                findings=checked.outputs["findings"],
                **told_of,
                **recorded,
            ),
            OUTSIDE,
        )
        version = registered.outputs["Output"]
        target = {"repository": repository, "environment": environment, "settings": settings}
        what = {"service": service.name, "version": version, "package": packed.output, "evaluation": evaluation}
        on(release(code=code, **what, **target), OUTSIDE)
        return version  # type: ignore[no-any-return]

    return training


def _long(spec: Spec) -> Needs:
    return Needs("8", "16Gi", spec.training.timeout_minutes, reuse=True)


def _placed(task: Any, needs: Needs, image: str, retries: int) -> Any:
    """Gives a task its image, machine, time-out, retries and reuse."""
    task.set_container_image(image)
    task.set_cpu_request(needs.cpu).set_cpu_limit(needs.cpu)
    task.set_memory_request(needs.memory).set_memory_limit(needs.memory)
    task.set_retry(num_retries=retries, backoff_duration=BACKOFF, backoff_factor=2.0)
    task.set_caching_options(enable_caching=needs.reuse)
    return kubernetes.set_timeout(task, seconds=60 * needs.minutes)


def _accelerated(task: Any, training: Training) -> Any:
    """Puts a task on the node pool with the accelerator that the spec asks for."""
    for resource, count in devices(training).items():
        task.set_accelerator_type(resource).set_accelerator_limit(count)
        kubernetes.add_toleration(task, key=resource, operator="Exists", effect="NoSchedule")
    for label, value in node_labels(training).items():
        kubernetes.add_node_selector(task, label, value)
    return task
