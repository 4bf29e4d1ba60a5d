"""What `evaluate` says about a model: the types of `evaluation.json`, which gates, reports and MLflow read."""

from __future__ import annotations

from components.digest import Digest
from components.models.machine import Machine
from components.spec.contract import ClosedModel


class Interval(ClosedModel):
    """A number with the middle 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float


class Comparison(ClosedModel):
    """This model minus the champion, on the same hold-out rows and the same bootstrap samples.

    For `roc_auc`, `average_precision` and `accuracy` positive is better, for the others negative.
    `doubt` says why the numbers may favour the champion, in a sentence; empty if they do not.
    """

    package: Digest
    metrics: dict[str, Interval]
    difference: dict[str, Interval]
    shift: tuple[float, ...]
    shift_error: tuple[float, ...]
    doubt: str = ""


class CalibrationBin(ClosedModel):
    """Rows of neighbouring scores: what was predicted for them, and what came."""

    predicted: float
    observed: float
    rows: int


class Group(ClosedModel):
    """The rows with one value of a feature; ratios are None where there is nothing to divide by."""

    value: str
    rows: int
    positives: int
    true_positive_ratio: float | None
    named_positive_ratio: float


class Fairness(ClosedModel):
    """Equal opportunity over a feature: how far apart the groups' true positive ratios lie.

    `gap` is None when fewer than two groups have enough positives to judge.
    """

    by: str
    groups: tuple[Group, ...]
    gap: float | None


class Flips(ClosedModel):
    """How many labels change when a feature that should not matter is given another value."""

    feature: str
    ratio: float


class Trend(ClosedModel):
    """The share of rows whose score moves the demanded way (or stays) when a feature is raised."""

    feature: str
    raises: bool
    share: float


class Speed(ClosedModel):
    """Time to answer one row, encoding and graph."""

    p50_ms: float
    p99_ms: float


class GateResult(ClosedModel):
    """One gate: what was measured, what is allowed, and whether it may pass; None was not measurable."""

    gate: str
    value: float | None
    limit: str
    passed: bool
    detail: str = ""


class Evaluation(ClosedModel):
    """`evaluation.json`; `machine` is where the model was fitted, None when it was not fitted by `train`."""

    candidate: str
    rows: int
    positives: int
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

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.passed for gate in self.gates)
