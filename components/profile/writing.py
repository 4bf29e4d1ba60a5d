"""The text of a first spec: YAML that is easy to read, with remarks next to the lines to check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import yaml

from components.evaluation.versus_champion import rounded_up
from components.profile.baseline import USUAL_LOSS, Baseline, BaselineSearch
from components.profile.columns import ColumnProfile
from components.profile.target import TargetColumn
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature

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
class Draft:
    """The content of a first spec."""

    name: str
    uri: str
    rows: int
    target: TargetColumn
    columns: list[ColumnProfile]
    holdout: float
    baseline: Baseline
    search: BaselineSearch


def spec_text(draft: Draft) -> str:
    """The YAML of a first spec."""
    parts = (
        _head(draft),
        _data(draft),
        _features(draft.columns),
        _split(draft),
        _training(draft.search),
        _gates(draft),
    )
    return "".join(line + "\n" for part in parts for line in part) + _REST


def _head(draft: Draft) -> list[str]:
    question = f"Is {draft.target.name} {draft.target.positive}?"
    return [
        "# yaml-language-server: $schema=../service.schema.json",
        f"# A first spec, written from {draft.rows:,} rows. Look at each TODO and each line with a remark.",
        f"name: {draft.name}",
        f"description: {scalar(question)}  # TODO the question, in your words",
        'purpose: ""  # TODO what its answers are used for, and what they must not be used for',
        'owner: ""  # TODO who answers for the model: a team or a person',
    ]


def _data(draft: Draft) -> list[str]:
    target, identifier = draft.target, next((c for c in draft.columns if c.role == "id"), None)
    share = f"{target.positives / draft.rows:.1%} of the rows; {target.reason}"
    lines = [
        "data:",
        f"  uri: {scalar(draft.uri)}",
        f"  target: {scalar(target.name)}",
        f"  positive: {scalar(target.positive)}  # {share}; the other word is {_comment(scalar(target.negative))}",
    ]
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
    if feature.missing == "allowed":
        parts.append("missing: allowed")
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
    weak = "; it hardly beats a guess: are the right columns here?" if plain.roc_auc < 0.6 else ""
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


def _shown(draft: Draft) -> str:
    """A remark where the hold-out is too small for the usual limit."""
    held, least = draft.rows * draft.holdout, draft.baseline.shown_loss(draft.holdout)
    if least <= USUAL_LOSS:
        return ""
    needed = rounded_up(held * (least / USUAL_LOSS) ** 2)
    return f"  # about {held:,.0f} rows are held out and show no smaller loss; {USUAL_LOSS} takes about {needed:,}"


def _is_group(name: str) -> bool:
    return any(word in name.lower() for word in _GROUPS)


_REST = """\
objectives: {availability: 0.999, latency_p99_ms: 50}
rollout:
  strategy: canary
  step_weight: 10
  max_weight: 50
  interval_seconds: 30
  deadline_minutes: 60
  false_alarm: 0.01
  harm: {error_ratio: 0.005, slow_ratio: 0.02, score_shift: 0.05, label_loss: 0.02}
scale: {min: 2, max: 10, cpu_percent: 70}
"""


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
