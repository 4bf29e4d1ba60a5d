from __future__ import annotations

import json

import pytest

from services.judge.errors import SourceError
from services.judge.shadow.reading import Compared, read_pages, read_prometheus, read_seen, total_of
from tests.services.judge.shadow.page_server import page, prometheus


def test_replicas_add_up() -> None:
    found = read_seen(read_pages([page(), page(compared=5, different=0)]), "churn")
    assert found is not None
    assert (found.champion, found.candidate) == ("1", "2")
    assert found.whole == Compared(15, 1)
    assert found.slices == {("plan", "a"): Compared(15, 1)}
    assert (found.failed, found.dropped) == ({"timeout": 4}, 6)


def test_versions_are_not_mixed_and_the_busiest_pair_counts() -> None:
    """Versions are never mixed, and the pair with the most answers counts."""
    found = read_seen(read_pages([page(), page(candidate="3", compared=50), page(version="0", compared=2)]), "churn")
    assert found is not None
    assert (found.champion, found.candidate, found.whole.total) == ("1", "3", 50)


def test_pages_of_no_shadow_or_of_another_service_say_nothing() -> None:
    """Pages without a shadow, or of another service, say nothing."""
    assert read_seen(read_pages(['canario_requests_total{service="churn",version="1"} 9\n']), "churn") is None
    assert read_seen(read_pages([page()]), "other") is None


@pytest.mark.parametrize(("values", "total"), [([0, 5, 9], 9), ([5, 9, 2, 4], 13), ([3, 0, 0, 7, 1], 11), ([4], 4)])
def test_a_counter_that_fell_was_restarted(values: list[float], total: float) -> None:
    assert total_of(values) == total


def series(candidate: str, pod: str, values: list[tuple[float, float]]) -> dict[str, object]:
    labels = {"service": "churn", "version": "1", "candidate": candidate, "pod": pod}
    found = [[at, str(value)] for at, value in values]
    return {"metric": {"__name__": "canario_shadow_compared_total", **labels}, "values": found}


def test_prometheus_gives_the_last_pair_summed_over_replicas() -> None:
    """Prometheus gives the pair that was read last, with restarts and replicas added up."""
    result = [
        series("2", "a", [(10, 900.0)]),
        series("3", "a", [(20, 5.0), (30, 1.0)]),
        series("3", "b", [(20, 7.0)]),
    ]
    with prometheus(json.dumps({"status": "success", "data": {"result": result}})) as (url, asked):
        found = read_seen(read_prometheus(url, "churn", 100.0, 60.0, 5.0), "churn")
    assert found is not None
    assert (found.candidate, found.whole.total) == ("3", 13)
    assert asked[0].endswith(',service="churn"}[60s]')


@pytest.mark.parametrize(("body", "status"), [("{}", 200), ("rubbish", 200), ("no", 503)])
def test_what_prometheus_does_not_say_is_an_error(body: str, status: int) -> None:
    with prometheus(body, status) as (url, _), pytest.raises(SourceError, match=url):
        read_prometheus(url, "churn", 100.0, 60.0, 5.0)
