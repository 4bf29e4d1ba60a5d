"""Plays the families of the public benchmark, for the judge and for its rivals on the same versions.

The judge sees whole rollouts by the default steps and all its signals. The rivals see more: half of the traffic for all
looks. Another family of rows is of equal canaries that are looked at after every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from components.spec.contract import Harm
from services.judge.evidence.counts import ERRORS_AT
from services.judge.simulate.every_request import failed_at_any_request
from services.judge.simulate.families import FAMILIES
from services.judge.simulate.processes import pool
from services.judge.simulate.rivals import RIVALS, Stakes, margins
from services.judge.simulate.rollouts import FAILED, PROMOTED, Case, play
from services.judge.simulate.world import SimulatedVersion, answer, champion
from services.judge.statistics.evalue import Array
from services.judge.statistics.latency import COLUMN, scales

REQUESTS_A_LOOK, LOOKS = 1000, 120
#: The share of traffic at which the rivals compare the two versions.
_HALF = 0.5
#: Rollouts that are played together; the noise of a look is the same in all of them.
_TOGETHER = 25
#: Columns of the counts that the rivals compare: errors, and requests slower than each judged threshold.
_SHARES = (ERRORS_AT, *(COLUMN[times] for times in scales(Harm())))


@dataclass(frozen=True)
class RivalCount:
    """How many rollouts of a family a rival got right, and the median of the canary's requests until it failed one.

    The median is infinite where most are never failed.
    """

    right: int
    median_requests: float


@dataclass(frozen=True)
class FamilyRow:
    """The rollouts of one family: how many the judge got right, and how many each rival.

    Right is to promote a canary that may stay, and to fail any other; a rival is right if it fails none that may stay.
    """

    name: str
    may_stay: bool
    rollouts: int
    right: int
    failed: int
    median_requests: float
    rivals: dict[str, RivalCount]


@dataclass(frozen=True)
class EveryRequest:
    """Equal canaries that were looked at after every request."""

    rollouts: int
    failed: int


@dataclass(frozen=True)
class _Block:
    fate: Array
    canary_requests: Array
    rivals: dict[str, Array]


def run_families(rollouts: int, seed: int, false_alarm: float, processes: int | None = None) -> Iterator[FamilyRow]:
    """A row for each family; `rollouts` is rounded up to a multiple of those that are played together."""
    blocks = -(-rollouts // _TOGETHER)
    names = [name for name in FAMILIES for _ in range(blocks)]
    seeds = np.random.SeedSequence(seed).generate_state(len(names)).tolist()
    with pool(processes) as workers:
        played = workers.map(
            play_block, names, seeds, [min(rollouts, _TOGETHER)] * len(names), [false_alarm] * len(names)
        )
        for name in FAMILIES:
            yield summarise_family(name, [next(played) for _ in range(blocks)])


def run_every_request(rollouts: int, seed: int, processes: int | None = None) -> Iterator[EveryRequest]:
    """Equal canaries, some at a time."""
    some = [min(_TOGETHER, rollouts - done) for done in range(0, rollouts, _TOGETHER)]
    seeds = np.random.SeedSequence(seed).generate_state(len(some)).tolist()
    with pool(processes) as workers:
        for number, failed in zip(some, workers.map(failed_at_any_request, seeds, some), strict=True):
            yield EveryRequest(number, failed)


def play_block(name: str, seed: int, rollouts: int, false_alarm: float) -> _Block:
    """Some rollouts of a family: the judge's fates, and the canary's requests until each rival failed it."""
    judged = play(Case(name, None, 0.0, REQUESTS_A_LOOK, 10, 50, LOOKS, family=name), rollouts, seed, false_alarm)
    counts, stakes = traffic(name, rollouts, seed), stakes_of(false_alarm)
    rivals = {rival: until(counts, stakes) * REQUESTS_A_LOOK * _HALF for rival, until in RIVALS.items()}
    return _Block(judged.fate.astype(float), judged.canary_requests, rivals)


def summarise_family(name: str, blocks: Sequence[_Block]) -> FamilyRow:
    """One row of some blocks of rollouts."""
    family, fate = FAMILIES[name], np.concatenate([block.fate for block in blocks])
    until = {rival: np.concatenate([block.rivals[rival] for block in blocks]) for rival in RIVALS}
    return FamilyRow(
        name, family.may_stay, fate.size, int((fate == (PROMOTED if family.may_stay else FAILED)).sum()),
        int((fate == FAILED).sum()), float(np.median(np.concatenate([block.canary_requests for block in blocks]))),
        {rival: _rival(each, may_stay=family.may_stay) for rival, each in until.items()},
    )  # fmt: skip


def _rival(until: Array, *, may_stay: bool) -> RivalCount:
    failed = int(np.isfinite(until).sum())
    return RivalCount(until.size - failed if may_stay else failed, float(np.quantile(until, 0.5, method="higher")))


def stakes_of(false_alarm: float) -> Stakes:
    """What the rivals are told about the champion of the families."""
    latency = np.cumsum(champion().latency[::-1])[::-1][1:]
    slow = dict(zip(COLUMN, latency.tolist(), strict=True))
    usual = (champion().error, *(slow[times] for times in scales(Harm())))
    return Stakes(margins(Harm()), usual, false_alarm / len(usual))


def traffic(name: str, rollouts: int, seed: int) -> Array:
    """What the rivals see of a family's versions; see `rivals` for the shape."""
    rng = np.random.default_rng(seed)
    return np.stack([_look(FAMILIES[name].versions(look, rng), rollouts, rng) for look in range(LOOKS)], axis=1)


def _look(pair: tuple[SimulatedVersion, SimulatedVersion], rollouts: int, rng: np.random.Generator) -> Array:
    """One look's counts; (rollouts, sides, 1 + shares)."""
    to_canary = rng.binomial(REQUESTS_A_LOOK, _HALF, rollouts)
    sides = []
    for version, requests in zip(pair, (REQUESTS_A_LOOK - to_canary, to_canary), strict=True):
        table = answer(version, requests, "error_ratio", rng) + answer(version, requests, "slow_ratio", rng)
        sides.append(np.column_stack([requests, table[:, list(_SHARES)]]))
    return np.stack(sides, axis=1)
