"""Samples of a rollout of churn that a test wrote, as a source of the judge's."""

from __future__ import annotations

from components.spec.contract import Harm, Rollout
from services.judge.evidence.exposition import Reading
from services.judge.evidence.series import Replica, Role, Series
from services.judge.webhook import Subject
from tests.services.judge.builders import HOLDOUT, counts

ROLLOUT = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
NOW = 1013.0


class Recorded:
    """A source whose samples a test wrote."""

    def __init__(self, series: Series) -> None:
        self._series = series

    async def refresh(self) -> None:
        """There is nothing new."""

    async def follow(self, subject: Subject, rollout: Rollout) -> None:
        """It was read."""

    def series(self, _: Subject) -> Series:
        return self._series


def recorded(weight: float, canary_errors: float, requests: float) -> Series:
    """A canary and its champion after 12 seconds at a weight in percent, with the canary's requests and errors."""
    series = Series()
    sides: tuple[tuple[Role, float, float], ...] = (
        ("canary", requests, canary_errors),
        ("champion", requests * (100 - weight) / max(weight, 1), 0),
    )
    for role, *_ in sides:
        series.replicas[role] = Replica(role)
    for at, share, part in ((1000.0, 0.0, 0.0), (1001.0, weight, 0.0), (1012.0, weight, 1.0), (1012.5, weight, 1.0)):
        series.add_weight(at, share)
        for role, total, errors in sides:
            package = "sha256:new" if role == "canary" else "sha256:old"
            known = Reading(counts(total * part, errors * part), role, package, "sha256:old", HOLDOUT)
            series.replicas[role].add(at, known)
    return series
