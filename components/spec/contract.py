"""The spec's types: the decisions of a team about one model, and the values that a caller may send.

Every other part uses these types. This module reads no file (`reading/loading.py` does)
and needs only pydantic and numpy, so the serving process can import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from components.spec.quantities import CoresText, MemoryText, cores, memory_bytes
from components.spec.tasks import FEWEST_CLASSES, MOST_CLASSES, RULES, Candidate, SearchMetric, Task
from components.spec.values import CategoryValue, category_text, days_since_epoch

#: Upper edges of the bins in which every version counts its scores, also in the
#: hold-out histograms of a package. They are spaced by log-odds, so that they resolve
#: a model with rare positives as well as a balanced one.
SCORE_EDGES: tuple[float, ...] = (
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4,
    0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0,
)  # fmt: skip
#: The beginning of the name of a class's bin in metrics; its number follows. Bins in order have a number alone.
CLASS_BIN = "label:"

_MIDDLES = tuple((low + high) / 2 for low, high in zip((0.0, *SCORE_EDGES[:-1]), SCORE_EDGES, strict=True))
#: The Brier loss by score bin and label (negative, positive), one after the other: each bin's middle is its score.
BRIER_LOSSES: tuple[float, ...] = tuple(miss * miss for middle in _MIDDLES for miss in (middle, 1 - middle))

#: In a registry: the tag that names the package of a model version, and the alias of the serving version.
PACKAGE_TAG = "canario.package"
CHAMPION = "champion"

#: A name that is valid for a folder, a DNS label and a Kubernetes object.
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"

Ratio = Annotated[float, Field(gt=0, lt=1)]

#: A larger share of copies, among rows that need not be alike, shows that the table was joined or appended twice.
USUAL_DUPLICATE_RATIO = 0.5

Missing = Annotated[
    Literal["refused", "allowed", "impute", "indicator"],
    Field(
        description="Whether callers may omit it or send null. allowed, indicator: the model sees the usual value, and "
        "that it is missing; impute: it sees the usual value alone."
    ),
]
Outside = Annotated[
    Literal["refuse", "clip"],
    Field(
        description="What becomes of a value that is not from min to max; clip: the nearer bound stands for it.",
        exclude_if=lambda outside: outside == "refuse",
    ),
]


def _no_timestamp(value: object) -> object:
    """Refuses 2024 and "2024", which pydantic would read as seconds since 1970."""
    if isinstance(value, (int, float)) or (isinstance(value, str) and value[:10].count("-") != 2):
        raise ValueError("a day or time is ISO 8601, such as 2024-03-31")
    return value


#: A day or a time in a spec.
Moment = Annotated[date | datetime, BeforeValidator(_no_timestamp)]


class ClosedModel(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MissingFeature(ClosedModel):
    """A feature that may have gaps."""

    @property
    def optional(self) -> bool:
        """Whether callers may omit it, and a table may have gaps."""
        missing: str = getattr(self, "missing", "refused")
        return missing != "refused"

    @property
    def has_indicator(self) -> bool:
        """Whether the model sees that it is missing."""
        missing: str = getattr(self, "missing", "refused")
        return missing in ("allowed", "indicator")


class NumberFeature(MissingFeature):
    """A number; `min` and `max` are inclusive, in the callers' unit."""

    type: Literal["number"] = Field(description="A number.")
    unit: str | None = Field(default=None, description="The unit that callers send, for people.")
    min: float = Field(description="Smallest value that a caller may send.")
    max: float = Field(description="Largest value that a caller may send.")
    missing: Missing = "refused"
    outside: Outside = "refuse"
    factor: float = Field(default=1.0, description="A request's value times factor is the table's value.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; swap them")
        if self.factor == 0:
            raise ValueError("factor 0 would erase the feature; allowed is any other number")
        return self


