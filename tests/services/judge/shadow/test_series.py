"""Counts about a candidate since it came, over restarts, attempts and versions."""

from __future__ import annotations

import pytest

from services.judge.evidence.exposition import MetricSample, parse_page
from services.judge.shadow.series import GAP_SECONDS, ShadowSeries
from tests.services.judge.shadow.page_server import about, page


def candidate(version: str = "2") -> list[MetricSample]:
    return parse_page(about(version, "sha256:two", "sha256:one"))


def champion(compared: int, candidate: str = "2") -> list[MetricSample]:
    return parse_page(page(candidate=candidate, compared=compared, different=0))


class Watch:
    """Scrapes of one candidate and any champions."""

    def __init__(self) -> None:
        self.series = ShadowSeries()

    def scrape(self, at: float, version: str | None, **compared: int) -> None:
        """What each champion's replica has compared with `version`; None: no candidate is there."""
        if version is not None:
            self._add(at, "canary", candidate(version))
        for replica, number in compared.items():
            self._add(at, replica, champion(number, version or "2"))

    def _add(self, at: float, replica: str, samples: list[MetricSample]) -> None:
        for sample in samples:
            self.series.add(at, replica, "canary" if replica == "canary" else "champion", sample)

    def compared(self, at: float = 0.0) -> float:
        return self.series.now(at, "churn").seen.pairs.compared


def test_counts_add_up_over_replicas_and_restarts() -> None:
    watch = Watch()
    watch.scrape(1000, "2", a=10, b=5)
    watch.scrape(1010, "2", a=30, b=25)
    watch.scrape(1020, "2", a=4, b=25)  # the first was started again
    watch.scrape(1030, "2", a=8, b=25, c=7)
    found = watch.series.now(1040, "churn")
    assert found.seen.pairs.compared == 30 + 8 + 25 + 7
    assert sum(found.seen.pairs.labelled) == pytest.approx(found.seen.pairs.compared / 4)
    assert (found.version, found.began, found.elapsed_seconds) == ("2", 1000, 40)
    assert found.seen.holdout is not None


def test_samples_that_are_read_twice_count_once() -> None:
    watch = Watch()
    for _ in range(2):
        watch.scrape(1000, "2", a=10)
        watch.scrape(1010, "2", a=30)
    assert watch.compared() == 30


def test_another_version_begins_from_zero() -> None:
    watch = Watch()
    watch.scrape(1000, "2", a=10)
    watch.scrape(1010, "3", a=4)
    found = watch.series.now(1015, "churn")
    assert (found.version, found.began, found.elapsed_seconds, found.seen.pairs.compared) == ("3", 1010, 5, 4)
    assert found.seen.candidate == "3"


@pytest.mark.parametrize("told", [True, False])
def test_another_try_of_a_version_begins_from_zero(told: bool) -> None:
    """The same version again is another rollout: its counts go on at the champion, and here they begin anew."""
    watch = Watch()
    watch.scrape(1000, "2", a=10)
    watch.scrape(1010, None, a=15)
    again = 1020.0 if told else 1011 + GAP_SECONDS
    if told:
        watch.series.gone()
    else:
        watch.scrape(again - 1, None, a=15)
    watch.scrape(again, "2", a=15)
    watch.scrape(again + 10, "2", a=40)
    found = watch.series.now(again + 10, "churn")
    assert (found.began, found.elapsed_seconds, found.seen.pairs.compared) == (again, 10, 25)


def test_a_candidate_that_went_grows_no_older() -> None:
    watch = Watch()
    watch.scrape(1000, "2", a=10)
    watch.scrape(1100, None, a=10)
    watch.series.gone()
    assert watch.series.now(9000, "churn").elapsed_seconds == GAP_SECONDS


def test_a_champion_that_sends_no_copies_is_known() -> None:
    """A champion without the counters was started under another strategy; one that has just begun has them at 0."""
    watch = Watch()
    watch.scrape(1000, "2")
    assert watch.series.now(1000, "churn").copies is True
    for at in (1000, 1000 + GAP_SECONDS + 1):
        for sample in parse_page(about("1", "sha256:one", "")):
            watch.series.add(at, "a", "champion", sample)
        watch.scrape(at + 1, "2")
    assert watch.series.now(1100, "churn").copies is False
    watch.scrape(1100, "2", a=0)
    assert watch.series.now(1100, "churn").copies is True


def test_before_any_candidate_nothing_is_known() -> None:
    watch = Watch()
    watch.scrape(1000, None, a=10)
    watch.series.problems = ("it is down",)
    found = watch.series.now(1000, "churn")
    assert (found.version, found.began, found.problems) == ("", None, ("it is down",))
