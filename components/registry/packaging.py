"""Makes the model package, the only thing that the server reads."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import PackageError
from components.evaluation.result import Evaluation
from components.features.encoding import Encoding, Scaled, encode_rows
from components.models.trained import Fit, Trained, graph_runner
from components.package.model_package import (
    TOLERANCE,
    Answer,
    Contract,
    Golden,
    Holdout,
    Package,
    Receipt,
    Target,
    write_package,
)
from components.spec.contract import SCORE_EDGES, NumberFeature, Spec
from components.spec.values import category_text
from components.spec.views import recorded_spec
from components.table.examples import Examples, negative_word
from components.table.requests import requests_of

GOLDEN_ROWS = 50

#: Metrics of the receipt: those that every rebuild reproduces to the last digit.
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
        target=Target(
            name=spec.data.target,
            positive=category_text(spec.data.positive),
            negative=negative_word(holdout.frame, spec.data),
        ),
        limits=spec.limits,
        objectives=spec.objectives,
    )
    golden = golden_rows(Trained(encoding, graph_runner(model)), contract, holdout)
    return write_package(
        folder,
        model=model,
        contract=contract,
        golden=golden,
        holdout=_holdout(evaluation),
        receipt=_receipt(spec, fit, evaluation, origin),
        population=evaluation.champion.population if evaluation.champion else None,
    )


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
        PackageError: an answer to a request differs from the answer to its row by more than `TOLERANCE`.
    """
    chosen = holdout.take(_spread(holdout))
    requests = requests_of(chosen, contract.features)
    answers = model.probabilities(encode_rows(contract.encoding, requests)).astype(np.float64)
    apart = float(np.abs(answers - model.score(chosen.columns)).max())
    if apart > TOLERANCE:
        raise PackageError(
            f"a request is answered {apart:.1e} off its row of the table, at most {TOLERANCE:.0e} is allowed; "
            "this is a fault of the encoding"
        )
    return [
        Golden(request=request, answer=Answer(probability=answer, label=contract.label(answer)))
        for request, answer in zip(requests, answers.tolist(), strict=True)
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
    nothing = (0.0,) * len(SCORE_EDGES)
    return Holdout(
        rows=evaluation.rows,
        champion=champion.package if champion else None,
        shift=champion.shift if champion else nothing,
        shift_error=champion.shift_error if champion else nothing,
        scores=evaluation.scores,
    )


def _receipt(spec: Spec, fit: Fit, evaluation: Evaluation, origin: Origin) -> Receipt:
    return Receipt(
        name=spec.name,
        data=origin.snapshot,
        code=origin.code,
        lock=origin.lock,
        spec=recorded_spec(spec),
        candidate=fit.candidate,
        parameters=fit.parameters,
        metrics={name: evaluation.metrics[name].value for name in RECEIPT_METRICS},
        champion=evaluation.champion.package if evaluation.champion else None,
        run=origin.run,
    )
