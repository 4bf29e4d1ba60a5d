"""What a search found: the types of `trials.json`, which training, tracking and reports read."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from components.spec.contract import Candidate, ClosedModel


class Trial(ClosedModel):
    """One point of the search; `scores` is one number a fold, larger is better."""

    number: int
    candidate: Candidate
    parameters: dict[str, Any]
    scores: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """The score by which trials are compared."""
        return fmean(self.scores)


class Search(ClosedModel):
    """All trials that were made, in order; `planned` may be more when time ran out."""

    metric: str
    rows: int
    planned: int
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the best mean score; the first of equals."""
        return max(self.trials, key=lambda trial: trial.mean)
