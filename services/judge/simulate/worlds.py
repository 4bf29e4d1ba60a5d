"""Worlds that break what a judge assumes, played through scrapes: which they are, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from components.spec.contract import Harm, Rollout
from services.judge.exposure import exposure_bound
from services.judge.simulate.callers import CanaryFault
from services.judge.simulate.fleet import LabelDelays
from services.judge.simulate.operations import Operations
from services.judge.simulate.rollouts import FAILED, PROMOTED, allowance
from services.judge.simulate.scraped import ScrapedCase, ScrapedOutcome, play_scraped
from services.judge.statistics.signals import LOST, SignalName

_RATES, _SCRAPES = (100, 1000), (2, 15, 30)
_USUAL_RATE, _USUAL_SCRAPE = 100, 15
#: Name, excess in margins, from above which weight in percent, after how many seconds.
_LATE = (
    ("equal", 0.0, 0.0, 0.0),
    ("10 % errors above 10 % of the traffic", 20.0, 10.0, 0.0),
    ("5 % errors at 50 % of the traffic only", 10.0, 40.0, 0.0),
    ("twice the margin at 50 % of the traffic only", 2.0, 40.0, 0.0),
    ("10 % errors from 2 minutes after the start", 20.0, 0.0, 120.0),
)
#: Minutes until labels come, by class; a canary may be as good as the champion, or worse by twice the margin.
_LABELS = (
    ("equal, negative labels after 20 minutes and positive ones after 2", LabelDelays(1200, 120), 0.0),
    ("equal, negative labels after 5 minutes and positive ones after 20", LabelDelays(300, 1200), 0.0),
    ("twice the loss's margin, negative labels after 5 minutes, positive after 20", LabelDelays(300, 1200), 2.0),
)
#: Seconds until labels come that are soon back.
_SOON = LabelDelays(60, 90)
#: Name, and what is wrong with the canary.
_MOVED: tuple[tuple[str, CanaryFault], ...] = (
    ("better, callers moved by half a deviation", ""),
    ("a wrong unit, callers moved by half a deviation", "wrong unit"),
)


@dataclass(frozen=True)
class WorldRow:
    """What became of the rollouts of one world.

    `exposure` is the harm that callers met, their requests x the excess, in all but 1 % of the rollouts; `exposed_part`
    is the same as a part of its bound.
    """

    case: ScrapedCase
    rollouts: int
    promoted: int
    failed: int
    median_seconds: float
    exposure: float
    exposed_part: float = 0.0

    @property
    def harmful(self) -> bool:
        """Whether the canary has to be failed; an equal one has to be promoted."""
        return self.case.harmful

    @property
    def wrong(self) -> int:
        """Harmful canaries that were promoted, or good ones that were failed."""
        return self.promoted if self.harmful else self.failed


def worlds() -> list[ScrapedCase]:
    """Every world, some of them at several rates and times between scrapes."""
    early = [*_late(), *_late_answers(), *_late_labels(), *_lost(), *_given_up()]
    return [*early, *_slow_starts(), *_outages(), *_moved()]


def _late() -> Iterator[ScrapedCase]:
    """A canary that is good at first."""
    for rate in _RATES:
        for scrape in _SCRAPES:
            for name, excess, above, after in _LATE:
                yield ScrapedCase(name, "error_ratio", excess, rate, scrape, above, after)


def _late_answers() -> Iterator[ScrapedCase]:
    """A canary whose scores move, or whose answers get worse, after it was good at first."""
    answers: tuple[tuple[str, SignalName, LabelDelays | None], ...] = (
        ("scores moved", "score_shift", None), ("worse by the labels", "label_loss", _SOON),
    )  # fmt: skip
    for name, signal, delays in answers:
        kinds = ((f"{name} by twice the margin above 10 % of the traffic", 2.0, 10.0, 0.0),
                 (f"{name} by four times the margin from 2 minutes after the start", 4.0, 0.0, 120.0))  # fmt: skip
        for kind, excess, above, after in kinds:
            yield ScrapedCase(kind, signal, excess, _USUAL_RATE, _USUAL_SCRAPE, above, after, delays=delays)


def _late_labels() -> Iterator[ScrapedCase]:
    """Labels of one class come later than those of the other."""
    for name, delays, excess in _LABELS:
        yield ScrapedCase(name, "label_loss", excess, _USUAL_RATE, _USUAL_SCRAPE, delays=delays)


def _lost() -> Iterator[ScrapedCase]:
    """Requests that nobody counted: lost by the canary, or taken along by replicas that end between two scrapes."""
    for rate in _RATES:
        for lost in (0.1, 0.2):
            yield ScrapedCase(
                f"{lost:.0%} of the canary's requests lost", "error_ratio", 0.0, rate, _USUAL_SCRAPE,
                lost=lost, replicas=2, judged=("lost_ratio",),
            )  # fmt: skip
        yield ScrapedCase(
            "equal, a replica of each side replaced every 100 s", "error_ratio", 0.0, rate, _USUAL_SCRAPE,
            replaced_seconds=100, replicas=2, judged=("lost_ratio",),
        )  # fmt: skip


def _given_up() -> Iterator[ScrapedCase]:
    """The gateway tells which requests it answered itself: time-outs, or those of a replica whose node failed."""
    for rate in _RATES:
        yield ScrapedCase("1 % of the canary's requests time out at the gateway", "error_ratio", 0.0, rate,
                          _USUAL_SCRAPE, lost=0.01, replicas=2, told=True)  # fmt: skip
    cases = (("equal, one of the champion's replicas dies for 20 s", "champion", 0.0),
             ("equal, one of the canary's replicas dies for 20 s", "canary", 0.0),
             ("1 % time out at the gateway, a replica of the champion dies", "champion", 0.01))  # fmt: skip
    for name, side, lost in cases:
        yield ScrapedCase(name, "error_ratio", 0.0, _USUAL_RATE, _USUAL_SCRAPE, lost=lost, replicas=3,
                          told=True, operations=Operations(killed=side))  # fmt: skip
    for name, side in (("the canary's replicas end together each minute, for 2 s", "canary"),
                       ("equal, the champion's replicas end together each minute, for 2 s", "champion")):  # fmt: skip
        yield ScrapedCase(name, "error_ratio", 0.0, _USUAL_RATE, _USUAL_SCRAPE, replicas=2, told=True,
                          operations=Operations(crashing=side))  # fmt: skip


def _slow_starts() -> Iterator[ScrapedCase]:
    """Versions that are slow while they warm up or get more replicas, and one that is slow for good."""
    for rate in _RATES:
        cases = (("equal, its first 200 requests slow", 0.0, 200, 0.0),
                 ("equal, 10 % more slow for a minute after each raise", 0.0, 0, 0.1),
                 ("twice the margin of slow answers, for good", 2.0, 0, 0.0))  # fmt: skip
        for name, excess, cold, lag in cases:
            yield ScrapedCase(name, "slow_ratio", excess, rate, _USUAL_SCRAPE, cold=cold, lag=lag)


def _outages() -> Iterator[ScrapedCase]:
    """One replica of three fails for a while, on either side."""
    cases = (("equal, one of its replicas fails for 45 s", "canary", 0.0),
             ("equal, one of the champion's replicas fails for 45 s", "champion", 0.0),
             ("twice the margin, one of the champion's replicas fails for 45 s", "champion", 2.0))  # fmt: skip
    for name, side, excess in cases:
        yield ScrapedCase(name, "error_ratio", excess, _USUAL_RATE, _USUAL_SCRAPE, outages=side, replicas=3)


def _moved() -> Iterator[ScrapedCase]:
    """Callers whose third feature is half a deviation off the hold-out's; the canary is better, or reads it wrongly."""
    for name, fault in _MOVED:
        yield ScrapedCase(name, "score_shift", 0.0, _USUAL_RATE, _USUAL_SCRAPE, replicas=2, moved=0.5, fault=fault)


