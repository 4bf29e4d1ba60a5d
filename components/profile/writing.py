"""The text of a first spec: YAML that is easy to read, with remarks next to the lines to check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import yaml

from components.evaluation.versus_champion import rounded_up
from components.profile.baseline import USUAL_LOSS, Baseline, BaselineSearch
from components.profile.columns import ColumnProfile
from components.profile.target import AnyTarget, ClassColumn, NumberColumn, TargetColumn
from components.profile.task_baselines import LossBaseline
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature, Rollout
from components.spec.quantities import time_text
from components.spec.traffic_settings import (
    REMEMBERED_LOOKS,
    TRAFFIC_SETTINGS,
    longest_label_delay_seconds,
    weight_count,
)

_GROUPS = (
    "sex",
    "gender",
    "female",
    "male",
    "race",
    "ethnic",
    "nationality",
    "religion",
    "senior",
    "age_group",
    "foreign",
)


@dataclass(frozen=True)
class LiveTraffic:
    """What is known of callers: the rollout that suits their number, and how long after an answer its label comes.

    `label_delay_seconds` None means that nobody said whether labels come back.
    """

    rollout: Rollout
    label_delay_seconds: float | None = None

    @property
    def labels_in_time(self) -> bool:
        """Whether labels are known to come early enough to be judged."""
        delay = self.label_delay_seconds
        return delay is not None and delay < longest_label_delay_seconds(self.rollout)


@dataclass(frozen=True)
class Draft:
    """The content of a first spec."""

    name: str
    uri: str
    rows: int
    target: AnyTarget
    columns: list[ColumnProfile]
    holdout: float
    baseline: Baseline | LossBaseline
    search: BaselineSearch
    live: LiveTraffic = LiveTraffic(TRAFFIC_SETTINGS["usual"])
    duplicates: Literal["together", "apart"] = "together"


def spec_text(draft: Draft) -> str:
    """The YAML of a first spec."""
    parts = (
        _head(draft),
        _data(draft),
        _features(draft.columns),
        _split(draft),
        _training(draft.search),
        _gates(draft),
        ["objectives: {availability: 0.999, latency_p99_ms: 50}"],
        _rollout(draft),
        ["scale: {min: 2, max: 10, cpu_percent: 70}"],
    )
    return "".join(line + "\n" for part in parts for line in part)


def _head(draft: Draft) -> list[str]:
    question = _question(draft.target)
    return [
        "# yaml-language-server: $schema=../service.schema.json",
        f"# A first spec, written from {draft.rows:,} rows. Look at each TODO and each line with a remark.",
        f"name: {draft.name}",
        f"description: {scalar(question)}  # TODO the question, in your words",
        'purpose: ""  # TODO what its answers are used for, and what they must not be used for',
        'owner: ""  # TODO who answers for the model: a team or a person',
    ]


def _question(target: AnyTarget) -> str:
    if isinstance(target, TargetColumn):
        return f"Is {target.name} {target.positive}?"
    return f"Which {target.name} is it?" if isinstance(target, ClassColumn) else f"How much is {target.name}?"


def _target(draft: Draft) -> list[str]:
    target = draft.target
    name = f"  target: {scalar(target.name)}"
    if isinstance(target, ClassColumn):
        rare = min(zip(target.rows, map(scalar, target.classes), strict=True))
        seen = f"{target.reason}; the rarest, {rare[1]}, is {rare[0] / draft.rows:.1%} of the rows"
        classes = ", ".join(map(scalar, target.classes))
        return [f"  task: multiclass  # {_comment(seen)}", name, f"  classes: [{classes}]"]
    if isinstance(target, NumberColumn):
        seen = f"{target.reason}, from {scalar(target.low)} to {scalar(target.high)}"
        return [f"  task: regression  # {_comment(seen)}", name, "  unit: null  # TODO the unit of the target"]
    share = f"{target.positives / draft.rows:.1%} of the rows; {target.reason}"
    return [
        name,
        f"  positive: {scalar(target.positive)}  # {share}; the other word is {_comment(scalar(target.negative))}",
    ]


def _data(draft: Draft) -> list[str]:
    identifier = next((c for c in draft.columns if c.role == "id"), None)
    lines = ["data:", f"  uri: {scalar(draft.uri)}", *_target(draft)]
    if identifier:
        lines.append(f"  id: {scalar(identifier.name)}  # {_comment(identifier.remark)}")
    ignored = [column for column in draft.columns if column.role == "ignore"]
    if ignored:
        lines += ["  ignore:", *(f"    - {scalar(c.name)}  # {_comment(c.remark)}" for c in ignored)]
    return [*lines, "  source: null  # TODO where the table comes from"]


def _features(columns: list[ColumnProfile]) -> list[str]:
    lines = [
        f"  {scalar(column.name)}: {_feature(column.feature)}{_remark(column)}" for column in columns if column.feature
    ]
    return ["features:  # ranges are a bit wider than what the table holds", *lines]


def _feature(feature: Feature) -> str:
    parts = [f"type: {feature.type}", *_bounds(feature)]
    if feature.optional:
        parts.append("missing: allowed")
    if isinstance(feature, CategoryFeature):
        parts += [] if feature.unknown == "refuse" else [f"unknown: {feature.unknown}"]
    elif feature.outside != "refuse":
        parts.append(f"outside: {feature.outside}")
    return "{" + ", ".join(parts) + "}"


def _bounds(feature: Feature) -> list[str]:
    if isinstance(feature, CategoryFeature):
        return [f"values: [{', '.join(scalar(value) for value in feature.values)}]"]
    bounds = [f"min: {scalar(feature.min)}", f"max: {scalar(feature.max)}"]
    return bounds if isinstance(feature, DateFeature) else ["unit: null", *bounds]


def _remark(column: ColumnProfile) -> str:
    todo = "TODO unit" if isinstance(column.feature, NumberFeature) else ""
    said = "; ".join(filter(None, [todo, column.remark]))
    return f"  # {_comment(said)}" if said else ""


def _split(draft: Draft) -> list[str]:
    dates = [column.name for column in draft.columns if isinstance(column.feature, DateFeature)]
    lines = (
        [f"  # time: {scalar(dates[0])}  # is what comes later the harder test? Then hold the latest rows out"]
        if dates
        else []
    )
    if draft.duplicates == "apart":
        lines.append("  duplicates: apart  # few different rows, so equal ones are dealt one by one, by their answer")
    return ["split:", f"  holdout: {draft.holdout}", *lines]


def _training(search: BaselineSearch) -> list[str]:
    return [
        "training:",
        f"  candidates: [{', '.join(search.candidates)}]",
        f"  trials: {search.trials}",
        f"  folds: {search.folds}",
        "  seed: 7",
    ]


def _gates(draft: Draft) -> list[str]:
    plain = draft.baseline
    if isinstance(plain, LossBaseline):
        return _loss_gates(draft, plain)
    weak = "; it hardly beats a guess: are the right columns here?" if plain.roc_auc < 0.6 else ""
    if plain.tells_nothing:
        weak = ", which is a guess; the gate is what a guess reaches once in 40 times"
    groups = [c.name for c in draft.columns if isinstance(c.feature, CategoryFeature) and _is_group(c.name)]
    named = ", ".join(scalar(group) for group in groups) or "a_category"
    return [
        "gates:",
        f"  roc_auc: {{min: {plain.smallest_auc}}}  # a plain logistic regression reaches {plain.roc_auc:.3f}{weak}",
        f"  versus_champion: {{max_loss: {plain.largest_loss(draft.holdout)}}}{_shown(draft)}",
        f"  # fairness: {{by: [{named}], max_equal_opportunity_gap: 0.15}}  # TODO whom must it treat alike?",
        "  latency_p99_ms: {max: 20}",
        "  package_mib: {max: 50}",
    ]


def _loss_gates(draft: Draft, plain: LossBaseline) -> list[str]:
    number = isinstance(draft.target, NumberColumn)
    loss, share = ("mean_absolute_error", "r2") if number else ("log_loss", "balanced_accuracy")
    model = "linear" if number else "logistic"
    weak = "; it hardly beats a guess: are the right columns here?" if plain.tells_nothing else ""
    return [
        "gates:",
        f"  {loss}: {{max: {scalar(plain.largest_loss_allowed)}}}  # a plain {model} regression has {plain.loss:.4g}",
        f"  {share}: {{min: {plain.smallest_share}}}  # and {plain.share:.3f}{weak}",
        f"  versus_champion: {{max_loss: {plain.largest_loss(draft.holdout)}}}{_shown(draft)}",
        "  latency_p99_ms: {max: 20}",
        "  package_mib: {max: 50}",
    ]


def _shown(draft: Draft) -> str:
    """A remark where the hold-out is too small for the usual limit."""
    held, least = draft.rows * draft.holdout, draft.baseline.shown_loss(draft.holdout)
    if least <= USUAL_LOSS:
        return ""
    needed = rounded_up(held * (least / USUAL_LOSS) ** 2)
    return f"  # about {held:,.0f} rows are held out and show no smaller loss; {USUAL_LOSS} takes about {needed:,}"


def _is_group(name: str) -> bool:
    return any(word in name.lower() for word in _GROUPS)


def _rollout(draft: Draft) -> list[str]:
    rollout = draft.live.rollout
    margins = rollout.harm.model_dump() | ({} if draft.live.labels_in_time else {"label_loss": None})
    remarks = {
        "label_loss": f"  # {_labels(draft.live)}",
        "latency_shift": "  # answers that are slower within the objective are told, not judged",
    }
    return [
        f"rollout:  # `make plan SERVICE={draft.name} RATE=2` tells what it needs at 2 requests a second",
        f"  strategy: {rollout.strategy}",
        f"  step_weight: {rollout.step_weight}",
        f"  max_weight: {rollout.max_weight}",
        f"  interval_seconds: {rollout.interval_seconds:g}",
        f"  deadline_minutes: {rollout.deadline_minutes:g}",
        f"  false_alarm: {rollout.false_alarm:g}",
        "  harm:  # margins; null: not judged, left out: the default",
        *(
            f"    {name}: {'null' if margin is None else scalar(margin)}{remarks.get(name, '')}"
            for name, margin in margins.items()
        ),
    ]


def _labels(live: LiveTraffic) -> str:
    """Why labels are judged, or why not."""
    rollout, delay = live.rollout, live.label_delay_seconds
    if delay is None:
        longest = time_text(longest_label_delay_seconds(rollout))
        return f"TODO {rollout.harm.label_loss}, if labels come back less than {longest} after their answers"
    told = f"labels come {time_text(delay)} after their answers"
    if live.labels_in_time:
        return told
    remembered, deadline = REMEMBERED_LOOKS * rollout.interval_seconds, rollout.deadline_minutes * 60
    if delay * weight_count(rollout) < deadline:
        return f"{told}, which are remembered for {time_text(remembered)}: not long enough"
    weights = f", at each of {weight_count(rollout)} weights anew" if weight_count(rollout) > 1 else ""
    return f"{told}{weights}: too late for a deadline of {time_text(deadline)}"


def scalar(value: str | bool | float | date) -> str:
    """A value on one line, valid anywhere in YAML, that reads back as itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, str):
        return _quoted(value)
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else _decimal(float(value))


def _quoted(text: str) -> str:
    """The text, plain if that is safe, else in quotes with unprintable characters escaped."""
    style = None if text.isprintable() else '"'
    line = yaml.safe_dump(
        [text], default_flow_style=True, default_style=style, allow_unicode=text.isprintable(), width=10**9
    )
    return line.strip()[1:-1]


def _decimal(number: float) -> str:
    """The number in YAML 1.1, which reads 1e+20 as text but 1.0e+20 as a number."""
    mantissa, mark, exponent = repr(number).partition("e")
    return repr(number) if not mark or "." in mantissa else f"{mantissa}.0e{exponent}"


def _comment(text: str) -> str:
    """The text as a comment that it cannot break out of."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
