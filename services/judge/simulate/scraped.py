"""Plays one rollout second by second, as a cluster does: scrapes now and then, and Flagger's questions at its webhooks.

What `rollouts` plays on counters has no scrapes, so it cannot show what is lost between two of them: the counts
of the interval in which a weight rose belong to no weight.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from dataclasses import dataclass, field, replace

import httpx
import numpy as np

from components.spec.contract import Harm, Rollout
from services.judge.evidence.gateway_page import OWN_AT, PAGE_COLUMNS, PASSED_AT, ROUTE_FAILED_AT, UNCERTAIN_AT
from services.judge.evidence.series import Replica, Series
from services.judge.judge import Judge
from services.judge.server import build_app
from services.judge.simulate.callers import Callers, CanaryFault
from services.judge.simulate.fleet import LabelDelays, Side, SimulatedNodes
from services.judge.simulate.operations import Operations
from services.judge.simulate.rollouts import FAILED, PROMOTED, WAITING
from services.judge.simulate.world import SimulatedVersion, champion, harmed, with_slower
from services.judge.statistics.evalue import Array
from services.judge.statistics.latency import OBJECTIVE
from services.judge.statistics.signals import SignalName
from services.judge.verdict import next_weight
from services.judge.webhook import Subject

#: Seconds between two looks of Flagger.
LOOK_SECONDS = 30
#: A replica that fails answers nothing but errors for so many seconds.
_OUTAGE_SECONDS = 45


@dataclass(frozen=True)
class ScrapedCase:
    """One kind of rollout.

    The canary is worse by `excess` margins of `signal`, but only above a weight of `above` percent and after some
    seconds; it loses `lost` of its requests. What happens to good versions as well: `cold` requests of the canary
    are slow at first; `lag` is the part of its requests that is slow for a minute after each rise, while it gets more
    replicas; a replica of the side `outages` fails now and then; replicas are replaced every `replaced_seconds` on
    both sides; labels come after `delays`. `judged` are the signals beside errors.
    `operations` are what a cluster does to replicas and scrapes. With `told` the gateway tells what it answered itself.
    With `moved` the callers' third feature is so many deviations from the hold-out's, and `fault` is what is wrong with
    how the canary scores them.
    """

    name: str
    signal: SignalName
    excess: float
    requests_a_second: int
    scrape_seconds: int
    above: float = 0
    after_seconds: float = 0
    lost: float = 0.0
    cold: int = 0
    lag: float = 0.0
    outages: str = ""
    replaced_seconds: int = 0
    delays: LabelDelays | None = None
    replicas: int = 1
    judged: tuple[str, ...] = ()
    operations: Operations = field(default_factory=Operations)
    told: bool = False
    moved: float | None = None
    fault: CanaryFault = ""

    @property
    def harmful(self) -> bool:
        """Whether the canary may not be promoted."""
        return self.excess > 0 or self.lost > 0 or bool(self.fault) or self.operations.crashing == "canary"


@dataclass(frozen=True)
class ScrapedOutcome:
    """The end of one rollout: its fate, its seconds, and how many of the canary's requests met the harm.

    `begun_at` is the weight at which the harm began, 0 if it was there from the start.
    """

    fate: int
    seconds: int
    harmed_requests: int
    begun_at: float


class _Traffic:
    """Both versions under a gateway, and the judge's source of what a scrape saw of them."""

    def __init__(self, case: ScrapedCase, rng: np.random.Generator) -> None:
        margin = Harm().margins()[case.signal] or 0.0
        self._case, self._rng = case, rng
        self._good, self._worse = champion(), harmed(champion(), case.signal, case.excess * margin)
        callers = None if case.moved is None else Callers(case.moved, case.fault, rng)
        nodes = SimulatedNodes(case.scrape_seconds, case.operations.clocks, callers)
        self._champion = Side("champion", case.replicas, rng, case.delays, nodes)
        self._canary = Side("canary", case.replicas, rng, case.delays, nodes)
        self._weight_phase, self._gateway_phase = (int(rng.integers(case.scrape_seconds)) for _ in range(2))
        self._series, self._cold, self._raised_at = Series(), case.cold, 0
        self._outage_at = int(rng.integers(60, 240))
        self._turn = 0.0
        self.weight, self.now, self.harmed_requests, self.begun_at = 0.0, 0, 0, 0.0

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """There is one subject."""

    async def refresh(self) -> None:
        """Scrapes happen as time passes."""

    def series(self, _: Subject) -> Series:
        """The samples so far."""
        return self._series

    def give(self, weight: float) -> None:
        """Sets the canary's weight."""
        if weight != self.weight:
            self.weight, self._raised_at = weight, self.now

    def second(self) -> None:
        """One second of traffic, and a scrape if one is due."""
        self.now += 1
        operations = self._case.operations
        operations.before(self.now, self._champion, self._canary)
        requests = int(self._rng.poisson(self._case.requests_a_second * operations.load(self.now)))
        to_canary = self._to_canary(requests)
        harmful = self._case.harmful and self.weight > self._case.above and self.now > self._case.after_seconds
        if harmful and not self.harmed_requests and (self._case.above or self._case.after_seconds):
            self.begun_at = self.weight
        self.harmed_requests += to_canary * harmful
        broken = 0 if 0 <= self.now - self._outage_at < _OUTAGE_SECONDS else None
        self._champion.second(
            self.now, requests - to_canary, self._outage(self._good), 0.0,
            broken if self._case.outages == "champion" else None,
        )  # fmt: skip
        answered = self._canary.second(
            self.now, to_canary, self._outage(self._warming(self._worse if harmful else self._good)),
            self._case.lost if harmful else 0.0, broken if self._case.outages == "canary" else None,
        )  # fmt: skip
        self._cold = max(self._cold - answered, 0)
        self._replace()
        self._scrape(self.now % self._case.scrape_seconds)

    def _to_canary(self, requests: int) -> int:
        """The canary's part of some requests: by chance, or in turns as by the gateway that tells what it answered."""
        if not self._case.told:
            return int(self._rng.binomial(requests, self.weight / 100))
        whole, self._turn = divmod(self._turn + requests * self.weight / 100, 1)
        return int(whole)

    def _warming(self, version: SimulatedVersion) -> SimulatedVersion:
        """The version as it is while its processes are new, or too few for the traffic that it has just got."""
        if self._cold > 0:
            return replace(version, latency=with_slower(version.latency, {OBJECTIVE: 1 - version.slow}))
        if self._case.lag and self.now - self._raised_at < 2 * LOOK_SECONDS:
            return replace(version, latency=with_slower(version.latency, {OBJECTIVE: self._case.lag}))
        return version

    def _outage(self, version: SimulatedVersion) -> SimulatedVersion:
        """The version as it is while something fails that both sides need."""
        return replace(version, error=1.0) if self._case.operations.fails(self.now) else version

    def _replace(self) -> None:
        every = self._case.replaced_seconds
        if every and self.now % every == 0:
            for side in (self._champion, self._canary):
                side.add()
                side.remove()

    def _scrape(self, phase: int) -> None:
        """Reads the pages whose turn it is: each replica has its own, and so has the weight."""
        if phase == self._weight_phase:
            self._series.add_weight(self.now, self.weight)
        if phase == self._gateway_phase and self._case.told:
            self._series.add_gateway("gateway", self.now, _page(self._champion, self._canary))
        for side in (self._champion, self._canary):
            for one in side.replicas:
                if phase == one.phase and not one.dead and self._rng.random() >= self._case.operations.missed:
                    known = self._series.replicas.setdefault(one.name, Replica(one.role))
                    known.add(self.now, one.reading(self.now))


