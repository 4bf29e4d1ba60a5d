"""What a person reads of a run: each change of a step, and why it waits, is tried again or failed.

The server is a stand-in (`kubeflow_stand_in`), whose answers are copied from the real one's source.
"""

from __future__ import annotations

from typing import Any

import pytest

from pipelines import kfp_run
from pipelines.kfp_run import Follower, FollowError, Pace, RunEnd
from pipelines.kubeflow import Kubeflow
from pipelines.workflow_nodes import read_nodes, reason, step_states
from tests.patience import patient
from tests.pipelines.conftest import Play
from tests.pipelines.kubeflow_stand_in import (
    OMITTED,
    REUSED,
    Pod,
    Scene,
    Step,
    Trouble,
    failed,
    running,
    scene,
    succeeded,
    waiting,
)

STEPS = ("ingest", "validate", "train", "gate")
NO_ROOM = "Unschedulable: 0/2 nodes are available: 2 Insufficient cpu."


def followed(play: Play, *looks: Any, pace: Pace | None = None) -> tuple[RunEnd, list[str]]:
    """The end of a run that plays some looks, and what was said without the clock."""
    server = play(*looks)
    server.add_run("one", "PENDING", "r1")
    said: list[str] = []
    follower = Follower(Kubeflow(server.url).client, "r1", STEPS, said.append)
    end = follower.until_ended(pace or Pace(0.01, patient(20)))
    return end, [" ".join(line.split()[1:]) for line in said]


def test_each_change_is_told_once(play: Play) -> None:
    begun = scene("RUNNING", ingest=running())
    end, said = followed(play, scene("PENDING"), begun, begun, scene("SUCCEEDED", ingest=succeeded()))
    assert end == RunEnd("SUCCEEDED", ())
    assert said == ["ingest running", "ingest succeeded"]


def test_a_reused_step_is_told_and_counted(play: Play) -> None:
    end, said = followed(play, scene("SUCCEEDED", ingest=succeeded(), train=REUSED))
    assert said == ["ingest succeeded", "train reused"]
    assert end.reused == ("train",)


def test_a_failed_step_is_told_with_its_own_sentence(play: Play) -> None:
    message = "main: Error (exit code 1): roc_auc is 0.7, and must be at least 0.8"
    end, said = followed(play, scene("FAILED", ingest=succeeded(), validate=failed(message), gate=OMITTED))
    assert end == RunEnd("FAILED", ("validate: roc_auc is 0.7, and must be at least 0.8",))
    assert said == ["ingest succeeded", "validate failed: roc_auc is 0.7, and must be at least 0.8"]


def test_a_pod_that_waits_is_told_with_the_schedulers_words(play: Play) -> None:
    other = NO_ROOM.replace("2 Insufficient", "1 Insufficient")
    looks = [scene("RUNNING", train=waiting(words)) for words in ("", NO_ROOM, NO_ROOM, other, NO_ROOM)]
    _, said = followed(play, *looks, scene("SUCCEEDED", train=succeeded()))
    assert said == ["train starting", f"train pending: {NO_ROOM}", f"train pending: {other}", "train succeeded"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (NO_ROOM, "no node takes the pod; add a node, or ask for less: resources.train.requests in the spec"),
        ("ImagePullBackOff: Back-off pulling image", "publish the image (make publish ENV=staging PART=components)"),
        ('CreateContainerConfigError: secret "s3" not found', "make the secret in the namespace of the run"),
        ("ContainerCreating", "kubectl describe pod small-training-x7-retry-system-container-impl-"),
    ],
)
def test_a_long_wait_is_told_with_what_to_do(play: Play, words: str, advice: str) -> None:
    looks = [scene("RUNNING", train=waiting(words))] * 4
    _, said = followed(play, *looks, scene("SUCCEEDED"), pace=Pace(0.01, patient(20), stuck_seconds=0))
    assert [line for line in said if advice in line] == [said[-1]]


