"""Checks that a model accepts every request that its champion accepts.

Live evidence cannot show this: a refused caller gets a prompt answer without a score to compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.errors import GateError
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature, Spec
from components.spec.values import category_text, days_since_epoch


def refuse_narrower(champion: Mapping[str, Feature], spec: Spec) -> None:
    """Refuses a spec that accepts less than its champion's features, unless the spec allows that.

    The spec is in the callers' units and bounds, not the table's.

    Raises:
        GateError: lists everything that callers may no longer send.
    """
    found = () if spec.gates.breaks_callers else refused(champion, spec.features)
    if found:
        lines = "\n".join(f"- {sentence}" for sentence in found)
        way = "mend the spec, or say `breaks_callers: true` in its gates"
        raise GateError(f"callers of the champion would be refused; {way}:\n{lines}")


def refused(champion: Mapping[str, Feature], candidate: Mapping[str, Feature]) -> tuple[str, ...]:
    """A sentence for each thing that the champion accepts and the candidate refuses; features are keyed by name."""
    return tuple(sentence for name in {**champion, **candidate} for sentence in _refused(name, champion, candidate))


def _refused(name: str, champion: Mapping[str, Feature], candidate: Mapping[str, Feature]) -> Iterator[str]:
    before, after = champion.get(name), candidate.get(name)
    if after is None:
        yield f"{name} is not a field any more"
    elif before is None:
        if not after.optional:
            yield f"{name} is a new field that must be sent"
    else:
        if before.optional and not after.optional:
            yield f"{name} must be sent, and could be left out"
        yield from _narrower(name, before, after)


def _narrower(name: str, before: Feature, after: Feature) -> Iterator[str]:
    if before.type != after.type:
        yield f"{name} is a {after.type}, and was a {before.type}"
    elif isinstance(before, NumberFeature) and isinstance(after, NumberFeature):
        yield from _other_numbers(name, before, after)
    elif isinstance(before, DateFeature) and isinstance(after, DateFeature):
        yield from _other_days(name, before, after)
    elif isinstance(before, CategoryFeature) and isinstance(after, CategoryFeature):
        yield from _other_values(name, before, after)


def _other_days(name: str, before: DateFeature, after: DateFeature) -> Iterator[str]:
    if after.outside == "clip":
        return
    early = days_since_epoch(before.min) < days_since_epoch(after.min)
    if before.outside == "clip":
        yield f"{name} must be from {after.min} to {after.max}, and could be any day"
    elif early or days_since_epoch(before.max) > days_since_epoch(after.max):
        yield f"{name} {_range(after.min, after.max, before.min, before.max)}"


def _other_values(name: str, before: CategoryFeature, after: CategoryFeature) -> Iterator[str]:
    if after.unknown == "other":
        return
    allowed = {category_text(value) for value in after.values}
    gone = [text for text in map(category_text, before.values) if text not in allowed]
    if before.unknown == "other":
        yield f"{name} must be one of its values, and could be any other"
    elif gone:
        yield f"{name} may not be {', '.join(map(repr, gone))} any more"


def _other_numbers(name: str, before: NumberFeature, after: NumberFeature) -> Iterator[str]:
    if before.unit and after.unit and before.unit != after.unit:
        yield f"{name} is in {after.unit}, and was in {before.unit}"
    if after.outside == "clip":
        return
    if before.outside == "clip":
        yield f"{name} must be from {after.min:g} to {after.max:g}, and could be any number"
    elif before.min < after.min or before.max > after.max:
        yield f"{name} {_range(f'{after.min:g}', f'{after.max:g}', f'{before.min:g}', f'{before.max:g}')}"


def _range(low: object, high: object, low_before: object, high_before: object) -> str:
    return f"must be from {low} to {high}, and could be from {low_before} to {high_before}"
