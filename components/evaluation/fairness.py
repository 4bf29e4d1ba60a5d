"""How a model treats groups of rows, by a feature or by a column that it is not given.

Classes: equal opportunity, the same share of the positives is found in every group (Hardt, Price and Srebro, Equality
of opportunity in supervised learning, NeurIPS 2016); of several classes, of each class. Numbers: no group's error is
much larger than another's, which bounds the loss of each (Agarwal, Dudik and Wu, Fair regression, ICML 2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.decision import USUAL_THRESHOLD
from components.evaluation.result import Fairness, Group, NumberGroup
from components.spec.contract import Spec
from components.spec.values import category_text
from components.table.cells import category_column
from components.table.examples import Examples

#: A column with more values than this names no groups.
MOST_GROUPS: Final = 100


def fairness_of(
    spec: Spec, examples: Examples, answers: NDArray[Any], threshold: float = USUAL_THRESHOLD
) -> tuple[Fairness, ...]:
    """The groups of each column that the spec names.

    Raises:
        DataError: the table lacks a column, or it has too many values.
    """
    gate, task = spec.gates.fairness, spec.data.task
    if gate is None:
        return ()
    few = gate.min_group_positives
    if task == "regression":
        return tuple(number_fairness(examples, answers, by, few) for by in gate.by)
    if task == "multiclass":
        classes = tuple(map(category_text, spec.data.classes))
        return tuple(class_fairness(examples, answers, by, few, classes) for by in gate.by)
    return tuple(fairness(examples, answers, by, few, threshold) for by in gate.by)


def group_cells(examples: Examples, by: str) -> NDArray[np.str_]:
    """The group of each row, as text; a gap is a group of its own.

    Raises:
        DataError: the table lacks the column, or it has too many values.
    """
    if by not in examples.columns and by not in examples.frame.columns:
        known = ", ".join(map(str, examples.frame.columns))
        raise DataError(f"gates.fairness.by: {by!r} is no column of the table; it has {known}")
    cells = examples.columns[by] if by in examples.columns else category_column(examples.frame[by])
    groups = np.where(pd.isna(cells), "missing", cells).astype(str)
    many = len(np.unique(groups))
    if many > MOST_GROUPS:
        raise DataError(
            f"gates.fairness.by: {by!r} has {many:,} values, at most {MOST_GROUPS} are compared; name a column of "
            "groups, such as age bands"
        )
    return groups


def fairness(
    examples: Examples,
    scores: NDArray[np.float64],
    by: str,
    min_positives: int,
    threshold: float = USUAL_THRESHOLD,
) -> Fairness:
    """Two words: a group with fewer than `min_positives` is shown but not judged."""
    cells = group_cells(examples, by)
    groups = [_group(value, cells == value, examples.labels == 1, scores >= threshold) for value in _values(cells)]
    return Fairness(by=by, groups=tuple(groups), gap=_gap(groups, min_positives))


def class_fairness(
    examples: Examples, probabilities: NDArray[np.float64], by: str, min_positives: int, classes: tuple[str, ...]
) -> Fairness:
    """Classes: each is the positive one in turn, and the gap is the largest of all."""
    cells, named = group_cells(examples, by), probabilities.argmax(axis=1)
    groups: list[Group] = []
    gaps = []
    for place, name in enumerate(classes):
        right, called = examples.labels == place, named == place
        of_class = [_group(value, cells == value, right, called, name) for value in _values(cells)]
        groups += of_class
        gaps.append(_gap(of_class, min_positives))
    return Fairness(by=by, groups=tuple(groups), gap=max((gap for gap in gaps if gap is not None), default=None))


def number_fairness(examples: Examples, values: NDArray[np.float64], by: str, min_rows: int) -> Fairness:
    """Numbers: the gap is between the groups' mean absolute errors, in parts of that of all rows."""
    cells, errors = group_cells(examples, by), values - examples.labels
    groups = [
        NumberGroup(
            value=value,
            rows=int((cells == value).sum()),
            mean_absolute_error=float(np.abs(errors[cells == value]).mean()),
            mean_error=float(errors[cells == value].mean()),
        )
        for value in _values(cells)
    ]
    judged = [group.mean_absolute_error for group in groups if group.rows >= min_rows]
    whole = max(float(np.abs(errors).mean()), np.finfo(np.float64).tiny)
    return Fairness(by=by, groups=tuple(groups), gap=(max(judged) - min(judged)) / whole if len(judged) > 1 else None)


def _values(cells: NDArray[np.str_]) -> list[str]:
    values: list[str] = np.unique(cells).tolist()
    return values


def _gap(groups: Iterable[Group], min_positives: int) -> float | None:
    judged = [
        group.true_positive_ratio
        for group in groups
        if group.true_positive_ratio is not None and group.positives >= min_positives
    ]
    return max(judged) - min(judged) if len(judged) > 1 else None


def _group(
    value: str,
    members: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    named: NDArray[np.bool_],
    answer: str | None = None,
) -> Group:
    positive, named = positive[members], named[members]
    return Group(
        value=value,
        rows=int(members.sum()),
        positives=int(positive.sum()),
        true_positive_ratio=float(named[positive].mean()) if positive.any() else None,
        named_positive_ratio=float(named.mean()),
        answer=answer,
    )
