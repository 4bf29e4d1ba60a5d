"""Step: searches candidates and parameters by cross-validation on the training part alone."""

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.evaluation.task_metrics import search_score
from components.models.candidates import fit_candidate
from components.models.cuts import cuts_of
from components.models.devices import claim_devices
from components.models.folds import Fold, make_folds, thin
from components.models.meter import Meter, metered
from components.models.spaces import SPACES, Parameters, combinations
from components.models.strategy import search_strategy
from components.models.trials import Search, Trial
from components.spec.contract import Spec
from components.spec.tasks import Candidate
from components.step import running, step
from components.store.content import Kind
from components.store.reading import keep_document, kept_examples, kept_spec
from components.table.examples import Examples
from components.table.holdout import row_keys

#: The most rows that the search uses; the best candidate is then fitted to all rows.
MOST_ROWS = 50_000
#: No trial begins after this share of `training.timeout_minutes`.
SEARCH_SHARE = 0.6


@dataclass(frozen=True)
class Point:
    """The candidate and parameters of one trial."""

    number: int
    candidate: Candidate
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Tried:
    """A trial, and its answers to the rows of each fold."""

    trial: Trial
    answers: list[NDArray[np.float64]]


def search(examples: Examples, spec: Spec) -> Search:
    """Runs a spec's search. The same examples and spec give the same trials, unless time runs out.

    Raises:
        DataError: there are too few rows for the folds.
        DeviceError: the step was promised an accelerator and does not see it.
    """
    with metered(spec.training) as meter:
        found = _search(examples, spec, meter)
    return found.model_copy(update={"usage": meter.usage()})


def _search(examples: Examples, spec: Spec, meter: Meter) -> Search:
    until = time.monotonic() + 60 * spec.training.timeout_minutes * SEARCH_SHARE
    rows = thin(examples, row_keys(examples, spec), MOST_ROWS)
    folds = make_folds(rows, spec)
    if spec.training.search == "optuna":
        meter.computes_on(_claimed(spec))
        tried = _ask_optuna(folds, spec, until)
        planned = spec.training.trials
    else:
        points = plan(spec)
        tried, planned = _run_lanes(points, folds, spec, until, meter), len(points)
    trials = tuple(each.trial for each in tried)
    found = Search(metric=spec.training.metric, rows=len(rows), planned=planned, trials=trials)
    if spec.data.task != "binary":
        return found
    labels = np.concatenate([fold.check_labels for fold in folds])
    answers = np.concatenate(tried[trials.index(found.best)].answers)
    return found.model_copy(update={"cuts": cuts_of(labels, answers)})


# --- the points --------------------------------------------------------------------------


def plan(spec: Spec) -> list[Point]:
    """The points of a grid or random search: candidates take turns, each with its most sensible point first."""
    asked = spec.training
    decks = {kind: _deck(kind, spec) for kind in asked.candidates}
    turns = max(len(deck) for deck in decks.values())
    dealt = [(kind, deck[turn]) for turn in range(turns) for kind, deck in decks.items() if turn < len(deck)]
    if asked.search == "random":
        dealt = dealt[: max(asked.trials, len(asked.candidates))]
    return [Point(number, kind, parameters) for number, (kind, parameters) in enumerate(dealt)]


def _deck(kind: Candidate, spec: Spec) -> list[dict[str, Any]]:
    first, *others = combinations(kind)
    if spec.training.search == "random":
        order = np.random.default_rng([spec.training.seed, list(SPACES).index(kind)]).permutation(len(others))
        others = [others[place] for place in order]
    return [first, *others]


