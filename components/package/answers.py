"""What a model answers, by task: its target, its graph's output, one answer, and how answers and losses are counted.

Everything that differs between tasks in a package is told here. `outputs` are always those of the graph:

| task | output | shape |
| --- | --- | --- |
| binary | `probability` of the positive word | float32 [N] |
| multiclass | `probabilities` of the classes, in their order | float32 [N, classes] |
| regression | `value` in the target's unit | float64 [N] |
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from components.spec.contract import SCORE_EDGES, ClosedModel
from components.spec.tasks import FEWEST_CLASSES, MOST_CLASSES, Task

#: The largest difference between two computations of the same answer: of a probability, and of a value in parts of the
#: target's spread on the hold-out.
TOLERANCE: Final = 1e-6

#: Upper edges of the bins in order, all but the last, which has no end for a value: as many bins in every task.
ORDERED_EDGES: Final = len(SCORE_EDGES) - 1

Probability = Annotated[float, Field(ge=0, le=1)]
Outputs = NDArray[Any]


@dataclass(frozen=True)
class GraphOutput:
    """A graph's output: its name, onnxruntime's name of its type, and its number of dimensions."""

    name: str
    type: str
    dimensions: int
    text: str


OUTPUTS: Final[Mapping[Task, GraphOutput]] = {
    "binary": GraphOutput("probability", "tensor(float)", 1, "probability float32 [N]"),
    "multiclass": GraphOutput("probabilities", "tensor(float)", 2, "probabilities float32 [N, classes]"),
    "regression": GraphOutput("value", "tensor(double)", 1, "value float64 [N]"),
}


# --- targets --------------------------------------------------------------------------


class Target(ClosedModel):
    """The answer's name and its two words, as `label` spells them."""

    name: str
    positive: str
    negative: str


class ClassTarget(ClosedModel):
    """The answer's name and its classes, as `label` spells them, in the order of the graph's output."""

    name: str
    classes: Annotated[tuple[str, ...], Field(min_length=FEWEST_CLASSES, max_length=MOST_CLASSES)]


class NumberTarget(ClosedModel):
    """The answer's name and unit; `spread` is the target's standard deviation on the hold-out."""

    name: str
    unit: str | None = None
    spread: float = Field(gt=0)

    @property
    def tolerance(self) -> float:
        """The largest difference between two computations of the same value."""
        return TOLERANCE * self.spread


AnyTarget = Target | ClassTarget | NumberTarget
TARGETS: Final[Mapping[Task, type[AnyTarget]]] = {
    "binary": Target,
    "multiclass": ClassTarget,
    "regression": NumberTarget,
}


# --- answers --------------------------------------------------------------------------


class Answer(ClosedModel):
    """The model's answer to one row, of two words; `decision` only where the contract has one."""

    probability: Probability
    label: str
    decision: bool | None = Field(default=None, exclude_if=lambda decision: decision is None)

    @property
    def output(self) -> float:
        """What the graph answered."""
        return self.probability


class ClassAnswer(ClosedModel):
    """The model's answer to one row, of several classes: the probability of each, in their order."""

    probabilities: dict[str, Probability]
    label: str

    @property
    def output(self) -> list[float]:
        """What the graph answered."""
        return list(self.probabilities.values())


class NumberAnswer(ClosedModel):
    """The model's answer to one row, a number in the target's unit."""

    value: float

    @property
    def output(self) -> float:
        """What the graph answered."""
        return self.value


AnyAnswer = Answer | ClassAnswer | NumberAnswer
ANSWERS: Final[Mapping[Task, type[AnyAnswer]]] = {
    "binary": Answer,
    "multiclass": ClassAnswer,
    "regression": NumberAnswer,
}


def outputs_of(answers: Sequence[AnyAnswer]) -> NDArray[np.float64]:
    """What the graph answered, as float64 in the shape of its output."""
    return np.array([answer.output for answer in answers], dtype=np.float64)


def outputs_in(document: Mapping[str, Any]) -> list[float]:
    """What the graph answered to one row, from its answer as the server or a golden request writes it.

    Raises:
        KeyError: it is no answer.
    """
    if "probabilities" in document:
        return list(document["probabilities"].values())
    return [document["probability"] if "probability" in document else document["value"]]


def furthest(ours: ArrayLike, theirs: ArrayLike) -> float:
    """The largest difference between two computations of the same outputs; NaN if one of them is."""
    return float(np.abs(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)).max())


# --- what a contract carries beside the target ------------------------------------------


class RisingEdges(ClosedModel):
    """Upper edges of bins, all but the last, which has no end."""

    edges: tuple[float, ...]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("edges must rise")
        return self


class ValueBins(RisingEdges):
    """Bins in which values are counted, by quantiles of the target where a service's first version was trained."""

    kind: Literal["values"] = "values"
    edges: Annotated[tuple[float, ...], Field(min_length=ORDERED_EDGES, max_length=ORDERED_EDGES)]


class ClassBins(RisingEdges):
    """Bins in which answers of several classes are counted: by the largest probability, and one for each class."""

    kind: Literal["classes"] = "classes"
    edges: Annotated[tuple[Probability, ...], Field(min_length=ORDERED_EDGES, max_length=ORDERED_EDGES)]


AnyBins = Annotated[ValueBins | ClassBins, Field(discriminator="kind")]


class AbsoluteError(ClosedModel):
    """The loss of a value: its distance from the truth in parts of `scale`, at most 1."""

    name: Literal["absolute error"] = "absolute error"
    scale: float = Field(gt=0, description="The distance, in the target's unit, that counts as 1.")

    @property
    def words(self) -> str:
        """The loss as a person reads it."""
        return f"absolute error / {self.scale:.6g}"


class ClassBrier(ClosedModel):
    """The loss of probabilities of classes: half the sum of their squared distances from 0 and 1, from 0 to 1."""

    name: Literal["Brier score over classes"] = "Brier score over classes"

    @property
    def words(self) -> str:
        """The loss as a person reads it."""
        return "Brier loss over classes"


AnyLoss = Annotated[AbsoluteError | ClassBrier, Field(discriminator="name")]


class Coverage(ClosedModel):
    """The share of rows whose truth lay in the interval, on rows that had no part in finding it, with its own 95 %."""

    value: Probability
    low: Probability
    high: Probability
    rows: int = Field(ge=1)


class PredictionInterval(ClosedModel):
    """The interval around a value that holds the truth of a share `level` of rows, by the value's size.

    Split conformal prediction (Lei et al., JASA 113, 2018), within groups of rows by their predicted value: a group
    reaches up to its edge, the last one has none, and has one half-width, in the target's unit.
    """

    level: Annotated[float, Field(gt=0, lt=1)]
    edges: tuple[float, ...]
    half_widths: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    coverage: Coverage

    @model_validator(mode="after")
    def _one_for_each_group(self) -> Self:
        if len(self.half_widths) != len(self.edges) + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("half_widths must be one more than edges, which must rise")
        return self

    def around(self, value: float) -> tuple[float, float]:
        """The lower and the upper end of the interval around a value."""
        half = self.half_widths[bisect_left(self.edges, value)]
        return value - half, value + half
