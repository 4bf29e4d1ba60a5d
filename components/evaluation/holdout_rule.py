"""By which rule a hold-out was cut: on rows that another rule held back, a champion may be asked what it learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from components.spec.contract import Spec, Split
from components.spec.views import recorded_spec


@dataclass(frozen=True)
class HoldoutRule:
    """What decides a row's side, and the share that is held out.

    `rule` names a column and its role; it is empty where the features decide, which are told by name and type.
    """

    rule: str
    features: Mapping[str, str]
    share: float


class _Identified(BaseModel):
    id: str | None


class _Typed(BaseModel):
    type: str


class _Recorded(BaseModel):
    """What a receipt's spec says about the cut; whatever else it holds is left alone."""

    data: _Identified
    split: Split
    features: dict[str, _Typed]


def overlap_reason(champion: Mapping[str, Any], spec: Spec) -> str:
    """Why the hold-out of `spec` may hold rows that the champion learned, and what to do; empty if it holds none.

    `champion` is the spec in the champion's receipt.
    """
    ours = holdout_rule_of(recorded_spec(spec))
    try:
        theirs = holdout_rule_of(champion)
    except ValidationError:
        return f"the champion's receipt does not say how its hold-out was cut; {_way_on(ours)}"
    differs = _difference(theirs, ours)
    return f"{differs}, so the champion may have learned rows of this hold-out; {_way_on(ours)}" if differs else ""


def holdout_rule_of(recorded: Mapping[str, Any]) -> HoldoutRule:
    """The cut of a spec as a receipt keeps it.

    Raises:
        ValidationError: it does not say.
    """
    found = _Recorded.model_validate(recorded)
    split = found.split
    named = (("split.time", split.time), ("split.group", split.group), ("data.id", found.data.id))
    rule = next((f"{role} {column!r}" for role, column in named if column), "")
    # Features are compared as they are hashed: by name, whatever their order, and read by their type.
    features = {} if rule else {name: feature.type for name, feature in found.features.items()}
    return HoldoutRule(rule, features, split.holdout)


def _difference(theirs: HoldoutRule, ours: HoldoutRule) -> str:
    if theirs.rule != ours.rule:
        words = [cut.rule or "the features" for cut in (theirs, ours)]
        return f"the champion's hold-out was cut by {words[0]}, this one by {words[1]}"
    if theirs.features != ours.features:
        return f"the hold-out is cut by the features, and they are not the champion's ({_changes(theirs, ours)})"
    if ours.share > theirs.share:
        return f"the champion's hold-out had {theirs.share:g} of the rows, this one has {ours.share:g}"
    return ""


def _changes(theirs: HoldoutRule, ours: HoldoutRule) -> str:
    both = theirs.features.keys() & ours.features.keys()
    parts = {
        "new": ours.features.keys() - both,
        "gone": theirs.features.keys() - both,
        "of another type": {name for name in both if theirs.features[name] != ours.features[name]},
    }
    return "; ".join(f"{word}: {', '.join(sorted(names))}" for word, names in parts.items() if names)


def _way_on(ours: HoldoutRule) -> str:
    lasting = "" if ours.rule else "name `data.id` or `split.group`, so that features may change later, and "
    once = "train one version without this comparison (`gates: {versus_champion: null}`)"
    return f"{lasting}{once}, or go back to the champion's rule"
