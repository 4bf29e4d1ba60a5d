"""The training graph: each step's inputs, machine, time limit, retries and reuse.

The spec decides the graph's machines, so it is part of the compiled graph; values
that change from run to run (data, names, locations) are parameters. What a step makes
is kept in the store and travels as a digest in a string: Kubeflow reuses an answer only
for equal inputs, and an artifact of its own that is made anew is never equal. Each
artifact also costs ten times its description in what Kubeflow records of a run.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from kfp import dsl

from components.evaluate import evaluate
from components.gate import gate
from components.imaging import image
from components.ingest import ingest
from components.register import register
from components.release import release
from components.spec.contract import Spec
from components.split import split
from components.train import train
from components.tune import tune
from components.validate import validate
from pipelines.pods import PLAIN, RETRIES, PodSettings, StepWish, accelerate, place, wait_for_workers


@dataclass(frozen=True)
class Needs:
    """The requirements of a step.

    Attributes:
        minutes: time limit, after which the step is stopped.
        reuse: whether an earlier answer to the same inputs is good enough; false if
            the step reads or changes anything outside its inputs and outputs.
    """

    minutes: int
    reuse: bool


#: On one machine steps are processes, and have no image.
LOCAL: Final = "python"
OUTSIDE: Final = Needs(10, reuse=False)
LARGE: Final = Needs(30, reuse=True)

#: The longest wait of workers in a queue, and the time to make and remove their Job.
QUEUE_MINUTES: Final = 24 * 60
SLACK_MINUTES: Final = 10


def training_pipeline(
    service: Spec, steps_image: str = LOCAL, retries: int = RETRIES, pods: PodSettings = PLAIN
) -> Any:
    """The graph for a service's spec, with all steps on one image but those that an accelerator has to compute.

    It is made on a thread of its own. At every setting of a task KFP reads the whole stack, and for some frames of a
    program's start Python then looks through all loaded modules: on a short stack that half second is saved.
    """
    with ThreadPoolExecutor(1) as short_stack:
        return short_stack.submit(_training_pipeline, service, steps_image, retries, pods).result()


def _training_pipeline(service: Spec, steps_image: str, retries: int, pods: PodSettings) -> Any:
    def on(task: Any, needs: Needs) -> Any:
        return place(task, StepWish(steps_image, needs.minutes, retries, needs.reuse), service, pods)

    where = service.training, steps_image, pods.pools

    def fitting(task: Any) -> Any:
        if service.training.workers == 1:
            return accelerate(on(task, _long(service)), *where)
        return wait_for_workers(on(task, _waiting(service, pods.queue)), service, steps_image, pods)

    @dsl.pipeline(name=f"{service.name}-training", description=service.description or None)  # type: ignore[untyped-decorator]
    def training(
        spec: str,
        data: str,
        mlflow: str,
        store: str,
        code: str,
        commit: str,
        run: str = "",
        registry: str = "",
        base: str = "",
        repository: str = "",
        environment: str = "",
        settings: str = "{}",
    ) -> str:
        same = {"store": store, "code": code}
        taken = on(ingest(spec=spec, data=data, run=run, mlflow=mlflow, **same), OUTSIDE).outputs
        told, seen, learned, snapshot = (taken[name] for name in ("told", "seen", "learned", "snapshot"))
        checked = on(validate(spec=seen, snapshot=snapshot, reference=taken["reference"], **same), LARGE)
        parts = on(split(spec=learned, snapshot=snapshot, **same).after(checked), LARGE)
        holdout = parts.outputs["holdout"]
        fit = {"spec": learned, "train": parts.outputs["train"], **same}
        trials = accelerate(on(tune(**fit), _long(service)), *where).output
        model = fitting(train(trials=trials, **fit)).output
        compared = {"champion": taken["champion"], "champion_version": taken["version"]}
        measured = on(
            evaluate(spec=seen, model=model, trials=trials, holdout=holdout, **compared, **same), LARGE
        ).outputs
        kept = {"evaluation": measured["evaluation"], "trials": trials, "figures": measured["figures"]}
        early = {"ingest": taken, "validate": checked.outputs, "split": parts.outputs}
        used = {f"{step}_usage": outputs["usage"] for step, outputs in early.items()}
        recorded = {"spec": told, "run": taken["run"], "mlflow": mlflow, **kept, **same}
        passed = on(gate(**compared, **used, **recorded), OUTSIDE).output
        made_of = {
            "commit": commit,
            "source": taken["source"],
            "snapshot": snapshot,
            "model": model,
            "holdout": holdout,
            "findings": checked.outputs["report"],
            "used": passed,
        }
        registered = on(register(**made_of, **recorded), OUTSIDE).outputs
        version = registered["version"]
        named = {"service": service.name, "package": registered["package"]}
        imaged = on(image(registry=registry, base=base, **named, **same), OUTSIDE).outputs
        pushed = {f"image_{key}": imaged[key] for key in ("repository", "tag", "digest", "usage")}
        target = {"repository": repository, "environment": environment, "settings": settings}
        known = {"version": version, "run_id": registered["run_id"], "mlflow": mlflow, **named, **same}
        on(release(evaluation=measured["evaluation"], **pushed, **target, **known), OUTSIDE)
        return version  # type: ignore[no-any-return]

    return training


def _long(spec: Spec) -> Needs:
    return Needs(spec.training.timeout_minutes, reuse=True)


def _waiting(spec: Spec, queue: str) -> Needs:
    """The step that waits for workers: a Job's time counts from its admission, the step's from its start."""
    return Needs(spec.training.timeout_minutes + (QUEUE_MINUTES if queue else SLACK_MINUTES), reuse=True)
