"""The training graph: each step's inputs, machine, time limit, retries and reuse.

The spec decides the graph's machines, so it is part of the compiled graph; values
that change from run to run (data, names, locations) are parameters.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from kfp import dsl

from components.champion import find_champion
from components.evaluate import evaluate
from components.explain import explain
from components.gate import gate
from components.ingest import ingest
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
from pipelines.pods import PLAIN, RETRIES, PodSettings, StepWish, accelerate, place


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


OUTSIDE: Final = Needs(10, reuse=False)
LARGE: Final = Needs(30, reuse=True)


def training_pipeline(spec: Spec, image: str = IMAGE, retries: int = RETRIES, pods: PodSettings = PLAIN) -> Any:
    """The graph for a spec, with all steps on one image.

    It is made on a thread of its own. At every setting of a task KFP reads the whole stack, and for some frames of a
    program's start Python then looks through all loaded modules: on a short stack that half second is saved.
    """
    with ThreadPoolExecutor(1) as short_stack:
        return short_stack.submit(_training_pipeline, spec, image, retries, pods).result()


def _training_pipeline(spec: Spec, image: str, retries: int, pods: PodSettings) -> Any:
    told, seen, learned = (view.model_dump_json() for view in (spec, table_view(spec), learning_view(spec)))

    def on(task: Any, needs: Needs) -> Any:
        return _placed(task, needs, image, retries, spec, pods)

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
        search = _accelerated(on(tune(spec=learned, train=parts.outputs["train"]), _long(spec)), spec.training)
        trials = search.outputs["trials"]
        fitted = _accelerated(
            on(train(spec=learned, train=parts.outputs["train"], trials=trials), _long(spec)), spec.training
        )
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
    return Needs(spec.training.timeout_minutes, reuse=True)


def _placed(task: Any, needs: Needs, image: str, retries: int, spec: Spec, pods: PodSettings) -> Any:
    return place(task, StepWish(image, needs.minutes, retries, needs.reuse), spec, pods)


def _accelerated(task: Any, training: Training) -> Any:
    return accelerate(task, training)
