"""Step: measures a model and the champion on the hold-out; `gate` then decides."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kfp import dsl
from numpy.typing import NDArray

from components.evaluation.behaviour import flips, trend
from components.evaluation.bootstrap import differences, intervals, resample
from components.evaluation.class_metrics import confusion
from components.evaluation.counting import answers_alike, bins_of, counting_of, inherited
from components.evaluation.explanation import draw_figures, explain_model, page
from components.evaluation.fairness import fairness
from components.evaluation.gates import check_gates
from components.evaluation.holdout_rule import overlap_reason
from components.evaluation.metrics import calibration_bins
from components.evaluation.population import fit_population
from components.evaluation.result import CalibrationBin, Comparison, Counting, Evaluation, Fairness, Speed
from components.evaluation.task_metrics import metrics_of
from components.features.encoding import Encoding, RowEncoder
from components.models.meter import metered
from components.models.trained import Fit, Trained, graph_runner, kept_model, trained_package
from components.package.answers import Outputs
from components.package.bins import compared, counts
from components.package.model_package import Package
from components.registry.package_store import named_package
from components.spec.contract import Behaviour, Spec
from components.spec.values import category_text
from components.step import running, step
from components.store.content import Kind, Store
from components.store.files import keep_files
from components.store.reading import keep_document, kept_examples, kept_spec
from components.table.examples import Examples, typed_columns
from components.table.holdout import row_keys
from components.table.requests import requests_of

#: Rows that are answered one by one in each round, and rounds. The fastest answer to a row counts, because the other
#: work of a busy machine says nothing about the model.
TIMED_ROWS, TIMED_ROUNDS = 400, 5


def evaluate_model(
    candidate: str, model: Trained, model_bytes: int, holdout: Examples, spec: Spec, champion: Package | None = None
) -> Evaluation:
    """Measures everything that is known about a model before it is served.

    Raises:
        DataError: the champion reads a column that the hold-out does not have.
    """
    with metered() as meter:
        found = _evaluate(candidate, model, model_bytes, holdout, spec, champion)
    return found.model_copy(update={"usage": {"evaluate": meter.usage()}})


def _evaluate(
    candidate: str, model: Trained, model_bytes: int, holdout: Examples, spec: Spec, champion: Package | None
) -> Evaluation:
    scores, task = model.score(holdout.columns), spec.data.task
    weights = resample(holdout.labels, spec.training.seed, task)
    behaviour = spec.gates.behaviour or Behaviour()
    known = champion if champion and answers_alike(spec.data, champion.contract) else None
    counting = inherited(_counting(holdout, scores, spec), known.contract if known else None)
    evaluation = Evaluation(
        task=task,
        candidate=candidate,
        rows=len(holdout),
        positives=int(holdout.labels.sum()) if task == "binary" else None,
        metrics=intervals(holdout.labels, scores, weights, metrics_of(task, holdout.labels)),
        champion=_compare(scores, holdout, known, weights, spec, counting) if known else None,
        calibration=_calibration(spec, holdout.labels, scores),
        roc=_roc(holdout.labels, scores) if task == "binary" else (),
        scores=tuple(counts(bins_of(spec.data, counting), scores)),
        fairness=_fairness(holdout, scores, spec),
        invariance=tuple(flips(model, holdout, spec, name) for name in behaviour.invariant),
        direction=tuple(trend(model, holdout, spec, rule) for rule in behaviour.direction),
        speed=time_rows(model, model.encoding, holdout, spec),
        package_mib=model_bytes / 2**20,
        counting=counting,
        confusion=_confusion(holdout.labels, scores, spec) if task == "multiclass" else (),
    )
    return evaluation.model_copy(update={"gates": check_gates(evaluation, spec)})


def _counting(holdout: Examples, scores: Outputs, spec: Spec) -> Counting | None:
    if spec.data.task == "binary":
        return None
    halves = (row_keys(holdout, spec) & np.uint64(1)).astype(bool)
    return counting_of(spec.data, holdout.labels, scores, halves)


def with_training(found: Evaluation, fit: Fit) -> Evaluation:
    """The evaluation with what is known of the model's training."""
    usage = ({"train": fit.usage} if fit.usage else {}) | found.usage
    return found.model_copy(update={"machine": fit.machine, "usage": usage})


def _fairness(holdout: Examples, scores: NDArray[np.float64], spec: Spec) -> tuple[Fairness, ...]:
    gate = spec.gates.fairness
    return tuple(fairness(holdout, scores, by, gate.min_group_positives) for by in gate.by) if gate else ()


def _compare(
    scores: Outputs, holdout: Examples, champion: Package, weights: Any, spec: Spec, counting: Counting | None
) -> Comparison:
    columns = typed_columns(holdout.frame, champion.contract.features)
    theirs = trained_package(champion).score(columns)
    bins, metrics = bins_of(spec.data, counting), metrics_of(spec.data.task, holdout.labels)
    apart = compared(bins, scores) - compared(bins, theirs)
    shift, error = score_shift(apart)
    return Comparison(
        package=champion.digest,
        metrics=intervals(holdout.labels, theirs, weights, metrics),
        difference=differences(holdout.labels, scores, theirs, weights, metrics),
        shift=shift,
        shift_error=error,
        doubt=overlap_reason(champion.receipt.spec, spec),
        population=fit_population(columns, champion, spec.features, apart),
    )


