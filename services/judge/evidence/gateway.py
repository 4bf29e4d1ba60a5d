"""Follows what the gateway had to answer in a version's stead, and takes it as errors of that version.

A 502, 503 or 504 is the gateway's own, for no version answers one. A 500 may be a version's: then the version counts
it, and what it counts is taken off (`beyond`). Requests that the gateway could pass on to nobody are counted for the
route alone. Its weighted round robin takes turns and goes on to choose a side without endpoints, so each side is short
of just those that were meant for it.

Another gateway may tell nothing of the kind. Then only what versions count is judged, and the evidence says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.judge.evidence.counts import GatewayTold
from services.judge.evidence.gateway_page import OWN_AT, PASSED_AT, ROUTE_FAILED_AT, UNCERTAIN_AT
from services.judge.evidence.series import GatewayReplica, Replica, Rows, Series
from services.judge.evidence.steps import Span, Steps, together

#: Columns of a side's steps: requests that were meant for it, of these those that ended in a 500, which a version may
#: have answered, and those that the gateway answered itself.
MEANT_AT, MAYBE_AT, FAILED_AT = 0, 1, 2
COLUMNS = 3
#: A gateway sends requests to a replica that is gone for up to so long: a node that fails is noticed after 40 s.
_NOTICED_SECONDS = 60.0
#: A gateway follows its weight this late: Traefik takes a new route within 2 s of reading it.
ROUTED_SECONDS = 5.0


def told(series: Series, now: float, stale_seconds: float) -> GatewayTold:
    """Whether the gateway tells what it answered itself; "lost" if any of its replicas was not read for so long."""
    if not series.gateway:
        return "silent"
    newest = max(page.times[-1] for page in series.gateway.values())
    unread = any(now - one.since > stale_seconds >= now - one.until for one in series.gateway_there.values())
    if unread or now - newest > stale_seconds:
        return "lost"
    by_route = [not np.isnan(page.rows[-1][ROUTE_FAILED_AT]) for page in series.gateway.values()]
    return "told" if all(by_route) else "in part"


@dataclass(frozen=True)
class GaveUp:
    """The gateway's steps for each side, champion first, and the time until which all its replicas were read."""

    sides: tuple[Steps, Steps]
    read_until: float = math.inf

    def without(self, spans: Sequence[Span]) -> GaveUp:
        """The same counts without the steps that reach into a span of time."""
        champion, canary = (steps.where(steps.part_of(spans) == 0) for steps in self.sides)
        return replace(self, sides=(champion, canary))

    def failed(self, side: int, began: float) -> float:
        """The failed requests of the champion (0) or the canary (1) since a time, whoever answered them."""
        steps = self.sides[side]
        return float(steps.rows[steps.starts >= began][:, [MAYBE_AT, FAILED_AT]].sum())


#: Nothing was told.
NOTHING_TOLD = GaveUp((together([], COLUMNS), together([], COLUMNS)))


def gateway_counts(series: Series) -> GaveUp:
    """All that the gateway's replicas told."""
    pages = list(series.gateway.values())
    steps = [_steps(series, page) for page in pages]
    champion, canary = (together([one[side] for one in steps], COLUMNS) for side in (0, 1))
    return GaveUp((champion, canary), _read_until(pages))


def _read_until(pages: Sequence[GatewayReplica]) -> float:
    """The time until which each of the gateway's replicas was read that is still there; infinite without any."""
    if not pages:
        return math.inf
    newest = max(page.times[-1] for page in pages)
    away = max((page.away_seconds for page in pages if len(page.times) > 1), default=0.0)
    return min(page.times[-1] for page in pages if page.times[-1] >= newest - away)


def _steps(series: Series, page: GatewayReplica) -> tuple[Steps, Steps]:
    """What one replica of the gateway counted for champion and canary."""
    times, counted = np.array(page.times), page.increases
    stranded = _stranded(series, times, counted)
    champion, canary = (
        Steps(
            times[:-1],
            times[1:],
            np.stack(
                [
                    counted[:, PASSED_AT[side]] + nowhere,
                    counted[:, UNCERTAIN_AT[side]],
                    counted[:, OWN_AT[side]] + nowhere,
                ],
                axis=1,
            ),
        )
        for side, nowhere in enumerate(stranded)
    )
    return champion, canary


def _stranded(series: Series, times: Rows, counted: Rows) -> tuple[Rows, Rows]:
    """The failed requests that were passed on to nobody, by the side that they were meant for, in each step.

    A page is no snapshot: requests that end while it is written may be on it for the route or for a backend alone. So
    none counts before all later pages agree. While the weight is not known they count for nobody.
    """
    beyond = counted[:, ROUTE_FAILED_AT] - counted[:, [*UNCERTAIN_AT, *OWN_AT]].sum(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(beyond))])
    stranded = np.diff(np.minimum.accumulate(sums[::-1])[::-1])
    weights = series.weights_throughout(times[:-1], times[1:]) / 100
    weights[series.since_change(times[:-1]) < ROUTED_SECONDS] = np.nan
    passed = counted[:, list(PASSED_AT)]
    canary = np.clip(weights * (passed.sum(axis=1) + stranded) - passed[:, 1], 0, stranded)
    return np.nan_to_num(stranded - canary), np.nan_to_num(canary)


def without_absent(
    gateway: GaveUp, began: float, side: int, replicas: Mapping[str, Replica]
) -> Iterator[tuple[str, GaveUp]]:
    """The replica in whose absence the gateway gave up most requests of its side, and the counts without that time.

    A replica that dies takes the requests along that it gets until the gateway notices: a bad node is no bad version.
    Replicas that are away together are not one bad node. Of the champion's side the absences of all are left out
    together, and of a single one, too: what the gateway gave up while a champion was away makes no canary safe.
    """
    if side and len(replicas) < 2:
        return
    read_until = float(gateway.sides[side].ends.max(initial=0.0))
    spans = {name: list(_absences(one, began, read_until)) for name, one in replicas.items()}
    if side:
        spans = {name: [span for span in mine if not _all_away(span, name, spans)] for name, mine in spans.items()}
    cuts = {name: gateway.without(spans[name]) for name in replicas if spans[name]}
    whole = gateway.failed(side, began)
    lost = {name: whole - cut.failed(side, began) for name, cut in cuts.items()}
    worst = max(lost, key=lambda name: lost[name], default=None)
    if worst is not None and lost[worst] > 0:
        every = [span for name in cuts for span in spans[name]]
        yield worst, cuts[worst] if side else gateway.without(every)


def _all_away(span: Span, name: str, spans: Mapping[str, Sequence[Span]]) -> bool:
    """Whether all other replicas were away as well at some time within a span."""
    others = [theirs for other, theirs in spans.items() if other != name]
    return all(any(start < span[1] and end > span[0] for start, end in theirs) for theirs in others)


def _absences(replica: Replica, began: float, until: float) -> Iterator[Span]:
    """The spans in which a replica may have got requests and answered none: it was not read, or started anew."""
    times = np.array(replica.times)
    if len(times) < 2:
        return
    gone, usual = replica.was_away() | replica.restarts[1:], float(np.median(np.diff(times)))
    for start, end in zip(times[:-1][gone].tolist(), times[1:][gone].tolist(), strict=True):
        if end >= began:
            yield start, end + usual
    if until - times[-1] >= replica.away_seconds:
        yield float(times[-1]), float(times[-1]) + _NOTICED_SECONDS