def test_a_pod_of_kubeflow_itself_that_waits_is_told(play: Play) -> None:
    driver = Step(driver=Pod("Pending", NO_ROOM))
    _, said = followed(play, Scene("RUNNING", first=Pod("Pending", NO_ROOM)), scene("SUCCEEDED", train=driver))
    assert said == [f"kubeflow pending: {NO_ROOM}", f"train pending: {NO_ROOM}"]


def test_a_pod_of_kubeflow_itself_that_fails_is_a_fault(play: Play) -> None:
    driver = Step(driver=Pod("Failed", "main: Error (exit code 1): the parent has no input spec"))
    end, _ = followed(play, scene("FAILED", train=driver))
    assert end.faults == ("train: Kubeflow's own pod failed: the parent has no input spec",)
    end, _ = followed(play, Scene("FAILED", first=Pod("Failed", "main: Error (exit code 1)")))
    assert end.faults[0].startswith("kubeflow: Kubeflow's own pod failed: it ended with exit code 1")


def test_a_try_that_is_lost_is_told_with_its_reason(play: Play) -> None:
    gone = Pod("Error", "pod deleted")
    pause = Step(tries=(gone,), executor=Pod("Running", "Backoff for 10 seconds"))
    looks = [scene("RUNNING", train=each) for each in (running(), pause, waiting("", gone), running(gone))]
    end, said = followed(play, *looks, scene("SUCCEEDED", train=succeeded(gone)))
    assert end.faults == ()
    expected = ["running", "tried again (2 of 3): pod deleted", "starting", "running", "succeeded"]
    assert said == [f"train {words}" for words in expected]


@pytest.mark.parametrize("pause", ["", "Backoff for 10 seconds"])
def test_a_try_that_just_ended_is_not_told_before_argo_decides(play: Play, pause: str) -> None:
    undecided = Step(tries=(Pod("Failed", "main: Error (exit code 1): no"),), executor=Pod("Running", pause))
    _, said = followed(
        play, scene("RUNNING", train=undecided), scene("FAILED", train=failed("main: Error (exit code 1)"))
    )
    assert said == ["train failed: it ended with exit code 1 and left no reason; its log says more"]


def test_a_run_that_was_ended_by_hand_is_told(play: Play) -> None:
    late = "Pod was active on the node longer than the specified deadline"
    end, said = followed(play, scene("CANCELING", train=running()), scene("FAILED", train=failed(late)))
    assert end == RunEnd("CANCELED", ("it was ended by hand",))
    assert said == ["the run is being ended by hand", "train running", "train stopped"]
    server = play(scene("FAILED", train=failed("Stopped with strategy 'Terminate'")))
    server.add_run("one", "RUNNING", "r1")
    server.ended.add("r1")
    assert Follower(Kubeflow(server.url).client, "r1", STEPS, print).until_ended(Pace(0.01, 5)).state == "CANCELED"


def test_a_workflow_above_1_mb_is_told_as_well(play: Play) -> None:
    """Kubeflow's own task details freeze when Argo compresses the nodes; its older answer still has them."""
    full = [Scene(each.state, each.steps, filling=1_100_000) for each in (
        scene("RUNNING", train=running()), scene("FAILED", train=failed("main: Error (exit code 3): refused")),
    )]  # fmt: skip
    end, said = followed(play, scene("RUNNING", train=waiting("")), *full)
    assert end.faults == ("train: refused",)
    assert said == ["train starting", "train running", "train failed: refused"]


def test_a_server_without_the_older_api_is_told_once(play: Play) -> None:
    omitted = scene("FAILED", gate=OMITTED)
    server = play(scene("RUNNING", train=running()), scene("RUNNING", train=running()), omitted)
    server.trouble["GET /apis/v1beta1/"] = [Trouble(404), Trouble(404), Trouble(404)]
    server.add_run("one", "PENDING", "r1")
    said: list[str] = []
    end = Follower(Kubeflow(server.url).client, "r1", STEPS, said.append).until_ended(Pace(0.01, 5))
    assert len([line for line in said if "does not say why steps wait or fail (404)" in line]) == 1
    assert any("train          running" in line for line in said)
    assert not any("gate" in line for line in said)
    assert end.faults == ("the run is failed",)


