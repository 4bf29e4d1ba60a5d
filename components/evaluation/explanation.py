"""Which features a model relies on, and figures for people."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.evaluation.result import Evaluation, Interval
from components.evaluation.task_metrics import metrics_of
from components.features.encoding import Encoding, encode_table
from components.models.trained import Trained
from components.spec.contract import ClosedModel, Spec
from components.spec.tasks import COSTS, Task
from components.table.examples import Examples

#: The most hold-out rows that are permuted, and how often each feature is permuted.
MOST_ROWS, ROUNDS = 4000, 5


#: The metric by which importance is measured; what it loses is counted, so that larger is more important.
MEASURES: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "mean_absolute_error"}


class Importance(ClosedModel):
    """The loss of the metric when a feature's cells are shuffled among the rows; the interval spans the rounds."""

    feature: str
    loss: Interval


class Explanation(ClosedModel):
    """`importance.json`; the most important feature comes first."""

    rows: int
    features: tuple[Importance, ...]
    metric: str = Field(default=MEASURES["binary"], exclude_if=lambda metric: metric == MEASURES["binary"])


def explain_model(model: Trained, holdout: Examples, spec: Spec) -> Explanation:
    """Permutation importance on the hold-out (Breiman, Random forests, 2001)."""
    generator = np.random.default_rng(spec.training.seed)
    rows = holdout.take(np.sort(generator.permutation(len(holdout))[:MOST_ROWS]))
    encoded = encode_table(model.encoding, rows.columns)
    task = spec.data.task
    metric, cost = metrics_of(spec, rows.labels)[MEASURES[task]], MEASURES[task] in COSTS
    whole = metric(rows.labels, model.predict(encoded))
    losses = []
    for name, places in _encoded_places(model.encoding).items():
        shuffled = [_shuffled(encoded, places, generator.permutation(len(rows))) for _ in range(ROUNDS)]
        found = [metric(rows.labels, model.predict(each)) for each in shuffled]
        lost = [each - whole if cost else whole - each for each in found]
        losses.append(_importance(name, lost))
    ranked = tuple(sorted(losses, key=lambda found: -found.loss.value))
    return Explanation(rows=len(rows), features=ranked, metric=MEASURES[task])


def _encoded_places(encoding: Encoding) -> dict[str, slice]:
    """The columns of each feature in the encoded matrix."""
    widths = [Encoding(features={name: rule}).width for name, rule in encoding.features.items()]
    ends = np.cumsum(widths).tolist()
    return {name: slice(end - width, end) for name, width, end in zip(encoding.features, widths, ends, strict=True)}


def _shuffled(encoded: NDArray[np.float32], places: slice, order: NDArray[np.intp]) -> NDArray[np.float32]:
    """The matrix with one feature's cells shuffled, which equals encoding the shuffled cells."""
    dealt = encoded.copy()
    dealt[:, places] = encoded[order, places]
    return dealt


def _importance(name: str, losses: list[float]) -> Importance:
    return Importance(
        feature=name, loss=Interval(value=float(np.mean(losses)), low=float(min(losses)), high=float(max(losses)))
    )


def draw_figures(explanation: Explanation, evaluation: Evaluation, folder: Path) -> list[Path]:
    """Writes the figures as PNG files; the same numbers give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {"importance": _draw_importance(explanation), "calibration": _draw_calibration(evaluation)}
    if evaluation.roc:
        drawings["roc"] = _draw_roc(evaluation)
    if evaluation.confusion:
        drawings["confusion"] = _draw_confusion(evaluation)
    return [_save(figure, folder / f"{name}.png") for name, figure in drawings.items()]


def _figure(width: float = 6.0, height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_importance(explanation: Explanation, most: int = 20) -> Any:
    shown = explanation.features[:most][::-1]
    figure, axes = _figure(height=1.2 + 0.25 * len(shown))
    losses = [found.loss for found in shown]
    spread = [[max(0.0, x.value - x.low) for x in losses], [max(0.0, x.high - x.value) for x in losses]]
    # Matplotlib would read dollar signs as formulas.
    names = [found.feature.replace("$", r"\$") for found in shown]
    axes.barh(names, [loss.value for loss in losses], xerr=spread, color="#4c72b0", ecolor="#555555")
    lost = {"roc_auc": "ROC AUC lost", "log_loss": "log loss added", "mean_absolute_error": "absolute error added"}
    axes.set_xlabel(f"{lost[explanation.metric]} when the feature is shuffled ({explanation.rows:,} hold-out rows)")
    return figure


def _draw_calibration(evaluation: Evaluation) -> Any:
    figure, axes = _figure(5, 4)
    bins, number = evaluation.calibration, evaluation.task == "regression"
    ends = [0.0, 1.0]
    if number:
        ends = [edge([value for b in bins for value in (b.predicted, b.observed)]) for edge in (min, max)]
    axes.plot(ends, ends, color="#bbbbbb", linewidth=1)
    axes.plot([b.predicted for b in bins], [b.observed for b in bins], marker="o", color="#4c72b0")
    axes.set_xlabel("predicted" if number else "predicted probability")
    axes.set_ylabel("observed mean" if number else "observed share")
    return figure


def _draw_confusion(evaluation: Evaluation) -> Any:
    """Each row is a class, and shows how its rows were named, in parts of them."""
    counts = np.array([rows for _, rows in evaluation.confusion], dtype=np.float64)
    names = [name.replace("$", r"\$") for name, _ in evaluation.confusion]
    size = 1.5 + 0.4 * len(names)
    figure, axes = _figure(size + 1, size)
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        if number:
            axes.text(column, row, f"{number:.0f}", ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("named")
    axes.set_ylabel("right")
    return figure


def _draw_roc(evaluation: Evaluation) -> Any:
    figure, axes = _figure(5, 4)
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    axes.plot([x for x, _ in evaluation.roc], [y for _, y in evaluation.roc], color="#4c72b0")
    axes.set_xlabel("false positive ratio")
    axes.set_ylabel(f"true positive ratio (AUC {evaluation.metrics['roc_auc'].value:.3f})")
    return figure


def _save(figure: Any, path: Path) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    path.write_bytes(buffer.getvalue())
    return path


def page(pictures: list[Path]) -> str:
    """The pictures in one HTML page."""
    images = [
        f'<figure><img alt="{path.stem}" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        f"<figcaption>{path.stem}</figcaption></figure>"
        for path in pictures
    ]
    return "<!doctype html><meta charset=utf-8><title>Explanation</title>" + "".join(images)