def _page(champion: Side, canary: Side) -> Array:
    """The gateway's page."""
    row = np.zeros(PAGE_COLUMNS)
    for side, one in enumerate((champion, canary)):
        row[PASSED_AT[side]] = one.answered + one.lost
        row[UNCERTAIN_AT[side]], row[OWN_AT[side]] = one.errors, one.lost
        row[ROUTE_FAILED_AT] += one.errors + one.lost + one.stranded
    return row


def play_scraped(case: ScrapedCase, seed: int, rollout: Rollout | None = None) -> ScrapedOutcome:
    """Plays one rollout, by default with the default steps, judged by errors and the case's signals alone."""
    judged = {"error_ratio", case.signal, *case.judged}
    harm = Harm(**{name: None for name in Harm.model_fields if name not in judged})
    rollout = (rollout or Rollout()).model_copy(update={"harm": harm})
    return asyncio.run(_play(case, rollout, np.random.default_rng(seed)))


async def _play(case: ScrapedCase, rollout: Rollout, rng: np.random.Generator) -> ScrapedOutcome:
    traffic = _Traffic(case, rng)
    judge = Judge({"simulated": rollout}, traffic, lambda: float(traffic.now), case.scrape_seconds)
    transport = httpx.ASGITransport(app=build_app(judge))
    # A look falls anywhere between two scrapes.
    phase = int(rng.integers(case.scrape_seconds))
    async with httpx.AsyncClient(transport=transport, base_url="http://judge") as flagger:
        for _ in range(phase + 2 * case.scrape_seconds):
            traffic.second()
        traffic.give(next_weight(0.0, rollout))
        while traffic.now < rollout.deadline_minutes * 60 + LOOK_SECONDS:
            for _ in range(LOOK_SECONDS):
                traffic.second()
            fate = await _look(flagger, traffic, rollout)
            if fate != WAITING:
                return ScrapedOutcome(fate, traffic.now, traffic.harmed_requests, traffic.begun_at)
    return ScrapedOutcome(WAITING, traffic.now, traffic.harmed_requests, traffic.begun_at)


async def _look(flagger: httpx.AsyncClient, traffic: _Traffic, rollout: Rollout) -> int:
    """Flagger's questions at one look (pkg/controller/scheduler.go), and the next weight."""
    must_go, reason = await _ask(flagger, "rollback")
    if must_go:
        return FAILED if reason.startswith("fail: ") else WAITING
    following = next_weight(traffic.weight, rollout)
    may, _ = await _ask(flagger, "confirm-promotion" if following >= 100 else "confirm-traffic-increase")
    if may and following >= 100:
        return PROMOTED
    if may:
        traffic.give(following)
    return WAITING


async def _ask(flagger: httpx.AsyncClient, question: str) -> tuple[bool, str]:
    with contextlib.redirect_stdout(io.StringIO()):  # the judge's log
        reply = await flagger.post(f"/{question}", json={"name": "simulated", "phase": "Progressing"})
    return reply.is_success, reply.text
