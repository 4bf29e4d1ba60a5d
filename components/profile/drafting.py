"""Makes a first spec from a table, and runs training's own checks on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from components.errors import DataError
from components.profile.baseline import Baseline, measure, search_for
from components.profile.roles import find_roles, sample_rows
from components.profile.target import FEWEST_OF_A_CLASS, data_of, find_target
from components.profile.task_baselines import LossBaseline, measure_classes, measure_numbers
from components.profile.writing import Draft, LiveTraffic, spec_text
from components.spec.contract import Feature, Spec
from components.spec.reading.loading import parse_spec
from components.spec.tasks import Task
from components.table.examples import Examples, answered_rows, examples_of
from components.table.holdout import content_keys, split_examples
from components.table.target import Labels, labels_of
from components.validation.checks import check_examples

#: Shares of the rows to hold out, the usual one first; a table with few rows of a class needs more.
HOLDOUTS = (0.2, 0.3, 0.4)
#: A version trained on this early share of the table should have enough rows, too.
EARLY_SHARE = 0.4
#: With so many rows to each different one, or one kind with so large a share of all, equal rows are dealt one by one.
ROWS_OF_A_KIND = 10
MOST_OF_A_KIND = 0.05
#: The most rows that training's checks run on.
CHECKED_ROWS = 50_000


@dataclass(frozen=True)
class ChosenTarget:
    """What a person asks for: the column to predict, and what they chose of it."""

    target: str
    positive: str | None = None
    task: Task | None = None


def draft_spec(
    name: str,
    uri: str,
    frame: pd.DataFrame,
    asked: ChosenTarget,
    live: LiveTraffic,
    progress: Callable[[str], None] = lambda _: None,
) -> Draft:
    """The content of a table's first spec.

    Args:
        name: the service's.
        uri: the value of `data.uri`.
        frame: the table; rows without a target are left out.
        asked: the column to predict, and what a person chose of it.
        live: what is known of callers.
        progress: told in words what is being done, for a person who waits.

    Raises:
        DataError: no model can be trained on the table; says why and what to do.
    """
    frame, _ = answered_rows(frame, asked.target)
    found = find_target(frame, asked.target, asked.positive, asked.task)
    data = data_of(found)
    labels = labels_of(frame, data)
    if data.task == "binary":
        _refuse_rare(asked.target, labels)
    columns = find_roles(frame, asked.target, labels, data.task, progress)
    features: dict[str, Feature] = {column.name: column.feature for column in columns if column.feature}
    progress(f"trying a plain model on {len(features):,} features")
    plain = _MEASURES[data.task](frame, features, labels)
    search = search_for(len(frame), plain.width, data.task)
    draft = Draft(name, uri, len(frame), found, columns, HOLDOUTS[0], plain, search, live)
    progress("checking the table as training will")
    return _checked(draft, frame)


_MEASURES: dict[Task, Callable[..., Baseline | LossBaseline]] = {
    "binary": measure,
    "multiclass": measure_classes,
    "regression": measure_numbers,
}


def _refuse_rare(target: str, labels: Labels) -> None:
    fewest = min(int(labels.sum()), int(len(labels) - labels.sum()))
    if fewest < FEWEST_OF_A_CLASS:
        raise DataError(
            f"column {target!r}, the target: the rarer word stands in {fewest} rows only; "
            f"at least {FEWEST_OF_A_CLASS} are needed to learn it and to show that it was learned"
        )


def _checked(draft: Draft, frame: pd.DataFrame) -> Draft:
    """The draft with a hold-out that has enough rows of each class, after it passed training's own checks.

    Raises:
        DataError: a check fails, or no hold-out has enough rows.
    """
    rows = sample_rows(len(frame), CHECKED_ROWS)
    spec = _spec(draft)
    examples = examples_of(frame.iloc[rows].reset_index(drop=True), spec)
    check_examples(examples, spec)
    draft = replace(draft, duplicates=_duplicates(examples, spec))
    early = examples.take(sample_rows(len(examples), int(len(examples) * EARLY_SHARE)))
    trials = [replace(draft, holdout=holdout) for holdout in HOLDOUTS]
    for part in (early, examples):
        for trial in trials:
            if _splits(part, _cut(spec, trial)) and _splits(examples, _cut(spec, trial)):
                return trial
    split_examples(examples, _cut(spec, trials[-1]))  # raises the error that says what is wrong
    return trials[-1]


def _duplicates(examples: Examples, spec: Spec) -> Literal["together", "apart"]:
    """Whether rows with equal features are dealt one by one, since there are few different ones or some are many."""
    if spec.data.id:
        return "together"
    kinds, counts = np.unique(content_keys(examples.columns), return_counts=True)
    few = len(kinds) * ROWS_OF_A_KIND <= len(examples) or counts.max() > MOST_OF_A_KIND * len(examples)
    return "apart" if few else "together"


def _splits(examples: Examples, spec: Spec) -> bool:
    try:
        split_examples(examples, spec)
    except DataError:
        return False
    return True


def _cut(spec: Spec, draft: Draft) -> Spec:
    """The spec with the split of another draft; to parse the text again takes seconds where there are many columns."""
    split = spec.split.model_copy(update={"holdout": draft.holdout, "duplicates": draft.duplicates})
    return spec.model_copy(update={"split": split})


def _spec(draft: Draft) -> Spec:
    return parse_spec(spec_text(draft), "the first spec")
