"""Reads a gateway's page: what it passed on to each version of a service, and how that ended.

Traefik answers 502 where a backend refuses or closes a connection, 500 where it closes one that was used before, and
504 where it does not answer in time (pkg/proxy/httputil/proxy.go: ComputeStatusCode, v3.7; seen on a cluster); a caller
who gives up is a 499, and counts for nobody. Each attempt of a retried request is counted by its own status.

Where no endpoint of a backend is ready, Traefik answers 503 after its weighted round robin chose this backend and
before it chooses an endpoint, so it is counted for no backend, and for the route alone
(pkg/server/service/service.go: getWRRServiceHandler goes on to choose it, getLoadBalancerServiceHandler counts by
endpoint; pkg/server/router/router.go: buildHTTPHandler). So is the 500 of a backend whose Service is gone.

Traefik names a route `httproute-NAMESPACE-NAME-gw-...-ep-...-RULE-HASH@kubernetesgateway`, all its backends together
`...-wrr`, and each of them `...-svc-NAMESPACE-BACKEND-INDEX` (pkg/provider/kubernetes/gateway/httproute.go). Flagger's
route has the service's name, and its backends are SERVICE-primary and SERVICE-canary. Names are joined by dashes, so
service `c` in namespace `a-b` and service `b-c` in namespace `a` cannot be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np

from services import telemetry
from services.judge.evidence.exposition import MetricSample
from services.judge.evidence.series import Rows

#: Columns of a page's row, the champion's first: requests passed on to each side; of these, those that ended in a 500,
#: and those that the gateway answered itself. All are posted: of other requests nobody counts errors.
PASSED_AT, UNCERTAIN_AT, OWN_AT = (0, 1), (2, 3), (4, 5)
#: Requests of the route that failed, whether or not they were passed on; NaN where it does not count by route.
ROUTE_FAILED_AT: Final = 6
PAGE_COLUMNS: Final = 7
_SIDES = ("primary", "canary")
_METHOD = "POST"
_FAILED = (telemetry.GATEWAY_UNCERTAIN, *telemetry.GATEWAY_OWN)
#: The gateway of the twin names its one route as the twin does (k8s/twin/gateway.py).
TWIN_ROUTE: Final = "twin"


def backends(service: str, namespace: str) -> str:
    """A pattern of the gateway's names for both backends of a service; without a namespace, the twin's."""
    place = f"{_literal(namespace)}-" if namespace else ""
    return f"{_route(service, namespace)}-svc-{place}{_literal(service)}-(primary|canary)-[0-9]+@[a-z]+"


def routes(service: str, namespace: str) -> str:
    """A pattern of the gateway's names for all backends of a service's route together."""
    return f"{_route(service, namespace)}-wrr@[a-z]+"


def _route(service: str, namespace: str) -> str:
    name = _literal(service)
    if not namespace:
        return f"{TWIN_ROUTE}-{name}"
    return f"httproute-{_literal(namespace)}-{name}-gw-.+-ep-.+-[0-9]+-[0-9a-f]{{20}}"


def _literal(name: str) -> str:
    """A pattern of a name of Kubernetes, without a backslash, which a query's string would have to double."""
    return name.replace(".", "[.]")


def page_row(page: Iterable[MetricSample], service: str, namespace: str = "") -> Rows | None:
    """What a page tells of a service; (PAGE_COLUMNS,). None if it tells nothing of it.

    A backend that no request was passed on to yet is not on the page.
    """
    passed, routed = re.compile(backends(service, namespace)), re.compile(routes(service, namespace))
    row, seen, by_route = np.zeros(PAGE_COLUMNS), False, False
    for sample in page:
        name, code = sample.labels.get("service", ""), sample.labels.get("code")
        posted = sample.labels.get("method") == _METHOD
        if sample.name == telemetry.GATEWAY_REQUESTS and (match := passed.fullmatch(name)):
            seen = True
            columns = _columns(_SIDES.index(match.group(1)), code)
            row[columns] += sample.value * posted
        elif sample.name == telemetry.GATEWAY_ROUTED and routed.fullmatch(name):
            by_route = True
            row[ROUTE_FAILED_AT] += sample.value * (posted and code in _FAILED)
    row[ROUTE_FAILED_AT] = row[ROUTE_FAILED_AT] if by_route else np.nan
    return row if seen or by_route else None


def _columns(side: int, code: str | None) -> list[int]:
    """The columns in which a request with this status counts."""
    if code == telemetry.GATEWAY_UNCERTAIN:
        return [PASSED_AT[side], UNCERTAIN_AT[side]]
    return [PASSED_AT[side], *([OWN_AT[side]] if code in telemetry.GATEWAY_OWN else [])]
