"""The Prometheus source against a server that speaks its HTTP API with recorded samples.

No Prometheus runs here; the answers have the form that prometheus.io/docs/prometheus/latest/querying/api documents.
"""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

from services.judge.exposition import parse_page
from services.judge.prometheus import PrometheusSource
from services.judge.series import evidence_at
from tests.services.judge.pages import replica_page, served


def recorded() -> dict[str, object]:
    """Two pods over ten scrapes, ten seconds apart; the canary gets 10 % from the third on."""
    lines: dict[str, dict[str, object]] = {}
    for scrape in range(10):
        at = 1000.0 + 10 * scrape
        canary = replica_page(20 * scrape, version="2", package="sha256:two", champion="sha256:one")
        for pod, page in (("churn-7d-x", canary), ("churn-primary-5f-y", replica_page(180 * scrape))):
            for sample in parse_page(page):
                labels = {"__name__": sample.name, "pod": pod, "instance": f"{pod}:3000", **sample.labels}
                line = lines.setdefault(json.dumps(labels), {"metric": labels, "values": []})
                line["values"].append([at, str(sample.value)])  # type: ignore[attr-defined]
    return {"status": "success", "data": {"resultType": "matrix", "result": list(lines.values())}}


def weights() -> dict[str, object]:
    values = [[1000.0 + 10 * scrape + 3, "10" if scrape >= 2 else "0"] for scrape in range(10)]
    labels = {"__name__": "flagger_canary_weight", "workload": "churn", "namespace": "models"}
    return {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": labels, "values": values}]}}


def answer(path: str) -> tuple[int, str]:
    query = parse_qs(urlsplit(path).query)["query"][0]
    assert query.endswith("[3600s]")
    return 200, json.dumps(weights() if query.startswith("flagger_canary_weight") else recorded())


def test_a_rollout_is_read_from_raw_samples_and_roles_from_pods() -> None:
    with served(answer) as address:
        source = PrometheusSource(f"http://{address}", ("churn",), lambda: 1095.0, 3600)
        asyncio.run(source.refresh())
    found = evidence_at(source.series("churn"), 1095, 60)
    assert (found.problems, found.weight, found.elapsed_seconds) == ((), 10, 72)
    (stratum,) = found.strata
    # The first scrape after the weight rose, at 1030, to the last before its last reading, at 1090.
    assert (stratum.canary.requests, stratum.champion.requests) == (120, 1080)
    assert found.holdout is not None


def test_a_server_that_cannot_be_asked_or_says_no_is_a_problem() -> None:
    for reply, words in (
        ((500, "boom"), "answered 500: boom"),
        ((200, json.dumps({"status": "error", "error": "too many samples"})), "too many samples"),
        ((200, "<html>"), "answered something else than Prometheus does"),
    ):
        with served(lambda _, reply=reply: reply) as address:  # type: ignore[misc]
            source = PrometheusSource(f"http://{address}", ("churn",), lambda: 1095.0, 3600)
            asyncio.run(source.refresh())
        assert words in evidence_at(source.series("churn"), 1095, 60).problems[0]
    asyncio.run(source.refresh())
    assert "cannot be read" in evidence_at(source.series("churn"), 1095, 60).problems[0]
