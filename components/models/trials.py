"""The result of a search: the types of `trials.json`, which training, tracking and reports read."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from components.models.cuts import Cuts
from components.models.usage import Usage
from components.spec.contract import ClosedModel
from components.spec.tasks import Candidate


class Trial(ClosedModel):
    """One point of the search; `scores` has one number per fold, and larger is better."""

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
    """The completed trials, in order; `planned` is larger if time ran out. Older records have no `usage`.

    `cuts` are those of the best trial, over all folds; None in tasks other than binary and in older records.
    """

    metric: str
    rows: int
    planned: int
    trials: tuple[Trial, ...]
    usage: Usage | None = None
    cuts: Cuts | None = None

    @property
    def best(self) -> Trial:
        """The trial with the best mean score; in a tie the first."""
        return max(self.trials, key=lambda trial: trial.mean)
