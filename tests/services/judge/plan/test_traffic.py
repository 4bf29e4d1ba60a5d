"""The champion's ratios are read from its counters, as a replica shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.spec.contract import SCORE_EDGES
from services.judge.errors import SourceError
from services.judge.plan.traffic import champion_of, counted, read_counters
from services.judge.simulate.world import champion
from tests.services.judge.pages import replica_page, served


def test_replicas_are_counted_together() -> None:
    counts = counted([replica_page(1000, 30), replica_page(3000, 10)], "churn", 0.0)
    assert (counts.requests, counts.errors, counts.slow) == (4000, 40, 0)
    version = champion_of(counts)
    assert version is not None
    assert version.error == pytest.approx(0.01, rel=0.02)
    assert 0 < version.slow < 0.001
    assert version.scores.tolist() == [float(at == 3) for at in range(len(SCORE_EDGES))]


def test_what_is_not_counted_is_as_simulated() -> None:
    page = replica_page(1000, 30, leave_out=("canario_slow_total", "canario_scores_total"))
    version = champion_of(counted([page], "churn", 0.0))
    assert version is not None
    assert version.slow == champion().slow
    assert version.scores == pytest.approx(champion().scores)


def test_too_few_requests_tell_no_ratios() -> None:
    assert champion_of(counted([replica_page(99)], "churn", 0.0)) is None
    assert champion_of(counted([replica_page(100)], "churn", 0.0)) is not None


def test_a_page_is_read_from_a_file_or_an_address(tmp_path: Path) -> None:
    (tmp_path / "page").write_text(replica_page(5))
    assert read_counters(str(tmp_path / "page")) == replica_page(5)
    with served(lambda path: (200, replica_page(7))) as address:
        assert read_counters(f"http://{address}/metrics") == replica_page(7)
    with served(lambda path: (503, "no")) as address, pytest.raises(SourceError, match="answered 503"):
        read_counters(f"http://{address}/metrics")
    with pytest.raises(SourceError, match="cannot be read"):
        read_counters(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("page", "said"), [(replica_page(5, service="other"), "no counters of churn"), ("<html>", "not in Prometheus's")]
)
def test_a_wrong_page_is_a_sentence(page: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        counted([page], "churn", 0.0)
