"""The rule that selects the hold-out. If the champion's rule differs, it may have trained on these rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from components.spec.contract import Spec, Split
from components.spec.views import recorded_spec


@dataclass(frozen=True)
class HoldoutRule:
    """The rule that decides a row's side, and the share that is held out.

    `rule` names a column and its role. If it is empty, the features decide: `features` maps each name to its type.
    """

    rule: str
    features: Mapping[str, str]
    share: float


class _Identified(BaseModel):
    id: str | None


class _Typed(BaseModel):
    type: str


class _Recorded(BaseModel):
    """The part of a receipt's spec that decides the cut; all other keys are ignored."""

    data: _Identified
    split: Split
    features: dict[str, _Typed]


def overlap_reason(champion: Mapping[str, Any], spec: Spec) -> str:
    """The reason why the champion may have trained on the hold-out of `spec`, and a remedy; empty if it did not.

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
    """The hold-out rule of a spec that a receipt recorded.

    Raises:
        ValidationError: the recorded spec does not state the rule.
    """
    found = _Recorded.model_validate(recorded)
    split = found.split
    named = (("split.time", split.time), ("split.group", split.group), ("data.id", found.data.id))
    rule = next((f"{role} {column!r}" for role, column in named if column), "")
    # The hash of a row names the features, ignores their order and reads each by its type; compare the same here.
    features = {} if rule else {name: feature.type for name, feature in found.features.items()}
    if not rule and split.duplicates == "apart":
        rule = "split.duplicates 'apart'"
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
