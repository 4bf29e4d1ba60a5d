"""Checks that a model accepts every request that its champion accepts, and that its answers mean the same.

Live evidence cannot show this: a refused caller gets a prompt answer without a score to compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from components.errors import GateError
from components.spec.contract import CategoryFeature, Data, DateFeature, Feature, NumberFeature, Spec
from components.spec.tasks import Task
from components.spec.values import category_text, days_since_epoch


@dataclass(frozen=True)
class AnsweredAs:
    """What callers get: `words` are the positive one of two, or all classes; `unit` is a number's.

    `decides`: each answer also says yes or no. Answers with and without that are compared as before.
    """

    task: Task
    words: tuple[str, ...] = ()
    unit: str | None = None
    decides: bool = field(default=False, compare=False)

    @staticmethod
    def by(data: Data) -> AnsweredAs:
        """What a spec's model answers."""
        words = data.classes if data.task == "multiclass" else () if data.positive is None else (data.positive,)
        return AnsweredAs(data.task, tuple(map(category_text, words)), data.unit)


def refuse_narrower(champion: Mapping[str, Feature], answered: AnsweredAs, spec: Spec) -> None:
    """Refuses a spec that accepts less than its champion, or whose answers mean another thing, unless it allows that.

    The spec is in the callers' units and bounds, not the table's.

    Raises:
        GateError: lists everything that callers may no longer send, and what they get instead of what they got.
    """
    if spec.gates.breaks_callers:
        return
    way = "mend the spec, or say `breaks_callers: true` in its gates"
    others = (*answered_otherwise(answered, spec.data), *_undecided(answered, spec))
    sentences = (
        ("callers of the champion would be refused", refused(champion, spec.features)),
        ("callers of the champion would get other answers", others),
    )
    found = [f"{what}; {way}:\n" + "\n".join(f"- {each}" for each in lines) for what, lines in sentences if lines]
    if found:
        raise GateError("\n".join(found))


def answered_otherwise(champion: AnsweredAs, data: Data) -> Iterator[str]:
    """A sentence for each thing that a caller of the champion would misread in the answers of a new version."""
    now = AnsweredAs.by(data)
    if now.task != champion.task:
        yield f"the answer is of task {now.task}, and was of task {champion.task}"
    elif now.task == "binary":
        if now.words != champion.words:
            yield f"the probability is that of {now.words[0]!r}, and was that of {champion.words[0]!r}"
    elif now.unit != champion.unit:
        yield f"the value is in {now.unit or 'no unit'}, and was in {champion.unit or 'no unit'}"
    else:
        yield from (f"{word!r} is a new class" for word in now.words if word not in champion.words)
        yield from (f"{word!r} is not a class any more" for word in champion.words if word not in now.words)
        if now.words != champion.words and set(now.words) == set(champion.words):
            yield "the classes stand in another order, by which versions are compared"


def _undecided(champion: AnsweredAs, spec: Spec) -> Iterator[str]:
    if champion.decides and not spec.decision:
        yield "the answer does not say `decision` any more"


def other_decisions(champion: float, now: float) -> tuple[str, ...]:
    """A sentence where a yes begins at another probability than in the champion's answers, of the same rows.

    It is told and not refused: a threshold that is found moves a little with each training.
    """
    if champion == now:
        return ()
    return (f"a probability is a yes from {now:g} on, and was from {champion:g} on",)


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
