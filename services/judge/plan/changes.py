"""What to change in a spec whose rollout does not fit its traffic, with the figures of each change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from components.spec.contract import Harm, Rollout
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from services.judge.plan.figures import Planner, Question, RowFigures, fits
from services.judge.plan.judging import IN_SHADOW, SHADOW_FIRST, is_possible, is_shadow_first, planned_signals

#: Margins to try instead of one that is too small to be shown in time.
_LADDER = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)
#: All signals together take longer than the slowest of them, so each alone has this part of the deadline.
_ROOM = 0.75
#: The share of the traffic that a canary gets at once, in percent, where steps take too long.
_AT_ONCE = 50


@dataclass(frozen=True)
class Change:
    """Another rollout: what to write in the spec, and what is lost by it."""

    name: str
    lines: str
    price: str
    rollout: Rollout


@dataclass(frozen=True)
class ChangeFigures:
    """A change with the figures of an equal canary, and of one with twice its margin of errors (None: impossible)."""

    change: Change
    equal: RowFigures
    harmful: RowFigures | None

    @property
    def fits(self) -> bool:
        """Whether nine in ten equal canaries are promoted in time."""
        return fits(self.equal, self.change.rollout)


def weigh(planner: Planner, change: Change) -> ChangeFigures:
    """Plays a change."""
    changed = replace(planner, rollout=change.rollout)
    harmful = next((asked for asked in changed.questions() if asked.signal and asked.signal.name == "error_ratio"
                    and asked.times == 2), None)  # fmt: skip
    return ChangeFigures(change, changed.all_signals(), changed.answer(harmful) if harmful else None)


def propositions(planner: Planner, equal: RowFigures) -> Iterator[Callable[[], Change | None]]:
    """What makes each change to be weighed, for a rollout with these figures; a change may turn out to be none."""
    rollout = planner.rollout
    yield lambda: longer_deadline(rollout, equal.seconds[1])
    yield lambda: at_once(rollout)
    yield lambda: wider_margins(planner, rollout)
    yield lambda: _both(planner, rollout)
    yield lambda: without_labels(rollout)
    yield lambda: shadow_first(rollout)
    yield lambda: low_traffic(rollout)


def longer_deadline(rollout: Rollout, seconds: float) -> Change | None:
    """The deadline that this canary needs, rounded up; None where no deadline would do."""
    if math.isinf(seconds):
        return None
    minutes = _rounded_up(1.2 * seconds / 60)
    return Change("a later deadline", f"deadline_minutes: {minutes:g}", "an undecided canary stays longer",
                  _changed(rollout, deadline_minutes=minutes))  # fmt: skip


def at_once(rollout: Rollout) -> Change | None:
    """Half of the traffic at once, where a rollout has several steps."""
    if rollout.step_weight >= _AT_ONCE or rollout.step_weight >= rollout.max_weight:
        return None
    return Change("one step", f"step_weight: {_AT_ONCE}, max_weight: {_AT_ONCE}", "harm meets half of the callers",
                  _changed(rollout, step_weight=_AT_ONCE, max_weight=_AT_ONCE))  # fmt: skip


def wider_margins(planner: Planner, rollout: Rollout) -> Change | None:
    """The smallest margins of the ladder with which each signal is shown in time; None where they are so already."""
    planner = replace(planner, rollout=rollout)
    margins = {}
    for signal in planned_signals(rollout, planner.traffic.champion):
        margin: float | None = signal.margin
        while margin is not None and not _is_shown(planner, signal.name, margin):
            margin = next((rung for rung in _LADDER if rung > margin), None)
        if margin is None:
            return None
        if margin != signal.margin:
            margins[signal.name] = margin
    if not margins:
        return None
    lines = ", ".join(f"{name}: {margin:g}" for name, margin in margins.items())
    return Change("wider margins", lines, "harm within them is not found",
                  _changed(rollout, harm=_harm(rollout.harm, **margins)))  # fmt: skip


def without_labels(rollout: Rollout) -> Change | None:
    """No judging of labels."""
    if is_shadow_first(rollout) or rollout.harm.label_loss is None:
        return None
    return Change("no labels", "label_loss: null", "worse answers are not found by their labels",
                  _changed(rollout, harm=_harm(rollout.harm, label_loss=None)))  # fmt: skip


def shadow_first(rollout: Rollout) -> Change | None:
    """Scores and labels judged in a shadow before, so that the canary judges errors and latency alone."""
    if is_shadow_first(rollout) or all(getattr(rollout.harm, name) is None for name in IN_SHADOW):
        return None
    margins = dict.fromkeys(IN_SHADOW)
    return Change("shadow first", f"strategy: {SHADOW_FIRST}", "the shadow's own time comes before",
                  _changed(rollout, harm=_harm(rollout.harm, **margins)))  # fmt: skip


def low_traffic(rollout: Rollout) -> Change | None:
    """The named setting for few requests, with the signals that this rollout judges."""
    low = TRAFFIC_SETTINGS["low"]
    margins = {name: None for name, margin in rollout.harm.margins().items() if margin is None}
    changed = _changed(low, harm=_harm(low.harm, **margins), strategy=rollout.strategy)
    if changed == rollout:
        return None
    return Change("the setting low", "as `make new TRAFFIC=low` writes it", "only large harm is found, within days",
                  changed)  # fmt: skip


def _both(planner: Planner, rollout: Rollout) -> Change | None:
    step = at_once(rollout)
    margins = wider_margins(planner, step.rollout) if step else None
    if step is None or margins is None:
        return None
    return Change("one step, wider margins", f"{step.lines}, {margins.lines}", "both of the above", margins.rollout)


def _is_shown(planner: Planner, name: str, margin: float) -> bool:
    """Whether one signal with this margin alone promotes an equal canary in time."""
    rollout = _changed(planner.rollout, harm=_harm(planner.rollout.harm, **{name: margin}))
    changed = replace(planner, rollout=rollout)
    signal = next(signal for signal in changed.signals() if signal.name == name)
    if not is_possible(planner.traffic.champion, signal, margin):
        return False
    return changed.is_in_time(Question(signal, 0.0), _ROOM)


def _changed(rollout: Rollout, **values: object) -> Rollout:
    return Rollout.model_validate({**rollout.model_dump(), **values})


def _harm(harm: Harm, **margins: float | None) -> Harm:
    return Harm.model_validate({**harm.model_dump(), **margins})


def _rounded_up(number: float) -> float:
    """The number with two significant digits, rounded up."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(number / unit) * unit
