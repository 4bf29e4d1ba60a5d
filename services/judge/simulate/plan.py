"""The plan of simulated rollouts, and the summary of their outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np

from components.spec.contract import Harm, Rollout
from services.judge.exposure import largest_share
from services.judge.simulate.processes import pool
from services.judge.simulate.rollouts import FAILED, PROMOTED, WAITING, Case, SimulatedOutcome, allowance, play
from services.judge.simulate.worlds import WorldRow, play_world, worlds
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import SignalName

REQUESTS_A_LOOK = (1, 10, 100, 1000, 10_000, 30_000)
#: Steps and largest weights, in percent.
WEIGHTS = ((1, 5), (5, 50), (10, 50), (25, 50), (50, 50))
_SHORT_TRAFFIC, _SHORT_WEIGHTS = (1000, 10_000), ((10, 50),)
SIGNALS: tuple[SignalName, ...] = get_args(SignalName)
RATIOS: tuple[SignalName, ...] = ("error_ratio", "slow_ratio")
#: Judging all signals at once, or the 38 means of the scores, costs about this many times as much as one ratio.
_DEAR = 8


@dataclass(frozen=True)
class PlanRow:
    """The outcomes of the rollouts with one harm and one volume of traffic, over all weights.

    Requests are the canary's until the decision; infinite for a rollout without a decision. `late` means that the
    canary was good at first. `harm_missed` is the number of requests that met the harm before the canary was
    promoted all the same; in 1 % of all rollouts it is more. `beyond` is the number of rollouts in which a canary that
    was harmful from the start got a weight at which its share x excess is beyond the margin, the first weight aside.
    """

    name: str
    signal: SignalName | None
    excess: float
    requests_a_look: int
    rollouts: int
    promoted: float
    failed: float
    undecided: float
    median_requests: float
    ninety_percent_requests: float
    median_look_share: float
    enough: float | None
    late: bool = False
    harm_missed: float = 0.0
    beyond: float = 0


def plan(rollouts: int, *, short: bool = False) -> list[tuple[Case, int]]:
    """Every case with its number of rollouts; `rollouts` is the number for one row of a cheap signal.

    The `short` plan has some volumes of traffic and the default weights.
    """
    weights, traffics = (_SHORT_WEIGHTS, _SHORT_TRAFFIC) if short else (WEIGHTS, REQUESTS_A_LOOK)
    few, many = max(rollouts // _DEAR // len(weights), 1), max(rollouts // len(weights), 1)
    planned = []
    for traffic in traffics:
        for step, largest in weights:
            planned.append((Case("no worse", None, 0, traffic, step, largest), few))
            planned.append((Case("no worse, drifting", None, 0, traffic, step, largest, drifts=True), few))
            for signal, name, excess in _harms():
                number = few if signal == "score_shift" else many
                planned.append((Case(name, signal, excess, traffic, step, largest), number))
        planned += [(case, many) for case in _late_harms(traffic)]
    return planned


def _late_harms(traffic: int) -> Iterator[Case]:
    """Harm of twice the margin that begins at a weight, or at a look, after the canary was good."""
    for signal in RATIOS:
        for above in (10, 40):
            yield Case(f"twice the margin above {above} %", signal, 2.0, traffic, 10, 50, above=above)
        for after in (2, 5, 20):
            yield Case(f"twice the margin after {after} looks", signal, 2.0, traffic, 10, 50, after=after)


def _harms() -> Iterator[tuple[SignalName, str, float]]:
    for signal in SIGNALS:
        for name, excess in (("at the margin", 1.0), ("twice the margin", 2.0)):
            yield signal, name, excess


def run(planned: list[tuple[Case, int]], seed: int, processes: int | None = None) -> Iterator[SimulatedOutcome]:
    """Plays every case, on all cores by default; the same seed gives the same outcomes in the same order."""
    seeds = np.random.SeedSequence(seed).generate_state(len(planned)).tolist()
    cases, numbers = zip(*planned, strict=True)
    with pool(processes) as workers:
        yield from workers.map(play, cases, numbers, seeds)


def run_worlds(rollouts: int, seed: int, processes: int | None = None) -> Iterator[WorldRow]:
    """Plays every world's rollouts, on all cores by default."""
    cases = worlds()
    seeds = np.random.SeedSequence(seed).generate_state(len(cases)).tolist()
    with pool(processes) as workers:
        yield from workers.map(play_world, cases, [rollouts] * len(cases), seeds)


def rows(outcomes: list[SimulatedOutcome]) -> list[PlanRow]:
    """One row for each harm and volume of traffic, in the order played."""
    groups: dict[tuple[str, SignalName | None, int], list[SimulatedOutcome]] = {}
    for outcome in outcomes:
        case = outcome.case
        groups.setdefault((case.name, case.signal, case.requests_a_look), []).append(outcome)
    return [summarise(group) for group in groups.values()]


def summarise(outcomes: list[SimulatedOutcome]) -> PlanRow:
    """Summarises the outcomes of one harm and volume of traffic."""
    case = outcomes[0].case
    fate = np.concatenate([outcome.fate for outcome in outcomes])
    requests = np.concatenate([outcome.canary_requests for outcome in outcomes])
    look = np.concatenate([outcome.look for outcome in outcomes])
    until = np.where(fate == WAITING, np.inf, requests)
    needed = [outcome.enough for outcome in outcomes if outcome.enough is not None]
    return PlanRow(
        case.name, case.signal, case.excess, case.requests_a_look, fate.size,
        promoted=float(np.mean(fate == PROMOTED)), failed=float(np.mean(fate == FAILED)),
        undecided=float(np.mean(fate == WAITING)), median_requests=_quantile(until, 0.5),
        ninety_percent_requests=_quantile(until, 0.9), median_look_share=float(np.median(look)) / case.looks,
        enough=float(np.median(needed)) if needed else None,
        late=bool(case.above or case.after),
        harm_missed=_quantile(np.concatenate([_missed(outcome) for outcome in outcomes]), 0.99),
        beyond=sum(_beyond(outcome) for outcome in outcomes),
    )  # fmt: skip


def _missed(outcome: SimulatedOutcome) -> Array:
    return np.where(outcome.fate == PROMOTED, outcome.harmed_requests, 0.0)


def _beyond(outcome: SimulatedOutcome) -> int:
    case = outcome.case
    if case.signal is None or case.above or case.after:
        return 0
    margin = Harm().margins()[case.signal] or 0.0
    rollout = Rollout(step_weight=case.step_weight, max_weight=case.max_weight)
    share = largest_share(rollout, case.signal, margin, case.excess * margin, allowance=allowance(case.signal))
    return int(np.sum(outcome.largest_weight > 100 * share + 1e-9))


def _quantile(numbers: Array, part: float) -> float:
    return float(np.quantile(numbers, part, method="higher"))
