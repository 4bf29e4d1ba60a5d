"""Refuses a table that breaks the spec or no longer resembles the champion's data.

Four checks, whose violations are all reported at once:

- cells: type, range, categories and gaps of each feature, by a pandera schema made from the spec;
- copies: rows that occur more than once;
- leaks: a feature that predicts the answer almost alone;
- shift: a feature that is no longer distributed as in the champion's data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.fairness import group_cells
from components.features.encoding import numbers
from components.spec.contract import CategoryFeature, DateFeature, Feature, Spec
from components.spec.values import category_text
from components.spec.views import table_bounds
from components.table.cells import name_rows
from components.table.examples import Columns, Examples
from components.table.holdout import content_keys
from components.validation.adapted import adapted_notes
from components.validation.leakage import single_feature_leak
from components.validation.shift import Shift, shift_of

#: From this area under the curve on, a single feature counts as a leak, unless a person vouches for it.
LEAK_AUC = 0.999
#: From this area on, one is told of.
TELLING_AUC = 0.95
#: Population stability index: a shift above the first is a note, above the second the table is refused.
#: 0.25 is credit scoring's "major shift" (Siddiqi, Credit Risk Scorecards, 2006), which retraining may well cure.
NOTABLE_SHIFT = 0.25
MOST_SHIFT = 1.0


@dataclass(frozen=True)
class Findings:
    """The findings of a table's checks; `notes` inform a person and refuse nothing."""

    rows: int
    copies: float
    alone: dict[str, float]
    shifts: dict[str, float]
    notes: tuple[str, ...]


def check_examples(examples: Examples, spec: Spec, reference: Examples | None = None) -> Findings:
    """Checks a table; `reference` is the champion's data.

    Raises:
        DataError: a check failed; one line per violation names the column, the limit and the first rows.
    """
    copies = _copies(_with_answers(examples))
    labels, task = examples.labels, spec.data.task
    alone = {name: single_feature_leak(cells, labels, task) for name, cells in examples.columns.items()}
    shifts = _shifts(examples, reference, spec) if reference else {}
    violations = [
        *_cell_violations(examples, spec),
        *_copy_violations(examples, spec, copies),
        *_leak_violations(alone, spec),
        *_shift_violations(examples, shifts),
        *_group_violations(examples, spec),
    ]
    if violations:
        raise DataError(
            f"the table was refused, {len(violations)} breach{'es' if len(violations) > 1 else ''}:\n"
            + "\n".join(f"- {each}" for each in violations)
        )
    notes = [
        *_unanswered_notes(examples),
        *adapted_notes(examples, spec),
        *_leak_notes(alone, spec),
        *(shift.sentence for shift in shifts.values() if shift.index > NOTABLE_SHIFT),
    ]
    return Findings(len(examples), copies, alone, {name: s.index for name, s in shifts.items()}, tuple(notes))


def _group_violations(examples: Examples, spec: Spec) -> list[str]:
    """Columns by which groups are to be compared after the training, and cannot be."""
    found = []
    for by in spec.gates.fairness.by if spec.gates.fairness else ():
        try:
            group_cells(examples, by)
        except DataError as error:
            found.append(str(error))
    return found


def _unanswered_notes(examples: Examples) -> list[str]:
    rows = len(examples) + examples.unanswered
    return [f"{examples.unanswered:,} of {rows:,} rows have no target, and are left out"] if examples.unanswered else []


# --- cells -----------------------------------------------------------------------------


def schema_of(spec: Spec) -> pa.DataFrameSchema:
    """The features as a pandera schema, in the table's unit; a date is days since 1970-01-01 UTC."""
    return pa.DataFrameSchema({name: _column(feature) for name, feature in spec.features.items()})


def _column(feature: Feature) -> pa.Column:
    kind = object if isinstance(feature, CategoryFeature) else float
    return pa.Column(kind, _check(feature), nullable=feature.optional)


def _check(feature: Feature) -> pa.Check | None:
    """What a cell must be; None where any cell is right, since the spec says what becomes of others."""
    if isinstance(feature, CategoryFeature):
        texts = [category_text(value) for value in feature.values]
        return None if feature.unknown == "other" else pa.Check.isin(texts, error=f"is none of {', '.join(texts)}")
    if feature.outside == "clip":
        return None
    low, high = table_bounds(feature)
    shown = (feature.min, feature.max) if isinstance(feature, DateFeature) else (f"{low:g}", f"{high:g}")
    # Rounding by the factor must not make the bound itself invalid.
    room = 1e-9 * max(abs(low), abs(high))
    return pa.Check.in_range(low - room, high + room, error=f"is not from {shown[0]} to {shown[1]}")


def _cell_violations(examples: Examples, spec: Spec) -> list[str]:
    frame = pd.DataFrame({name: _cells(examples, name, feature) for name, feature in spec.features.items()})
    try:
        schema_of(spec).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.groupby(["column", "check"], sort=False)
        return [_cell_violation(str(key[0]), str(key[1]), rows, examples) for key, rows in cases]
    return []


