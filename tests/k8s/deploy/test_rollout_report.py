"""What a pull request is told of its rollout: success is only said of a release that answers now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.releases.release_file import Release
from k8s.deploy.rollout_report import judges_words, main, report, with_problem
from k8s.errors import ClusterError, RolloutError
from k8s.release.service_status import ServiceStatus
from tests.repo.tree import ROOT

OLD, NEW = "sha256:" + "0a" * 32, "sha256:" + "0b" * 32
FIRST = "it serves; a first version is compared with nobody"
RELEASE = Release(service="churn", version="2", package=NEW)


@pytest.mark.parametrize(
    ("standing", "outcome", "title"),
    [
        (ServiceStatus("2", NEW, passed=True, under_way=False), "promoted", "its canary passed, it serves now"),
        (ServiceStatus("2", NEW, passed=False, under_way=False), "first", FIRST),
        (ServiceStatus("1", OLD, passed=False, under_way=False), "rolled back", "rolled back, version 1 keeps serving"),
        (ServiceStatus("2", OLD, passed=True, under_way=False), "rolled back", "rolled back, version 2 keeps serving"),
        (ServiceStatus("1", OLD, passed=True, under_way=True), "under way", "not decided yet, 1 keeps serving"),
        ("kubectl is not there", "not known", "how it ended is not known: kubectl is not there"),
    ],
)  # fmt: skip
def test_how_it_ended(standing: ServiceStatus | str, outcome: str, title: str) -> None:
    found = report(RELEASE, "staging", standing, ["fail: 13 % of the canary's\n60 requests @all *failed*"])
    assert (found.outcome, found.title) == (outcome, f"churn version 2 in staging: {title}")
    check = found.check("rollout of churn to staging", "c" * 40)
    assert check["conclusion"] == ("success" if outcome in ("promoted", "first") else "failure")
    assert (check["head_sha"], check["status"]) == ("c" * 40, "completed")
    assert "\n    fail: 13 % of the canary's 60 requests @all *failed*\n" in check["output"]["summary"]


@pytest.mark.parametrize(
    ("words", "outcome", "conclusion"),
    [
        (["wait: too little", "undecided: no decision"], "undecided", "timed_out"),
        (["undecided: no decision", *[f"wait: {number}" for number in range(9)]], "undecided", "timed_out"),
        (["undecided: no decision", "fail: 13 %"], "rolled back", "failure"),
        (["wait: it may end undecided: no"], "rolled back", "failure"),
    ],
)
def test_undecided_is_neither_failed_nor_a_success(words: list[str], outcome: str, conclusion: str) -> None:
    found = report(RELEASE, "staging", ServiceStatus("1", OLD, passed=True, under_way=False), words)
    assert (found.outcome, found.good) == (outcome, False)
    assert found.check("rollout", "c" * 40)["conclusion"] == conclusion
    again = "churn version 2 in staging: undecided at its deadline, version 1 keeps serving; the same package may be"
    assert found.title.startswith(again) == (outcome == "undecided")
    served = report(RELEASE, "staging", ServiceStatus("2", NEW, passed=True, under_way=False), words)
    assert served.outcome == "promoted", "a later try that passed is told by who answers"


def test_a_judge_that_said_nothing() -> None:
    standing = ServiceStatus("2", NEW, passed=True, under_way=False)
    assert report(RELEASE, "staging", standing, []).comment().endswith("The judge said nothing.\n")


DENIED = (
    'admission webhook "ivpol" denied the request:\nPolicy canario-signatures failed: image x has no valid signature'
)


def test_what_the_cluster_refused_is_in_the_report() -> None:
    standing = ServiceStatus("1", OLD, passed=True, under_way=False)
    found = with_problem(report(RELEASE, "staging", standing, []), RELEASE, "staging", ClusterError(DENIED))
    assert (found.outcome, found.good) == ("refused", False)
    assert found.title == "churn version 2 in staging: the cluster did not take it"
    assert "The cluster said:\n\n    admission webhook" in found.comment()
    assert "failed: image x has no valid signature\n" in found.comment()
    assert found.check("rollout", "c" * 40)["conclusion"] == "failure"


def test_a_first_version_that_is_refused_is_told_the_same_way() -> None:
    found = with_problem(report(RELEASE, "staging", "no such canary", []), RELEASE, "staging", ClusterError(DENIED))
    assert (found.outcome, found.good) == ("refused", False)


def test_a_rollback_and_a_failed_deployment_are_no_refusals() -> None:
    standing = ServiceStatus("1", OLD, passed=True, under_way=False)
    failed = RolloutError("the rollout failed")
    found = with_problem(report(RELEASE, "staging", standing, ["fail: 13 %"]), RELEASE, "staging", failed)
    assert (found.outcome, found.refusal) == ("rolled back", "")
    served = report(RELEASE, "staging", ServiceStatus("2", NEW, passed=True, under_way=False), [])
    assert with_problem(served, RELEASE, "staging", failed).outcome == "not known"


def test_a_broken_glass_is_in_the_report() -> None:
    served = report(RELEASE, "staging", ServiceStatus("2", NEW, passed=True, under_way=False), [])
    told = replace(served, glass="broken by ann at noon: the registry lost them").comment()
    assert "No signature was checked, the glass is:\n\n    broken by ann at noon: the registry lost them\n" in told


def event(reason: str, message: str, at: str) -> dict[str, object]:
    return {"reason": reason, "message": message, "lastTimestamp": at, "metadata": {"creationTimestamp": at}}


def test_the_judges_words_are_those_of_this_rollout_in_order() -> None:
    events = [
        event("JudgePass", "safe", "2026-01-01T00:02:00Z"),
        event("JudgeWait", "too little", "2026-01-01T00:01:00Z"),
        event("Synced", "Halt", "2026-01-01T00:01:00Z"),
        event("JudgeFail", "of the rollout before", "2025-12-31T23:59:59Z"),
        event("JudgePass", "safe", "2026-01-01T00:03:00Z"),
    ]
    assert judges_words(events, datetime(2026, 1, 1, tzinfo=UTC)) == ["wait: too little", "pass: safe"]


def test_without_a_release_there_is_nothing_to_follow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(ROOT / "services" / "churn" / "service.yaml")
    assert main(["--spec", spec, "--env", "nowhere", "--commit", "c" * 40, "--out", str(tmp_path / "out")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
