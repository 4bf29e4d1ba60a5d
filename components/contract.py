"""The spec's types: what a team decides about one model, and what a caller may send.

Every other part reads these; nothing here reads a file (`spec.py` does) and
nothing here needs more than pydantic, so the serving process can import it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Upper edges of the score bins that every version counts in, and that the
#: hold-out histograms of a package use. They are spaced by log-odds, so that a
#: model whose positives are rare is resolved as well as a balanced one.
SCORE_EDGES: tuple[float, ...] = (
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4,
    0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0,
)  # fmt: skip

#: A category's value as it stands in a request: JSON text, whole number or boolean.
CategoryValue = bool | int | str

Ratio = Annotated[float, Field(gt=0, lt=1)]


class Closed(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NumberFeature(Closed):
    """A number; `min` and `max` are inclusive and in the unit that callers send."""

    type: Literal["number"]
    unit: str | None = None
    min: float
    max: float
    missing: Literal["refused", "allowed"] = "refused"
    factor: float = Field(default=1.0, description="A request's value times this is the table's value.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; swap them")
        if self.factor == 0:
            raise ValueError("factor 0 would erase the feature; allowed is any other number")
        return self


class CategoryFeature(Closed):
    """One of a closed list of values."""

    type: Literal["category"]
    values: Annotated[tuple[CategoryValue, ...], Field(min_length=1)]
    missing: Literal["refused", "allowed"] = "refused"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        texts = [category_text(value) for value in self.values]
        twice = sorted({text for text in texts if texts.count(text) > 1})
        if twice:
            raise ValueError(f"values {', '.join(twice)} stand twice; each value may stand once")
        return self


class DateFeature(Closed):
    """An ISO 8601 day or time; the model sees days since 1970-01-01 UTC."""

    type: Literal["date"]
    min: date | datetime
    max: date | datetime
    missing: Literal["refused", "allowed"] = "refused"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if days_since_epoch(self.min) > days_since_epoch(self.max):
            raise ValueError(f"min {self.min} is after max {self.max}; swap them")
        return self


Feature = Annotated[NumberFeature | CategoryFeature | DateFeature, Field(discriminator="type")]


class Data(Closed):
    """The table: where it is and which of its columns is the answer."""

    uri: str = Field(description="Path beside the spec, file://, s3:// or gs://; CSV or Parquet.")
    target: str
    positive: CategoryValue
    id: str | None = Field(default=None, description="A column that names a row; never a feature.")
    ignore: tuple[str, ...] = Field(default=(), description="Columns of the table that are no features.")
    source: str | None = Field(default=None, description="Where the table comes from, for people.")


class Split(Closed):
    """How the hold-out is cut off; a row's side depends on that row alone."""

    holdout: Ratio = 0.2
    group: str | None = Field(default=None, description="Rows with one value here stay on one side.")
    time: str | None = Field(default=None, description="The latest rows by this column are the hold-out.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.group and self.time:
            raise ValueError("split by group or by time, not by both; remove one")
        return self


class Direction(Closed):
    """A behaviour that domain knowledge demands: raising `feature` moves scores this way."""

    feature: str
    raises: bool
    min_share: Ratio = 0.9


class Behaviour(Closed):
    """Behavioural checks on the hold-out."""

    invariant: tuple[str, ...] = ()
    max_flip_ratio: float = Field(default=0.05, ge=0, le=1)
    direction: tuple[Direction, ...] = ()


Candidate = Literal["logistic_regression", "random_forest", "gradient_boosting", "keras_mlp"]
Strategy = Literal["auto", "none", "mirrored", "multi_worker_mirrored", "parameter_server", "tpu", "central_storage"]


class Training(Closed):
    """What is searched, how and on what."""

    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] = (
        "logistic_regression", "random_forest", "gradient_boosting", "keras_mlp",
    )  # fmt: skip
    search: Literal["grid", "random", "optuna"] = "random"
    trials: int = Field(default=12, ge=1)
    folds: int = Field(default=3, ge=2, le=20)
    metric: Literal["roc_auc", "average_precision", "neg_brier_score"] = "roc_auc"
    seed: int = Field(default=7, ge=0)
    accelerator: Literal["cpu", "gpu", "tpu"] = "cpu"
    accelerator_count: int = Field(default=1, ge=1)
    accelerator_type: str | None = Field(default=None, description="Node label value, such as nvidia-l4.")
    tpu_topology: str | None = None
    strategy: Strategy = "auto"
    timeout_minutes: int = Field(default=60, ge=1)


