"""The folds of the cross-validation, cut by the same rule as the hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.errors import DataError
from components.features.encoding import encode_table, fit_encoding
from components.spec.contract import Spec
from components.table.examples import Examples
from components.table.holdout import Keys, moments, row_keys
from components.table.target import rows_of_each, strata

#: A target that is a number is dealt evenly by this many quantiles for each fold.
_STRATA_A_FOLD = 4


@dataclass(frozen=True)
class Fold:
    """Encoded rows to fit to and rows to score; the encoding is fitted only to the former."""

    fit: NDArray[np.float32]
    fit_labels: NDArray[Any]
    check: NDArray[np.float32]
    check_labels: NDArray[Any]


def make_folds(examples: Examples, spec: Spec) -> list[Fold]:
    """Makes the number of folds that the spec sets.

    Rows with equal keys (a group, or equal rows) share a fold. With `split.time` every fold
    scores later rows than it fits to.

    Raises:
        DataError: there are too few rows for so many folds.
    """
    parts = _parts(examples, spec)
    folds = [_fold(examples, spec, fit, check) for fit, check in _sides(parts, spec)]
    for number, fold in enumerate(folds, start=1):
        if min(_fewest(fold.fit_labels, spec), _fewest(fold.check_labels, spec)) < 1:
            lack = "rows of one class only" if spec.data.task == "binary" else "no rows of some class"
            raise DataError(
                f"fold {number} of {spec.training.folds} has {lack}; bring more rows or set training.folds lower"
            )
    return folds


def _parts(examples: Examples, spec: Spec) -> NDArray[np.intp]:
    """Each row's part, from 0; in time order when the spec splits by time."""
    if spec.split.time:
        order = moments(examples.frame, spec.split.time).argsort(kind="stable").argsort(kind="stable")
        places: NDArray[np.intp] = order * (spec.training.folds + 1) // len(examples)
        return places
    labels = strata(examples.labels, spec.data.task, spec.training.folds * _STRATA_A_FOLD)
    return stratified_parts(row_keys(examples, spec), labels, spec.training.folds, spec.training.seed)


def stratified_parts(keys: Keys, labels: NDArray[Any], parts: int, seed: int) -> NDArray[np.intp]:
    """Deals distinct keys evenly to parts, separately for each label; a key has the largest label of its rows."""
    distinct, places = np.unique(keys, return_inverse=True)
    largest = np.zeros(len(distinct), dtype=np.intp)
    np.maximum.at(largest, places, labels.astype(np.intp))
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    dealt = np.empty(len(distinct), dtype=np.intp)
    for label in np.unique(largest):
        members = shuffled[(largest == label)[shuffled]]
        dealt[members] = np.arange(len(members)) % parts
    return dealt[places]


def _sides(parts: NDArray[np.intp], spec: Spec) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each fold, the rows to fit to and the rows to score."""
    if spec.split.time:
        return [(parts < part, parts == part) for part in range(1, spec.training.folds + 1)]
    return [(parts != part, parts == part) for part in range(spec.training.folds)]


def _fold(examples: Examples, spec: Spec, fit: NDArray[np.bool_], check: NDArray[np.bool_]) -> Fold:
    known, unseen = examples.take(fit), examples.take(check)
    encoding = fit_encoding(spec.features, known.columns)
    return Fold(
        encode_table(encoding, known.columns), known.labels, encode_table(encoding, unseen.columns), unseen.labels
    )


def _fewest(labels: NDArray[Any], spec: Spec) -> int:
    """The number of rows of the rarest class; of task regression of all rows."""
    return int(rows_of_each(labels, spec.data.task, len(spec.data.classes)).min())


def thin(examples: Examples, keys: Keys, most: int) -> Examples:
    """Keeps about `most` rows, chosen by their keys; rows with equal keys stay together."""
    if len(examples) <= most:
        return examples
    ranks = pd.Series(keys * np.uint64(0x9E3779B97F4A7C15)).rank(method="min").to_numpy()
    return examples.take(ranks <= most)
