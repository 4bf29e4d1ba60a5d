"""Plays many rollouts of one kind in parallel: traffic, a verdict, perhaps more weight, until each ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import BINS, COLUMNS, LOSSES_AT, MOMENT_AGES, MOMENTS, AnswerKind, HoldoutShift
from services.judge.simulate.answered import champion_of_classes, champion_of_numbers, swapped
from services.judge.simulate.families import FAMILIES
from services.judge.simulate.world import SimulatedVersion, answer, champion, drifted, harmed
from services.judge.statistics.assess import is_harm, is_safe, is_safe_alone, observations_needed, stack_arms
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import Signal, SignalName, judged_signals
from services.judge.verdict import ramp

#: The standard error of what the hold-out shows: the two versions score alike.
_HOLDOUT_ERROR = 0.003
HOLDOUT = HoldoutShift((0.0,) * BINS, (_HOLDOUT_ERROR,) * BINS)
#: Champions of other answers than the probability of a word; each is made when it is first asked for.
ANSWERS: dict[str, Callable[[], SimulatedVersion]] = {
    "values, errors by t with 3 degrees of freedom": champion_of_numbers,
    "3 classes": partial(champion_of_classes, 3),
    "20 classes": partial(champion_of_classes, 20),
}

WAITING, PROMOTED, FAILED = 0, 1, 2


@dataclass(frozen=True)
class Case:
    """One kind of rollout. `excess` is in margins of `signal`; `signal` None judges every signal of an equal canary.

    The canary is harmful only at weights above `above` percent, and only from the look `after` on. With a `family` of
    `families`, the two versions are those of the family. `answers` names one of `ANSWERS`; `swaps` means that the
    harmful canary gives each class's probability to another one.
    """

    name: str
    signal: SignalName | None
    excess: float
    requests_a_look: int
    step_weight: int
    max_weight: int
    looks: int = 120
    drifts: bool = False
    above: float = 0
    after: int = 0
    family: str = ""
    answers: str = ""
    swaps: bool = False


@dataclass(frozen=True)
class SimulatedOutcome:
    """The outcomes of a case: arrays with one element for each rollout.

    `fate` is PROMOTED, FAILED or WAITING (the deadline passed); `canary_requests` and `look` say when, and
    `harmed_requests` is the number of canary requests that the harm could have met until then. `largest_weight` is the
    largest weight that the canary got, in percent.
    `enough` is about how many canary requests would have been enough where the deadline passed.
    """

    case: Case
    fate: NDArray[np.int64]
    canary_requests: Array
    look: NDArray[np.int64]
    enough: float | None
    harmed_requests: Array
    largest_weight: Array


@dataclass
class _State:
    """The current state of all rollouts of a case; `tables` has the shape (weights, sides, rollouts, COLUMNS).

    `since` holds the counts of the current weight since each moment, (moments, sides, rollouts, COLUMNS);
    `first` is the moment at which that weight was set.
    """

    tables: Array
    since: Array
    first: NDArray[np.int64]
    pending: Array
    step: NDArray[np.int64]
    fate: NDArray[np.int64]
    canary_requests: Array
    harmed_requests: Array
    look: NDArray[np.int64]


def holdout_of(version: SimulatedVersion) -> HoldoutShift:
    """What the hold-out showed of such answers: that two versions score alike."""
    classes = tuple(f"class {place}" for place in range(version.classes.size))
    bins = BINS + len(classes)
    return HoldoutShift((0.0,) * bins, (_HOLDOUT_ERROR,) * bins, AnswerKind(classes=classes)) if classes else HOLDOUT


def allowance(signal: str) -> float:
    """What is added to a signal's margin for what this hold-out may be off."""
    return 2 * max(HOLDOUT.shift_error) if signal == "score_shift" else 0.0


def play(case: Case, rollouts: int, seed: int, false_alarm: float = 0.01) -> SimulatedOutcome:
    """Plays `rollouts` rollouts of a case."""
    rng = np.random.default_rng(seed)
    rollout = Rollout(step_weight=case.step_weight, max_weight=case.max_weight, false_alarm=false_alarm, harm=Harm())
    known = holdout_of(_usual(case))
    signals = [s for s in judged_signals(rollout.harm, false_alarm, known) if case.signal in (None, s.name)]
    weights = ramp(rollout)
    state = _start(len(weights) - 1, rollouts, COLUMNS + len(known.answers.classes))
    for look in range(case.looks):
        active = np.flatnonzero(state.fate == WAITING)
        if active.size == 0:
            break
        _serve(case, state, weights, active, look, rng)
        for step in np.unique(state.step[active]):
            _decide(state, active[state.step[active] == step], int(step), weights, signals, false_alarm, case.looks)
    return _outcome(case, state, weights, signals, false_alarm)


