"""Plays rollouts whose callers have moved from the hold-out, on counters, judged by scores alone.

Beside them stand the same rollouts judged as if the package told nothing of its population: by the hold-out as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.table import Table

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import COLUMNS, REQUESTS_AT, SCORES_AT, Counts, Evidence
from services.judge.evidence.expectation import expectation_of
from services.judge.evidence.exposition import Reading
from services.judge.evidence.same_inputs import ReadInputs, differing
from services.judge.evidence.series import Replica
from services.judge.simulate.callers import FEATURES, Callers, CanaryFault
from services.judge.simulate.claims import Claim
from services.judge.simulate.processes import pool
from services.judge.simulate.rollouts import FAILED, PROMOTED, WAITING
from services.judge.simulate.worlds import surely_above
from services.judge.statistics.assess import is_harm, is_safe, is_safe_alone, stack_arms
from services.judge.statistics.evalue import Array
from services.judge.statistics.reference import reference
from services.judge.statistics.signals import Signal, judged_signals
from services.judge.verdict import next_weight

_LIMIT = 0.01
#: A fault may take at most so many times the requests that it takes where the hold-out is the reference as it is.
_TIMES = 1.05
_TOGETHER = 25
#: Of canaries that are not compared by requests, one in so many is played by the hold-out as it is, too.
_AS_IT_IS = 10
#: Scores are judged with the other signals of the default spec, which share its level.
_ROLLOUT = Rollout()


@dataclass(frozen=True)
class MovedCase:
    """One kind of rollout: how far the callers are from the hold-out, and what is wrong with the canary."""

    name: str
    moved: float
    fault: CanaryFault
    requests_a_look: int = 500
    looks: int = 120

    @property
    def compares_requests(self) -> bool:
        """Whether it must be failed as fast as by the hold-out as it is.

        By that one, moved callers alone would fail a shifted canary, which is no measure.
        """
        return self.fault == "wrong unit" or (self.fault == "shifted" and not self.moved)


CASES = (
    MovedCase("a better canary, callers of the hold-out", 0.0, ""),
    MovedCase("a better canary, callers moved by half a deviation", 0.5, ""),
    MovedCase("a wrong unit, callers of the hold-out", 0.0, "wrong unit", 30),
    MovedCase("a wrong unit, callers moved by half a deviation", 0.5, "wrong unit", 30),
    MovedCase("its server misreads a feature by 0.8 deviations, callers of the hold-out", 0.0, "misread"),
    MovedCase("shifted by more than twice the margin, callers of the hold-out", 0.0, "shifted"),
    MovedCase("shifted by more than twice the margin, callers moved by half a deviation", 0.5, "shifted"),
)


@dataclass(frozen=True)
class MovedEnd:
    """The end of one rollout: its fate, and the canary's requests until then."""

    fate: int
    requests: float


@dataclass(frozen=True)
class MovedRow:
    """What became of a case's rollouts, and what of some of the same ones by the hold-out as it is."""

    case: MovedCase
    rollouts: int
    promoted: int
    failed: int
    median_requests: float
    as_it_is: int
    as_it_is_promoted: int
    as_it_is_failed: int
    as_it_is_median_requests: float


def run_moved(rollouts: int, seed: int, processes: int | None = None) -> Iterator[MovedRow]:
    """A row for each case."""
    blocks = [min(_TOGETHER, rollouts - done) for done in range(0, rollouts, _TOGETHER)]
    seeds = np.random.SeedSequence(seed).generate_state(len(CASES) * len(blocks)).tolist()
    with pool(processes) as workers:
        cases = [case for case in CASES for _ in blocks]
        played = workers.map(play_moved, cases, seeds, blocks * len(CASES))
        for case in CASES:
            yield summarise_moved(case, [end for _ in blocks for end in next(played)])


def play_moved(case: MovedCase, seed: int, rollouts: int) -> list[tuple[MovedEnd, MovedEnd | None]]:
    """The ends of some rollouts; with each, or some, the end of the same one by the hold-out as it is."""
    seeds = np.random.SeedSequence(seed).generate_state(rollouts).tolist()
    every = 1 if case.compares_requests else _AS_IT_IS
    return [
        (_play(case, each, told=True), None if place % every else _play(case, each, told=False))
        for place, each in enumerate(seeds)
    ]


def summarise_moved(case: MovedCase, ends: Sequence[tuple[MovedEnd, MovedEnd | None]]) -> MovedRow:
    """Counts the fates."""
    others = [other for _, other in ends if other is not None]
    return MovedRow(case, len(ends), *_counted([end for end, _ in ends]), len(others), *_counted(others))


