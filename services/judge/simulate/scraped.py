"""Plays one rollout second by second, as a cluster does: scrapes now and then, and Flagger's questions at its webhooks.

What `rollouts` plays on counters has no scrapes, so it cannot show what is lost between two of them: the counts
of the interval in which a weight rose belong to no weight.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from dataclasses import dataclass

import httpx
import numpy as np

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import COLUMNS, Counts
from services.judge.evidence.exposition import Reading
from services.judge.evidence.series import Replica, Series
from services.judge.judge import Judge
from services.judge.server import build_app
from services.judge.simulate.rollouts import FAILED, HOLDOUT, PROMOTED, WAITING
from services.judge.simulate.world import answer, champion, harmed
from services.judge.statistics.evalue import Array
from services.judge.statistics.signals import SignalName
from services.judge.verdict import next_weight
from services.judge.webhook import Subject

#: Seconds between two looks of Flagger.
LOOK_SECONDS = 30


@dataclass(frozen=True)
class ScrapedCase:
    """One kind of rollout.

    The canary is worse by `excess` margins, but only above a weight of `above` percent and after some seconds.
    """

    name: str
    signal: SignalName
    excess: float
    requests_a_second: int
    scrape_seconds: int
    above: float = 0
    after_seconds: float = 0


@dataclass(frozen=True)
class ScrapedOutcome:
    """The end of one rollout: its fate, its seconds, and how many of the canary's requests met the harm."""

    fate: int
    seconds: int
    harmed_requests: int


class _Traffic:
    """Both versions under a gateway, and the judge's source of what a scrape saw of them."""

    def __init__(self, case: ScrapedCase, rng: np.random.Generator) -> None:
        margin = Harm().model_dump()[case.signal]
        self._case, self._rng = case, rng
        self._good, self._worse = champion(), harmed(champion(), case.signal, case.excess * margin)
        self._totals: dict[str, Array] = {"champion": np.zeros(COLUMNS), "canary": np.zeros(COLUMNS)}
        self._series = Series(replicas={"champion": Replica("champion"), "canary": Replica("canary")})
        self.weight, self.now, self.harmed_requests = 0.0, 0, 0

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """There is one subject."""

    async def refresh(self) -> None:
        """Scrapes happen as time passes."""

    def series(self, _: Subject) -> Series:
        """The samples so far."""
        return self._series

    def second(self) -> None:
        """One second of traffic, and a scrape if one is due."""
        self.now += 1
        to_canary = int(self._rng.binomial(self._case.requests_a_second, self.weight / 100))
        harmful = self.weight > self._case.above and self.now > self._case.after_seconds
        self.harmed_requests += to_canary * harmful
        sides = (("champion", self._good, self._case.requests_a_second - to_canary),
                 ("canary", self._worse if harmful else self._good, to_canary))  # fmt: skip
        for side, version, requests in sides:
            self._totals[side] += answer(version, np.array([requests]), None, self._rng)[0]
        if self.now % self._case.scrape_seconds == 0:
            self._scrape()

    def _scrape(self) -> None:
        self._series.add_weight(self.now, self.weight)
        for side, total in self._totals.items():
            known = Reading(Counts.from_vector(total), side, f"sha256:{side}", "sha256:champion", HOLDOUT)
            self._series.replicas[side].add(self.now, known)


def play_scraped(case: ScrapedCase, seed: int) -> ScrapedOutcome:
    """Plays one rollout with the default steps, judged by the case's signal alone."""
    harm = Harm(**{name: None for name in Harm.model_fields if name != case.signal})
    return asyncio.run(_play(case, Rollout(harm=harm), np.random.default_rng(seed)))


async def _play(case: ScrapedCase, rollout: Rollout, rng: np.random.Generator) -> ScrapedOutcome:
    traffic = _Traffic(case, rng)
    judge = Judge({"simulated": rollout}, traffic, lambda: float(traffic.now), case.scrape_seconds)
    transport = httpx.ASGITransport(app=build_app(judge))
    # A look falls anywhere between two scrapes.
    phase = int(rng.integers(case.scrape_seconds))
    async with httpx.AsyncClient(transport=transport, base_url="http://judge") as flagger:
        for _ in range(phase + 2 * case.scrape_seconds):
            traffic.second()
        traffic.weight = next_weight(0.0, rollout)
        while traffic.now < rollout.deadline_minutes * 60 + LOOK_SECONDS:
            for _ in range(LOOK_SECONDS):
                traffic.second()
            fate = await _look(flagger, traffic, rollout)
            if fate != WAITING:
                return ScrapedOutcome(fate, traffic.now, traffic.harmed_requests)
    return ScrapedOutcome(WAITING, traffic.now, traffic.harmed_requests)


async def _look(flagger: httpx.AsyncClient, traffic: _Traffic, rollout: Rollout) -> int:
    """Flagger's questions at one look (pkg/controller/scheduler.go), and the next weight."""
    must_go, reason = await _ask(flagger, "rollback")
    if must_go:
        return FAILED if reason.startswith("fail: ") else WAITING
    following = next_weight(traffic.weight, rollout)
    may, _ = await _ask(flagger, "confirm-promotion" if following >= 100 else "confirm-traffic-increase")
    if may and following >= 100:
        return PROMOTED
    traffic.weight = following if may else traffic.weight
    return WAITING


async def _ask(flagger: httpx.AsyncClient, question: str) -> tuple[bool, str]:
    with contextlib.redirect_stdout(io.StringIO()):  # the judge's log
        reply = await flagger.post(f"/{question}", json={"name": "simulated", "phase": "Progressing"})
    return reply.is_success, reply.text