def test_trouble_of_the_older_api_alone_does_not_hide_the_end(play: Play) -> None:
    server = play(scene("RUNNING", train=running()), scene("RUNNING"), scene("FAILED"))
    server.add_run("one", "PENDING", "r1")
    said: list[str] = []
    follower = Follower(Kubeflow(server.url).client, "r1", STEPS, said.append)
    server.trouble["GET /apis/v1beta1/"] = [Trouble(500)] * 3
    assert follower.until_ended(Pace(0.01, 5)).state == "FAILED"
    assert len(said) == 1
    assert "does not say why steps wait or fail (500)" in said[0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 0])
def test_a_server_that_does_not_answer_is_waited_for(play: Play, status: int) -> None:
    _, said = followed(play, scene("RUNNING"), *[Trouble(status)] * 5, scene("SUCCEEDED"))
    assert len([line for line in said if line.startswith("the server does not answer (")]) == 1
    assert said[-1] == "the server answers again"


def test_a_slow_answer_is_waited_for(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfp_run, "ASK_SECONDS", 1)
    _, said = followed(play, scene("RUNNING"), *[Trouble(seconds=3)] * 5, scene("SUCCEEDED"))
    assert [line.partition(" (")[0] for line in said] == ["the server does not answer", "the server answers again"]


@pytest.mark.parametrize(("status", "why"), [(401, "Unauthorized"), (403, "Forbidden"), (404, "Not Found")])
def test_a_server_that_refuses_is_not_waited_for(play: Play, status: int, why: str) -> None:
    with pytest.raises(FollowError, match=rf"refuses to show the run \({status} {why}\)"):
        followed(play, scene("RUNNING"), Trouble(status))


def test_time_that_is_up_is_told(play: Play) -> None:
    with pytest.raises(FollowError, match=r"waited for 0\.3 seconds and it has not ended"):
        followed(play, scene("RUNNING"), pace=Pace(0.01, 0.3))
    with pytest.raises(FollowError, match=r"waited for 3 seconds and the server does not answer"):
        followed(play, scene("RUNNING"), Trouble(), pace=Pace(0.01, 3))


def test_a_ctrl_c_swallowed_by_a_library_still_ends_the_wait(play: Play) -> None:
    """Ctrl-C ends the wait even if a library's destructor swallowed it."""
    server = play(scene("RUNNING"))
    server.add_run("one", "PENDING", "r1")
    follower = Follower(Kubeflow(server.url).client, "r1", [], print, interrupted=lambda: True)
    with pytest.raises(KeyboardInterrupt):
        follower.until_ended(Pace(poll_seconds=0.02, timeout_seconds=patient(30)))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("main: Error (exit code 2): column 'a':\nis gone", "column 'a':\nis gone"),
        ("Error (exit code 2): it is gone", "it is gone"),
        ("main: Error (exit code 1)", "it ended with exit code 1 and left no reason; its log says more"),
        ("main: OOMKilled (exit code 137)", "it needed more memory than it may use (OOMKilled); raise"),
        ("Pod was active on the node longer than the specified deadline", "it took longer than it may;"),
        ("pod deleted", "pod deleted"),
        ("", "no reason is given"),
    ],
)
def test_argos_message_becomes_a_reason(message: str, told: str) -> None:
    assert reason(message).startswith(told)


@pytest.mark.parametrize("manifest", ["", "{", "[]", "{}", '{"status": {"compressedNodes": "AAAA"}}'])
def test_a_workflow_that_cannot_be_read_tells_nothing(manifest: str) -> None:
    assert step_states(read_nodes(manifest), STEPS) == {}
