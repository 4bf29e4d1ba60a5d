"""Strategy shadow-then-canary on the twin, with real model servers: copies first, then a share of traffic."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.git.repository import Repository
from components.package.model_package import Package
from components.releases.release_file import Release
from components.releases.rollback import rollback_of
from k8s.twin.events import Event
from k8s.twin.twin import Twin
from tests.k8s.twin.tiny import wait_for
from tests.patience import patient
from tests.small_package import GOOD, write_small_package

SPEC = """
name: small
data: {uri: table.csv, target: left, positive: "Yes"}
features: {tenure: {type: number, min: 0, max: 120}}
rollout:
  strategy: shadow-then-canary
  step_weight: 25
  max_weight: 50
  interval_seconds: 0.5
  deadline_minutes: 5
  false_alarm: 0.05
  harm: {error_ratio: 0.1, slow_ratio: null, score_shift: 0.2, label_loss: 0.1}
  shadow: {ratio: 1}
"""


class Callers:
    """Callers of the gateway whose labels come back soon, as often positive as the model says."""

    def __init__(self, url: str) -> None:
        self._url, self._stop, self._dice = url, threading.Event(), random.Random(4)
        self.answers: Counter[tuple[str, int]] = Counter()

    def call(self) -> None:
        """Asks and labels until told to stop.

        Labels go out together, now and then: the gateway takes turns, and a label after each request would take every
        second one.
        """
        labels: list[dict[str, str]] = []
        with httpx.Client(timeout=patient(10)) as client:
            while not self._stop.wait(0.004):
                contract = self._dice.choice(["One year", "Two year"])
                answer = client.post(
                    f"{self._url}/predict", json={**GOOD, "tenure": self._dice.randrange(120), "contract": contract}
                )
                self.answers[answer.headers.get("x-canario-version", "none"), answer.status_code] += 1
                if answer.status_code == 200:
                    label = "Yes" if self._dice.random() < answer.json()["probability"] else "No"
                    labels.append({"request_id": answer.headers["x-request-id"], "label": label})
                if labels and self._dice.random() < 0.1:
                    client.post(f"{self._url}/feedback", json=labels)
                    labels.clear()

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def calling(url: str) -> Iterator[Callers]:
    callers = Callers(url)
    threads = [threading.Thread(target=callers.call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.stop()
        for thread in threads:
            thread.join()


def started(home: Path, package: Package, seen: list[Event]) -> Twin:
    spec = home / "service.yaml"
    spec.write_text(SPEC)
    return Twin(
        spec,
        home / "twin",
        Repository.create(home / "environment.git"),
        lambda _digest: package.path,
        interval_seconds=0.5,
        judge_interval_seconds=0.25,
        listener=seen.append,
    )


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_shadow_judges_before_the_first_weight(tmp_path: Path) -> None:
    """A good version passes the shadow and is promoted; a worse one is reverted before any caller saw it."""
    package, seen = write_small_package(tmp_path / "package"), []  # type: tuple[Package, list[Event]]

    def release(version: str, **settings: str) -> Release:
        return Release(service="small", version=version, package=package.digest, settings=settings)

    def ended(version: str) -> Event:
        event = twin.wait_for_end(version, patient(60))
        assert event is not None, [event for event in seen if event.version == version][-3:]
        return event

    with started(tmp_path, package, seen) as twin:
        twin.deploy(release("1"), "Deploy small 1")
        assert ended("1").phase == "Initialized"
        outside = httpx.post(f"{twin.url}/shadow", json=GOOD, timeout=patient(10))
        assert outside.status_code == 404
        with calling(twin.url) as callers:
            twin.deploy(release("2"), "Deploy small 2")
            assert ended("2").phase == "Succeeded"
            wait_for(lambda: callers.answers["2", 200] > 50)
            twin.deploy(release("3", CANARIO_FAULT_STALE_RATIO="1"), "Deploy small 3")
            worse = ended("3")
        last = twin.repository.log()[-1]
    decided = [event for event in seen if event.kind == "decision" and event.verdict != "wait"]
    assert [(event.version, event.weight, event.verdict) for event in decided] == [
        ("2", 0, "pass"), ("2", 25, "pass"), ("2", 50, "pass"), ("3", 0, "fail")
    ]  # fmt: skip
    first, step, *_ = decided
    assert first.reason.startswith("pass: safe in the shadow, may get 25 % of traffic: over ")
    assert {signal["name"] for signal in first.evidence["signals"]} == {"score_shift", "label_loss"}
    assert "score_shift and label_loss: judged in the shadow before the first weight" in step.reason
    assert {signal["name"] for signal in step.evidence["signals"]} >= {"error_ratio"}
    assert not {signal["name"] for signal in step.evidence["signals"]} & {"score_shift", "label_loss"}
    assert worse.reason.startswith("fail: in the shadow, over ")
    assert {name for name, _ in callers.answers} == {"1", "2"}
    assert {status for _, status in callers.answers} == {200}
    assert last.subject == 'Revert "Deploy small 3"'
    undone = rollback_of(last.message)
    assert undone is not None
    assert (undone.version, undone.undecided) == ("3", False)
