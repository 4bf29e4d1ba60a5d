"""How a service stands, from a record; whatever is unclear is a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8s.release.errors import PromotionError
from k8s.release.service_status import ServiceStatus, status_in_cluster, status_of_objects, status_on_twin


def record(folder: Path, *events: tuple[str, str, str]) -> Path:
    path = folder / "events.jsonl"
    lines = [
        {"kind": kind, "version": version, "phase": phase, "evidence": {"package": f"package {version}"}}
        for kind, version, phase in events
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


FIRST = (("starting", "1", "Initializing"), ("ended", "1", "Initialized"))
SECOND = (("starting", "2", "Progressing"), ("ended", "2", "Succeeded"))
#: Failed or undecided: the phase is Flagger's, and no pass.
BAD = (("starting", "3", "Progressing"), ("ended", "3", "Failed"))
AGAIN = (("starting", "3", "Progressing"), ("ended", "3", "Succeeded"))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (FIRST, ServiceStatus("1", "package 1", passed=False, under_way=False)),
        (FIRST + SECOND, ServiceStatus("2", "package 2", passed=True, under_way=False)),
        (FIRST + SECOND + BAD, ServiceStatus("2", "package 2", passed=True, under_way=False)),
        (FIRST + BAD, ServiceStatus("1", "package 1", passed=False, under_way=False)),
        (FIRST + BAD + AGAIN, ServiceStatus("3", "package 3", passed=True, under_way=False)),
        (FIRST + SECOND[:1], ServiceStatus("1", "package 1", passed=False, under_way=True)),
    ],
)
def test_the_champion_is_the_last_that_ended_well(
    tmp_path: Path, events: tuple[tuple[str, str, str], ...], expected: ServiceStatus
) -> None:
    assert status_on_twin(record(tmp_path, *events)) == expected


@pytest.mark.parametrize(
    "text", ["", "{}\n", "not json\n", '{"kind": "ended", "version": "1", "phase": "Succeeded"}\n']
)
def test_a_record_that_says_nothing_is_no_pass(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(PromotionError, match=r"events.jsonl: "):
        status_on_twin(path)


def test_no_record_and_no_cluster_are_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PromotionError, match="nothing is promoted"):
        status_on_twin(tmp_path / "nothing")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(PromotionError, match="kubectl cannot ask for canary/churn"):
        status_in_cluster("churn", "models")


def template(version: str) -> dict[str, Any]:
    container = {"env": [{"name": "CANARIO_VERSION", "value": version}, {"name": "POD", "valueFrom": {}}]}
    return {
        "metadata": {"annotations": {"canario/package": f"package {version}"}},
        "spec": {"containers": [container]},
    }


def kept(version: str, owner: str = "mine") -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"uid": owner}]}, "spec": {"template": template(version)}}


@pytest.mark.parametrize(
    ("phase", "before", "passed", "under_way"),
    [
        ("Initialized", [], False, False),
        ("Succeeded", [kept("1")], True, False),
        ("Progressing", [kept("1")], False, True),
        ("Waiting", [kept("1")], False, True),
        ("Failed", [], False, False),
        ("Failed", [kept("1", owner="another")], False, False),
        ("Failed", [kept("1")], True, False),
    ],
)
def test_in_a_cluster_a_champion_has_passed_when_it_took_over(
    phase: str, before: list[dict[str, Any]], passed: bool, under_way: bool
) -> None:
    champion = {"metadata": {"uid": "mine"}, "spec": {"template": template("2")}}
    found = status_of_objects({"status": {"phase": phase}}, champion, [kept("2"), *before])
    assert found == ServiceStatus("2", "package 2", passed=passed, under_way=under_way)
