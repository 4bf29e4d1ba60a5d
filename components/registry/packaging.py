"""Makes the model package, the only thing that the server reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import PackageError
from components.evaluation.result import Evaluation
from components.features.encoding import Encoding, Scaled, encode_rows
from components.models.trained import Fit, Trained, graph_runner
from components.package.answers import AnyTarget, ClassTarget, NumberTarget, Target, furthest
from components.package.model_package import Contract, Golden, Holdout, Package, Receipt, write_package
from components.spec.contract import NumberFeature, Spec
from components.spec.values import category_text
from components.spec.views import recorded_spec
from components.table.examples import Examples
from components.table.requests import requests_of
from components.table.target import negative_word, positive_word

GOLDEN_ROWS = 50

#: Metrics of the receipt of probabilities that decide nothing: those that the first receipts had. Others have all.
RECEIPT_METRICS = ("roc_auc", "average_precision", "brier_score", "log_loss", "accuracy", "calibration_error")


@dataclass(frozen=True)
class Origin:
    """The sources of a package, as its receipt names them."""

    run: str
    snapshot: str
    code: str
    lock: str


def package_model(
    model: bytes, fit: Fit, evaluation: Evaluation, holdout: Examples, spec: Spec, origin: Origin, folder: Path
) -> Package:
    """Writes the package of a trained model to a folder that does not exist yet.

    Raises:
        PackageError: the answer to a request, encoded as in the server, differs from the answer to its table row.
    """
    encoding = caller_encoding(fit.encoding, spec)
    contract = Contract(
        name=spec.name,
        description=spec.description,
        features=spec.features,
        encoding=encoding,
        target=_target(spec, evaluation, holdout),
        limits=spec.limits,
        objectives=spec.objectives,
        **_counted(evaluation),
        **_decided(evaluation),
    )
    golden = golden_rows(Trained(encoding, graph_runner(model, contract.task)), contract, holdout)
    return write_package(
        folder,
        model=model,
        contract=contract,
        golden=golden,
        holdout=_holdout(evaluation),
        receipt=_receipt(spec, fit, evaluation, origin, contract.tolerance),
        population=evaluation.champion.population if evaluation.champion else None,
    )


def _target(spec: Spec, evaluation: Evaluation, holdout: Examples) -> AnyTarget:
    data = spec.data
    if data.task == "multiclass":
        return ClassTarget(name=data.target, classes=tuple(map(category_text, data.classes)))
    if data.task == "regression":
        spread = evaluation.counting.spread if evaluation.counting else None
        return NumberTarget(name=data.target, unit=data.unit, spread=spread or 0.0)
    return Target(name=data.target, positive=positive_word(data), negative=negative_word(holdout.frame, data))


def _counted(evaluation: Evaluation) -> dict[str, Any]:
    """What the contract of a task other than binary has more."""
    counting = evaluation.counting
    if counting is None:
        return {}
    more = {"bins": counting.bins, "loss": counting.loss, "interval": counting.interval}
    return {"schema_version": 2, "task": evaluation.task, **more}


def _decided(evaluation: Evaluation) -> dict[str, Any]:
    """What the contract of answers that decide has more."""
    found = evaluation.decision
    return {} if found is None else {"schema_version": 2, "decision": found.rule, "threshold": found.threshold}


def caller_encoding(encoding: Encoding, spec: Spec) -> Encoding:
    """The encoding with the spec's factors; training uses none, because the table is already in its own unit."""
    rules = {
        name: rule.model_copy(update={"factor": feature.factor})
        if isinstance(rule, Scaled) and isinstance(feature := spec.features[name], NumberFeature)
        else rule
        for name, rule in encoding.features.items()
    }
    return Encoding(features=rules)


def golden_rows(model: Trained, contract: Contract, holdout: Examples) -> list[Golden]:
    """Requests from the hold-out with their answers: first rows with gaps, then an even spread of the others.

    Raises:
        PackageError: an answer to a request differs from the answer to its row by more than the contract's tolerance.
    """
    chosen = holdout.take(_spread(holdout))
    requests = requests_of(chosen, contract.features)
    outputs = model.predict(encode_rows(contract.encoding, requests)).astype(np.float64)
    apart = furthest(outputs, model.score(chosen.columns))
    if not apart <= contract.tolerance:
        raise PackageError(
            f"a request is answered {apart:.1e} off its row of the table, at most {contract.tolerance:.0e} is allowed; "
            "this is a fault of the encoding"
        )
    return [
        Golden(request=request, answer=answer)
        for request, answer in zip(requests, contract.answers(outputs), strict=True)
    ]


def _spread(holdout: Examples) -> NDArray[np.intp]:
    gaps = np.zeros(len(holdout), dtype=bool)
    for cells in holdout.columns.values():
        gaps |= pd.isna(cells)
    with_gaps = np.flatnonzero(gaps)[: GOLDEN_ROWS // 2]
    others = np.setdiff1d(np.arange(len(holdout)), with_gaps)
    wanted = min(len(others), GOLDEN_ROWS - len(with_gaps))
    return np.concatenate([with_gaps, others[np.linspace(0, len(others) - 1, wanted).astype(int)]])


def _holdout(evaluation: Evaluation) -> Holdout:
    champion = evaluation.champion
    nothing = (0.0,) * len(evaluation.scores)
    return Holdout(
        rows=evaluation.rows,
        champion=champion.package if champion else None,
        shift=champion.shift if champion else nothing,
        shift_error=champion.shift_error if champion else nothing,
        scores=evaluation.scores,
    )


def _receipt(spec: Spec, fit: Fit, evaluation: Evaluation, origin: Origin, tolerance: float) -> Receipt:
    names = tuple(evaluation.metrics)
    if evaluation.task == "binary" and evaluation.decision is None:
        names = RECEIPT_METRICS
    return Receipt(
        name=spec.name,
        data=origin.snapshot,
        code=origin.code,
        lock=origin.lock,
        spec=recorded_spec(spec),
        candidate=fit.candidate,
        parameters=fit.parameters,
        metrics={name: evaluation.metrics[name].value for name in names},
        tolerance=tolerance,
        champion=evaluation.champion.package if evaluation.champion else None,
        run=origin.run,
    )
