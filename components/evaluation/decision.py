"""Where a probability becomes a yes, and what that is worth: found in the training part, measured on the hold-out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.bootstrap import interval_of_samples
from components.evaluation.decision_metrics import ANSWERS, worths
from components.evaluation.metrics import Floats, weighted_mean
from components.evaluation.result import Decided, SimplestRule
from components.models.cuts import Cuts
from components.spec.contract import Capacity, DecisionRule, DecisionValue

#: The threshold of a service that says nothing of decisions.
USUAL_THRESHOLD: Final = 0.5


def threshold_of(decision: DecisionRule | None, cuts: Cuts | None) -> float:
    """The least probability of a yes.

    A threshold that is not given is one of the cross-validation's cuts; the hold-out has no part in it.

    Raises:
        DataError: the search left no cuts, or none of them keeps the capacity.
    """
    if decision is None:
        return USUAL_THRESHOLD
    if decision.threshold is not None:
        return decision.threshold
    if cuts is None or not cuts.thresholds:
        raise DataError("decision: the search kept no thresholds to choose from; run it again")
    named = np.array(cuts.true_positives) + np.array(cuts.false_positives)
    kept = np.ones(len(named), dtype=bool)
    if decision.capacity:
        kept = _within(decision.capacity, named, cuts)
    if decision.value:
        gains = np.where(kept, _values(decision.value, cuts), -np.inf)
        return cuts.thresholds[int(gains.argmax())]
    return cuts.thresholds[int(np.flatnonzero(kept)[-1])]


def _within(capacity: Capacity, named: NDArray[np.intp], cuts: Cuts) -> NDArray[np.bool_]:
    """The cuts that name some rows, and no larger share of them than the capacity."""
    share = capacity.decisions / capacity.of
    kept = (named <= share * (cuts.positives + cuts.negatives)) & (named > 0)
    if not kept.any():
        fewest = int(named[named > 0].min(initial=cuts.positives + cuts.negatives))
        raise DataError(
            f"decision.capacity: {capacity.decisions} of {capacity.of} is {share:.2%} of the rows, and the highest "
            f"score alone has {fewest / (cuts.positives + cuts.negatives):.2%} of them; raise capacity, or bring "
            "features that tell these rows apart"
        )
    return kept


def _values(worth: DecisionValue, cuts: Cuts) -> Floats:
    """What the decisions at each cut are worth, over all rows of the cross-validation."""
    found, false = np.array(cuts.true_positives), np.array(cuts.false_positives)
    missed, spared = cuts.positives - found, cuts.negatives - false
    total: Floats = (
        worth.true_positive * found
        + worth.false_positive * false
        + worth.false_negative * missed
        + worth.true_negative * spared
    )
    return total


def decided(
    decision: DecisionRule, threshold: float, labels: NDArray[Any], scores: NDArray[np.float64], weights: Floats
) -> Decided:
    """What a threshold decides on the hold-out; weights [samples, n] are those of the other intervals."""
    yes = scores >= threshold
    share = float(yes.mean())
    if decision.value is None:
        return Decided(rule=decision, threshold=threshold, share=share)
    worth = decision.value
    rules = {"yes to all": np.ones_like(yes), "no to all": np.zeros_like(yes)}
    each = {name: worths(worth, labels, rule) for name, rule in rules.items()}
    simplest = max(each, key=lambda name: float(each[name].mean()))
    gains = worths(worth, labels, yes) - each[simplest]
    return Decided(
        rule=decision,
        threshold=threshold,
        share=share,
        simplest=SimplestRule(name=simplest, value=ANSWERS * float(each[simplest].mean())),
        gain=interval_of_samples(ANSWERS * float(gains.mean()), ANSWERS * weighted_mean(gains, labels, weights)),
    )
