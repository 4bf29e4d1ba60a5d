"""The Prometheus source against a server that speaks its HTTP API with recorded samples.

The answers have the form that prometheus.io/docs/prometheus/latest/querying/api documents;
test_prometheus_server.py asks a real one.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from components.spec.contract import Rollout
from services import telemetry
from services.judge.evidence.counts import Evidence
from services.judge.evidence.exposition import parse_page
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.prometheus import PrometheusSource, pod_role
from services.judge.webhook import Subject
from tests.services.judge.pages import replica_page, served

CHURN = Subject("churn", "models")
ROLLOUT = Rollout(deadline_minutes=60)
UNREAD = "churn-7d9f4-z9z9z"
GATEWAYS = ("traefik-7d9f4-x2x2x", "traefik-7d9f4-z9z9z")
CANARY, CHAMPION, SHADOW = "churn-7d9f4-x2x2x", "churn-primary-5f6d7-b4b4b", "churn-shadow-5f6d7-b4b4b"


class Recorded:
    """A Prometheus with two pods over ten scrapes, ten seconds apart; the canary gets 10 % from the third on."""

    def __init__(self) -> None:
        self.now = 1095.0
        self.queries: list[str] = []
        self.reply: tuple[int, str] | None = None
        self.restarted_at: int | None = None
        self.has_gateway = True

    def answer(self, path: str) -> tuple[int, str]:
        query = parse_qs(urlsplit(path).query)
        self.queries.append(query["query"][0])
        if self.reply is not None:
            return self.reply
        lines = self._weights() if self.queries[-1].startswith("flagger_canary_weight") else self._asked()
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": lines}})

    def _asked(self) -> list[dict[str, object]]:
        """The lines of the metrics that the last query names."""
        if self.queries[-1].startswith("up{"):
            return self._tried_gateways() if "traefik" in self.queries[-1] else self._tried()
        if telemetry.GATEWAY_REQUESTS in self.queries[-1]:
            return self._gateway() if self.has_gateway else []
        names = re.findall(r'__name__=~"([^"]*)"', self.queries[-1])[0].split("|")
        return [line for line in self._counts() if line["metric"]["__name__"] in names]  # type: ignore[index]

    def _scrapes(self) -> list[tuple[int, float]]:
        return [(scrape, at) for scrape in range(20) if (at := 1000.0 + 10 * scrape) <= self.now]

    def _counts(self) -> list[dict[str, object]]:
        lines: dict[str, dict[str, object]] = {}
        for scrape, at in self._scrapes():
            canary = replica_page(20 * scrape, version="2", package="sha256:two", champion="sha256:one")
            pages = [(CANARY, canary), (CHAMPION, replica_page(180 * scrape)), (SHADOW, replica_page(50 * scrape))]
            for pod, page in pages:
                for sample in parse_page(page):
                    labels = {"__name__": sample.name, "pod": pod, "instance": f"{pod}:3000", **sample.labels}
                    line = lines.setdefault(json.dumps(labels), {"metric": labels, "values": []})
                    line["values"].append([at, str(sample.value)])  # type: ignore[attr-defined]
        return list(lines.values())

    def _tried(self) -> list[dict[str, object]]:
        """Prometheus goes on trying to read the canary for 50 s after its last page."""
        values = [[at, "1"] for _, at in self._scrapes()]
        late = [[values[-1][0] + 10 * more, "0"] for more in range(1, 6)]  # type: ignore[operator]
        pods = ((CANARY, [*values, *late]), (CHAMPION, values), (UNREAD, [[at, "0"] for at, _ in values]))
        return [
            {"metric": {"__name__": "up", "pod": pod, "instance": f"{pod}:3000"}, "values": tried}
            for pod, tried in pods
        ]

    def _tried_gateways(self) -> list[dict[str, object]]:
        """There are two gateways, of which the second cannot be read from the sixth scrape on."""
        return [
            {
                "metric": {"__name__": "up", "pod": pod, "instance": f"{pod}:9100"},
                "values": [[at, "1" if pod == GATEWAYS[0] or scrape < 5 else "0"] for scrape, at in self._scrapes()],
            }
            for pod in GATEWAYS
        ]

    def _gateway(self) -> list[dict[str, object]]:
        """Traefik answers one request of the canary itself between two scrapes."""
        scrapes = self._scrapes()
        backends = (("primary-0", "200", [[at, "9"] for _, at in scrapes]),
                    ("canary-1", "502", [[at, f"{scrape}"] for scrape, at in scrapes if scrape > 0]))  # fmt: skip
        return [
            {
                "metric": {
                    "__name__": telemetry.GATEWAY_REQUESTS, "pod": GATEWAYS[0], "instance": f"{GATEWAYS[0]}:9100",
                    "namespace": "gateway",
                    "service": f"httproute-models-churn-gw-gateway-public-ep-web-0-{20 * '1'}-svc-models-churn-{name}"
                    "@kubernetesgateway",
                    "code": code, "method": "POST",
                },
                "values": values,
            }
            for name, code, values in backends
        ]  # fmt: skip

    def _weights(self) -> list[dict[str, object]]:
        values = [[at + 3, "10" if scrape >= 2 else "0"] for scrape, at in self._scrapes()]
        labels = {"__name__": "flagger_canary_weight", "workload": "churn", "namespace": "flagger-system"}
        other = [[at + 3, "40"] for _, at in self._scrapes()]
        return [
            {"metric": {**labels, "exported_namespace": "models"}, "values": values},
            {"metric": {**labels, "exported_namespace": "trial"}, "values": other},
        ]


def read(prometheus: Recorded, *then: Callable[[], None]) -> Evidence:
    """The evidence after a first reading, and one more after each change."""

    async def go(address: str) -> Evidence:
        source = PrometheusSource(f"http://{address}", lambda: prometheus.now)
        await source.follow(CHURN, ROLLOUT)
        for change in then:
            change()
            await source.refresh()
        return evidence_at(source.series(CHURN), prometheus.now, 60)

    with served(prometheus.answer) as address:
        return asyncio.run(go(address))


def test_a_rollout_is_read_from_raw_samples_and_roles_from_pods() -> None:
    prometheus = Recorded()
    found = read(prometheus)
    assert (found.problems, found.weight, found.elapsed_seconds) == ((), 10, 72)
    (stratum,) = found.strata
    # The first scrape after the weight rose, at 1030, to the last before its last reading, at 1090.
    assert (stratum.canary.requests, stratum.champion.requests) == (126, 1080)
    assert (stratum.canary.errors, stratum.gave_up, found.gateway) == (6, (0, 6), "in part")
    assert found.holdout is not None
    weights, counts, labels, gateway, gateways_tried, tried = prometheus.queries
    pods = "traefik(-[bcdfghjklmnpqrstvwxz2456789]+)?-[bcdfghjklmnpqrstvwxz2456789]{5}"
    assert gateways_tried == f'up{{pod=~"{pods}",namespace="gateway"}}[132s]'
    assert tried == 'up{pod=~"churn-.+",namespace="models"}[132s]'
    assert gateway.startswith(
        '{__name__=~"traefik_service_requests_total|traefik_router_requests_total",service=~"httproute-models-churn-gw-'
    )
    assert weights == 'flagger_canary_weight{workload="churn"}[1095s]'
    # A minute more than the rollout has lasted.
    assert counts.endswith('service="churn",namespace="models"}[132s]')
    assert labels.endswith('|canario_label_slot_seconds",service="churn",namespace="models"}[132s]')


def test_a_pod_that_cannot_be_read_is_known_to_be_there() -> None:
    async def go(address: str) -> dict[str, float]:
        source = PrometheusSource(f"http://{address}", lambda: prometheus.now)
        await source.follow(CHURN, ROLLOUT)
        return {name.split()[0]: one.there_until for name, one in source.series(CHURN).replicas.items()}

    prometheus = Recorded()
    with served(prometheus.answer) as address:
        assert asyncio.run(go(address)) == {CANARY: 1140, CHAMPION: 1090}


def test_what_could_never_be_read_is_known_to_be_there() -> None:
    """A replica that was never read, and a gateway that is not read any more."""

    async def go(address: str) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]:
        source = PrometheusSource(f"http://{address}", lambda: prometheus.now)
        await source.follow(CHURN, ROLLOUT)
        series = source.series(CHURN)
        replicas, gateways = (
            {name.split()[0]: (one.since, one.until) for name, one in there.items()}
            for there in (series.unread, series.gateway_there)
        )
        return replicas, gateways

    prometheus = Recorded()
    with served(prometheus.answer) as address:
        unread, gateways = asyncio.run(go(address))
    assert unread == {UNREAD: (1000, 1090)}
    assert gateways == {GATEWAYS[0]: (1090, 1090), GATEWAYS[1]: (1040, 1090)}


def test_reading_on_asks_for_little_and_finds_as_much() -> None:
    """A reader that goes on asks for little, and finds as much as a new reader does."""
    prometheus = Recorded()

    def later() -> None:
        prometheus.now = 1155.0

    kept, fresh = read(prometheus, later), read(prometheus)
    assert kept == fresh
    # 60 s later, and 30 s twice.
    assert prometheus.queries[7].endswith("[90s]")
    assert fresh.strata[0].canary.requests == 252


def test_the_readings_stay_while_the_server_is_down() -> None:
    """The readings stay while the server is down, and time goes on."""
    prometheus = Recorded()

    def down() -> None:
        prometheus.now, prometheus.reply = 1900.0, (503, "Service Unavailable")

    found = read(prometheus, down)
    assert "answered 503: Service Unavailable" in found.problems[0]
    assert found.elapsed_seconds == 1900 - 1023
    assert found.strata[0].canary.requests == 126


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((500, "boom"), "answered 500: boom"),
        ((200, json.dumps({"status": "error", "error": "too many samples"})), "too many samples"),
        ((200, "<html>"), "answered something else than Prometheus does"),
        ((200, json.dumps({"status": "success", "data": {"result": []}})), "weight is not known"),
    ],
)
def test_a_server_that_says_no_or_nothing_is_a_problem(reply: tuple[int, str], words: str) -> None:
    prometheus = Recorded()
    prometheus.reply = reply
    assert words in read(prometheus).problems[0]


def test_a_server_that_is_not_there_is_a_problem() -> None:
    source = PrometheusSource("http://127.0.0.1:1", lambda: 1095.0)
    asyncio.run(source.follow(CHURN, ROLLOUT))
    assert "cannot be read" in evidence_at(source.series(CHURN), 1095, 60).problems[0]


def test_who_is_not_asked_about_is_not_read() -> None:
    prometheus = Recorded()

    def much_later() -> None:
        prometheus.now = 3000.0

    read(prometheus, much_later)
    assert len(prometheus.queries) == 6


@pytest.mark.parametrize(
    ("pod", "service", "role"),
    [
        (CANARY, "churn", "canary"),
        (CHAMPION, "churn", "champion"),
        (SHADOW, "churn", None),
        ("churn-eu-7d9f4-x2x2x", "churn", None),
        ("my-primary-model-7d9f4-x2x2x", "my-primary-model", "canary"),
        ("my-primary-model-primary-7d9f4-x2x2x", "my-primary-model", "champion"),
        ("churn-primary-7d9f4-x2x2x", "churn-primary", "canary"),
        ("churn-golden-test", "churn", None),
        ("", "churn", None),
    ],
)
def test_a_pods_role_is_in_its_name(pod: str, service: str, role: str | None) -> None:
    assert pod_role(pod, service) == role
