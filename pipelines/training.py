"""The training graph: each step's inputs, machine, time limit, retries and reuse.

The spec decides the graph's machines, so it is part of the compiled graph; values
that change from run to run (data, names, locations) are parameters.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from kfp import dsl, kubernetes

from components.champion import find_champion
from components.evaluate import evaluate
from components.explain import explain
from components.gate import gate
from components.image.step_images import training_image
from components.ingest import ingest
from components.jobs.node_pools import Provider, devices, node_labels, tolerations
from components.packaging import package
from components.register import register
from components.release import release
from components.spec.contract import Spec, Training
from components.spec.views import learning_view, table_view
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


SMALL: Final = Needs("1", "2Gi", 10, reuse=True)
OUTSIDE: Final = Needs("1", "2Gi", 10, reuse=False)
LARGE: Final = Needs("4", "8Gi", 30, reuse=True)

#: Retries, after 10 and 20 seconds, for a node that went away or a store that was busy.
RETRIES: Final = 2
BACKOFF: Final = "10s"


def training_pipeline(spec: Spec, image: str = IMAGE, retries: int = RETRIES, pools: Provider = "canario") -> Any:
    """The graph for a spec, with all steps on one image.

    It is made on a thread of its own. At every setting of a task KFP reads the whole stack, and for some frames of a
    program's start Python then looks through all loaded modules: on a short stack that half second is saved.
    """
    with ThreadPoolExecutor(1) as short_stack:
        return short_stack.submit(_training_pipeline, spec, image, retries, pools).result()


def _training_pipeline(spec: Spec, image: str, retries: int, pools: Provider) -> Any:
    told, seen, learned = (view.model_dump_json() for view in (spec, table_view(spec), learning_view(spec)))

    def on(task: Any, needs: Needs) -> Any:
        return _placed(task, needs, image, retries)

    def accelerated(task: Any) -> Any:
        return _accelerated(task, spec.training, image, pools)

    @dsl.pipeline(name=f"{spec.name}-training", description=spec.description or None)  # type: ignore[untyped-decorator]
    def training(
        data: str,
        run: str,
        mlflow: str,
        store: str,
        repository: str = "",
        environment: str = "",
        settings: str = "{}",
    ) -> str:
        taken = on(ingest(spec=seen, data=data, store=store), OUTSIDE)
        known = on(find_champion(name=spec.name, mlflow=mlflow, store=store), OUTSIDE)
        snapshot = taken.outputs["snapshot"]
        checked = on(validate(spec=seen, snapshot=snapshot, reference=known.outputs["reference"]), LARGE)
        parts = on(split(spec=learned, snapshot=snapshot).after(checked), LARGE)
        holdout = parts.outputs["holdout"]
        search = accelerated(on(tune(spec=learned, train=parts.outputs["train"]), _long(spec)))
        trials = search.outputs["trials"]
        fitted = accelerated(on(train(spec=learned, train=parts.outputs["train"], trials=trials), _long(spec)))
        model = fitted.outputs["model"]
        compared = {"champion": known.outputs["package"], "champion_version": known.outputs["Output"]}
        measured = on(evaluate(spec=seen, model=model, holdout=holdout, **compared), LARGE)
        evaluation = measured.outputs["evaluation"]
        explained = on(explain(spec=seen, model=model, holdout=holdout, evaluation=evaluation), LARGE)
        told_of = {"evaluation": evaluation, "trials": trials, "figures": explained.outputs["figures"]}
        passed = on(gate(spec=told, run=run, mlflow=mlflow, **compared, **told_of), OUTSIDE)
        packed = on(
            package(
                spec=told, run=run, store=store, model=model, evaluation=evaluation, holdout=holdout, snapshot=snapshot
            ).after(passed),
            OUTSIDE,
        )
        registered = on(
            register(
                service=spec.name,
                run=run,
                mlflow=mlflow,
                source_digest=taken.outputs["Output"],
                package=packed.outputs["package"],
                snapshot=snapshot,
                findings=checked.outputs["findings"],
                **told_of,
            ),
            OUTSIDE,
        )
        on(
            release(
                service=spec.name,
                repository=repository,
                environment=environment,
                settings=settings,
                version=registered.outputs["Output"],
                package=packed.outputs["Output"],
                evaluation=evaluation,
            ),
            OUTSIDE,
        )
        return registered.outputs["Output"]  # type: ignore[no-any-return]

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


def _accelerated(task: Any, training: Training, image: str, pools: Provider) -> Any:
    """Puts a task on the image and the node pool of the accelerator that the spec asks for."""
    task.set_container_image(training_image(image, training))
    for resource, count in devices(training).items():
        task.set_accelerator_type(resource).set_accelerator_limit(count)
    for toleration in tolerations(training, pools):
        kubernetes.add_toleration(task, **toleration)
    for label, value in node_labels(training, pools).items():
        kubernetes.add_node_selector(task, label, value)
    return task
