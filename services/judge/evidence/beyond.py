"""What the gateway counts beyond what a side's replicas tell: requests that failed there, and those of blind moments.

**Blind moments.** A replica that is there and cannot be read may answer requests all the same. What failed at the
gateway counts, so what it passed on successfully has to count as well, or an unread replica would look like a harmful
version. For safety such moments are no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from services.judge.evidence.counts import ERRORS_AT, REQUESTS_AT
from services.judge.evidence.gateway import FAILED_AT, MAYBE_AT, MEANT_AT
from services.judge.evidence.series import Replica, Role, Rows, Series
from services.judge.evidence.steps import Span, Steps


def blind_spans(series: Series, role: Role, replicas: Sequence[Replica]) -> tuple[Span, ...]:
    """The spans of time in which a replica of a side was there, and what it counted is not known."""
    never = [(one.since, one.until) for one in series.unread.values() if one.role == role]
    return (*never, *(span for replica in replicas for span in _unread(series, replica)))


def _unread(series: Series, replica: Replica) -> Iterator[Span]:
    times = np.array(replica.times)
    if replica.there_until - times[-1] >= replica.away_seconds:
        yield float(times[-1]), replica.there_until
    if len(times) > 1:
        # What it counted until it was read again belongs to no weight if this has changed meanwhile.
        unknown = replica.was_away() & np.isnan(series.weights_throughout(times[:-1], times[1:]))
        yield from zip(times[:-1][unknown].tolist(), times[1:][unknown].tolist(), strict=True)


def within(gateway: Steps, servers: Steps, slack: float, blind: Sequence[Span]) -> Rows:
    """What the gateway counted while the servers were read, and no more: its pages come at other times than theirs."""
    if not len(servers.starts):
        return np.zeros(servers.rows.shape[1])
    inside = gateway.within(servers.starts.min() + slack, servers.ends.max() - slack)
    return _beyond(gateway.where(inside), servers, blind)


def around(gateway: Steps, servers: Steps, start: float, end: float, blind: Sequence[Span] = ()) -> Rows:
    """What the gateway counted between two times; of a page that reaches beyond them, the part that lies between."""
    return _beyond(gateway.times(gateway.part(start, end)), servers, blind)


def without_blind(gateway: Steps, blind: Sequence[Span]) -> Steps:
    """The steps that reach into no blind span."""
    return gateway.where(gateway.part_of(blind) == 0)


def _beyond(gateway: Steps, servers: Steps, blind: Sequence[Span]) -> Rows:
    """The requests that the servers did not count, as a row of counts: failed ones, and all in blind moments."""
    counted = np.nan_to_num(servers.rows[:, [REQUESTS_AT, ERRORS_AT]])
    sums = gateway.rows.sum(axis=0)
    row = np.zeros(servers.rows.shape[1])
    row[ERRORS_AT] = sums[FAILED_AT] + max(sums[MAYBE_AT] - counted[:, 1].sum(), 0.0)
    row[REQUESTS_AT] = row[ERRORS_AT]
    if blind:
        good = gateway.rows[:, MEANT_AT] - gateway.rows[:, MAYBE_AT] - gateway.rows[:, FAILED_AT]
        known = servers.part_of(blind) @ (counted[:, 0] - counted[:, 1])
        row[REQUESTS_AT] += max(float(gateway.part_of(blind) @ good - known), 0.0)
    return row
