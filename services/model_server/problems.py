"""Lists every problem with a batch of rows: row, field, value, problem, and what is allowed."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from components.package.model_package import Contract
from components.spec.contract import DateFeature, Feature, NumberFeature
from components.spec.values import cell_days, days_since_epoch
from services.model_server.adapting import adapter, as_whole, by_rule, rules_of, whole_values
from services.model_server.errors import Refused

Problem = dict[str, Any]

#: Values are quoted up to this many characters.
MAX_QUOTE = 80
#: After this many problems each further wrong row gets only one, so that the answer stays short and quick.
MAX_LISTED = 100
#: A message lists this many categories or fields; `/schema` lists all of them.
MAX_CATEGORIES = 20
#: At most this many unknown fields of a row get a suggestion, and only until this many problems are listed.
MAX_GUESSES = 3


class Examiner:
    """Checks rows field by field against one contract."""

    def __init__(self, contract: Contract, count: Callable[[int, int], None]) -> None:
        """`count` is told the place of a feature in `rules_of`, and the rows in which its rule was needed."""
        self._features, self._count = contract.features, count
        places = list(contract.features)
        self._ruled = tuple(
            (name, places.index(name), by_rule(contract.features[name])) for name in rules_of(contract.features)
        )
        self._checks = {name: _check(feature) for name, feature in contract.features.items()}
        self._adapters = tuple((name, adapter(feature)) for name, feature in contract.features.items())
        self._allowed = {name: allowed_text(feature) for name, feature in contract.features.items()}
        self._fields = f"the fields {_listed(list(contract.features))}"

    def rows(self, rows: list[Any]) -> list[tuple[Any, ...]]:
        """The values of each row in the contract's order, as the model reads them.

        Raises:
            Refused: a row is wrong; each wrong row is named.
        """
        problems: list[Problem] = []
        wrong = 0
        for place, row in enumerate(rows):
            in_row = self._row(place, row, guess=len(problems) < MAX_GUESSES)
            wrong += bool(in_row)
            problems += in_row if len(problems) < MAX_LISTED else in_row[:1]
        if problems:
            message = f"{wrong} of {len(rows)} rows are wrong" if len(rows) > 1 else "the row is wrong"
            raise Refused(422, "wrong_values", message, problems=problems)
        read = [tuple(adapt(row.get(name)) for name, adapt in self._adapters) for row in rows]
        for ruled, (name, place, was_needed) in enumerate(self._ruled):
            needed = sum(was_needed(row.get(name), to[place]) for row, to in zip(rows, read, strict=True))
            if needed:
                self._count(ruled, needed)
        return read

    def _row(self, place: int, row: Any, *, guess: bool) -> list[Problem]:
        if not isinstance(row, dict):
            return [_problem(place, None, row, "is not an object", f"an object with {self._fields}")]
        problems = []
        for name, check in self._checks.items():
            absent = None if self._features[name].optional else "is missing"
            problem = check(row[name]) if name in row else absent
            if problem:
                problems.append(_problem(place, name, row.get(name), problem, self._allowed[name]))
        unknown = [name for name in row if name not in self._checks][:MAX_LISTED]
        # A guess compares the name with every field, which takes longer than all other checks.
        guessed = set(unknown[:MAX_GUESSES]) if guess else set()
        return problems + [self._unknown(place, name, row[name], guess=name in guessed) for name in unknown]

    def _unknown(self, place: int, name: str, value: Any, *, guess: bool) -> Problem:
        close = difflib.get_close_matches(name[:MAX_QUOTE], self._checks, n=1) if guess else []
        problem = f"is no field; did you mean {close[0]!r}?" if close else "is no field"
        return _problem(place, _short(name), value, problem, self._fields)


def _problem(row: int, field: str | None, value: Any, problem: str, allowed: str) -> Problem:
    return {"row": row, "field": field, "value": quote(value), "problem": problem, "allowed": allowed}


def quote(value: Any) -> Any:
    """A value in a form that an answer may repeat: short, and valid JSON."""
    if isinstance(value, str):
        return _short(value)
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return _short(json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTE else text[:MAX_QUOTE] + "…"


def allowed_text(feature: Feature) -> str:
    """A sentence about the values that a feature allows."""
    text = _allowed(feature)
    return f"{text}; null or left out if it is not known" if feature.optional else text


def _allowed(feature: Feature) -> str:
    if isinstance(feature, NumberFeature):
        unit = f" ({feature.unit})" if feature.unit else ""
        return f"a number from {feature.min:g} to {feature.max:g}{unit}{_clipped(feature.outside)}"
    if isinstance(feature, DateFeature):
        bounds = f"from {feature.min.isoformat()} to {feature.max.isoformat()}"
        return f"an ISO 8601 date {bounds}{_clipped(feature.outside)}"
    if feature.unknown == "other":
        listed = _listed([json.dumps(value, ensure_ascii=False) for value in feature.values])
        return f"text, a whole number or a boolean; known are {listed}, any other counts as another"
    return f"one of {_listed([json.dumps(value, ensure_ascii=False) for value in feature.values])}"


def _clipped(outside: str) -> str:
    return "; beyond a bound, the bound stands for it" if outside == "clip" else ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_CATEGORIES} more, see /schema" if len(names) > MAX_CATEGORIES else ""
    return f"{', '.join(names[:MAX_CATEGORIES])}{more}"


def _check(feature: Feature) -> Callable[[Any], str | None]:
    """A function that returns the problem with a value, or None."""
    check_value = _value_check(feature)

    def check(value: Any) -> str | None:
        if value is None:
            return None if feature.optional else "is null"
        return check_value(value)

    return check


def _value_check(feature: Feature) -> Callable[[Any], str | None]:
    if isinstance(feature, NumberFeature):
        return partial(_number_problem, feature)
    if isinstance(feature, DateFeature):
        return partial(_date_problem, feature)
    if feature.unknown == "other":
        return partial(_other_problem, whole_values(feature))
    return partial(
        _category_problem, frozenset((type(value), value) for value in feature.values), whole_values(feature)
    )


def _number_problem(feature: NumberFeature, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {_kind(value)}, not a number"
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return "is not a number"
    if feature.outside == "clip":
        return None if math.isfinite(number) else "is not finite"
    if number < feature.min:
        return f"is below {feature.min:g}"
    return f"is above {feature.max:g}" if number > feature.max else None


def _other_problem(whole: frozenset[int | str], value: Any) -> str | None:
    return None if isinstance(as_whole(whole, value), str | int) else f"is {_kind(value)}, not a category"


def _category_problem(known: frozenset[tuple[type, Any]], whole: frozenset[int | str], value: Any) -> str | None:
    value = as_whole(whole, value)
    if not isinstance(value, str | int):
        return f"is {_kind(value)}, not a category"
    return None if (type(value), value) in known else f"is {_kind(value)} that is no category"


def _date_problem(feature: DateFeature, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"is {_kind(value)}, not a date"
    try:
        days = cell_days(value)
    except (ValueError, OverflowError):
        return "is not an ISO 8601 date"
    if feature.outside == "clip":
        return None
    if days < days_since_epoch(feature.min):
        return f"is before {feature.min.isoformat()}"
    return f"is after {feature.max.isoformat()}" if days > days_since_epoch(feature.max) else None


def _kind(value: Any) -> str:
    names = {bool: "a boolean", str: "text", int: "a whole number", float: "a number", dict: "an object"}
    return names.get(type(value), "a list")