class CategoryFeature(MissingFeature):
    """One of a closed list of values."""

    type: Literal["category"] = Field(description="One of a closed list of values.")
    values: tuple[CategoryValue, ...] = Field(min_length=1, description="Every value that a caller may send.")
    missing: Missing = "refused"
    unknown: Literal["refuse", "other"] = Field(
        default="refuse",
        description="What becomes of a value that is not listed; other: all of them are one more category.",
        exclude_if=lambda unknown: unknown == "refuse",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _refuse_twice("values", self.values)
        return self


def _refuse_twice(key: str, values: tuple[CategoryValue, ...]) -> None:
    texts = [category_text(value) for value in values]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise ValueError(f"{key} {', '.join(twice)} stand twice; each value may stand once")


class DateFeature(MissingFeature):
    """An ISO 8601 day or time; the model sees days since 1970-01-01 UTC."""

    type: Literal["date"] = Field(description="An ISO 8601 day or time.")
    min: Moment = Field(description="First day or time that a caller may send.")
    max: Moment = Field(description="Last day or time that a caller may send; a day means its first moment.")
    missing: Missing = "refused"
    outside: Outside = "refuse"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if days_since_epoch(self.min) > days_since_epoch(self.max):
            raise ValueError(f"min {self.min} is after max {self.max}; swap them")
        return self


Feature = Annotated[NumberFeature | CategoryFeature | DateFeature, Field(discriminator="type")]


class Data(ClosedModel):
    """The table: its location and the roles of its columns."""

    uri: str = Field(min_length=1, description="CSV or Parquet: a path relative to the spec, or file://, s3://, gs://.")
    # What a spec of two values leaves out is not written either: such a spec, and what is made of it, stays as it was.
    task: Task = Field(
        default="binary",
        description="binary: the target has two values; multiclass: 3 to 100 classes; regression: it is a number.",
        exclude_if=lambda task: task == "binary",
    )
    target: str = Field(description="The column that the model predicts.")
    positive: CategoryValue | None = Field(
        default=None,
        description="binary: the target's value whose probability the model answers.",
        exclude_if=lambda positive: positive is None,
    )
    classes: tuple[CategoryValue, ...] = Field(
        default=(),
        description="multiclass: every value of the target.",
        exclude_if=lambda classes: not classes,
    )
    unit: str | None = Field(
        default=None,
        description="regression: the unit of the target, and so of the answers.",
        exclude_if=lambda unit: unit is None,
    )
    id: str | None = Field(default=None, description="A column that identifies a row; never a feature.")
    ignore: tuple[str, ...] = Field(default=(), description="Columns of the table that are not features.")
    vouched: tuple[str, ...] = Field(
        default=(),
        description="Features that predict the answer almost alone but, as a person confirms, do not leak it.",
    )
    source: str | None = Field(default=None, description="Where the table comes from, for people.")
    missing_values: tuple[str, ...] | None = Field(
        default=None,
        description="Words that stand for a gap, beside the empty cell; left out: the usual ones.",
        exclude_if=lambda words: words is None,
    )
    max_duplicate_ratio: float = Field(
        default=USUAL_DUPLICATE_RATIO,
        gt=0,
        le=1,
        description="Largest share of rows that may copy another one, beyond those that chance makes alike.",
        exclude_if=lambda ratio: ratio == USUAL_DUPLICATE_RATIO,
    )

    @model_validator(mode="after")
    def _one_role(self) -> Self:
        if self.id == self.target:
            raise ValueError(f"{self.target!r} is both target and id; a column has one role")
        for role, column in (("target", self.target), ("id", self.id)):
            if column in self.ignore:
                raise ValueError(f"{column!r} is the {role} and stands in ignore; remove it from ignore")
        return self

    @model_validator(mode="after")
    def _target_of_the_task(self) -> Self:
        of_task = {"positive": "binary", "classes": "multiclass", "unit": "regression"}
        given = {"positive": self.positive is not None, "classes": bool(self.classes), "unit": self.unit is not None}
        for key, task in of_task.items():
            if given[key] and task != self.task:
                raise ValueError(f"{key} belongs to task {task}, and the task is {self.task}; remove {key}")
        if self.task == "binary" and not given["positive"]:
            raise ValueError("positive is missing; name the target's value whose probability the model answers")
        if self.task == "multiclass" and not FEWEST_CLASSES <= len(self.classes) <= MOST_CLASSES:
            raise ValueError(
                f"classes has {len(self.classes)} values; allowed are {FEWEST_CLASSES} to {MOST_CLASSES} (for two "
                "leave task out and name the positive one)"
            )
        _refuse_twice("classes", self.classes)
        return self


class Split(ClosedModel):
    """The rule that cuts off the hold-out; a row's side depends on that row alone."""

    holdout: Ratio = Field(default=0.2, description="Share of the rows that no search ever sees.")
    group: str | None = Field(default=None, description="Rows with equal values in this column stay on one side.")
    time: str | None = Field(default=None, description="The latest rows by this column are the hold-out.")
    duplicates: Literal["together", "apart"] = Field(
        default="together",
        description="together: rows with equal features stay on one side; apart: each is dealt for itself, by its "
        "answer, as suits a table with few different rows.",
        exclude_if=lambda duplicates: duplicates == "together",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.group and self.time:
            raise ValueError("split by group or by time, not by both; remove one")
        if self.duplicates == "apart" and (self.group or self.time):
            raise ValueError("duplicates apart deals single rows, and group or time keeps rows together; remove one")
        return self


class Direction(ClosedModel):
    """A behaviour that domain knowledge demands: the direction in which raising `feature` moves scores."""

    feature: str = Field(description="A number or date feature.")
    raises: bool = Field(description="true: a larger value raises the score; false: it lowers it.")
    min_share: Ratio = Field(default=0.9, description="Smallest share of hold-out rows that must behave this way.")
    of: CategoryValue | None = Field(
        default=None,
        description="multiclass: the class whose probability is the score.",
        exclude_if=lambda of: of is None,
    )


class Behaviour(ClosedModel):
    """Behavioural checks on the hold-out."""

    invariant: tuple[str, ...] = Field(default=(), description="Features whose change must not change the label.")
    max_flip_ratio: float = Field(
        default=0.05, ge=0, le=1, description="Largest share of hold-out rows whose label may change nevertheless."
    )
    direction: tuple[Direction, ...] = Field(default=(), description="Features that must move scores in one direction.")


Strategy = Literal["auto", "none", "mirrored", "multi_worker_mirrored", "tpu", "central_storage"]

#: The most pods that train one network together.
MOST_WORKERS = 32


class Training(ClosedModel):
    """The search for a model: candidates, method and hardware."""

    candidates: tuple[Candidate, ...] = Field(
        default=RULES["binary"].candidates,
        min_length=1,
        description="Kinds of model to try; by default all that can do the task.",
    )
    search: Literal["grid", "random", "optuna"] = Field(default="random", description="Method of the parameter search.")
    trials: int = Field(default=12, ge=1, description="Parameter sets to try, over all candidates.")
    folds: int = Field(default=3, ge=2, le=20, description="Folds of the cross-validation of each trial.")
    metric: SearchMetric = Field(
        default=RULES["binary"].search[0],
        description="The metric that the search maximises; by default roc_auc (binary), neg_log_loss (multiclass),"
        " neg_mean_absolute_error (regression).",
    )
    seed: int = Field(default=7, ge=0, description="Makes a run repeatable.")
    accelerator: Literal["cpu", "gpu", "tpu"] = Field(default="cpu", description="Hardware of the training step.")
    accelerator_count: int = Field(default=1, ge=1, description="Devices of the training step.")
    accelerator_type: str | None = Field(default=None, description="Node label value, such as nvidia-l4.")
    tpu_topology: str | None = Field(default=None, description="Node label value, such as 2x2.")
    workers: int = Field(
        default=1, ge=1, le=MOST_WORKERS, description="Pods that train one network together, each on its own devices."
    )
    strategy: Strategy = Field(default="auto", description="tf.distribute strategy; auto chooses by the device.")
    timeout_minutes: int = Field(default=60, ge=1, description="A training step that takes longer fails.")

    @model_validator(mode="after")
    def _once(self) -> Self:
        twice = sorted({name for name in self.candidates if self.candidates.count(name) > 1})
        if twice:
            raise ValueError(f"candidates {', '.join(twice)} stand twice; each may stand once")
        return self

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.workers == 1:
            if self.strategy == "multi_worker_mirrored":
                raise ValueError("strategy multi_worker_mirrored needs workers: 2 or more; write them, or auto")
            return self
        others = [name for name in self.candidates if name != "keras_mlp"]
        if others:
            raise ValueError(
                f"workers {self.workers} train a network together, and one worker fits {', '.join(others)}; "
                "leave keras_mlp alone in candidates, or write workers: 1"
            )
        if self.strategy not in ("auto", "multi_worker_mirrored"):
            raise ValueError(
                f"strategy {self.strategy} is for one worker, and workers is {self.workers}; allowed are auto and "
                "multi_worker_mirrored, or workers: 1"
            )
        if self.accelerator == "tpu":
            raise ValueError(
                f"workers {self.workers} with accelerator tpu is not supported; write workers: 1 and a larger "
                "accelerator_count or tpu_topology, or use gpu or cpu"
            )
        return self

    @model_validator(mode="after")
    def _accelerator_is_used(self) -> Self:
        if self.accelerator != "cpu" and "keras_mlp" not in self.candidates:
            raise ValueError(
                f"accelerator {self.accelerator} has nothing to do: {', '.join(self.candidates)} compute on the CPU; "
                "add keras_mlp to candidates, or set accelerator to cpu"
            )
        if (self.strategy == "tpu" or self.accelerator == "tpu") and (
            self.strategy not in ("auto", "tpu") or self.accelerator != "tpu"
        ):
            raise ValueError(
                f"strategy {self.strategy} does not go with accelerator {self.accelerator}: tpu goes with tpu or auto"
            )
        return self


class MinimumGate(ClosedModel):
    """Requires a metric to reach a minimum."""

    min: float = Field(ge=0, le=1, description="Smallest value that passes.")


def _later(description: str) -> Any:
    """A gate that came after the first specs: what does not name it is written without it, as it was."""
    return Field(default=None, description=description, exclude_if=lambda gate: gate is None)


class VersusChampionGate(ClosedModel):
    """Limits the fall below the champion in the metric of the first gate, at the upper end of its 95 % interval.

    A hold-out that is too small to show that the fall is within the limit does not pass.
    """

    max_loss: float = Field(
        default=0.01,
        ge=0,
        description="Largest fall, at the upper end of its interval, in the metric of the first gate; of an error in"
        " the target's unit (regression) a part of the champion's.",
    )


class FairnessGate(ClosedModel):
    """Limits the difference of the true positive ratio between groups."""

    by: tuple[str, ...] = Field(min_length=1, description="Category features whose values define the groups.")
    max_equal_opportunity_gap: Ratio = Field(
        default=0.15, description="Largest difference between the true positive ratios of two groups."
    )
    min_group_positives: int = Field(default=30, ge=1, description="A group with fewer positives is shown, not judged.")


class LatencyGate(ClosedModel):
    """Limits the time to answer one row, in milliseconds (99th percentile, encoding and graph)."""

    max: float = Field(gt=0, description="Largest value that passes.")


class SizeGate(ClosedModel):
    """Limits a value from above."""

    max: float = Field(gt=0, description="Largest value that passes.")


class Gates(ClosedModel):
    """The offline gates that a candidate must pass before it is registered."""

    roc_auc: MinimumGate | None = Field(default=None, description="Area under the ROC curve on the hold-out.")
    average_precision: MinimumGate | None = Field(default=None, description="Average precision on the hold-out.")
    versus_champion: VersusChampionGate | None = Field(
        default=VersusChampionGate(), description="Comparison with the champion; null skips it."
    )
    breaks_callers: bool = Field(default=False, description="true: a version may refuse what its champion accepts.")
    calibration_error: SizeGate | None = Field(default=None, description="Expected calibration error, 0 to 1.")
    fairness: FairnessGate | None = Field(default=None, description="True positive ratios by group.")
    latency_p99_ms: LatencyGate | None = Field(default=None, description="Time to answer one row, in milliseconds.")
    package_mib: SizeGate | None = Field(default=None, description="Size of the package in MiB.")
    behaviour: Behaviour | None = Field(default=None, description="Behavioural checks.")
    accuracy: MinimumGate | None = _later("multiclass: share of rows whose class is right.")
    balanced_accuracy: MinimumGate | None = _later("multiclass: mean over the classes of the share that is found.")
    f1_macro: MinimumGate | None = _later("multiclass: mean over the classes of F1.")
    log_loss: SizeGate | None = _later("multiclass: mean surprise at the right class, in nats.")
    r2: MinimumGate | None = _later("regression: part of the target's variance that is explained.")
    mean_absolute_error: SizeGate | None = _later("regression: in the target's unit.")
    root_mean_squared_error: SizeGate | None = _later("regression: in the target's unit.")
    mean_absolute_percentage_error: SizeGate | None = _later(
        "regression: mean of error / target, where no target is 0; 0.1 is 10 %."
    )

    def of_metrics(self) -> dict[str, MinimumGate | SizeGate]:
        """The gates on a metric that are set, by the metric's name."""
        named = {name: getattr(self, name) for rules in RULES.values() for name in rules.gates}
        return {name: gate for name, gate in named.items() if gate is not None}


class Objectives(ClosedModel):
    """The promises to callers."""

    availability: Ratio = Field(default=0.999, description="Share of requests that are answered without a 5xx.")
    latency_p99_ms: float = Field(default=50, gt=0, description="A request that takes longer counts as slow.")


class Harm(ClosedModel):
    """The margins by which a canary may be worse in each signal.

    A signal that is null is not judged; one that is left out has the default margin, and is judged. So
    `label_loss` is to be null where no labels come back in time: a canary waits for them until the deadline.
    Every margin is a difference, canary minus champion: of ratios of requests
    (`error_ratio`, `slow_ratio`), of the cumulative distribution of scores
    (`score_shift`), of the Brier loss of labelled answers (`label_loss`), of the part
    of the requests that was lost (`lost_ratio`).
    """

    error_ratio: Ratio | None = Field(
        default=0.005,
        description="Rise in the share of requests answered with 5xx, by the version or by the gateway in its stead.",
    )
    slow_ratio: Ratio | None = Field(
        default=0.02,
        description="Rise in the share of requests slower than the objective; half of it for twice, a quarter for"
        " four times the objective.",
    )
    score_shift: Ratio | None = Field(default=0.05, description="Shift of scores beyond that on the hold-out.")
    label_loss: Ratio | None = Field(default=0.02, description="Rise in Brier loss on labels that came back.")
    lost_ratio: Ratio | None = Field(
        default=0.02, description="Share of the requests routed to the canary that it never answers or counts."
    )
    latency_shift: Ratio | None = Field(
        default=None,
        description="Rise in the share of requests slower than a quarter, or half, of the objective; null: only told.",
    )

    def margins(self) -> dict[str, float | None]:
        """The margin of each signal by its name; None for a signal that is not judged."""
        return {
            "error_ratio": self.error_ratio,
            "slow_ratio": self.slow_ratio,
            "score_shift": self.score_shift,
            "label_loss": self.label_loss,
            "lost_ratio": self.lost_ratio,
        }

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.error_ratio is None:
            raise ValueError("error_ratio is always judged; give it a margin such as 0.005")
        if self.latency_shift is not None and self.slow_ratio is None:
            raise ValueError("latency_shift is a part of slow_ratio; give slow_ratio a margin such as 0.02")
        return self


class Shadow(ClosedModel):
    """The share of requests that a shadow candidate gets, and how much its answers may differ.

    Two answers differ if their labels do, or their probabilities by more than `score_difference`.
    """

    ratio: float = Field(default=0.2, gt=0, le=1, description="Share of requests copied to the candidate.")
    score_difference: Ratio = Field(default=0.05, description="Probabilities further apart count as different.")
    different_ratio: Ratio | None = Field(
        default=0.01, description="Largest share of different answers in any slice; null: shown, not judged."
    )
    slices: tuple[str, ...] = Field(
        default=(),
        description="Category features whose values define the slices; empty: all with at most 20 values.",
    )


#: The strategies in which the judge decides about a growing share of traffic.
CANARY_STRATEGIES = ("canary", "shadow-then-canary")


class Rollout(ClosedModel):
    """The way in which a new version gets traffic."""

    strategy: Literal["canary", "shadow", "shadow-then-canary", "basic"] = Field(
        default="canary",
        description="canary: a growing share of traffic; shadow: copies, unseen by callers; shadow-then-canary: copies "
        "until scores and labels pass, then a growing share, judged by errors and latency; basic: all at once.",
    )
    step_weight: int = Field(default=10, ge=1, le=100, description="Percent of traffic added by each step.")
    max_weight: int = Field(default=50, ge=1, le=100, description="Largest percent of traffic before promotion.")
    interval_seconds: float = Field(default=30, gt=0, description="Time between two looks by the judge.")
    deadline_minutes: float = Field(
        default=60, gt=0, description="A rollout not decided by then is taken back; a shadow before it has as long."
    )
    label_maturity_minutes: float | None = Field(
        default=None, gt=0, description="Age from which an answer's labels count; null counts them as they come."
    )
    false_alarm: Ratio = Field(default=0.01, description="Share of good versions that may fail, over a whole rollout.")
    harm: Harm = Field(default=Harm(), description="How much worse a canary may be.")
    shadow: Shadow = Field(default=Shadow(), description="Settings of the strategies with a shadow.")

    @property
    def has_canary(self) -> bool:
        """Whether the judge decides about a growing share of traffic."""
        return self.strategy in CANARY_STRATEGIES

    @property
    def shadow_first(self) -> bool:
        """Whether a canary gets copies before its first share of traffic."""
        return self.strategy == "shadow-then-canary"

    @model_validator(mode="after")
    def _something_in_the_shadow(self) -> Self:
        if self.shadow_first and self.harm.score_shift is None and self.harm.label_loss is None:
            raise ValueError(
                "strategy shadow-then-canary judges scores and labels in the shadow, and harm.score_shift and "
                "harm.label_loss are both null; give one a margin such as 0.05, or choose strategy canary"
            )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.step_weight > self.max_weight:
            raise ValueError(f"step_weight {self.step_weight} is above max_weight {self.max_weight}")
        return self


class Scale(ClosedModel):
    """Replicas of each version."""

    min: int = Field(default=2, ge=1, description="Fewest replicas.")
    max: int = Field(default=10, ge=1, description="Most replicas.")
    cpu_percent: int = Field(default=70, ge=1, le=100, description="CPU use that the autoscaler aims at.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; swap them")
        return self


class Limits(ClosedModel):
    """The limits on one request."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="A larger body is refused.")
    max_batch_rows: int = Field(default=1000, ge=1, description="A longer list is refused.")


class PodAmounts(ClosedModel):
    """Cores and memory in Kubernetes' notation; null leaves what the step has without it."""

    cpu: CoresText | None = Field(default=None, description="Cores, such as 500m or 2.")
    memory: MemoryText | None = Field(default=None, description="Memory, such as 512Mi or 8Gi.")


class StepResources(ClosedModel):
    """What the pod of a step reserves, and what it may use at most."""

    requests: PodAmounts = Field(default=PodAmounts(), description="A node must have this much free to take the pod.")
    limits: PodAmounts = Field(
        default=PodAmounts(), description="A pod that needs more memory is ended, and tried again."
    )

    @model_validator(mode="after")
    def _within(self) -> Self:
        asked, most = self.requests, self.limits
        if asked.cpu and most.cpu and cores(asked.cpu) > cores(most.cpu):
            raise ValueError(f"requests.cpu {asked.cpu} is above limits.cpu {most.cpu}; raise the limit")
        if asked.memory and most.memory and memory_bytes(asked.memory) > memory_bytes(most.memory):
            raise ValueError(f"requests.memory {asked.memory} is above limits.memory {most.memory}; raise the limit")
        return self


#: The steps that `resources` may name; `default` stands for each that is not named.
ResourcesOf = Literal[
    "default", "ingest", "validate", "split", "tune", "train", "evaluate", "gate", "register", "image", "release",
]  # fmt: skip


class Spec(ClosedModel):
    """`services/<name>/service.yaml`."""

    name: str = Field(
        pattern=NAME_PATTERN,
        description="The service's name: small letters, digits and hyphens, at most 40.",
    )
    description: str = Field(default="", description="The question that the model answers, for people.")
    data: Data = Field(description="The table.")
    features: dict[str, Feature] = Field(min_length=1, description="The values that callers send and the model reads.")
    split: Split = Field(default=Split(), description="How the hold-out is cut off.")
    training: Training = Field(default=Training(), description="Candidates, search and hardware.")
    gates: Gates = Field(default=Gates(), description="Gates to pass before a candidate is registered.")
    objectives: Objectives = Field(default=Objectives(), description="The promises to callers.")
    rollout: Rollout = Field(default=Rollout(), description="How a new version gets traffic.")
    scale: Scale = Field(default=Scale(), description="Replicas of each version.")
    limits: Limits = Field(default=Limits(), description="Limits on one request.")
    resources: dict[ResourcesOf, StepResources] = Field(
        default={}, description="Cores and memory of steps on Kubeflow Pipelines; retrains nothing."
    )
    purpose: str = Field(default="", description="Intended and forbidden uses of the answers.")
    owner: str = Field(default="", description="The team or person responsible for the model; the dossier names it.")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, given: Any) -> Any:
        """What `training` leaves out is by the task; this comes first, so that a spec is the same when read again."""
        if not isinstance(given, Mapping) or not isinstance(given.get("data"), Mapping):
            return given
        rules, training = RULES.get(given["data"].get("task", "binary")), given.get("training", {})
        if rules is None or not isinstance(training, Mapping):
            return given
        return {**given, "training": {"candidates": rules.candidates, "metric": rules.search[0], **training}}

    @model_validator(mode="after")
    def _suits_the_task(self) -> Self:
        task, rules = self.data.task, RULES[self.data.task]
        lists = (
            ("training.candidates", self.training.candidates, rules.candidates),
            ("training.metric", (self.training.metric,), rules.search),
            ("gates", self.gates.of_metrics(), rules.gates),
        )
        for place, named, allowed in lists:
            for name in named:
                if name not in allowed:
                    raise ValueError(f"{place}: {name} is not for task {task}; allowed: {', '.join(allowed)}")
        if task != "binary" and self.gates.fairness:
            raise ValueError(f"gates.fairness: is not built for task {task} yet; remove it")
        if task != "binary" and self.rollout.strategy in ("shadow", "shadow-then-canary"):
            raise ValueError(
                f"rollout.strategy: {self.rollout.strategy} compares probabilities, and is not built for task {task} "
                "yet; allowed: canary, basic"
            )
        return self

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        others = {self.data.target: "data.target", **dict.fromkeys(self.data.ignore, "data.ignore")}
        if self.data.id:
            others[self.data.id] = "data.id"
        for column in self.features:
            if column in others:
                raise ValueError(f"features: {column!r} is {others[column]} as well; remove one of the two")
        if self.data.target in (self.split.group, self.split.time):
            raise ValueError(f"split: {self.data.target!r} is the target; split by another column")
        return self

    @model_validator(mode="after")
    def _features_exist(self) -> Self:
        fairness, behaviour = self.gates.fairness, self.gates.behaviour or Behaviour()
        self._have_type("gates.fairness.by", fairness.by if fairness else (), ("category",))
        self._have_type("gates.behaviour.invariant", behaviour.invariant, ("number", "category", "date"))
        self._have_type("rollout.shadow.slices", self.rollout.shadow.slices, ("category",))
        moved = tuple(direction.feature for direction in behaviour.direction)
        self._have_type("gates.behaviour.direction", moved, ("number", "date"))
        return self

    @model_validator(mode="after")
    def _behaviour_suits_the_task(self) -> Self:
        behaviour = self.gates.behaviour or Behaviour()
        if self.data.task == "regression" and behaviour.invariant:
            raise ValueError("gates.behaviour.invariant: a number has no label that could change; remove it")
        for place, rule in enumerate(behaviour.direction):
            at = f"gates.behaviour.direction.{place}.of"
            if self.data.task == "multiclass" and rule.of not in self.data.classes:
                given = f"{rule.of!r} is none of the classes" if rule.of is not None else "name the class that moves"
                raise ValueError(f"{at}: {given}; allowed: {', '.join(map(str, self.data.classes))}")
            if self.data.task != "multiclass" and rule.of is not None:
                raise ValueError(f"{at}: belongs to task multiclass, and the task is {self.data.task}; remove of")
        return self

    def _have_type(self, place: str, columns: tuple[str, ...], types: tuple[str, ...]) -> None:
        allowed = [name for name, feature in self.features.items() if feature.type in types]
        for column in columns:
            if column not in allowed:
                kind = f"no {' or '.join(types)} feature" if column in self.features else "no feature"
                raise ValueError(f"{place}: {column!r} is {kind}; allowed: {', '.join(allowed) or 'none'}")
