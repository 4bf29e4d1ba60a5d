"""The budget is kept or the run fails: real locust against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s.twin import loopback
from k8s.twin.ports import Ports
from k8s.twin.processes import Process
from tests.k8s.twin.tiny import SPEC, tiny_program, wait_for
from tests.load.budget.__main__ import Budget, Limits, LoadError, compare, main, read_budget, table
from tests.patience import PATIENCE, patient
from tests.tls_server import tls_server

LIMITS = Limits(p50_ms=10, p95_ms=40, p99_ms=100, failed_ratio=0, min_requests_per_second=50)
GOOD: dict[str, Any] = {
    "versions": {"1": {"sent": 600, "failed": 3}, "2": {"sent": 400, "failed": 0}},
    "measured": {
        "seconds": 10,
        "requests": 500,
        "sent": 520,
        "failed": 0,
        "p50_ms": 10,
        "p95_ms": 39.9,
        "p99_ms": 99,
    },
    "faults": [],
}


def _broken(totals: dict[str, Any]) -> list[str]:
    return [line.name for line in compare(totals, LIMITS) if not line.kept]


def test_limits_that_are_just_kept_are_kept() -> None:
    assert _broken(GOOD) == []


@pytest.mark.parametrize(
    ("measured", "broken"),
    [
        ({"p50_ms": 10.01}, ["p50_ms"]),
        ({"p95_ms": 40.1}, ["p95_ms"]),
        ({"p99_ms": 100.1}, ["p99_ms"]),
        ({"requests": 499}, ["requests_per_second"]),
        ({"seconds": 0, "requests": 0}, ["requests_per_second"]),
        ({"p50_ms": None, "p95_ms": None, "p99_ms": None}, ["p50_ms", "p95_ms", "p99_ms"]),
        ({"failed": 1}, ["failed_ratio"]),
        ({"sent": 0}, ["failed_ratio"]),
    ],
)
def test_each_limit_breaks_by_itself(measured: dict[str, Any], broken: list[str]) -> None:
    assert _broken(GOOD | {"measured": GOOD["measured"] | measured}) == broken


def test_the_table_shows_what_is_broken() -> None:
    lines = table(compare(GOOD | {"measured": GOOD["measured"] | {"sent": 0}}, LIMITS)).splitlines()
    assert lines[1].split() == ["p50_ms", "10", "<=", "10", "ok"]
    assert lines[4].split() == ["failed_ratio", "nothing", "<=", "0", "BROKEN"]


def test_the_projects_own_budget_can_be_read() -> None:
    assert read_budget(Path(__file__).with_name("budget.yaml")).limits.failed_ratio == 0


def test_a_budget_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "budget.yaml").write_text("seconds: 1\np99: 3\n")
    with pytest.raises(LoadError, match="p99"):
        read_budget(tmp_path / "budget.yaml")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "service.yaml").write_text(SPEC.format(deadline_minutes=5))
    rows = "".join(f"{tenure},{'Yes' if tenure % 3 else 'No'}\n" for tenure in range(120))
    (tmp_path / "table.csv").write_text("tenure,left\n" + rows)
    return tmp_path / "service.yaml"


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    with Ports() as ports:
        port = ports.take()
        process = Process(tiny_program(tmp_path, port, **getattr(request, "param", {})))
        process.start()
        process.wait_ready()
        yield f"http://127.0.0.1:{port}"
        process.stop()


def _budget(folder: Path, warm_up_seconds: int = 0, **limits: float) -> Path:
    budget = Budget(
        seconds=1, warm_up_seconds=warm_up_seconds, rate=100, callers=4, limits=LIMITS.model_copy(update=limits)
    )
    (folder / "budget.yaml").write_text(budget.model_dump_json())
    return folder / "budget.yaml"


def _run(spec: Path, url: str, budget: Path, *more: str) -> tuple[int, dict[str, Any]]:
    out = spec.parent / "load"
    code = main(["--spec", str(spec), "--url", url, "--budget", str(budget), "--out", str(out), *more])
    return code, json.loads((out / "totals.json").read_text())


def test_a_good_service_keeps_the_budget(spec: Path, served: str) -> None:
    # Far from what the service does, however busy the machine is.
    kind = {"p50_ms": patient(500), "p95_ms": patient(1000), "p99_ms": patient(2000)}
    kind["min_requests_per_second"] = 30 / PATIENCE
    code, totals = _run(spec, served, _budget(spec.parent, warm_up_seconds=1, **kind))
    assert (code, totals["faults"]) == (0, [])
    assert totals["final"]
    assert {"single", "batch", "wrong"} <= set(totals["kinds"])
    answer = loopback.get(served + "/counts")
    assert answer is not None
    good = totals["kinds"]["single"] + totals["kinds"]["batch"]
    assert answer.json()["requests"] == good


@pytest.mark.parametrize("served", [{"CANARIO_FAULT_ERROR_RATIO": "0.2", "TINY_SECONDS": "0.02"}], indirect=True)
def test_a_bad_service_breaks_the_budget(spec: Path, served: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, totals = _run(spec, served, _budget(spec.parent))
    assert code == 1
    assert totals["versions"]["1"]["failed"] == pytest.approx(0.2 * totals["versions"]["1"]["sent"], rel=0.3)
    shown = capsys.readouterr().out
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith(("p50_ms", "failed_ratio"))] == [
        "BROKEN"
    ] * 2
    assert 'by version 1: 500 {"error": "faked"}' in shown


def test_nobody_there_is_a_failure_of_every_request(spec: Path) -> None:
    code, totals = _run(spec, "http://127.0.0.1:9", _budget(spec.parent))
    assert code == 1
    assert totals["versions"]["none"]["sent"] == totals["versions"]["none"]["failed"] > 0


def test_a_certificate_is_checked(spec: Path, tmp_path: Path) -> None:
    """Locust by itself would take any; here one gets requests only if its authority is given, or known anyway."""
    with tls_server(tmp_path, "localhost", ("localhost",), lambda _: (200, {})) as server:
        url, budget = f"https://localhost:{server.port}", _budget(spec.parent)
        _, unknown = _run(spec, url, budget)
        _, known = _run(spec, url, budget, "--ca", str(server.authority))
    assert {_words(fault) for fault in unknown["faults"]} == {"no answer"}
    # An answer came; the server is no model, so it is not the one that was asked for.
    assert {_words(fault) for fault in known["faults"]} == {"200 {}"}


def _words(fault: str) -> str:
    return fault.rpartition(": ")[2]


def test_a_spec_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(tmp_path / "nothing.yaml"), "--url", "http://127.0.0.1:9"]) == 2
    assert "nothing.yaml" in capsys.readouterr().err


def test_sigterm_lets_answers_under_way_end_and_sends_labels(spec: Path, served: str) -> None:
    """SIGTERM ends the load after the answers under way, and labels are sent back."""
    out = spec.parent / "load"
    command = [
        sys.executable, "-m", "locust", "-f", str(Path(__file__).parents[1] / "locustfile.py"), "--headless",
        "--only-summary", "--host", served, "--users", "5", "--spawn-rate", "100", "--loglevel", "WARNING",
    ]  # fmt: skip
    options = {"SPEC": str(spec), "OUT": str(out), "RATE": "80", "FEEDBACK_SHARE": "1", "FEEDBACK_SECONDS": "0.2"}
    environment = os.environ | {f"CANARIO_LOAD_{name}": value for name, value in options.items()}

    def labelled() -> int:
        answer = loopback.get(served + "/counts")
        return int(answer.json()["feedback"]) if answer else 0

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: labelled() > 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(patient(15)) == 0
    totals = json.loads((out / "totals.json").read_text())
    assert (totals["final"], totals["faults"]) == (True, [])
    answer = loopback.get(served + "/counts")
    assert answer is not None
    # Every request that the server answered was counted, the last ones too.
    assert totals["kinds"]["single"] + totals["kinds"].get("batch", 0) == answer.json()["requests"]
