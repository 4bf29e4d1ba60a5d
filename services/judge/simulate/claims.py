"""The claims that the simulation must confirm, each with the number found and the number allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.judge.simulate.benchmark import EveryRequest, FamilyRow
from services.judge.simulate.duel import AT_MARGIN, Contest
from services.judge.simulate.families import FAMILIES
from services.judge.simulate.plan import RATIOS, SIGNALS, PlanRow
from services.judge.simulate.worlds import WorldRow, surely_above, worlds

_PROMOTED_LIMIT, _WRONG_LIMIT = 0.01, 0.05
_AMPLE = 10_000
#: "Long before the deadline" means a median decision within this part of it.
_LONG_BEFORE = 1 / 3


@dataclass(frozen=True)
class Claim:
    """A sentence, the number found, and the largest number allowed."""

    text: str
    found: float
    allowed: float

    @property
    def met(self) -> bool:
        """True if the number found is within the allowed one."""
        return self.found <= self.allowed


def claims(
    rows: Sequence[PlanRow],
    contests: Sequence[Contest],
    played: Sequence[WorldRow],
    false_alarm: float,
    families: Sequence[FamilyRow] = (),
    every: Sequence[EveryRequest] = (),
) -> list[Claim]:
    """Every claim; each ratio is the worst over all volumes of traffic."""
    equal = [row for row in rows if row.excess == 0]
    margin = [row for row in rows if row.excess == 1]
    made = [
        Claim("a canary no worse than the champion is failed", _worst(equal, "failed"), false_alarm),
        Claim("a canary worse by just the margin is failed", _worst(margin, "failed"), false_alarm),
    ]
    for signal in SIGNALS:
        harmful = [row for row in rows if row.excess == 2 and not row.late and row.signal == signal]
        ample = [row for row in harmful if row.requests_a_look >= _AMPLE]
        made += [
            Claim(f"worse by twice the margin in {signal}: promoted", _worst(harmful, "promoted"), _PROMOTED_LIMIT),
            Claim("... with ample traffic: not failed", _worst(ample, "undecided"), 0.05),
            Claim("... with ample traffic: part of the deadline", _worst(ample, "median_look_share"), _LONG_BEFORE),
        ]  # fmt: skip
    made += [*_exposure(rows, played), *_late_harm(rows), *_worlds(played), *_families(families), _every_request(every)]
    return [*made, *_against_thresholds(contests)]


def _exposure(rows: Sequence[PlanRow], played: Sequence[WorldRow]) -> list[Claim]:
    """Claims that callers meet no more harm than `exposure` bounds."""
    harmful = [row for row in rows if row.excess > 1 and not row.late]
    beyond = max((surely_above(int(row.beyond), row.rollouts) for row in harmful), default=1.0)
    exposed = max((row.exposed_part for row in played if row.harmful), default=math.inf)
    return [
        Claim("share x excess beyond the margin, from the second weight on: surely in", beyond, _PROMOTED_LIMIT),
        Claim("scraped: what callers met, as a part of its bound", exposed, 1.0),
    ]


def _families(families: Sequence[FamilyRow]) -> list[Claim]:
    """Claims on each family of the public benchmark."""
    right = {row.name: row.right / row.rollouts for row in families}
    return [Claim(f"{name}: judged wrong", 1 - right.get(name, 0.0), _WRONG_LIMIT) for name in FAMILIES]


def _every_request(every: Sequence[EveryRequest]) -> Claim:
    rollouts, failed = sum(one.rollouts for one in every), sum(one.failed for one in every)
    found = surely_above(failed, rollouts) if rollouts else 1.0
    return Claim("equal, looked at after every request: surely failed more often than", found, _PROMOTED_LIMIT)


def _worlds(played: Sequence[WorldRow]) -> list[Claim]:
    """Claims on each scraped world; a rate of 1 % is refuted once its count is surely above that."""
    made = []
    for name in dict.fromkeys(case.name for case in worlds()):
        mine = [row for row in played if row.case.name == name]
        worst = max((surely_above(row.wrong, row.rollouts) for row in mine), default=1.0)
        what = "promoted" if any(row.harmful for row in mine) else "failed"
        made.append(Claim(f"{name}, scraped: surely {what} more often than", worst, _PROMOTED_LIMIT))
    return made


def _late_harm(rows: Sequence[PlanRow]) -> list[Claim]:
    """Claims that harm which begins late is not promoted once it was met as often as harm from the start needs."""
    at_once = [row for row in rows if row.excess == 2 and not row.late]
    known = {(row.signal, row.requests_a_look): row.ninety_percent_requests for row in at_once}
    made = []
    for signal in RATIOS:
        late = [row for row in rows if row.signal == signal and row.late]
        parts = [row.harm_missed / known[signal, row.requests_a_look] for row in late if row.harm_missed]
        worst = max(parts, default=0.0 if late else math.inf)
        made.append(Claim(f"... in {signal} and late: requests that met it, beside those from the start", worst, 1.0))
    return made


def _worst(rows: Sequence[PlanRow], name: str) -> float:
    """The largest value of a column; 1 without any row, so that missing rows fail the claim."""
    return max((float(getattr(row, name)) for row in rows), default=1.0)


def _against_thresholds(contests: Sequence[Contest]) -> list[Claim]:
    """Claims that the judge needs at most half of a threshold's requests, in the contests that it mostly decides."""
    return [
        Claim(
            f"{contest.excess:g} margins, {contest.requests_a_look:,} requests a look: requests beside a {AT_MARGIN}",
            contest.judge.median_requests / contest.rules[AT_MARGIN].median_requests,
            0.5,
        )
        for contest in contests
        if contest.excess == 2 and contest.judge.failed > 0.5
    ]
