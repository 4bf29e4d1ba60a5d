"""What counts as a demo that went right."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from k8s.twin.summary import CommitSummary, Decision, RequestCount, Story, VersionFate, faults_found, write_summary

ROLLED_BACK = Story(
    service="churn",
    fault="wrong-unit",
    explanation="the model reads an amount in cents",
    ending="rolled-back",
    seconds=200.0,
    versions=(
        VersionFate("1", "sha256:a", "champion"),
        VersionFate("2", "sha256:b", "promoted"),
        VersionFate("3", "sha256:c", "rolled-back"),
    ),
    decisions=(),
    requests={"1": RequestCount(900, 0), "2": RequestCount(800, 0), "3": RequestCount(90, 0)},
    commits=(CommitSummary("1a", "Deploy version 1"), CommitSummary("4d", 'Revert "Deploy version 3"')),
    tree_equals_last_good=True,
    champion="2",
)
PROMOTED = replace(
    ROLLED_BACK,
    fault="none",
    ending="promoted",
    champion="3",
    versions=(*ROLLED_BACK.versions[:2], VersionFate("3", "sha256:c", "promoted")),
    commits=(CommitSummary("1a", "Deploy version 1"),),
)
REFUSED = replace(
    ROLLED_BACK,
    fault="shuffled-labels",
    ending="refused",
    versions=(*ROLLED_BACK.versions[:2], VersionFate("3", None, "refused")),
    requests={"1": RequestCount(900, 0), "2": RequestCount(800, 0)},
    commits=(CommitSummary("1a", "Deploy version 1"),),
)


@pytest.mark.parametrize("story", [ROLLED_BACK, PROMOTED, REFUSED])
def test_each_right_ending_has_nothing_to_complain_of(story):
    assert faults_found(story) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"requests": {**ROLLED_BACK.requests, "2": RequestCount(800, 1)}}, "1 of 800 requests to version 2 failed"),
        ({"requests": {}}, "no request was sent"),
        ({"tree_equals_last_good": False}, "tree is not the last good one"),
        ({"champion": "3"}, "the champion is version 3; it had to be version 2"),
        ({"champion": None}, "the champion is version None"),
        ({"commits": ROLLED_BACK.commits[:1]}, "no commit reverts the bad version"),
        ({"versions": ROLLED_BACK.versions[:2]}, "only 2 of 3 versions were made"),
        ({"versions": PROMOTED.versions}, "version 3 ended as promoted; it had to end as rolled-back"),
        (
            {"versions": (*PROMOTED.versions[:2], VersionFate("3", "sha256:c", "undecided"))},
            "version 3 ended as undecided; it had to end as rolled-back",
        ),
        ({"problems": ("the gateway died",)}, "the gateway died"),
    ],
)
def test_each_wrong_ending_is_named(change, complaint):
    assert any(complaint in found for found in faults_found(replace(ROLLED_BACK, **change)))


def test_a_refused_version_that_answered_is_named():
    story = replace(REFUSED, requests={**REFUSED.requests, "3": RequestCount(1, 0)})
    assert faults_found(story) == ["version 3 was refused offline and yet answered 1 requests"]


def test_a_good_commit_that_was_reverted_is_named():
    story = replace(PROMOTED, commits=ROLLED_BACK.commits)
    assert faults_found(story) == ['a commit was reverted that is good: Revert "Deploy version 3"']


@pytest.mark.parametrize("fault", ["errors", "under-load"])
@pytest.mark.parametrize(
    ("failed", "complaints"),
    [
        (0, ["version 3 had to fail some requests, and did not"]),
        (19, []),
        (20, ["20 of 90 requests to version 3 failed; allowed: 19"]),
    ],
)
def test_planned_failures_are_bounded_on_both_sides(fault, failed, complaints):
    story = replace(ROLLED_BACK, fault=fault, requests={**ROLLED_BACK.requests, "3": RequestCount(90, failed)})
    assert faults_found(story) == complaints


@pytest.mark.parametrize(
    ("failed", "complaints"),
    [(0, ["version 3 had to fail some requests, and did not"]), (70, [])],
)
def test_lost_requests_are_planned_without_a_version(failed: int, complaints: list[str]) -> None:
    story = replace(ROLLED_BACK, fault="lossy", requests={**ROLLED_BACK.requests, "none": RequestCount(failed, failed)})
    assert faults_found(story) == complaints
    story = replace(story, requests={**story.requests, "3": RequestCount(90, 1)})
    assert "1 of 90 requests to version 3 failed; allowed: 0" in faults_found(story)


def test_no_caller_has_to_meet_what_the_shadow_stopped() -> None:
    unmet = replace(ROLLED_BACK, requests={name: ROLLED_BACK.requests[name] for name in ("1", "2")})
    assert faults_found(unmet) == ["version 3 answered no request"]
    stopped = Decision(150.0, "3", 0, "fail", "fail: in the shadow", {})
    assert faults_found(replace(unmet, decisions=(stopped,))) == []
    assert faults_found(replace(unmet, decisions=(replace(stopped, weight=10),))) == ["version 3 answered no request"]


def test_the_file_says_what_the_story_says(tmp_path: Path):
    write_summary(ROLLED_BACK, tmp_path / "summary.json")
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["ok"] is True
    assert document["requests"]["3"] == {"sent": 90, "failed": 0}
    assert document["versions"][2] == {"version": "3", "package": "sha256:c", "fate": "rolled-back"}
    assert document["commits"][0] == {"id": "1a", "message": "Deploy version 1"}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