def _cells(examples: Examples, name: str, feature: Feature) -> "pd.Series[Any]":
    if isinstance(feature, CategoryFeature):
        return pd.Series(examples.columns[name], dtype=object)
    return pd.Series(numbers(feature, name, examples.columns), dtype=np.float64)


def _rows(examples: Examples, positions: NDArray[np.integer]) -> str:
    """Rows by their numbers in the table, also where rows without a target were left out."""
    return name_rows(positions if examples.places is None else examples.places[positions])


def _cell_violation(column: str, check: str, cases: pd.DataFrame, examples: Examples) -> str:
    positions = np.unique(cases["index"].astype(int))
    if check == "not_nullable":
        rows = _rows(examples, positions)
        return f"column {column!r} is missing in {len(positions):,} rows ({rows}); allow it or fill it"
    value = examples.frame[column].iloc[positions[0]]
    value = value.item() if isinstance(value, np.generic) else value
    shown = int(value) if isinstance(value, float) and value.is_integer() else value
    return f"column {column!r}: {shown!r} {check} ({_rows(examples, positions)})"


# --- copies ----------------------------------------------------------------------------


def _copies(columns: Columns) -> float:
    """The share of rows that repeat an earlier row."""
    keys = content_keys(columns)
    return 1 - len(np.unique(keys)) / len(keys)


def _with_answers(examples: Examples) -> Columns:
    return {**examples.columns, "": examples.labels.astype(np.float64)}


def copies_by_chance(examples: Examples) -> float:
    """The share of copies among rows whose every cell is drawn from its column alone: coarse columns repeat rows."""
    random = np.random.default_rng(0)
    return _copies({name: random.permutation(cells) for name, cells in _with_answers(examples).items()})


def _copy_violations(examples: Examples, spec: Spec, copies: float) -> list[str]:
    most = spec.data.max_duplicate_ratio
    if copies <= most or _combinations(spec.features.values()) < 10 * len(examples):
        return []
    chance = copies_by_chance(examples)
    if copies <= chance + most:
        return []
    again = np.flatnonzero(pd.Series(content_keys(_with_answers(examples))).duplicated())
    allowed = f"at most {most:.0%} may be"
    if chance >= 0.01:
        allowed = f"{chance:.0%} are expected of such columns, and at most {most:.0%} more may be"
    return [
        f"{copies:.0%} of the rows are copies of another row, {allowed} "
        f"({_rows(examples, again)}); was the table joined or appended twice? If not, raise data.max_duplicate_ratio"
    ]


def _combinations(features: Any) -> float:
    """The number of different rows that are possible; infinite if a feature is a number or a date."""
    most = 1.0
    for feature in features:
        most *= len(feature.values) if isinstance(feature, CategoryFeature) else np.inf
    return most


# --- leaks and shift ---------------------------------------------------------------------


def _leak_violations(alone: dict[str, float], spec: Spec) -> list[str]:
    return [
        f"column {name!r} alone tells the answer (AUC {auc:.4f}, limit {LEAK_AUC}); if it is not known when a "
        "prediction is asked for, move it to data.ignore, else list it in data.vouched"
        for name, auc in alone.items()
        if auc >= LEAK_AUC and name not in spec.data.vouched
    ]


def _leak_notes(alone: dict[str, float], spec: Spec) -> list[str]:
    return [
        f"column {name!r} alone tells the answer nearly always (AUC {auc:.3f}); is it known when a prediction is asked "
        "for? If a person says so, list it in data.vouched"
        for name, auc in alone.items()
        if TELLING_AUC <= auc < LEAK_AUC and name not in spec.data.vouched
    ]


def _shifts(examples: Examples, reference: Examples, spec: Spec) -> dict[str, Shift]:
    return {
        name: shift_of(name, feature, reference.columns, examples.columns) for name, feature in spec.features.items()
    }


def _shift_violations(examples: Examples, shifts: dict[str, Shift]) -> list[str]:
    return [
        f"{shift.sentence}, at most {MOST_SHIFT:g} may be; first {_rows(examples, shift.rows)}"
        for shift in shifts.values()
        if shift.judged and shift.index > MOST_SHIFT + shift.noise
    ]


def report(findings: Findings) -> str:
    """The findings in Markdown."""
    lines = [
        f"{findings.rows:,} rows, {findings.copies:.1%} copies.",
        "",
        "| feature | AUC alone | shift |",
        "| - | - | - |",
    ]
    lines += [f"| {name} | {auc:.3f} | {_shown(findings.shifts.get(name))} |" for name, auc in findings.alone.items()]
    return "\n".join([*lines, "", *_bullets(findings.notes)])


def _shown(index: float | None) -> str:
    return "no champion" if index is None else f"{index:.3f}"


def _bullets(notes: Sequence[str]) -> list[str]:
    return [f"- {note}" for note in notes]
