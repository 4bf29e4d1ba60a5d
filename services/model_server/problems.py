"""Everything that is wrong with a batch of rows, in words: row, field, value, problem, what is allowed."""

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
from services.model_server.errors import Refused

Problem = dict[str, Any]

#: A value is quoted up to this many characters.
MAX_QUOTE = 80
#: Once so many problems are listed, a further wrong row gets one only; so the answer stays short and quick.
MAX_LISTED = 100
#: So many categories or fields are listed in a message; `/schema` has all of them.
MAX_CATEGORIES = 20
#: So many unknown fields of a row get a guess what was meant, and only until so many problems are known.
MAX_GUESSES = 3


class Examiner:
    """Reads rows carefully, for one contract."""

    def __init__(self, contract: Contract) -> None:
        self._features = contract.features
        self._checks = {name: _check(feature) for name, feature in contract.features.items()}
        self._allowed = {name: allowed_text(feature) for name, feature in contract.features.items()}
        self._fields = f"the fields {_listed(list(contract.features))}"

    def rows(self, rows: list[Any]) -> list[tuple[Any, ...]]:
        """The values of each row in the contract's order.

        Raises:
            Refused: a row is wrong; each wrong row is named.
        """
        problems: list[Problem] = []
        wrong = 0
        for place, row in enumerate(rows):
            found = self._row(place, row, guess=len(problems) < MAX_GUESSES)
            wrong += bool(found)
            problems += found if len(problems) < MAX_LISTED else found[:1]
        if problems:
            message = f"{wrong} of {len(rows)} rows are wrong" if len(rows) > 1 else "the row is wrong"
            raise Refused(422, "wrong_values", message, problems=problems)
        return [tuple(row.get(name) for name in self._features) for row in rows]

    def _row(self, place: int, row: Any, *, guess: bool) -> list[Problem]:
        if not isinstance(row, dict):
            return [_problem(place, None, row, "is not an object", f"an object with {self._fields}")]
        problems = []
        for name, check in self._checks.items():
            if name in row:
                fault = check(row[name])
            else:
                fault = None if self._features[name].missing == "allowed" else "is missing"
            if fault:
                problems.append(_problem(place, name, row.get(name), fault, self._allowed[name]))
        unknown = [name for name in row if name not in self._checks][:MAX_LISTED]
        # A guess compares a name with every field's, which takes longer than all the rest.
        guessed = set(unknown[:MAX_GUESSES]) if guess else set()
        return problems + [self._unknown(place, name, row[name], guess=name in guessed) for name in unknown]

    def _unknown(self, place: int, name: str, value: Any, *, guess: bool) -> Problem:
        close = difflib.get_close_matches(name[:MAX_QUOTE], self._checks, n=1) if guess else []
        fault = f"is no field; did you mean {close[0]!r}?" if close else "is no field"
        return _problem(place, _short(name), value, fault, self._fields)


def _problem(row: int, field: str | None, value: Any, problem: str, allowed: str) -> Problem:
    return {"row": row, "field": field, "value": quote(value), "problem": problem, "allowed": allowed}


def quote(value: Any) -> Any:
    """A value as an answer may repeat it: short, and JSON."""
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
    """What a feature allows, in words."""
    text = _allowed(feature)
    return f"{text}; null or left out if it is not known" if feature.missing == "allowed" else text


def _allowed(feature: Feature) -> str:
    if isinstance(feature, NumberFeature):
        unit = f" ({feature.unit})" if feature.unit else ""
        return f"a number from {feature.min:g} to {feature.max:g}{unit}"
    if isinstance(feature, DateFeature):
        return f"an ISO 8601 date from {feature.min.isoformat()} to {feature.max.isoformat()}"
    return f"one of {_listed([json.dumps(value, ensure_ascii=False) for value in feature.values])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_CATEGORIES} more, see /schema" if len(names) > MAX_CATEGORIES else ""
    return f"{', '.join(names[:MAX_CATEGORIES])}{more}"


def _check(feature: Feature) -> Callable[[Any], str | None]:
    """A function from a value to what is wrong with it."""
    fault = _fault(feature)

    def check(value: Any) -> str | None:
        if value is None:
            return None if feature.missing == "allowed" else "is null"
        return fault(value)

    return check


def _fault(feature: Feature) -> Callable[[Any], str | None]:
    if isinstance(feature, NumberFeature):
        return partial(_number_fault, feature)
    if isinstance(feature, DateFeature):
        return partial(_date_fault, feature)
    return partial(_category_fault, frozenset((type(value), value) for value in feature.values))


def _number_fault(feature: NumberFeature, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {_kind(value)}, not a number"
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return "is not a number"
    if number < feature.min:
        return f"is below {feature.min:g}"
    return f"is above {feature.max:g}" if number > feature.max else None


def _category_fault(known: frozenset[tuple[type, Any]], value: Any) -> str | None:
    if not isinstance(value, str | int):
        return f"is {_kind(value)}, not a category"
    return None if (type(value), value) in known else f"is {_kind(value)} that is no category"


def _date_fault(feature: DateFeature, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"is {_kind(value)}, not a date"
    try:
        days = cell_days(value)
    except (ValueError, OverflowError):
        return "is not an ISO 8601 date"
    if days < days_since_epoch(feature.min):
        return f"is before {feature.min.isoformat()}"
    return f"is after {feature.max.isoformat()}" if days > days_since_epoch(feature.max) else None


def _kind(value: Any) -> str:
    names = {bool: "a boolean", str: "text", int: "a whole number", float: "a number", dict: "an object"}
    return names.get(type(value), "a list")
