"""The result of `evaluate`: the types of `evaluation.json`, which gates, reports and MLflow read."""

from __future__ import annotations

from pydantic import Field

from components.digest import Digest
from components.models.machine import Machine
from components.models.usage import Usage
from components.package.answers import AnyBins, AnyLoss, PredictionInterval
from components.package.population import Population
from components.spec.contract import ClosedModel
from components.spec.tasks import Task
from components.spec.values import CategoryValue


class Interval(ClosedModel):
    """A number with the middle 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float


class Counting(ClosedModel):
    """How answers and losses are counted, in tasks other than binary; it goes into the contract.

    `spread` is the standard deviation of a number on the hold-out. A version counts like its champion.
    """

    spread: float | None = None
    bins: AnyBins
    loss: AnyLoss
    interval: PredictionInterval | None = None


class Comparison(ClosedModel):
    """This model minus the champion, on the same hold-out rows and the same bootstrap samples.

    A negative difference is better for what `components.spec.tasks.COSTS` names, a positive one for the others.
    `doubt` is a sentence on why the numbers may favour the champion; empty if they do not. `population` says how the
    shift of scores depends on who calls; None if it does not, and in older records.
    """

    package: Digest
    metrics: dict[str, Interval]
    difference: dict[str, Interval]
    shift: tuple[float, ...]
    shift_error: tuple[float, ...]
    doubt: str = ""
    population: Population | None = None


class CalibrationBin(ClosedModel):
    """Rows with neighbouring answers: their mean prediction and what was observed, both means.

    A prediction is the probability of the positive word or of the most likely class, or a value.
    """

    predicted: float
    observed: float
    rows: int


class Group(ClosedModel):
    """The rows with one value of a feature; a ratio is None if its denominator is 0."""

    value: str
    rows: int
    positives: int
    true_positive_ratio: float | None
    named_positive_ratio: float


class Fairness(ClosedModel):
    """Equal opportunity over a feature: the distance between the groups' true positive ratios.

    `gap` is None when fewer than two groups have enough positives to judge.
    """

    by: str
    groups: tuple[Group, ...]
    gap: float | None


class Flips(ClosedModel):
    """The share of labels that change when a feature that should not matter gets another value."""

    feature: str
    ratio: float


class Trend(ClosedModel):
    """The share of rows whose score moves the demanded way (or stays) when a feature is raised.

    Where answers have classes, the score is the probability of the class `of`.
    """

    feature: str
    raises: bool
    share: float
    of: CategoryValue | None = Field(default=None, exclude_if=lambda of: of is None)


class Speed(ClosedModel):
    """The time to answer one row, including encoding and graph."""

    p50_ms: float
    p99_ms: float


class GateResult(ClosedModel):
    """One gate: the measured value (None if not measurable), the limit, and whether the model passed."""

    gate: str
    value: float | None
    limit: str
    passed: bool
    detail: str = ""


class Evaluation(ClosedModel):
    """`evaluation.json`; `machine` is the one that fitted the model, None if `train` did not fit it.

    `usage` is what the steps up to the gate used, by name; the search has its own, and older records have none.
    `positives` and `roc` are those of task binary, `confusion` of task multiclass: for each right class how its rows
    were named.
    """

    candidate: str
    rows: int
    positives: int | None = Field(default=None, exclude_if=lambda positives: positives is None)
    metrics: dict[str, Interval]
    champion: Comparison | None
    calibration: tuple[CalibrationBin, ...]
    roc: tuple[tuple[float, float], ...]
    scores: tuple[int, ...]
    fairness: tuple[Fairness, ...]
    invariance: tuple[Flips, ...]
    direction: tuple[Trend, ...]
    speed: Speed
    package_mib: float
    gates: tuple[GateResult, ...] = ()
    machine: Machine | None = None
    usage: dict[str, Usage] = Field(default_factory=dict)
    task: Task = Field(default="binary", exclude_if=lambda task: task == "binary")
    counting: Counting | None = Field(default=None, exclude_if=lambda counting: counting is None)
    confusion: tuple[tuple[str, tuple[int, ...]], ...] = Field(default=(), exclude_if=lambda classes: not classes)

    @property
    def passed(self) -> bool:
        """True if the model passed every gate."""
        return all(gate.passed for gate in self.gates)
