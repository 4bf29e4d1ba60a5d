"""Worlds in which a canary is good at first: which are played, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from components.spec.contract import Harm
from services.judge.simulate.rollouts import FAILED, PROMOTED
from services.judge.simulate.scraped import ScrapedCase, ScrapedOutcome, play_scraped

_RATES, _SCRAPES = (100, 1000), (2, 15, 30)
#: Name, excess in margins, from above which weight in percent, after how many seconds.
_HARMS = (
    ("equal", 0.0, 0.0, 0.0),
    ("10 % errors above 10 % of the traffic", 20.0, 10.0, 0.0),
    ("5 % errors at 50 % of the traffic only", 10.0, 40.0, 0.0),
    ("twice the margin at 50 % of the traffic only", 2.0, 40.0, 0.0),
    ("10 % errors from 2 minutes after the start", 20.0, 0.0, 120.0),
)


@dataclass(frozen=True)
class WorldRow:
    """What became of the rollouts of one world.

    `exposure` is the number of errors beyond the champion's that callers met, in all but 1 % of the rollouts.
    """

    case: ScrapedCase
    rollouts: int
    promoted: int
    failed: int
    median_seconds: float
    exposure: float

    @property
    def harmful(self) -> bool:
        """Whether the canary has to be failed; an equal one has to be promoted."""
        return self.case.excess > 0

    @property
    def wrong(self) -> int:
        """Harmful canaries that were promoted, or good ones that were failed."""
        return self.promoted if self.harmful else self.failed


def worlds() -> list[ScrapedCase]:
    """Every world at each rate and time between scrapes."""
    return [
        ScrapedCase(name, "error_ratio", excess, rate, scrape, above, after)
        for rate in _RATES
        for scrape in _SCRAPES
        for name, excess, above, after in _HARMS
    ]


def play_world(case: ScrapedCase, rollouts: int, seed: int) -> WorldRow:
    """Plays a world's rollouts."""
    seeds = np.random.SeedSequence(seed).generate_state(rollouts).tolist()
    return summarise_world(case, [play_scraped(case, each) for each in seeds])


def summarise_world(case: ScrapedCase, outcomes: Sequence[ScrapedOutcome]) -> WorldRow:
    """Counts the fates of a world's rollouts."""
    fates = [outcome.fate for outcome in outcomes]
    excess = case.excess * Harm().model_dump()[case.signal]
    met = [outcome.harmed_requests * excess for outcome in outcomes]
    return WorldRow(
        case, len(outcomes), fates.count(PROMOTED), fates.count(FAILED),
        float(np.median([outcome.seconds for outcome in outcomes])), float(np.quantile(met, 0.99, method="higher")),
    )  # fmt: skip


def surely_above(count: int, rollouts: int, confidence: float = 0.99) -> float:
    """The lower bound of a rate (Clopper and Pearson 1934): a limit below it is refuted."""
    return float(beta.ppf(1 - confidence, count, rollouts - count + 1)) if count else 0.0
