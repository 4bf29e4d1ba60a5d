"""Counts about candidates, scraped here or read from a Prometheus server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from components.spec.contract import Rollout
from services.judge.evidence.exposition import parse_page
from services.judge.shadow.series import InShadow
from services.judge.shadow.sources import FileShadows, NoShadows, PrometheusShadows
from services.judge.webhook import Subject
from tests.services.judge.pages import served
from tests.services.judge.shadow.page_server import about, page, prometheus

ROLLOUT = Rollout(strategy="shadow-then-canary")
CHURN = Subject("churn")
CANARY = about("2", "sha256:two", "sha256:one")


def targets(path: Path, **addresses: str) -> Path:
    groups = [{"targets": [at], "labels": {"service": "churn", "role": role}} for role, at in addresses.items()]
    path.write_text(json.dumps(groups), encoding="utf-8")
    return path


def test_targets_are_scraped_once_somebody_asks(tmp_path: Path) -> None:
    """Nothing is scraped for services that nobody asks about; then champion and candidate are."""
    now, asked = [1000.0], []

    def answer(text: str) -> Any:
        def give(_path: str) -> tuple[int, str]:
            asked.append(text[:8])
            return 200, text.replace("} 10\n", f"}} {10 * (now[0] - 990):.0f}\n")

        return give

    async def play(path: Path) -> list[InShadow]:
        shadows = FileShadows(path, lambda: now[0])
        await shadows.refresh()
        assert not asked
        await shadows.follow(CHURN, ROLLOUT)
        found = [shadows.now(CHURN)]
        now[0] = 1005.0
        await shadows.refresh()
        found.append(shadows.now(CHURN))
        path.unlink()  # noqa: ASYNC240 -- nobody else waits
        await shadows.refresh()
        return [*found, shadows.now(CHURN)]

    with served(answer(page(compared=10, different=0))) as one, served(answer(CANARY)) as two:
        first, second, blind = asyncio.run(play(targets(tmp_path / "targets.json", champion=one, canary=two)))
    assert (first.version, first.began, first.elapsed_seconds) == ("2", 1000.0, 0)
    assert (second.elapsed_seconds, second.seen.pairs.compared) == (5, 150)
    assert second.problems == ()
    assert "targets.json is not a file of targets" in blind.problems[0]


def test_a_replica_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    async def play(path: Path) -> InShadow:
        shadows = FileShadows(path, lambda: 1000.0, timeout_seconds=0.5)
        await shadows.follow(CHURN, ROLLOUT)
        return shadows.now(CHURN)

    with served(lambda _path: (200, CANARY)) as two:
        found = asyncio.run(play(targets(tmp_path / "targets.json", champion="127.0.0.1:1", canary=two)))
    assert (found.version, found.seen.pairs.compared) == ("2", 0)


def lines(pod: str, text: str, *times: float) -> list[dict[str, Any]]:
    """A pod's page as Prometheus stores it; a number of 10 rises by one each second from 1000 on."""
    return [
        {
            "metric": {"__name__": sample.name, "pod": pod, "instance": f"{pod}:3000", **sample.labels},
            "values": [[at, str(at - 990 if sample.value == 10 else sample.value)] for at in times],
        }
        for sample in parse_page(text)
    ]


def test_a_rollout_is_read_from_prometheus() -> None:
    """Champions count only since the candidate came; a shadow's own pods and other services do not."""
    stored = [
        *lines("churn-primary-6d4b75cb6d-hwzv2", page(compared=10), 1000, 1015, 1030),
        *lines("churn-primary-6d4b75cb6d-xk9cq", page(compared=10), 1007, 1022),
        *lines("churn-7c9f8b6d5c-2m8xl", CANARY, 1015, 1030),
        *lines("churn-shadow-7c9f8b6d5c-2m8xl", page(compared=10), 1000, 1030),
    ]
    found, asked = _read(json.dumps({"status": "success", "data": {"result": stored}}))
    assert (found.version, found.began, found.elapsed_seconds) == ("2", 1015, 25)
    # The first replica from 10 to 40, but for the 10 before; the second from 17 to 32.
    assert found.seen.pairs.compared == (40 - 10) + (32 - 17)
    assert 'service="churn",namespace="models"}[1070s]' in asked[0]
    assert "canario_shadow_labelled_total" in asked[0]
    assert asked[1].endswith("[30s]")


@pytest.mark.parametrize("body", ["rubbish", json.dumps({"data": {}}), json.dumps([])])
def test_a_server_that_is_no_prometheus_is_a_problem(body: str) -> None:
    found, _ = _read(body)
    assert "answered something else than Prometheus does" in found.problems[0]


def _read(body: str) -> tuple[InShadow, list[str]]:
    subject = Subject("churn", "models")

    async def play(url: str) -> InShadow:
        shadows = PrometheusShadows(url, lambda: 1040.0)
        assert shadows.now(subject).problems == ("nothing has been read yet",)
        await shadows.follow(subject, ROLLOUT)
        await shadows.follow(subject, ROLLOUT)
        await shadows.refresh()
        return shadows.now(subject)

    with prometheus(body) as (url, asked):
        return asyncio.run(play(url)), asked


def test_a_subject_is_forgotten_after_a_while() -> None:
    now = [1040.0]

    async def play(url: str) -> InShadow:
        shadows = PrometheusShadows(url, lambda: now[0])
        await shadows.follow(CHURN, ROLLOUT)
        now[0] += 1000
        await shadows.refresh()
        return shadows.now(CHURN)

    with prometheus(json.dumps({"status": "success", "data": {"result": []}})) as (url, asked):
        assert asyncio.run(play(url)).problems == ("nothing has been read yet",)
    assert len(asked) == 1


def test_without_a_source_nothing_is_known() -> None:
    async def play() -> InShadow:
        shadows = NoShadows()
        await shadows.follow(CHURN, ROLLOUT)
        await shadows.refresh()
        return shadows.now(CHURN)

    assert asyncio.run(play()).problems == ("nothing reads the counts about churn's candidate",)
