"""The judge as a process: it starts fast, says where it listens, scrapes, and stops at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from services.judge.__main__ import main
from tests.patience import patient, patient_deadline
from tests.services.judge.pages import replica_page, served, weight_page

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "services" / "churn" / "service.yaml"


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    page = weight_page(0) + replica_page(5)
    with served(lambda _: (200, page)) as address:
        targets = [{"targets": [address], "labels": {"service": "churn", "role": "champion"}}]
        (tmp_path / "targets.json").write_text(json.dumps(targets), encoding="utf-8")
        command = [sys.executable, "-m", "services.judge", "--spec", str(SPEC), "--interval-seconds", "0.05"]
        process = subprocess.Popen(
            [*command, "--targets", str(tmp_path / "targets.json")],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            listening = json.loads(process.stdout.readline())
            assert listening["event"] == "listening"
            found = _wait_for_problems(f"http://127.0.0.1:{listening['port']}/verdict?service=churn")
            began = time.monotonic()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(patient(10))
            process.stdout.close()
    assert found["reason"] == "wait: it cannot be judged yet: no canary is among the targets that could be read"
    assert process.returncode in (0, -signal.SIGTERM)
    assert time.monotonic() - began < patient(5)


def _wait_for_problems(url: str) -> dict[str, str]:
    """The verdict, once a scrape has been made."""
    deadline = patient_deadline(20)
    with httpx.Client(timeout=patient(5)) as client:
        while time.monotonic() < deadline:
            found: dict[str, str] = client.get(url).json()
            if "weight is not known" not in found["reason"]:
                return found
            time.sleep(0.02)
    raise TimeoutError(url)


def test_a_spec_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(tmp_path / "none.yaml"), "--targets", str(tmp_path / "targets.json")]) == 2
    assert "none.yaml: No such file or directory" in capsys.readouterr().err


def test_importing_the_judge_imports_nothing_heavy() -> None:
    code = "import sys, services.judge.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"pandas", "sklearn", "scipy", "tensorflow", "matplotlib", "rich", "bentoml"} & set(loaded)