def _start(weights: int, rollouts: int, columns: int) -> _State:
    zeros = np.zeros(rollouts, dtype=np.int64)
    return _State(
        tables=np.zeros((weights, 2, rollouts, columns)), since=np.zeros((MOMENTS, 2, rollouts, columns)),
        first=zeros.copy(), pending=np.zeros((2, rollouts, columns)), step=zeros.copy(), fate=zeros.copy(),
        canary_requests=np.zeros(rollouts), harmed_requests=np.zeros(rollouts), look=zeros.copy(),
    )  # fmt: skip


def _serve(
    case: Case, state: _State, weights: list[float], active: NDArray[np.int64], look: int, rng: np.random.Generator
) -> None:
    """Adds one look's traffic: each request goes to the canary with the weight as probability."""
    share = np.array(weights)[state.step[active]] / 100
    to_canary = rng.binomial(case.requests_a_look, share)
    base, worse = _versions(case, look, rng)
    harmful = (share * 100 > case.above) & (look >= case.after)
    moment = look * MOMENTS // case.looks
    theirs = answer(base, case.requests_a_look - to_canary, case.signal, rng)
    ours = answer(worse, np.where(harmful, to_canary, 0), case.signal, rng)
    ours += answer(base, np.where(harmful, 0, to_canary), case.signal, rng)
    for side, table in enumerate((theirs, ours)):
        late = np.zeros_like(table)
        late[:, LOSSES_AT], table[:, LOSSES_AT] = table[:, LOSSES_AT].copy(), 0
        arrived = table + state.pending[side, active]
        state.tables[state.step[active], side, active] += arrived
        state.since[: moment + 1, side, active] += arrived
        state.pending[side, active] = late
    state.canary_requests[active] += to_canary
    state.harmed_requests[active] += np.where(harmful, to_canary, 0)
    state.look[active] = look + 1


def _usual(case: Case) -> SimulatedVersion:
    """The champion of a case before anything changes."""
    return ANSWERS[case.answers]() if case.answers else champion()


def _versions(case: Case, look: int, rng: np.random.Generator) -> tuple[SimulatedVersion, SimulatedVersion]:
    """The champion, and the canary where it is harmful."""
    if case.family:
        return FAMILIES[case.family].versions(look, rng)
    usual = _usual(case)
    base = drifted(usual, look / case.looks) if case.drifts else usual
    if case.swaps:
        return base, swapped(base)
    if case.signal is None:
        return base, base
    return base, harmed(base, case.signal, case.excess * Harm().model_dump()[case.signal])


def _decide(
    state: _State,
    group: NDArray[np.int64],
    step: int,
    weights: list[float],
    signals: list[Signal],
    false_alarm: float,
    looks: int,
) -> None:
    """Applies the judge's verdict to the rollouts at one weight."""
    harm, safe = np.zeros(group.size, dtype=bool), np.ones(group.size, dtype=bool)
    for signal in signals:
        strata = stack_arms(signal, _strata(state, group, step, weights))
        strata[-1] = replace(strata[-1], later=tuple(stack_arms(signal, _since(state, group, weights[step], looks))))
        harm |= is_harm(signal, strata)
        share = weights[step + 1] / 100
        safe &= is_safe(signal, strata, share, false_alarm) & is_safe_alone(signal, strata[-1], share)
    state.fate[group[harm]] = FAILED
    passed = group[safe & ~harm]
    if weights[step + 1] >= 100:
        state.fate[passed] = PROMOTED
    else:
        state.step[passed] += 1
        state.since[:, :, passed] = 0
        state.first[passed] = (state.look[passed] * MOMENTS) // looks


def _strata(
    state: _State, group: NDArray[np.int64], step: int, weights: list[float]
) -> list[tuple[float, Array, Array]]:
    return [(weights[at] / 100, state.tables[at, 1, group], state.tables[at, 0, group]) for at in range(step + 1)]


def _since(state: _State, group: NDArray[np.int64], weight: float, looks: int) -> list[tuple[float, Array, Array]]:
    """The counts of the current weight since each moment that is looked at; none where it came before the weight."""
    now = (int(state.look[group[0]]) - 1) * MOMENTS // looks
    parts = []
    for moment in (now - age for age in MOMENT_AGES):
        within = (moment > state.first[group])[:, None]
        if within.any():
            champion, canary = (np.where(within, state.since[moment, side][group], 0.0) for side in (0, 1))
            parts.append((weight / 100, canary, champion))
    return parts


def _outcome(
    case: Case, state: _State, weights: list[float], signals: list[Signal], false_alarm: float
) -> SimulatedOutcome:
    undecided = np.flatnonzero(state.fate == WAITING)
    needed = []
    if undecided.size:
        first = undecided[:1]
        step = int(state.step[first[0]])
        for signal in signals:
            strata = stack_arms(signal, _strata(state, first, step, weights))
            needed.append(observations_needed(signal, strata, false_alarm))
    known = [number for number in needed if number is not None]
    return SimulatedOutcome(
        case, state.fate, state.canary_requests, state.look, max(known) if known else None, state.harmed_requests,
        np.array(weights)[state.step + (state.fate == PROMOTED)],
    )  # fmt: skip
