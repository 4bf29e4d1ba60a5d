"""Plays rollouts of versions whose answers are values or classes: what is promised of two words holds there, too.

Errors of values have heavy tails; of classes there are few or many, some of them rare. Looks are further apart than in
the other rollouts, with as many requests in all: a look at twenty classes takes the time of three at a ratio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from services.judge.simulate.claims import Claim
from services.judge.simulate.processes import pool
from services.judge.simulate.rollouts import ANSWERS, FAILED, PROMOTED, Case, SimulatedOutcome, play
from services.judge.simulate.worlds import surely_above
from services.judge.statistics.signals import SignalName

_LIMIT = 0.01
_TOGETHER = 125
_REQUESTS_A_LOOK, _LOOKS = 5000, 24
_JUDGED: tuple[SignalName, ...] = ("score_shift", "label_loss")


@dataclass(frozen=True)
class TaskRow:
    """The ends of one kind of rollout; requests are the canary's."""

    case: Case
    rollouts: int
    promoted: int
    failed: int
    median_requests: float

    @property
    def harmful(self) -> bool:
        """Whether it must not be promoted; another one must not be failed."""
        return _is_harmful(self.case)

    @property
    def wrong(self) -> int:
        """Harmful canaries that were promoted, or others that were failed."""
        return self.promoted if self.harmful else self.failed


def _is_harmful(case: Case) -> bool:
    """Whether the canary is beyond its margin, or its classes have changed places."""
    return case.excess > 1 or case.swaps


def task_cases() -> list[Case]:
    """Every kind of rollout."""
    return [case for answers in ANSWERS for case in _cases_of(answers)]


def _cases_of(answers: str) -> Iterator[Case]:
    def case(name: str, signal: SignalName | None, excess: float, *, swaps: bool = False) -> Case:
        return Case(
            f"{answers}: {name}", signal, excess, _REQUESTS_A_LOOK, 10, 50, _LOOKS, answers=answers, swaps=swaps
        )

    yield case("equal", None, 0.0)
    for signal in _JUDGED:
        yield case(f"at the margin in {signal}", signal, 1.0)
        yield case(f"twice the margin in {signal}", signal, 2.0)
    if ANSWERS[answers]().classes.size:
        yield case("classes swapped", "score_shift", 0.0, swaps=True)


def run_tasks(
    rollouts: int, seed: int, false_alarm: float, processes: int | None = None, cases: Sequence[Case] | None = None
) -> Iterator[TaskRow]:
    """A row for each kind; `rollouts` are played some at a time, on all cores by default."""
    cases = task_cases() if cases is None else cases
    some = [min(_TOGETHER, rollouts - done) for done in range(0, rollouts, _TOGETHER)]
    seeds = iter(np.random.SeedSequence(seed).generate_state(len(cases) * len(some)).tolist())
    with pool(processes) as workers:
        played = [workers.submit(play, case, number, next(seeds), false_alarm) for case in cases for number in some]
        for place, case in enumerate(cases):
            mine = played[place * len(some) : (place + 1) * len(some)]
            yield summarise_task(case, [each.result() for each in mine])


def summarise_task(case: Case, outcomes: Sequence[SimulatedOutcome]) -> TaskRow:
    """Counts the fates."""
    fate = np.concatenate([outcome.fate for outcome in outcomes])
    requests = np.concatenate([outcome.canary_requests for outcome in outcomes])
    return TaskRow(
        case, fate.size, int((fate == PROMOTED).sum()), int((fate == FAILED).sum()), float(np.median(requests))
    )


def task_claims(rows: Sequence[TaskRow]) -> list[Claim]:
    """A claim for each kind; a rate of 1 % is refuted once its count is surely above that, and so is one not played."""
    played = {row.case.name: row for row in rows}
    made = []
    for case in task_cases():
        row = played.get(case.name)
        what = "promoted" if _is_harmful(case) else "failed"
        found = surely_above(row.wrong, row.rollouts) if row else 1.0
        made.append(Claim(f"{case.name}: surely {what} more often than", found, _LIMIT))
    return made


def task_table(rows: Sequence[TaskRow]) -> Table:
    """The table of the rows."""
    table = Table(title="values and classes: whole rollouts, over canary weights of 10 to 50 %")
    for name in ("canary", "rollouts", "promoted", "failed", "canary requests, median"):
        table.add_column(name, justify="left" if name == "canary" else "right")
    for row in rows:
        table.add_row(
            row.case.name, str(row.rollouts), str(row.promoted), str(row.failed), f"{row.median_requests:,.0f}"
        )
    return table
