"""A champion and a candidate in its shadow, as real servers under load."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from components.spec.contract import Harm, Rollout
from services import telemetry
from services.judge.shadow.reading import read_pages, read_seen
from services.judge.shadow.report import ShadowReport, shadow_report
from services.model_server.build import serve_command, serve_environment
from tests.load.bench.generator import generate
from tests.patience import patient
from tests.services.model_server.served import (
    HTTP,
    SERVER_PYTHON,
    START_SECONDS,
    Served,
    StartServed,
    free_port,
    wait_for,
)
from tests.small_package import GOOD

ROWS = [
    {**GOOD, "tenure": tenure, "contract": contract, "senior": tenure % 2, "class": tenure % 3 == 0}
    for tenure in range(120)
    for contract in ("Month-to-month", "One year", "Two year", "Two year")
]
#: So that the test is quick; whole rollouts are stricter.
ROLLOUT = Rollout(false_alarm=0.05, harm=Harm(error_ratio=0.02, score_shift=None, label_loss=None))
#: With a wide margin a fifth of the requests show that two versions are equal.
WIDE = Rollout(false_alarm=0.05, harm=Harm(error_ratio=0.1, score_shift=None, label_loss=None))


@pytest.fixture(scope="module")
def equal(launch: StartServed) -> Served:
    """A candidate that answers as the champion does."""
    return launch(version="2", shadow_candidate="1")


@contextmanager
def load(champion: Served) -> Iterator[list[dict[str, float]]]:
    """Callers that ask as fast as they are answered, in bursts; what each burst was like.

    The champion takes a small share of its time for copies, so that a burst fills the queue, and it catches up after.
    """
    bodies = [json.dumps(row).encode() for row in ROWS]
    port = urlsplit(champion.url).port or 0
    bursts: list[dict[str, float]] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.4):
            bursts.append(asyncio.run(generate(port, "/predict", bodies, 4, 0.1, 0)))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            yield bursts
        finally:
            stop.set()
            running.result(patient(10))


def report_of(champion: Served, rollout: Rollout = ROLLOUT) -> ShadowReport:
    page = HTTP.get(f"{champion.url}/metrics").text
    return shadow_report("small", read_seen(read_pages([page]), "small"), rollout)


def watch(champion: Served, rollout: Rollout = ROLLOUT) -> ShadowReport:
    """The first report that is no wait; no caller notices anything until then."""
    with load(champion) as bursts:
        report: ShadowReport = wait_for(
            lambda: found if (found := report_of(champion, rollout)).verdict != "wait" else None, seconds=60
        )
    assert sum(burst["failed"] for burst in bursts) == 0
    return report


def test_a_planted_difference_in_one_slice_is_found_and_named(launch: StartServed, tmp_path: Path) -> None:
    candidate = launch(version="2", shadow_candidate="1", fault_slice="contract=Two year:0.03", log_dir=str(tmp_path))
    champion = launch(version="1", shadow_url=f"{candidate.url}/predict")
    report = watch(champion)
    assert (report.verdict, report.champion, report.candidate) == ("fail", "1", "2")
    first = report.slices[0]
    assert (first.name, first.state) == ("contract=Two year", "beyond")
    assert first.lower > 0.01
    assert first.lower <= 0.03 <= first.upper
    assert [part.name for part in report.slices if part.name.startswith("contract=") and part.hits] == [first.name]
    assert report.reason.startswith("fail: contract=Two year: ")

    # The candidate was asked under the caller's id, and says so in its log; to it these are no requests.
    def pair() -> list[dict[str, Any]]:
        asked = HTTP.post(f"{champion.url}/predict", json=GOOD, headers={"x-request-id": "pair-1"})
        assert asked.json()["version"] == "1"
        return [line for path in tmp_path.glob("predictions-*") for line in _lines(path, "pair-1")]

    # Repeated, for the queue may still be full.
    lines = wait_for(pair)
    assert lines[0]["shadow"] is True
    assert lines[0]["answers"]["version"] == "2"
    assert candidate.metric("canario_requests_total") == candidate.metric("canario_scores_total") == 0
    assert candidate.metric("canario_shadow_answered_total") >= report.whole.total

    # Once it is gone, callers are answered as before, and the gap is counted.
    candidate.stop()
    with load(champion) as bursts:
        wait_for(lambda: champion.metric("canario_shadow_failed_total") > 100)
    assert sum(burst["failed"] for burst in bursts) == 0
    failed = report_of(champion)
    assert failed.unreachable > 100
    assert champion.log.read_text().count("shadow_unreachable") == 1


def _lines(path: Path, request_id: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line for line in found if line["request_id"] == request_id]


def test_an_equal_candidate_is_not_accused(launch: StartServed, equal: Served) -> None:
    report = watch(launch(version="1", shadow_url=f"{equal.url}/predict"), WIDE)
    assert report.verdict == "pass"
    assert report.whole.hits == report.failed.hits == 0
    assert {part.state for part in report.slices} <= {"within", "not seen"}


def test_workers_count_one_candidate_together(launch: StartServed, equal: Served) -> None:
    champion = launch(workers=2, shadow_url=f"{equal.url}/predict", shadow_slices="senior")
    for row in itertools.islice(itertools.cycle(ROWS), 40):
        assert HTTP.post(f"{champion.url}/predict", json=row).status_code == 200
    wait_for(lambda: champion.metric("canario_shadow_compared_total") == 40)
    assert champion.metric("canario_shadow_slice_compared_total") == 40
    assert champion.metric("canario_shadow_different_total") == 0


def test_labels_count_in_pairs_wherever_they_arrive(launch: StartServed) -> None:
    """Labels that reach another replica, another worker, or come before the candidate's answer, each count once."""
    own, other = f"127.0.0.1:{free_port()}", launch(version="2", shadow_first="1")
    champion = launch(workers=2, shadow_url=f"{other.url}/shadow", label_slot_seconds="30")
    peer = launch(version="1", peers=f"{champion.url.removeprefix('http://')},{own}")
    for number, row in enumerate(itertools.islice(itertools.cycle(ROWS), 40)):
        asked = HTTP.post(f"{champion.url}/predict", json=row)
        message = {"request_id": asked.headers["x-request-id"], "label": "Yes" if number % 3 else "No"}
        for told in (champion, peer) if number % 2 else (peer, champion):
            assert HTTP.post(f"{told.url}/feedback", json=message).json()["matched"] is True
    wait_for(lambda: champion.metric("canario_shadow_compared_total") == 40)
    wait_for(lambda: round(champion.metric("canario_shadow_labelled_total"), 6) == 40)
    seen = read_seen(read_pages(HTTP.get(f"{one.url}/metrics").text for one in (champion, other)), "small")
    assert seen is not None
    assert (seen.champion, seen.candidate, seen.pairs.compared) == ("1", "2", 40)
    # Both have the same package: no request is scored differently, and the hold-out shows no shift.
    assert sum(map(sum, seen.pairs.crossed)) == 0
    assert seen.pairs.labelled[telemetry.SHADOW_DIFFERENCES.index(0)] == pytest.approx(40)
    assert seen.holdout is not None
    # As soon as it answers callers it takes no more copies, and none of them counts as lost.
    assert HTTP.post(f"{other.url}/predict", json=ROWS[0]).status_code == 200
    for row in ROWS[:30]:
        HTTP.post(f"{champion.url}/predict", json=row)
    time.sleep(0.5)
    assert champion.metric("canario_shadow_compared_total") == 40
    assert champion.metric("canario_shadow_failed_total") == champion.metric("canario_shadow_dropped_total") == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHADOW_SLICES", "tenure", "'tenure' is no category feature; allowed: contract, senior, class"),
        ("FAULT_SLICE", "contract=Three years:0.1", "contract has Month-to-month, One year, Two year"),
    ],
)
def test_a_slice_outside_the_contract_is_told_and_nothing_starts(
    bento: Path, tmp_path: Path, name: str, value: str, said: str
) -> None:
    """A slice that the contract does not have is told, and nothing starts."""
    settings = {"CANARIO_SHADOW_URL": "http://127.0.0.1:1/predict", f"CANARIO_{name}": value}
    command = serve_command(bento, free_port(), server_python=SERVER_PYTHON)
    environment = serve_environment(tmp_path, settings)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=patient(START_SECONDS), check=False
    )
    assert done.returncode == 1
    assert said in done.stderr.strip().splitlines()[-1]