def play_world(case: ScrapedCase, rollouts: int, seed: int) -> WorldRow:
    """Plays a world's rollouts."""
    seeds = np.random.SeedSequence(seed).generate_state(rollouts).tolist()
    return summarise_world(case, [play_scraped(case, each) for each in seeds])


def summarise_world(case: ScrapedCase, outcomes: Sequence[ScrapedOutcome]) -> WorldRow:
    """Counts the fates of a world's rollouts."""
    fates = [outcome.fate for outcome in outcomes]
    excess = case.excess * (Harm().margins()[case.signal] or 0.0) + case.lost
    met = np.array([outcome.harmed_requests * excess for outcome in outcomes])
    at_most = np.array([_exposed_at_most(case, excess, outcome.begun_at) for outcome in outcomes])
    return WorldRow(
        case, len(outcomes), fates.count(PROMOTED), fates.count(FAILED),
        float(np.median([outcome.seconds for outcome in outcomes])), float(np.quantile(met, 0.99, method="higher")),
        float(np.quantile(met / np.maximum(at_most, 1e-9), 0.99, method="higher")),
    )  # fmt: skip


def _exposed_at_most(case: ScrapedCase, excess: float, begun_at: float) -> float:
    """The bound of what callers meet until the deadline, in requests x excess."""
    rollout = Rollout()
    signal = LOST if case.lost and not case.told else case.signal
    margin = Harm().margins()[signal] or 0.0
    part = exposure_bound(rollout, signal, margin, excess, begun_at, allowance(signal))
    return part * case.requests_a_second * rollout.deadline_minutes * 60


def surely_above(count: int, rollouts: int, confidence: float = 0.99) -> float:
    """The lower bound of a rate (Clopper and Pearson 1934): a limit below it is refuted."""
    return float(beta.ppf(1 - confidence, count, rollouts - count + 1)) if count else 0.0