def moved_claims(rows: Sequence[MovedRow]) -> list[Claim]:
    """Better canaries stay, wrong ones are found, and as fast as before; without rows no claim is met."""
    made = []
    for case in CASES:
        row = next((one for one in rows if one.case == case), None)
        if case.fault:
            wrong, slower = (row.promoted, row.median_requests / row.as_it_is_median_requests) if row else (1, np.inf)
            made.append(Claim(f"{case.name}: surely promoted more often than", _surely(row, wrong), _LIMIT))
            if case.compares_requests:
                made.append(
                    Claim("... requests until it is failed, as times of those by the hold-out as it is", slower, _TIMES)
                )
        else:
            made.append(
                Claim(f"{case.name}: surely failed more often than", _surely(row, row.failed if row else 1), _LIMIT)
            )
    return made


def moved_table(rows: Sequence[MovedRow]) -> Table:
    """The table of the rows."""
    table = Table(title="callers and the hold-out: judged by scores, and by the hold-out as it is (in brackets)")
    for name in ("world", "rollouts", "promoted", "failed", "canary requests, median"):
        table.add_column(name, justify="left" if name == "world" else "right")
    for row in rows:
        table.add_row(
            row.case.name, f"{row.rollouts} ({row.as_it_is})", f"{row.promoted} ({row.as_it_is_promoted})",
            f"{row.failed} ({row.as_it_is_failed})",
            f"{row.median_requests:,.0f} ({row.as_it_is_median_requests:,.0f})",
        )  # fmt: skip
    return table


def _surely(row: MovedRow | None, wrong: int) -> float:
    return 1.0 if row is None else surely_above(wrong, row.rollouts)


def _counted(ends: Sequence[MovedEnd]) -> tuple[int, int, float]:
    fates, requests = [end.fate for end in ends], [end.requests for end in ends]
    return fates.count(PROMOTED), fates.count(FAILED), float(np.median(requests))


@dataclass
class _Counted:
    """The counts of one rollout by weight (champion, canary); and what the canary's server told at each look."""

    strata: dict[float, tuple[Array, Array]]
    inputs: dict[float, tuple[Array, Array]]
    replica: Replica


def _play(case: MovedCase, seed: int, *, told: bool) -> MovedEnd:
    rng = np.random.default_rng(seed)
    callers = Callers(case.moved, case.fault, rng)
    counted, so_far = _Counted({}, {}, Replica("canary")), callers.nothing()
    weight, requests = next_weight(0.0, _ROLLOUT), 0
    for look in range(case.looks):
        to_canary = int(rng.binomial(case.requests_a_look, weight / 100))
        asked = callers.of_canary(to_canary)
        theirs = callers.of_champion(case.requests_a_look - to_canary)
        _add(counted.strata, weight, _row(theirs.scores), _row(asked.scores))
        _add(counted.inputs, weight, theirs.waves, asked.waves)
        requests += to_canary
        so_far += asked
        if told:
            counted.replica.times.append(float(look))
            counted.replica.readings.append(Reading(Counts(), expectation=callers.expectation(so_far)))
        fate = _look(counted, callers, weight)
        if fate != WAITING and (fate == FAILED or next_weight(weight, _ROLLOUT) >= 100):
            return MovedEnd(fate, requests)
        weight = next_weight(weight, _ROLLOUT) if fate == PROMOTED else weight
    return MovedEnd(WAITING, requests)


def _add(sums: dict[float, tuple[Array, Array]], weight: float, theirs: Array, ours: Array) -> None:
    before = sums.get(weight, (np.zeros_like(theirs), np.zeros_like(ours)))
    sums[weight] = before[0] + theirs, before[1] + ours


def _row(scores: Array) -> Array:
    row = np.zeros(COLUMNS)
    row[SCORES_AT], row[REQUESTS_AT] = scores, scores.sum()
    return row


def _look(counted: _Counted, callers: Callers, weight: float) -> int:
    """FAILED, or PROMOTED where the canary may get the next weight, or WAITING."""
    signal = _signal(counted, callers)
    strata = stack_arms(signal, [(at / 100, ours[None], theirs[None]) for at, (theirs, ours) in counted.strata.items()])
    if is_harm(signal, strata)[0]:
        return FAILED
    share = next_weight(weight, _ROLLOUT) / 100
    safe = is_safe(signal, strata, share, _ROLLOUT.false_alarm)[0] and is_safe_alone(signal, strata[-1], share)[0]
    return PROMOTED if safe else WAITING


def _signal(counted: _Counted, callers: Callers) -> Signal:
    """The signal of scores against what the judge compares them with."""
    expected = expectation_of([counted.replica])
    if expected is not None:
        expected = replace(expected, differing=differing(ReadInputs(FEATURES, counted.inputs)))
    evidence = Evidence(holdout=callers.holdout, expectation=expected)
    compared = reference(evidence, Harm().score_shift)
    signals = judged_signals(_ROLLOUT.harm, _ROLLOUT.false_alarm, compared.holdout)
    return next(signal for signal in signals if signal.name == "score_shift")
