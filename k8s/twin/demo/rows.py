"""Chooses the rows on which the demo's versions train, and the rows that its callers send."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.spec.contract import Spec
from components.table.cells import table_bytes
from components.table.examples import Examples
from components.table.holdout import moments, split_examples
from components.table.target import Labels

#: The first version trains on the first of these shares of the table that is enough to train on.
EARLY_SHARES = (0.4, 0.5, 0.6, 0.7, 0.8)
#: If the early part's share of a class, or mean in deviations, is further off than this, the table's order is not time.
_MOST_OFF = 0.1


def early_examples(examples: Examples, spec: Spec) -> Examples:
    """The rows that existed when the first version was trained; training itself checks that they are enough."""
    for share in EARLY_SHARES[:-1]:
        early = examples.take(early_rows(examples, spec, share))
        try:
            split_examples(early, spec)
        except DataError:
            continue
        return early
    return examples.take(early_rows(examples, spec, EARLY_SHARES[-1]))


def early_rows(examples: Examples, spec: Spec, share: float) -> NDArray[np.intp]:
    """Positions of the earliest rows by the spec's time column; without a time column, the table's first rows.

    If the table is sorted so that its first rows differ from the rest, the rows are a random
    sample with a fixed seed.
    """
    count = int(len(examples) * share)
    if spec.split.time:
        return np.sort(np.argsort(moments(examples.frame, spec.split.time), kind="stable")[:count])
    if _off(examples.labels, count, spec) <= _MOST_OFF:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(len(examples))[:count])


def _off(labels: Labels, count: int, spec: Spec) -> float:
    """How unlike the rest the first rows are: the most that a class's share is off, or the mean in deviations."""
    if spec.data.task == "regression":
        return float(abs(labels[:count].mean() - labels.mean()) / labels.std())
    shares = [
        np.bincount(part.astype(np.intp), minlength=int(labels.max()) + 1) / len(part)
        for part in (labels[:count], labels)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def write_rows(examples: Examples, path: Path) -> Path:
    """Writes the rows as a separate table; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(table_bytes(examples.frame))
    return path
