from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.judge.shadow.__main__ import main
from tests.services.judge.shadow.page_server import page, prometheus

SPEC = "services/churn/service.yaml"


def test_pages_of_replicas_become_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with prometheus(page(compared=20_000, different=0)) as (url, _):
        status = main(["--spec", SPEC, "--replica", url.removeprefix("http://") + "/metrics?query=x#"])
    shown = capsys.readouterr().out
    assert status == 0
    assert "pass: every slice is within its margin: all requests: 0.00 % of 20,000 requests" in shown
    assert "not copied: 3 (queue full); candidate unreachable: 0" in shown
    assert [line for line in shown.splitlines() if line.startswith("plan=a")]


def test_a_difference_ends_with_1_and_json_has_the_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with prometheus(page(compared=20_000, different=1000)) as (url, _):
        group = {"targets": [url.removeprefix("http://") + "/?query=x#"], "labels": {"service": "churn"}}
        targets = tmp_path / "targets.json"
        targets.write_text(json.dumps([{**group, "labels": {"service": "churn", "role": "champion"}}]))
        status = main(["--spec", SPEC, "--targets", str(targets), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == 1
    assert (document["verdict"], document["candidate"]) == ("fail", "2")
    assert document["slices"][0]["ratio"] == 0.05


def test_nothing_yet_ends_with_3_and_no_server_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with prometheus(json.dumps({"status": "success", "data": {"result": []}})) as (url, _):
        assert main(["--spec", SPEC, "--prometheus", url]) == 3
    assert "wait: the candidate has answered nothing yet" in capsys.readouterr().out
    assert main(["--spec", SPEC, "--prometheus", url]) == 2
    assert main(["--spec", "nowhere.yaml", "--prometheus", url]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
