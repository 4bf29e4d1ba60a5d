"""The loop asks as Flagger asks, and acts on nothing but a yes: real gateway, real versions, scripted judge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from components.errors import ReleaseError
from components.releases.release_file import Release
from components.spec import contract
from k8s.twin.events import Event, Events
from k8s.twin.gateway import Gateway
from k8s.twin.ports import Ports
from k8s.twin.processes import Program
from k8s.twin.rollout import DesiredRelease, FailedRelease, RolloutListener, RolloutLoop, weight_steps
from k8s.twin.versions import RunningVersion, Versions
from k8s.twin.webhooks import HOOK_TYPES, JUDGE_HOOKS, Webhooks
from tests.k8s.twin.scripted_judge import ScriptedJudge, scripted_judge
from tests.k8s.twin.tiny import release, tiny_programs, traffic, wait_for

TURN = ["rollback", "rollout", "confirm-traffic-increase"]


@dataclass
class Stage:
    """A rollout with everything round it, and what it did."""

    gateway: Gateway
    judge: ScriptedJudge
    versions: Versions
    rollout: RolloutLoop
    events: list[Event]
    promoted: list[str] = field(default_factory=list)
    failed: list[FailedRelease] = field(default_factory=list)
    routed: list[tuple[str, str, int]] = field(default_factory=list)

    def want(self, wanted: Release) -> None:
        self.rollout.want(DesiredRelease(wanted, f"commit of {wanted.version}"))

    def turn(self, times: int = 1) -> list[str]:
        """What was asked during so many turns."""
        self.judge.taken()
        for _ in range(times):
            self.rollout.advance()
        return self.judge.taken()

    def weights(self) -> list[tuple[str, int]]:
        return [(event.version, event.weight) for event in self.events if event.kind == "weight"]

    def phases(self, version: str) -> list[str]:
        return [event.phase for event in self.events if event.kind == "phase" and event.version == version]

    def decisions(self) -> list[tuple[str, int, str]]:
        return [(e.version, e.weight, e.verdict) for e in self.events if e.kind == "decision"]

    def started(self) -> Stage:
        """With version 1 as champion, and what led to it forgotten."""
        self.want(release("1"))
        self.turn()
        self.events.clear()
        self.promoted.clear()
        return self


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Ports() as ports:
        gateway = Gateway(ports.take(), tmp_path_factory.mktemp("gateway"), "tiny", ports.take())
        gateway.start()
        yield gateway
        gateway.stop()


@pytest.fixture(scope="module")
def judge() -> Iterator[ScriptedJudge]:
    with scripted_judge() as judge:
        yield judge


@pytest.fixture
def settings() -> contract.Rollout:
    return contract.Rollout(step_weight=20, max_weight=50)


@pytest.fixture
def judge_url(judge: ScriptedJudge) -> str:
    return judge.url


@pytest.fixture
def stage(
    tmp_path: Path, gateway: Gateway, judge: ScriptedJudge, judge_url: str, settings: contract.Rollout
) -> Iterator[Stage]:
    judge.be_pleased()
    judge.events.clear()
    seen: list[Event] = []
    promoted: list[str] = []
    failed: list[FailedRelease] = []
    routed: list[tuple[str, str, int]] = []

    def note(champion: RunningVersion | None, canary: RunningVersion | None, weight: int) -> None:
        routed.append((_name(champion), _name(canary), weight))

    programs = tiny_programs(tmp_path)
    hooks = HOOK_TYPES if judge_url == judge.url else JUDGE_HOOKS

    def program_for(wanted: Release, port: int, peers: tuple[str, ...]) -> Program:
        if wanted.version == "404":
            raise ReleaseError("there is no package for it")
        program = programs(wanted, port, peers)
        if wanted.version == "503":
            sleeps = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
            return replace(program, command=sleeps, ready_seconds=0.5)
        return program

    with Ports() as ports:
        versions = Versions((ports.take(), ports.take()), program_for, lambda _name, _code: None)
        rollout = RolloutLoop(
            settings,
            versions,
            gateway,
            Webhooks(judge_url, "tiny", "twin", {hook: f"{judge_url}/{hook}" for hook in hooks}),
            Events(tmp_path / "events.jsonl", seen.append),
            RolloutListener(lambda wanted: promoted.append(wanted.version), failed.append, note),
            spare_seconds=0,
        )
        yield Stage(gateway, judge, versions, rollout, seen, promoted, failed, routed)
        versions.close()


def _name(version: RunningVersion | None) -> str:
    return version.release.version if version else ""


def test_the_first_release_gets_all_traffic_without_questions(stage: Stage) -> None:
    """The first release gets all traffic at once, and nobody is asked."""
    assert stage.turn() == []
    stage.want(release("1"))
    stage.turn(3)
    assert stage.phases("1") == ["Initializing", "Initialized"]
    assert stage.weights() == [("1", 100)]
    assert (stage.promoted, stage.routed) == (["1"], [("1", "", 0)])
    with traffic(stage.gateway.url) as seen:
        wait_for(lambda: seen.counts["1", 200] > 5)
    assert seen.failed == {}


def test_a_good_release_takes_every_step_and_is_promoted(stage: Stage) -> None:
    """A good release takes every step, asks in Flagger's order, and is promoted."""
    stage.started().want(release("2"))
    with traffic(stage.gateway.url) as seen:
        asked = [stage.turn() for _ in range(6)]
        wait_for(lambda: seen.counts["2", 200] > 20)
    assert asked == [
        ["confirm-rollout"],
        ["rollback", "pre-rollout", "confirm-traffic-increase"],
        TURN,
        TURN,
        [*TURN, "confirm-promotion", "post-rollout"],
        [],
    ]
    assert stage.weights() == [("2", 20), ("2", 40), ("2", 50), ("2", 100)]
    assert stage.phases("2") == ["Progressing", "Promoting", "Finalising", "Succeeded"]
    assert stage.decisions() == [("2", 20, "pass"), ("2", 40, "pass"), ("2", 50, "pass")]
    assert stage.promoted == ["2"]
    assert stage.routed[-1] == ("2", "", 0)
    assert stage.rollout.champion is not None
    assert stage.rollout.champion.release.version == "2"
    assert seen.failed == {}


