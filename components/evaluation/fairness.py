"""Equal opportunity: the model should find the same share of the positives in every group.

Hardt, Price and Srebro, Equality of opportunity in supervised learning (NeurIPS 2016).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluation.decision import USUAL_THRESHOLD
from components.evaluation.result import Fairness, Group
from components.table.examples import Examples


def fairness(
    examples: Examples, scores: NDArray[np.float64], by: str, min_positives: int, threshold: float = USUAL_THRESHOLD
) -> Fairness:
    """The groups of one category; a group with fewer than `min_positives` is shown but not judged."""
    cells = np.where(pd.isna(examples.columns[by]), "missing", examples.columns[by]).astype(str)
    groups = tuple(_group(value, cells == value, examples, scores >= threshold) for value in np.unique(cells).tolist())
    judged = [
        group.true_positive_ratio
        for group in groups
        if group.true_positive_ratio is not None and group.positives >= min_positives
    ]
    return Fairness(by=by, groups=groups, gap=max(judged) - min(judged) if len(judged) > 1 else None)


def _group(value: str, members: NDArray[np.bool_], examples: Examples, decided: NDArray[np.bool_]) -> Group:
    named = decided[members]
    positive = examples.labels[members] == 1
    return Group(
        value=value,
        rows=int(members.sum()),
        positives=int(positive.sum()),
        true_positive_ratio=float(named[positive].mean()) if positive.any() else None,
        named_positive_ratio=float(named.mean()),
    )
