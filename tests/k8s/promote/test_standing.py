"""How a service stands, from a record; whatever is unclear is a refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8s.promote.errors import PromotionError
from k8s.promote.standing import Standing, standing_in_cluster, standing_of_twin


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
BAD = (("starting", "3", "Progressing"), ("ended", "3", "Failed"))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (FIRST, Standing("1", "package 1", passed=False, under_way=False)),
        (FIRST + SECOND, Standing("2", "package 2", passed=True, under_way=False)),
        (FIRST + SECOND + BAD, Standing("2", "package 2", passed=True, under_way=False)),
        (FIRST + SECOND[:1], Standing("1", "package 1", passed=False, under_way=True)),
    ],
)
def test_the_champion_is_the_last_that_ended_well(
    tmp_path: Path, events: tuple[tuple[str, str, str], ...], expected: Standing
) -> None:
    assert standing_of_twin(record(tmp_path, *events)) == expected


@pytest.mark.parametrize(
    "text", ["", "{}\n", "not json\n", '{"kind": "ended", "version": "1", "phase": "Succeeded"}\n']
)
def test_a_record_that_says_nothing_is_no_pass(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(PromotionError, match=r"events.jsonl: "):
        standing_of_twin(path)


def test_no_record_and_no_cluster_are_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PromotionError, match="nothing is promoted"):
        standing_of_twin(tmp_path / "nothing")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(PromotionError, match="kubectl cannot ask for canary churn"):
        standing_in_cluster("churn", "models")