def test_a_failed_release_loses_its_traffic_and_is_given_back(stage: Stage) -> None:
    """A release that the judge fails loses its traffic, and is given back with the evidence."""
    stage.started().want(release("2"))
    with traffic(stage.gateway.url) as seen:
        stage.turn(3)
        stage.judge.says["rollback"] = 200
        assert stage.turn() == ["rollback", "post-rollout"]
        answered = seen.counts["1", 200]
        wait_for(lambda: seen.counts["1", 200] > answered + 20)
    assert seen.failed == {}
    assert stage.weights() == [("2", 20), ("2", 40), ("2", 0)]
    assert stage.decisions()[-1] == ("2", 40, "fail")
    assert stage.phases("2") == ["Progressing", "Failed"]
    (failure,) = stage.failed
    assert (failure.wanted.commit, failure.reason) == ("commit of 2", "rollback was answered 200")
    assert failure.evidence["signals"] == [{"name": "error_ratio", "canary": 0.05}]
    assert (stage.rollout.canary, stage.promoted) == (None, [])
    stage.judge.says["rollback"] = 403
    assert stage.turn(2) == []  # the same release is not tried again
    stage.want(release("1"))
    assert stage.turn(2) == []  # and going back to the champion is no rollout
    stage.want(release("2"))
    assert stage.turn() == ["confirm-rollout"]  # but asking for it anew is


@pytest.mark.parametrize(("said", "word"), [("undecided: too few", "undecided"), ("fail: not undecided: no", "fail")])
def test_an_undecided_release_is_given_back_and_may_come_again(stage: Stage, said: str, word: str) -> None:
    """The judge's word stands in the decision and in what is given back; Flagger's phase is the same for both."""
    stage.started().want(release("2"))
    stage.turn(2)
    stage.judge.reasons["rollback"], stage.judge.says["rollback"] = said, 200
    assert stage.turn() == ["rollback", "post-rollout"]
    assert stage.decisions()[-1] == ("2", 20, word)
    assert stage.phases("2")[-1] == "Failed"
    (failure,) = stage.failed
    assert (failure.reason, failure.undecided) == (said, word == "undecided")
    stage.judge.says["rollback"] = 403
    stage.want(release("1"))
    stage.turn()
    stage.want(release("2"))
    assert stage.turn() == ["confirm-rollout"]


@pytest.mark.parametrize("hook", ["pre-rollout", "rollout", "confirm-traffic-increase"])
def test_a_no_at_a_step_keeps_the_weight(stage: Stage, hook: str) -> None:
    stage.started().want(release("2"))
    stage.turn(1 if hook == "pre-rollout" else 2)
    weights = stage.weights()
    stage.judge.says[hook] = 403
    assert stage.turn()[-1] == hook
    assert stage.turn()[-1] == hook
    assert stage.weights() == weights
    assert stage.decisions()[-1][2] == "wait"
    stage.judge.says[hook] = 202
    stage.turn()
    assert len(stage.weights()) == len(weights) + 1


