"""Step: fits the best candidate to the whole training part and exports its graph."""

import os
from dataclasses import dataclass

import numpy as np
from kfp import dsl

from components.errors import PackageError
from components.models.candidates import fit_candidate
from components.models.machine import this_machine
from components.models.parameter_servers import serve, task_of
from components.models.strategy import choose_strategy
from components.models.trained import Fit, graph_runner
from components.models.trials import Trial
from components.package.encoding import encode_table, fit_encoding
from components.package.model_package import TOLERANCE
from components.spec.contract import Candidate, Spec, Strategy
from components.step import step
from components.table.examples import Examples


@dataclass(frozen=True)
class TrainedModel:
    """A graph, and how it was made."""

    model: bytes
    fit: Fit


def train_candidate(examples: Examples, spec: Spec, trial: Trial) -> TrainedModel:
    """Fits a trial's candidate to all examples. On parameter servers only the chief returns.

    Raises:
        PackageError: the graph does not answer what the fitted model answers.
        SpecError: the strategy that the spec names cannot run here.
    """
    encoding = fit_encoding(spec.features, examples.columns)
    encoded = encode_table(encoding, examples.columns)
    strategy = _strategy(trial.candidate, spec)
    if strategy == "parameter_server" and (task := task_of(os.environ)).serves:
        serve(task)
    fitted = fit_candidate(trial.candidate, trial.parameters, encoded, examples.labels, spec.training.seed, strategy)
    model = fitted.onnx(encoding.width)
    parity = float(np.abs(graph_runner(model)(encoded) - fitted.positive(encoded)).max())
    if not parity <= TOLERANCE:
        raise PackageError(
            f"{trial.candidate}: its graph is up to {parity:.1e} off the fitted model, at most {TOLERANCE:.0e} is "
            "allowed; this is a fault of the export, so leave the candidate out of training.candidates and report it"
        )
    fit = Fit(
        candidate=trial.candidate,
        parameters=trial.parameters,
        encoding=encoding,
        strategy=strategy,
        parity=parity,
        rows=len(examples),
        machine=this_machine(),
    )
    return TrainedModel(model, fit)


def _strategy(candidate: Candidate, spec: Spec) -> Strategy:
    if candidate != "keras_mlp":
        return "none"
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    return choose_strategy(spec.training.strategy, spec.training.accelerator, gpus, os.environ)


@step
def train(
    spec: str, train: dsl.Input[dsl.Dataset], trials: dsl.Input[dsl.Artifact], model: dsl.Output[dsl.Model]
) -> None:
    """Fits the best trial to the whole training part; writes its ONNX graph and how it was made."""
    from pathlib import Path

    from components.models.trained import FIT
    from components.models.trials import Search
    from components.package.model_package import MODEL
    from components.spec.contract import Spec
    from components.table.examples import load_examples
    from components.train import train_candidate

    asked = Spec.model_validate_json(spec)
    best = Search.model_validate_json(Path(trials.path).read_bytes()).best
    made = train_candidate(load_examples(Path(train.path), asked), asked, best)
    folder = Path(model.path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(made.model)
    (folder / FIT).write_text(made.fit.model_dump_json(indent=2), encoding="utf-8")
    model.framework = made.fit.candidate
    print(f"{made.fit.candidate} fitted to {made.fit.rows:,} rows, graph within {made.fit.parity:.0e}")