def score_shift(apart: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean difference in each bin, ours minus theirs, and its standard error over paired rows; [rows, bins]."""
    return tuple(apart.mean(axis=0).tolist()), tuple((apart.std(axis=0) / np.sqrt(len(apart))).tolist())


def _calibration(spec: Spec, labels: NDArray[Any], scores: Outputs) -> tuple[CalibrationBin, ...]:
    predicted, observed = scores, labels
    if spec.data.task == "multiclass":
        predicted, observed = scores.max(axis=1), scores.argmax(axis=1) == labels
    order, starts = calibration_bins(predicted)
    return tuple(
        CalibrationBin(predicted=float(predicted[rows].mean()), observed=float(observed[rows].mean()), rows=len(rows))
        for rows in np.split(order, starts[1:])
    )


def _confusion(labels: NDArray[Any], scores: Outputs, spec: Spec) -> tuple[tuple[str, tuple[int, ...]], ...]:
    rows = confusion(labels, scores).tolist()
    return tuple((category_text(name), tuple(row)) for name, row in zip(spec.data.classes, rows, strict=True))


def _roc(labels: NDArray[Any], scores: NDArray[np.float64], points: int = 200) -> tuple[tuple[float, float], ...]:
    """Points (false positive ratio, true positive ratio), thinned to `points`."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, values=True))
    found = np.cumsum(labels[order] == 1)[ends] / (labels == 1).sum()
    false = np.cumsum(labels[order] == 0)[ends] / (labels == 0).sum()
    kept = np.unique(np.linspace(0, len(ends) - 1, points).astype(int))
    return ((0.0, 0.0), *zip(false[kept].tolist(), found[kept].tolist(), strict=True))


def time_rows(
    model: Trained,
    encoding: Encoding,
    holdout: Examples,
    spec: Spec,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Times rows one by one, as the server receives them; returns quantiles over each row's fastest time."""
    encoder = RowEncoder(encoding)
    requests = requests_of(holdout.take(np.arange(len(holdout))[:TIMED_ROWS]), spec.features)
    rows = [[row[name] for name in encoder.names] for row in requests]
    rounds = [_time_round(model, encoder, rows, clock) for _ in range(TIMED_ROUNDS + 1)][1:]
    p50, p99 = np.quantile(np.min(rounds, axis=0), [0.5, 0.99]) * 1e3
    return Speed(p50_ms=float(p50), p99_ms=float(p99))


def _time_round(
    model: Trained, encoder: RowEncoder, rows: Sequence[Sequence[Any]], clock: Callable[[], float]
) -> list[float]:
    times = []
    for row in rows:
        begun = clock()
        model.predict(encoder.encode([row]))
        times.append(clock() - begun)
    return times


def _show(curve: Any, found: Evaluation) -> None:
    """What Kubeflow can show of a classifier: its ROC curve, or its confusion matrix."""
    if found.roc:
        thresholds = [1 - place / len(found.roc) for place in range(len(found.roc))]
        curve.log_roc_curve([x for x, _ in found.roc], [y for _, y in found.roc], thresholds)
    if found.confusion:
        curve.log_confusion_matrix([name for name, _ in found.confusion], [list(row) for _, row in found.confusion])


@step
def evaluate(
    spec: str,
    store: str,
    code: str,
    champion_version: str,
    champion: str,
    model: str,
    holdout: str,
    metrics: dsl.Output[dsl.Metrics],
    curve: dsl.Output[dsl.ClassificationMetrics],
    pictures: dsl.Output[dsl.HTML],
) -> NamedTuple("Outputs", [("evaluation", str), ("importance", str), ("figures", str)]):  # type: ignore[valid-type]
    """Measures the model on the hold-out, and the champion, if there is one, on the same rows; explains the model.

    Returns digests. `metrics`, `curve` and `pictures` are for people, on Kubeflow's page of the run.
    """
    with running(code), tempfile.TemporaryDirectory() as folder:
        parsed = kept_spec(store, spec)
        graph, fit = kept_model(Store(store), model)
        trained = Trained(fit.encoding, graph_runner(graph, parsed.data.task))
        known = named_package(champion_version, Store(store), champion, Path(folder, "champion"))
        rows = kept_examples(store, holdout, parsed, Kind.OBJECT)
        found = with_training(evaluate_model(fit.candidate, trained, len(graph), rows, parsed, known), fit)
        for artifact in (metrics, curve):
            # The numbers are metadata, but KFP takes an artifact without a file for lost and would run the step again.
            Path(artifact.path).touch()
        for name, interval in found.metrics.items():
            metrics.log_metric(name, interval.value)
        _show(curve, found)
        explanation = explain_model(trained, rows, parsed)
        drawn = draw_figures(explanation, found, Path(folder, "figures"))
        Path(pictures.path).write_text(page(drawn), encoding="utf-8")
        figures = keep_files(Store(store), {path.name: path.read_bytes() for path in drawn})
        print("most important: " + ", ".join(feature.feature for feature in explanation.features[:3]))
        print(", ".join(f"{name} {interval.value:.4f}" for name, interval in found.metrics.items()))
        return keep_document(store, found), keep_document(store, explanation), figures