def test_a_promotion_waits_for_its_yes_or_is_rolled_back(stage: Stage) -> None:
    """A promotion waits for its yes, and can still be rolled back."""
    stage.started().want(release("2"))
    stage.judge.says["confirm-promotion"] = 403
    stage.turn(5)
    assert stage.phases("2")[-1] == "WaitingPromotion"
    assert stage.turn() == ["rollback", "rollout", "confirm-promotion"]
    assert stage.promoted == []
    stage.judge.says["rollback"] = 200
    stage.turn()
    assert stage.phases("2")[-1] == "Failed"


def test_a_rollout_that_is_not_approved_does_not_start(stage: Stage) -> None:
    stage.started().want(release("2"))
    stage.judge.says["confirm-rollout"] = 403
    assert stage.turn(2) == ["confirm-rollout", "confirm-rollout"]
    assert stage.phases("2") == ["Waiting"]
    stage.judge.says["confirm-rollout"] = 200
    stage.turn()
    assert stage.phases("2") == ["Waiting", "Progressing"]


def test_a_newer_commit_replaces_the_canary_and_starts_anew(stage: Stage) -> None:
    """A newer commit replaces the canary, and starts from nothing."""
    stage.started().want(release("2"))
    with traffic(stage.gateway.url) as seen:
        stage.turn(3)
        stage.want(release("3"))
        stage.turn(2)
        wait_for(lambda: seen.counts["3", 200] > 5)
    assert stage.weights() == [("2", 20), ("2", 40), ("2", 0), ("3", 20)]
    assert seen.failed == {}
    assert [e.reason for e in stage.events if e.kind == "ended"] == ["replaced by a newer commit"]
    assert stage.failed == []


def test_a_commit_back_to_the_champion_withdraws_the_canary(stage: Stage) -> None:
    stage.started().want(release("2"))
    stage.turn(2)
    stage.want(release("1"))
    assert stage.turn(3) == []
    assert stage.weights() == [("2", 20), ("2", 0)]
    assert stage.rollout.canary is None


@pytest.mark.parametrize("judge_url", ["http://127.0.0.1:9"])
def test_without_a_judge_a_canary_waits(stage: Stage) -> None:
    stage.started().want(release("2"))
    stage.turn(2)
    assert stage.decisions() == [("2", 0, "wait")]
    assert stage.events[-1].reason == "the webhook confirm-traffic-increase does not answer"
    assert (stage.failed, stage.promoted) == ([], [])


@pytest.mark.parametrize("judge_url", ["http://127.0.0.1:9"])
@pytest.mark.parametrize("settings", [contract.Rollout(deadline_minutes=0.02)])
def test_without_a_judge_the_deadline_rolls_back(stage: Stage) -> None:
    """An unreachable judge promotes nothing, and the deadline rolls back."""
    stage.started().want(release("2"))
    wait_for(lambda: stage.turn() is not None and stage.failed)
    assert stage.failed[0].reason == "undecided: there was no decision within 1.2 s"
    assert stage.decisions()[-1] == ("2", 0, "undecided")
    assert (stage.weights(), stage.promoted) == ([("2", 0)], [])


def test_a_canary_that_keeps_dying_is_rolled_back(stage: Stage) -> None:
    stage.started().want(release("2"))
    stage.turn(2)
    canary = stage.rollout.canary
    assert canary is not None
    for times in (1, 2, 3):
        wait_for(lambda: canary.process.ready)
        for child in psutil.Process(canary.process.pid).children():
            child.kill()
        wait_for(lambda times=times: canary.process.restarts == times)  # type: ignore[misc]
    stage.turn()
    assert [failure.reason for failure in stage.failed] == ["its process ended 3 times by itself"]
    assert stage.decisions()[-1] == ("2", 20, "fail")


@pytest.mark.parametrize("settings", [contract.Rollout(strategy="basic", step_weight=20, max_weight=50)])
def test_basic_gives_a_ready_version_everything_at_once(stage: Stage) -> None:
    """Under basic a version that is ready takes all traffic at once, and no judge is asked."""
    stage.started().want(release("2"))
    stage.judge.says.update(dict.fromkeys(HOOK_TYPES, 403), rollback=200)  # it would stop any canary
    stage.judge.events.clear()
    with traffic(stage.gateway.url) as seen:
        wait_for(lambda: seen.counts["1", 200] > 5)
        assert stage.turn(3) == []
        wait_for(lambda: seen.counts["2", 200] > 20)
    assert (seen.failed, stage.judge.events) == ({}, [])
    assert (stage.weights(), stage.decisions()) == ([("2", 100)], [])
    assert all(weight == 0 and canary == "" for _, canary, weight in stage.routed)
    assert stage.phases("2") == ["Progressing", "Promoting", "Finalising", "Succeeded"]
    assert (stage.promoted, stage.failed) == (["2"], [])