class MinimumGate(Closed):
    """A metric must be at least this."""

    min: float


class VersusChampionGate(Closed):
    """The first metric's gate must not fall further below the champion's than this."""

    max_loss: float = Field(default=0.01, ge=0, description="Largest fall of the first metric's gate.")


class FairnessGate(Closed):
    """The true positive ratio must not differ by more than this between groups."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]
    max_equal_opportunity_gap: Ratio = 0.15
    min_group_positives: int = Field(default=30, ge=1)


class LatencyGate(Closed):
    """One row must be answered within this many milliseconds (99th percentile, encoding and graph)."""

    max: float = Field(gt=0)


class SizeGate(Closed):
    """At most this much."""

    max: float = Field(gt=0)


class Gates(Closed):
    """What a candidate must show offline before it is registered."""

    roc_auc: MinimumGate | None = None
    average_precision: MinimumGate | None = None
    versus_champion: VersusChampionGate = VersusChampionGate()
    calibration_error: SizeGate | None = None
    fairness: FairnessGate | None = None
    latency_p99_ms: LatencyGate | None = None
    package_mib: SizeGate | None = None
    behaviour: Behaviour | None = None


class Objectives(Closed):
    """The promises to callers."""

    availability: Ratio = 0.999
    latency_p99_ms: float = Field(default=50, gt=0)


class Harm(Closed):
    """By how much a canary may be worse in each signal; a signal left out is not judged.

    Every margin is a difference, canary minus champion: of ratios of requests
    (`error_ratio`, `slow_ratio`), of the cumulative distribution of scores
    (`score_shift`), of the Brier loss of labelled answers (`label_loss`).
    """

    error_ratio: Ratio | None = 0.005
    slow_ratio: Ratio | None = 0.02
    score_shift: Ratio | None = 0.05
    label_loss: Ratio | None = 0.02

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.error_ratio is None:
            raise ValueError("error_ratio is always judged; give it a margin such as 0.005")
        return self


class Rollout(Closed):
    """How a new version gets traffic."""

    strategy: Literal["canary", "shadow", "basic"] = "canary"
    step_weight: int = Field(default=10, ge=1, le=100)
    max_weight: int = Field(default=50, ge=1, le=100)
    interval_seconds: float = Field(default=30, gt=0)
    deadline_minutes: float = Field(default=60, gt=0)
    false_alarm: Ratio = 0.01
    harm: Harm = Harm()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.step_weight > self.max_weight:
            raise ValueError(f"step_weight {self.step_weight} is above max_weight {self.max_weight}")
        return self


class Scale(Closed):
    """Replicas of each version."""

    min: int = Field(default=2, ge=1)
    max: int = Field(default=10, ge=1)
    cpu_percent: int = Field(default=70, ge=1, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; swap them")
        return self


class Limits(Closed):
    """How much one request may carry."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    max_batch_rows: int = Field(default=1000, ge=1)


class Spec(Closed):
    """`services/<name>/service.yaml`."""

    name: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
    description: str = ""
    data: Data
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    split: Split = Split()
    training: Training = Training()
    gates: Gates = Gates()
    objectives: Objectives = Objectives()
    rollout: Rollout = Rollout()
    scale: Scale = Scale()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        others = {self.data.target: "data.target", **dict.fromkeys(self.data.ignore, "data.ignore")}
        if self.data.id:
            others[self.data.id] = "data.id"
        for column in self.features.keys() & others.keys():
            raise ValueError(f"features: {column!r} is {others[column]} as well; remove one of the two")
        for place, columns in self._named_features().items():
            for column in columns:
                if column not in self.features:
                    raise ValueError(f"{place}: {column!r} is no feature; allowed: {', '.join(self.features)}")
        return self

    def _named_features(self) -> dict[str, tuple[str, ...]]:
        behaviour = self.gates.behaviour or Behaviour()
        return {
            "gates.fairness.by": self.gates.fairness.by if self.gates.fairness else (),
            "gates.behaviour.invariant": behaviour.invariant,
            "gates.behaviour.direction": tuple(direction.feature for direction in behaviour.direction),
        }


def category_text(value: CategoryValue) -> str:
    """The one spelling by which a table's cell and a request's value are compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def days_since_epoch(moment: date | datetime) -> float:
    """Days since 1970-01-01 UTC; a time without a zone is taken as UTC."""
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.timestamp() / 86_400
    return float(moment.toordinal() - date(1970, 1, 1).toordinal())