def _ask_optuna(folds: Sequence[Fold], spec: Spec, until: float) -> list[Tried]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=spec.training.seed))
    for first in spec.training.candidates:
        study.enqueue_trial({"candidate": first})
    trials: list[Tried] = []
    while len(trials) < spec.training.trials and (not trials or time.monotonic() < until):
        asked = study.ask()
        kind = cast("Candidate", asked.suggest_categorical("candidate", spec.training.candidates))
        # Optuna accepts only plain values, so each value is named by its index in the space.
        parameters = {
            name: values[asked.suggest_categorical(f"{kind}.{name}", range(len(values)))]
            for name, values in SPACES[kind].items()
        }
        trials.append(_try(Point(len(trials), kind, parameters), folds, spec))
        study.tell(asked, trials[-1].trial.mean)
    return trials


# --- the trials ----------------------------------------------------------------------------


def _try(point: Point, folds: Sequence[Fold], spec: Spec) -> Tried:
    """Cross-validates one point."""
    begun = time.monotonic()
    answers = [_answers(point.candidate, point.parameters, fold, spec) for fold in folds]
    asked = spec.data.task, spec.training.metric
    scores = [search_score(*asked, fold.check_labels, each) for fold, each in zip(folds, answers, strict=True)]
    seconds = round(time.monotonic() - begun, 3)
    trial = Trial(
        number=point.number,
        candidate=point.candidate,
        parameters=point.parameters,
        scores=tuple(scores),
        seconds=seconds,
    )
    print(f"trial {point.number}: {point.candidate} {point.parameters} {spec.training.metric} {trial.mean:.4f}")
    return Tried(trial, answers)


def _answers(kind: Candidate, parameters: Parameters, fold: Fold, spec: Spec) -> NDArray[np.float64]:
    strategy = search_strategy(spec.training) if kind == "keras_mlp" else "none"
    given = (parameters, fold.fit, fold.fit_labels, spec.training.seed, strategy)
    return fit_candidate(kind, spec.data.task, *given).predict(fold.check)


def _run_lanes(points: Sequence[Point], folds: Sequence[Fold], spec: Spec, until: float, meter: Meter) -> list[Tried]:
    """Tries networks in a process of their own, in parallel: loading TensorFlow takes longer than the other trials.

    The process that tries them claims the accelerator, before any trial: two processes cannot have one TPU.
    """
    networks = [point for point in points if point.candidate == "keras_mlp"]
    others = [point for point in points if point.candidate != "keras_mlp"]
    if not (networks and others):
        meter.computes_on(_claimed(spec))
        return _run(points, folds, spec, until)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_die_with_parent) as beside:
        meter.computes_on(beside.submit(_claimed, spec).result())
        lane = beside.submit(_run, networks, folds, spec, until)
        trials = _run(others, folds, spec, until) + lane.result()
    return sorted(trials, key=lambda tried: tried.trial.number)


def _claimed(spec: Spec) -> tuple[str, ...]:
    """The accelerators of the spec; for cpu none, and TensorFlow is not loaded to find that out."""
    return () if spec.training.accelerator == "cpu" else claim_devices(spec.training)


def _run(points: Sequence[Point], folds: Sequence[Fold], spec: Spec, until: float) -> list[Tried]:
    """Tries points until time is up; the first point is always tried."""
    trials: list[Tried] = []
    for point in points:
        if not trials or time.monotonic() < until:
            trials.append(_try(point, folds, spec))
    return trials


def _die_with_parent() -> None:
    """Ends this worker with its parent; it would otherwise wait for its next task for ever."""
    threading.Thread(target=_exit_after, args=[multiprocessing.parent_process()], daemon=True).start()


def _exit_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


@step
def tune(spec: str, store: str, code: str, train: str) -> str:
    """Cross-validates candidates on the training part; returns the digest of every trial's result."""
    with running(code):
        parsed = kept_spec(store, spec)
        found = search(kept_examples(store, train, parsed, Kind.OBJECT), parsed)
        trials = f"{len(found.trials)} trial{'s' * (len(found.trials) != 1)}"
        print(f"best of {trials}: {found.best.candidate}, {found.metric} {found.best.mean:.4f}")
        return keep_document(store, found)