@pytest.mark.parametrize("settings", [contract.Rollout(strategy="basic")])
@pytest.mark.parametrize("version", ["404", "503"])
def test_basic_gives_a_version_that_is_not_ready_nothing(stage: Stage, version: str) -> None:
    stage.started().want(release(version))
    with traffic(stage.gateway.url) as seen:
        assert stage.turn(2) == []
        wait_for(lambda: seen.counts["1", 200] > 20)
    assert {answered for answered, _ in seen.counts} == {"1"}
    assert seen.failed == {}
    assert (stage.weights(), stage.promoted) == ([], [])
    assert stage.phases(version) == ["Progressing", "Failed"]
    assert len(stage.failed) == 1
    stage.want(release("2"))
    stage.turn()
    assert stage.promoted == ["2"]


@pytest.mark.parametrize("settings", [contract.Rollout(strategy="canary", step_weight=20, max_weight=50)])
def test_a_canary_that_the_judge_stops_does_not_get_everything(stage: Stage) -> None:
    """The negative twin of what basic does: the same judge, asked."""
    stage.started().want(release("2"))
    stage.judge.says.update(dict.fromkeys(HOOK_TYPES, 403), rollback=200)
    stage.judge.says["confirm-rollout"] = 200
    assert stage.turn(2) == ["confirm-rollout", "rollback", "post-rollout"]
    assert (stage.weights(), stage.promoted) == ([("2", 0)], [])
    assert len(stage.failed) == 1


@pytest.mark.parametrize(
    "settings",
    [contract.Rollout(strategy="shadow-then-canary", step_weight=20, max_weight=40)],
)
def test_in_the_shadow_the_first_weight_is_a_decision_too(stage: Stage) -> None:
    """Before its first weight a canary waits for a yes, which is a decision; then it has the whole deadline again."""
    stage.started().want(release("2"))
    stage.judge.says["confirm-traffic-increase"] = 403
    stage.turn(2)
    assert stage.decisions() == [("2", 0, "wait")]
    assert stage.routed[-1] == ("1", "2", 0)
    in_the_shadow = stage.rollout._deadline
    stage.judge.says["confirm-traffic-increase"] = 200
    stage.turn()
    assert stage.decisions() == [("2", 0, "wait"), ("2", 0, "pass")]
    assert stage.routed[-1] == ("1", "2", 20)
    assert stage.rollout._deadline > in_the_shadow
    stage.turn(3)
    assert stage.promoted == ["2"]


@pytest.mark.parametrize("settings", [contract.Rollout(strategy="shadow-then-canary", step_weight=20, max_weight=40)])
def test_harm_in_the_shadow_ends_a_rollout_at_0_percent(stage: Stage) -> None:
    stage.started().want(release("2"))
    stage.judge.says["rollback"] = 200
    stage.turn(2)
    assert stage.decisions() == [("2", 0, "fail")]
    assert (len(stage.failed), stage.promoted) == (1, [])


def test_an_unservable_release_fails_and_the_champion_goes_on(stage: Stage) -> None:
    """A release that cannot be served fails, and the champion goes on."""
    stage.started().want(release("404"))
    stage.turn(2)
    assert stage.phases("404") == ["Progressing", "Failed"]
    assert [failure.reason for failure in stage.failed] == ["there is no package for it"]
    assert stage.weights() == []
    with traffic(stage.gateway.url) as seen:
        wait_for(lambda: seen.counts["1", 200] > 5)
    assert seen.failed == {}


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (contract.Rollout(step_weight=10, max_weight=50), [10, 20, 30, 40, 50]),
        (contract.Rollout(step_weight=20, max_weight=50), [20, 40, 50]),
        (contract.Rollout(step_weight=50, max_weight=50), [50]),
        (contract.Rollout(step_weight=50, max_weight=100), [50, 100]),
    ],
)
def test_steps_rise_to_the_largest_weight_and_never_above(settings: contract.Rollout, steps: list[int]) -> None:
    assert weight_steps(settings) == steps
