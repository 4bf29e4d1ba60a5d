"""Real scrapes of real servers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from services.judge.errors import SourceError
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.sources import FileDiscoverySource, fetch, read_targets
from services.judge.webhook import Subject
from tests.services.judge.pages import replica_page, served, weight_page


class Clock:
    """Gives the time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def write_targets(path: Path, *targets: tuple[str, str]) -> None:
    groups = [{"targets": [address], "labels": {"service": "churn", "role": role}} for address, role in targets]
    path.write_text(json.dumps(groups), encoding="utf-8")


def test_a_rollout_is_scraped_from_real_servers(tmp_path: Path) -> None:
    pages = {
        "canary": replica_page(0, version="2", package="sha256:two", champion="sha256:one"),
        "champion": replica_page(0),
        "twin": weight_page(0),
    }
    clock = Clock()

    def page(name: str) -> tuple[int, str]:
        return (200, pages[name]) if name in pages else (503, "starting")

    with served(lambda _: page("canary")) as a, served(lambda _: page("champion")) as b, served(
        lambda _: page("twin")
    ) as c:  # fmt: skip
        write_targets(tmp_path / "targets.json", (a, "canary"), (b, "champion"), (c, "twin"))
        source = FileDiscoverySource(tmp_path / "targets.json", ("churn",), clock)
        for look in range(5):
            asyncio.run(source.refresh())
            clock.now += 1
            pages["twin"] = weight_page(10)
            pages["canary"] = replica_page(
                10 * look, errors=look, version="2", package="sha256:two", champion="sha256:one"
            )
            pages["champion"] = replica_page(90 * look)
        del pages["canary"]
        asyncio.run(source.refresh())
        found = evidence_at(source.series(Subject("churn")), clock.now, 5)
        clock.now += 20
        gone = evidence_at(source.series(Subject("churn")), clock.now, 5)
    assert found.problems == ()
    assert found.weight == 10
    (stratum,) = found.strata
    assert (stratum.canary.requests, stratum.canary.errors) == (30, 3)
    assert stratum.champion.requests == 360
    assert any("no replica of the canary could be read for" in problem for problem in gone.problems)


def test_an_unreadable_targets_file_is_a_problem_until_mended(tmp_path: Path) -> None:
    """A targets file that is missing or broken is a problem until it is mended."""
    path = tmp_path / "targets.json"
    source = FileDiscoverySource(path, ("churn",), Clock())
    asyncio.run(source.refresh())
    assert "is not a file of targets" in evidence_at(source.series(Subject("churn")), 1000, 5).problems[0]
    write_targets(path)
    asyncio.run(source.refresh())
    assert not any(
        "file of targets" in problem for problem in evidence_at(source.series(Subject("churn")), 1000, 5).problems
    )


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"labels": {}}]', '{"targets": []}'])
def test_what_is_no_file_sd_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "targets.json").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match="is not a file of targets"):
        read_targets(tmp_path / "targets.json")


def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(SourceError, match=r"http://127.0.0.1:1/metrics cannot be read"):
        fetch("http://127.0.0.1:1/metrics", 1)


def test_another_status_than_200_is_an_error_with_what_it_said() -> None:
    with served(lambda _: (503, "warming up")) as address, pytest.raises(SourceError, match="answered 503: warming up"):
        fetch(f"http://{address}/metrics", 1)


def test_a_page_that_is_no_metrics_counts_as_no_answer(tmp_path: Path) -> None:
    with served(lambda _: (200, "<html>hello</html>")) as address:
        write_targets(tmp_path / "targets.json", (address, "canary"))
        source = FileDiscoverySource(tmp_path / "targets.json", ("churn",), Clock())
        asyncio.run(source.refresh())
    problems = evidence_at(source.series(Subject("churn")), 1000, 5).problems
    assert "no canary is among the targets that could be read" in problems
