"""Five things start a training; nothing else does, and no text of an event reaches the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import ComponentError, SpecError
from pipelines.trigger import TriggerDecision, changed_files, decide, known_services, main, read_payload
from tests.git_repository import commit_all, git

SERVICES = ("attrition", "churn")


@pytest.mark.parametrize(
    ("event", "payload", "changed", "services", "reason"),
    [
        ("schedule", {}, [], SERVICES, "the schedule asked for it"),
        ("push", {}, ["services/churn/telco_churn.csv"], ("churn",), "the data of churn changed"),
        ("push", {}, ["components/train.py"], SERVICES, "the code that trains changed"),
        ("push", {}, ["requirements.txt", "README.md"], SERVICES, "the code that trains changed"),
        ("push", {}, ["services/model_server/server.py"], SERVICES, "the application that serves changed"),
        ("push", {}, ["services/churn/service.yaml"], ("churn",), "the spec of churn changed"),
        (
            "push", {}, ["services/churn/service.yaml", "services/attrition/a.csv"], SERVICES,
            "the spec of churn changed and the data of attrition changed",
        ),
        ("push", {}, ["README.md", "services/churn/README.md"], (), "nothing changed that a model learns from"),
        ("repository_dispatch", {"action": "train"}, [], SERVICES, "a message asked for it"),
        (
            "repository_dispatch", {"action": "data-changed", "client_payload": {"service": "churn"}}, [], ("churn",),
            "a message said that its data changed",
        ),
        ("workflow_dispatch", {"inputs": {"service": ""}}, [], SERVICES, "a person asked for it"),
    ],
)  # fmt: skip
def test_what_an_event_trains(
    event: str, payload: dict[str, Any], changed: list[str], services: tuple[str, ...], reason: str
) -> None:
    assert decide(event, payload, changed, reversed(SERVICES)) == TriggerDecision(services, reason)


@pytest.mark.parametrize(
    ("event", "payload", "message"),
    [
        ("issues", {"action": "opened"}, "event 'issues' of type 'opened' starts no training; allowed: schedule"),
        ("repository_dispatch", {"action": "deploy"}, "of type 'deploy' starts no training"),
        ("workflow_dispatch", {"inputs": {"service": "x\ny=z"}}, "is not there; services are: attrition, churn"),
        ("repository_dispatch", {"action": "train", "client_payload": {"service": ["churn"]}}, "is not there"),
    ],
)
def test_what_an_event_may_not_say(event: str, payload: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        decide(event, payload, [], SERVICES)


def test_an_answer_is_two_lines() -> None:
    assert decide("schedule", {}, [], SERVICES).lines() == (
        'services=["attrition", "churn"]\nreason=the schedule asked for it\n'
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "services" / "churn").mkdir(parents=True)
    (tmp_path / "services" / "churn" / "service.yaml").write_text("name: churn\n")
    (tmp_path / "services" / "judge").mkdir()
    git(tmp_path, "init", "--quiet")
    commit_all(tmp_path)
    return tmp_path


def test_a_push_changed_the_files_between_its_commits(tree: Path) -> None:
    """The files that a push changed are those between its commits, even with odd names."""
    before = git(tree, "rev-parse", "HEAD")
    (tree / "services" / "churn" / "zwölf neue.csv").write_text("a\n")
    commit_all(tree)
    (tree / "README.md").write_text("new")
    after = commit_all(tree)
    assert changed_files({"before": before, "after": after}, tree) == ["README.md", "services/churn/zwölf neue.csv"]
    assert "services/churn/service.yaml" in changed_files({"before": "0" * 40, "after": after}, tree)


@pytest.mark.parametrize(
    "payload", [{}, {"before": "HEAD", "after": "HEAD"}, {"before": "1" * 40, "after": "2" * 40}, {"before": "-" * 40}]
)
def test_a_push_that_is_not_known_is_refused(tree: Path, payload: dict[str, str]) -> None:
    with pytest.raises(ComponentError, match=r"names no commits|is not known"):
        changed_files(payload, tree)


def test_the_command_answers_and_refuses(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"action": "train", "client_payload": {"service": "churn"}}))
    asked = ["--payload", str(event), "--root", str(tree)]
    assert main(["--event", "repository_dispatch", *asked]) == 0
    assert capsys.readouterr().out == 'services=["churn"]\nreason=a message asked for it\n'
    assert main(["--event", "push", *asked]) == 2
    assert "the push names no commits" in capsys.readouterr().err
    event.write_text("[]")
    assert main(["--event", "schedule", *asked]) == 2
    assert known_services(tree) == ["churn"]
    with pytest.raises(SpecError, match="cannot be read"):
        read_payload(tmp_path / "nothing.json")
