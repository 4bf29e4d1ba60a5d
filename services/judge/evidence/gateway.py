"""Reads from the gateway's counters which requests it had to answer in a version's stead, and takes them as errors.

Traefik answers 502 where a backend refuses or closes a connection, 500 where it closes one that was used before, and
504 where it does not answer in time (pkg/proxy/httputil/proxy.go: ComputeStatusCode, v3.7; seen on a cluster). So the
5xx of its page are those of the backend and its own together, and what the backend counts is taken off (`strata`). A
caller who gives up is a 499, and counts for nobody. Each attempt of a retried request is counted by its own status.

**What its page does not tell:** where no endpoint of a backend is ready, Traefik answers 503 before it chooses a
backend, and counts it for none (pkg/server/service/service.go: getLoadBalancerServiceHandler). Of a version whose
replicas are all away again and again only the first moment is seen here.

Traefik names a backend of an HTTPRoute `...-svc-NAMESPACE-BACKEND-INDEX@PROVIDER`
(pkg/provider/kubernetes/gateway/httproute.go: loadService), and Flagger's are SERVICE-primary and SERVICE-canary.

Another gateway may tell nothing of the kind. Then only what versions count is judged, and the evidence says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.counts import REQUESTS_AT, GatewayTold
from services.judge.evidence.exposition import MetricSample
from services.judge.evidence.series import Replica, Role, Rows, Series
from services.telemetry import GATEWAY_FAILED, GATEWAY_REQUESTS

_BACKENDS: dict[str, Role] = {"primary": "champion", "canary": "canary"}
#: Predictions and labels are posted; of the other routes nobody counts errors.
_METHOD = "POST"
#: A replica that was not read for so many times its usual spacing was away in between.
_MISSED = 2.5
#: A gateway sends requests to a replica that is gone for up to so long: a node that fails is noticed after 40 s.
_NOTICED_SECONDS = 60.0


def backends(service: str, namespace: str) -> str:
    """A pattern of the gateway's names for both backends of a service; with no namespace, of any."""
    place = f"{namespace}-" if namespace else "(.+-)?"
    return f".+-svc-{place}{service}-(primary|canary)-[0-9]+@.+"


def gave_up(page: Iterable[MetricSample], service: str, namespace: str = "") -> dict[Role, float] | None:
    """The requests that failed at the gateway, its own answers and the backend's, by the side that they were meant for.

    None if the page tells nothing of this service. A backend that no request was meant for yet is not on the page.
    """
    pattern = re.compile(backends(service, namespace))
    found: dict[Role, float] | None = None
    for sample in page:
        match = pattern.fullmatch(sample.labels.get("service", "")) if sample.name == GATEWAY_REQUESTS else None
        if match is None:
            continue
        found = {"champion": 0.0, "canary": 0.0} if found is None else found
        if sample.labels.get("code") in GATEWAY_FAILED and sample.labels.get("method") == _METHOD:
            found[_BACKENDS[match.groups()[-1]]] += sample.value
    return found


def told(series: Series, now: float, stale_seconds: float) -> GatewayTold:
    """Whether the gateway tells what it answered itself; "lost" if it did and was not read for `stale_seconds`."""
    if not series.gateway:
        return "silent"
    newest = max(page.times[-1] for page in series.gateway.values())
    return "lost" if now - newest > stale_seconds else "told"


@dataclass(frozen=True)
class GaveUp:
    """The gateway's counts for each side, and the spans of time (start, end) that are left out of them."""

    champion: tuple[Replica, ...] = ()
    canary: tuple[Replica, ...] = ()
    left_out: tuple[tuple[float, float], ...] = ()

    def side(self, side: int) -> tuple[Replica, ...]:
        """The pages of the champion's backend (0), or of the canary's (1)."""
        return self.canary if side else self.champion

    def read_until(self) -> float:
        """The time until which each of the gateway's replicas was read that is still there; infinite without any."""
        last = [page.times[-1] for page in (*self.champion, *self.canary)]
        if not last:
            return math.inf
        spacing = max(_spacing(page) for page in (*self.champion, *self.canary))
        return min(at for at in last if at >= max(last) - _MISSED * spacing)

    def counts(self, starts: Rows, ends: Rows) -> NDArray[np.bool_]:
        """Which steps are not left out."""
        inside = [(starts < end) & (ends > start) for start, end in self.left_out]
        kept: NDArray[np.bool_] = ~np.any([np.zeros(len(starts), dtype=bool), *inside], axis=0)
        return kept


def gateway_counts(series: Series) -> GaveUp:
    """All that the gateway's replicas told."""
    pages = series.gateway.values()
    champion, canary = (tuple(page for page in pages if page.role == role) for role in ("champion", "canary"))
    return GaveUp(champion, canary)


def without_absent(
    gateway: GaveUp, began: float, side: int, replicas: Mapping[str, Replica]
) -> Iterator[tuple[str, GaveUp]]:
    """The replica in whose absence the gateway gave up most requests of its side, and the counts without that time.

    A replica that dies takes the requests along that it gets until the gateway notices: a bad node is no bad version.
    Of the champion's side the absences of all are left out together, and of a single one, too: what the gateway gave up
    while a champion was away makes no canary safe.
    """
    if side and len(replicas) < 2:
        return
    pages = gateway.side(side)
    read_until = max((page.times[-1] for page in pages), default=0.0)
    spans = {name: tuple(_absences(one, began, read_until)) for name, one in replicas.items()}
    cuts = {name: replace(gateway, left_out=spans[name]) for name in replicas if spans[name]}
    lost = {
        name: sum(_given_up(page, began) - _given_up(page, began, cut) for page in pages) for name, cut in cuts.items()
    }
    worst = max(lost, key=lambda name: lost[name], default=None)
    if worst is not None and lost[worst] > 0:
        every = tuple(span for name in cuts for span in spans[name])
        yield worst, cuts[worst] if side else replace(gateway, left_out=every)


def _absences(replica: Replica, began: float, until: float) -> Iterator[tuple[float, float]]:
    """The spans in which a replica may have got requests and answered none: it was not read, or started anew."""
    times, spacing = np.array(replica.times), _spacing(replica)
    if len(times) < 2:
        return
    gone = (np.diff(times) > _MISSED * spacing) | replica.restarts[1:]
    for start, end in zip(times[:-1][gone].tolist(), times[1:][gone].tolist(), strict=True):
        if end >= began:
            yield start, end + spacing
    if until - times[-1] > _MISSED * spacing:
        yield float(times[-1]), float(times[-1]) + _NOTICED_SECONDS


def _spacing(replica: Replica) -> float:
    """The usual number of seconds between two samples; 0 with one sample."""
    return float(np.median(np.diff(replica.times))) if len(replica.times) > 1 else 0.0


def _given_up(page: Replica, began: float, gateway: GaveUp | None = None) -> float:
    """The requests of a page since the rollout began, without those that are left out."""
    times, counted = np.array(page.times), page.table[:, REQUESTS_AT]
    steps = np.where(page.restarts[1:], counted[1:], np.diff(counted))
    kept = times[:-1] >= began
    if gateway is not None:
        kept &= gateway.counts(times[:-1], times[1:])
    return float(steps[kept].sum())
