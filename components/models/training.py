"""Fits a trial's candidate to all examples and checks its graph against the fitted model."""

import os
from dataclasses import dataclass

import numpy as np

from components.code import lock_digest
from components.errors import PackageError
from components.features.encoding import encode_table, fit_encoding
from components.models.candidates import fit_candidate
from components.models.checkpoints import Checkpoints
from components.models.devices import claim_devices
from components.models.machine import this_machine
from components.models.meter import Meter, metered
from components.models.strategy import training_strategy
from components.models.trained import Fit, graph_runner
from components.models.trials import Trial
from components.package.answers import TOLERANCE, furthest
from components.spec.contract import Spec, Strategy
from components.spec.tasks import Candidate
from components.table.examples import Examples


@dataclass(frozen=True)
class TrainedModel:
    """A graph and the record of its training."""

    model: bytes
    fit: Fit


def train_candidate(
    examples: Examples, spec: Spec, trial: Trial, checkpoints: Checkpoints | None = None
) -> TrainedModel:
    """Fits a trial's candidate to all examples; a network goes on from its last checkpoint.

    Raises:
        DeviceError: the step was promised an accelerator and does not see it.
        PackageError: the graph's answers differ from the fitted model's.
        SpecError: the strategy that the spec names cannot run here.
        LostWorkersError: the workers read different checkpoints.
    """
    with metered(spec.training) as meter:
        made = _train(examples, spec, trial, meter, checkpoints)
    return TrainedModel(made.model, made.fit.model_copy(update={"usage": meter.usage()}))


def _train(examples: Examples, spec: Spec, trial: Trial, meter: Meter, checkpoints: Checkpoints | None) -> TrainedModel:
    encoding = fit_encoding(spec.features, examples.columns)
    encoded = encode_table(encoding, examples.columns)
    strategy = _strategy(trial.candidate, spec)
    devices = claim_devices(spec.training) if trial.candidate == "keras_mlp" else ()
    meter.computes_on(devices)
    task = spec.data.task
    given = (trial.parameters, encoded, examples.labels, spec.training.seed, strategy, checkpoints)
    fitted = fit_candidate(trial.candidate, task, *given)
    model = fitted.onnx(encoding.width)
    spread = float(np.std(examples.labels)) if task == "regression" else 1.0
    parity = furthest(graph_runner(model, task)(encoded), fitted.predict(encoded)) / spread
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
        workers=spec.training.workers,
        resumed_after=checkpoints.resumed_after if checkpoints else 0,
        parity=parity,
        rows=len(examples),
        machine=this_machine(devices),
        lock=lock_digest(),
    )
    return TrainedModel(model, fit)


def _strategy(candidate: Candidate, spec: Spec) -> Strategy:
    """The strategy for a candidate. A step that was promised an accelerator must see it, whoever won the search."""
    asked = spec.training
    if candidate == "keras_mlp":
        return training_strategy(asked, os.environ)
    if asked.accelerator != "cpu":
        claim_devices(asked)
        print(f"{candidate} computes on the CPU; the {asked.accelerator} of this step has nothing to do")
    return "none"
