"""A page of Traefik's, as it names the routes and the backends of the Gateway API."""

from __future__ import annotations

import re

import numpy as np
import pytest

from services.judge.evidence.exposition import parse_page
from services.judge.evidence.gateway_page import ROUTE_FAILED_AT, backends, page_row, routes

_ROUTE = "httproute-models-churn-gw-gateway-public-ep-web-0-0123456789abcdef0123"
_PRIMARY, _CANARY = f"{_ROUTE}-svc-models-churn-primary-0", f"{_ROUTE}-svc-models-churn-canary-1"


def line(service: str, code: int, count: int, method: str = "POST", name: str = "traefik_service") -> str:
    """One line of Traefik 3.7's page."""
    labels = f'code="{code}",method="{method}",protocol="http",service="{service}@kubernetesgateway"'
    return f"{name}_requests_total{{{labels}}} {count}\n"


def routed(code: int, count: int, method: str = "POST", route: str = _ROUTE) -> str:
    return line(f"{route}-wrr", code, count, method, "traefik_router")


def told(page: str) -> list[float] | None:
    row = page_row(parse_page(page), "churn", "models")
    return None if row is None else row.tolist()


def test_refused_cut_off_and_late_answers_are_read_by_side() -> None:
    """Callers who gave up (499) count as passed on; what was not posted counts for nothing."""
    page = (
        line(_PRIMARY, 200, 900) + line(_PRIMARY, 502, 1) + line(_CANARY, 502, 4) + line(_CANARY, 504, 3)
        + line(_CANARY, 500, 50) + line(_CANARY, 503, 60) + line(_CANARY, 499, 70) + line(_CANARY, 502, 80, "GET")
        + routed(200, 900) + routed(503, 10) + routed(500, 5) + routed(429, 7) + routed(503, 9, "GET")
    )  # fmt: skip
    assert told(page) == [901, 187, 0, 50, 1, 67, 15]


def test_a_backend_without_requests_yet_has_given_up_none() -> None:
    assert told(line(_PRIMARY, 200, 5) + routed(200, 5)) == [5, 0, 0, 0, 0, 0, 0]


def test_a_page_without_routes_says_so() -> None:
    found = told(line(_PRIMARY, 200, 5))
    assert found is not None
    assert np.isnan(found[ROUTE_FAILED_AT])


def test_a_route_without_any_backend_is_read() -> None:
    assert told(routed(503, 5)) == [0, 0, 0, 0, 0, 0, 5]


@pytest.mark.parametrize(
    "name",
    [
        f"{_ROUTE}-svc-models-my-churn-canary-1",
        f"{_ROUTE}-svc-other-churn-canary-1",
        f"{_ROUTE}-svc-models-churn-0",
        f"{_ROUTE}-svc-models-churn-canary-1-svc-models-x-0",
        # Its namespace ends like the beginning of ours.
        f"{_ROUTE}-svc-x-svc-models-churn-canary-1",
        # A canary of ours to which another service's route goes as well.
        _CANARY.replace("httproute-models-churn-gw", "httproute-models-gateway-gw"),
        f"x-{_CANARY}",
    ],
)
def test_other_services_are_not_read(name: str) -> None:
    assert told(line(name, 502, 5) + routed(503, 5, route="httproute-models-other-gw-a-b-ep-web-0-" + 20 * "0")) is None


def test_the_twins_names_are_not_a_clusters() -> None:
    twin = 'traefik_service_requests_total{code="502",method="POST",service="twin-churn-svc-churn-canary-1@file"} 3\n'
    page = list(parse_page(twin + line(_CANARY, 502, 5)))
    for namespace, number in (("", 3), ("models", 5)):
        row = page_row(page, "churn", namespace)
        assert row is not None
        assert row[1] == number


def test_the_patterns_are_those_that_a_query_can_hold() -> None:
    """A string of Prometheus takes no single backslash, and its expressions are anchored as `fullmatch` is."""
    for pattern in (*(named("my.churn", "models") for named in (backends, routes)), backends("churn", "")):
        assert "\\" not in pattern
        assert re.compile(pattern)
    assert not re.fullmatch(
        routes("my.churn", "models"), f"{_ROUTE}-wrr@kubernetesgateway".replace("churn", "myxchurn")
    )
