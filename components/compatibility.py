"""Whether a model takes every request that its champion takes.

Live evidence cannot say it: who is refused gets an answer in time, and no score that could differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.contract import CategoryFeature, DateFeature, Feature, NumberFeature, category_text, days_since_epoch


def refused(champion: Mapping[str, Feature], candidate: Mapping[str, Feature]) -> tuple[str, ...]:
    """What callers of the champion may send and the candidate refuses, a sentence each; both by feature's name."""
    return tuple(sentence for name in {**champion, **candidate} for sentence in _refused(name, champion, candidate))


def _refused(name: str, champion: Mapping[str, Feature], candidate: Mapping[str, Feature]) -> Iterator[str]:
    before, after = champion.get(name), candidate.get(name)
    if after is None:
        yield f"{name} is not a field any more"
    elif before is None:
        if after.missing == "refused":
            yield f"{name} is a new field that must be sent"
    else:
        if before.missing == "allowed" and after.missing == "refused":
            yield f"{name} must be sent, and could be left out"
        yield from _narrower(name, before, after)


def _narrower(name: str, before: Feature, after: Feature) -> Iterator[str]:
    if before.type != after.type:
        yield f"{name} is a {after.type}, and was a {before.type}"
    elif isinstance(before, NumberFeature) and isinstance(after, NumberFeature):
        if before.min < after.min or before.max > after.max:
            yield f"{name} {_range(f'{after.min:g}', f'{after.max:g}', f'{before.min:g}', f'{before.max:g}')}"
    elif isinstance(before, DateFeature) and isinstance(after, DateFeature):
        early = days_since_epoch(before.min) < days_since_epoch(after.min)
        if early or days_since_epoch(before.max) > days_since_epoch(after.max):
            yield f"{name} {_range(after.min, after.max, before.min, before.max)}"
    elif isinstance(before, CategoryFeature) and isinstance(after, CategoryFeature):
        allowed = {category_text(value) for value in after.values}
        gone = [text for text in map(category_text, before.values) if text not in allowed]
        if gone:
            yield f"{name} may not be {', '.join(map(repr, gone))} any more"


def _range(low: object, high: object, low_before: object, high_before: object) -> str:
    return f"must be from {low} to {high}, and could be from {low_before} to {high_before}"
