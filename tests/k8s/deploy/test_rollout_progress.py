"""When a deployment is done, what is said meanwhile, and what is hopeless: on states as the API server gives them."""

from __future__ import annotations

from typing import Any

import pytest

from components.releases.canary_status import CanaryStatus, status_of
from k8s.deploy.rollout_progress import Service, State, hopeless, is_done, summary
from k8s.errors import RolloutError

CANARY = Service("small", "models", "canary", 2)
BASIC = Service("small", "models", "basic", 2)
NEW, OLD = "registry.local/canario/small:2", "registry.local/canario/small:1"


def deployment(
    image: str = NEW, *, wanted: int = 2, updated: int = 2, available: int = 2, seen: int = 4
) -> dict[str, Any]:
    return {
        "metadata": {"generation": 4},
        "spec": {"replicas": wanted, "template": {"spec": {"containers": [{"image": image}]}}},
        "status": {
            "observedGeneration": seen,
            "replicas": wanted,
            "updatedReplicas": updated,
            "availableReplicas": available,
        },
    }


def pod(image: str = NEW, *, ready: bool = True, waiting: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": waiting, "message": "not found"}} if waiting else {"running": {}}
    return {
        "metadata": {"name": "small-1"},
        "spec": {"containers": [{"image": image}]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": state}],
        },
    }


def state(
    phase: str = "",
    *,
    applied: str = "1",
    image: str = NEW,
    weight: int = 0,
    turned: str | None = None,
    promoted: str | None = None,
) -> State:
    """By default a new checksum comes with a new phase; `turned` is the second in which the phase changed."""
    conditions = [{"type": "Promoted", "reason": phase, "lastUpdateTime": f"2026-01-01T00:00:0{turned or applied}Z"}]
    status = {"phase": phase, "lastAppliedSpec": applied, "canaryWeight": weight, "conditions": conditions}
    status |= {"lastPromotedSpec": promoted} if promoted else {}
    return State({"": deployment(image)}, (), status_of({"status": status if phase else {}}))


def done(before: State, after: State, *, to_the_end: bool = False) -> bool:
    return is_done(CANARY, before, after, to_the_end=to_the_end)


@pytest.mark.parametrize(
    ("one", "ready"),
    [
        (deployment(), True),
        (deployment(updated=1), False),
        (deployment(available=1), False),
        (deployment(seen=3), False),
        (deployment(wanted=1, updated=1, available=1), False),  # the autoscaler comes a moment later
    ],
)
def test_a_rolling_update_ends_with_all_replicas_new_and_ready(one: dict[str, Any], ready: bool) -> None:
    """A rolling update is done when all replicas are new and ready."""
    assert (
        is_done(BASIC, State({}, (), CanaryStatus()), State({"": one}, (), CanaryStatus()), to_the_end=False) is ready
    )


def test_a_candidate_has_to_be_ready_too() -> None:
    both = State({"": deployment(), "-shadow": deployment(available=0)}, (), CanaryStatus())
    assert not is_done(BASIC, both, both, to_the_end=False)


@pytest.mark.parametrize(("phase", "ends"), [("", False), ("Initializing", False), ("Initialized", True)])
def test_a_first_champion_is_done_when_flagger_says_so(phase: str, ends: bool) -> None:
    assert done(state(), state(phase)) is ends
    assert done(state("Initializing"), state(phase)) is ends


@pytest.mark.parametrize(
    ("phase", "applied", "begun", "ended"),
    [
        ("Initialized", "1", False, False),
        ("Waiting", "1", True, False),
        ("Progressing", "2", True, False),
        ("WaitingPromotion", "2", True, False),
        ("Succeeded", "2", True, True),
    ],
)
def test_a_canary_is_followed_until_it_has_begun_or_to_its_end(
    phase: str, applied: str, *, begun: bool, ended: bool
) -> None:
    before, after = state("Initialized", image=OLD), state(phase, applied=applied)
    assert done(before, after) is begun
    assert done(before, after, to_the_end=True) is ended


def test_a_canary_that_was_rolled_back_is_no_success() -> None:
    with pytest.raises(RolloutError, match="the champion keeps serving"):
        done(state("Succeeded", image=OLD), state("Failed", applied="2"))


def test_an_earlier_failure_is_not_taken_for_this_one() -> None:
    assert not done(state("Failed", image=OLD), state("Failed"))


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded", "Failed"])
def test_a_checksum_that_comes_before_its_phase_is_no_end(phase: str) -> None:
    before, after = state(phase, image=OLD, turned="1"), state(phase, applied="2", turned="1")
    assert not done(before, after)
    assert not done(before, after, to_the_end=True)


@pytest.mark.parametrize("to_the_end", [False, True])
def test_a_restored_champion_is_done_when_flagger_knows_it(to_the_end: bool) -> None:
    """A champion that is brought back after a failure is done when Flagger knows it."""
    failed = state("Failed", applied="2", promoted="1")
    asked = state("Failed", applied="2", promoted="1", turned="2", image=OLD)
    known = state("Failed", applied="1", promoted="1", turned="2", image=OLD)
    assert not done(failed, asked, to_the_end=to_the_end)
    assert done(failed, known, to_the_end=to_the_end)
    next_one = state("Failed", applied="1", promoted="1", turned="2", image="registry.local/canario/small:3")
    assert not done(known, next_one, to_the_end=to_the_end)


def test_when_nothing_changed_there_is_nothing_to_wait_for() -> None:
    assert done(state("Succeeded"), state("Succeeded"))


def test_a_rollout_that_is_under_way_already_is_followed_too() -> None:
    before = state("Progressing", applied="2")
    assert done(before, state("Progressing", applied="2", weight=10))
    assert not done(before, state("Promoting", applied="2"), to_the_end=True)
    assert done(before, state("Succeeded", applied="2"), to_the_end=True)
    with pytest.raises(RolloutError, match="the champion keeps serving"):
        done(before, state("Failed", applied="2", turned="3"), to_the_end=True)


def test_one_line_says_where_it_stands() -> None:
    found = State({}, (pod(), pod(ready=False)), state("Progressing", weight=20).canary)
    assert summary(CANARY, found) == "small: 1 of 2 replicas ready, rollout Progressing, 20 % of traffic"
    assert summary(BASIC, found) == "small: 1 of 2 replicas ready"
    assert "Waiting for the judge's yes" in summary(CANARY, state("Waiting"))


def test_an_image_that_is_not_there_is_hopeless_at_once() -> None:
    stuck = State({"": deployment(NEW)}, (pod(NEW, ready=False, waiting="ErrImagePull"),), CanaryStatus())
    assert list(hopeless(stuck)) == [f"ErrImagePull: {NEW} in pod small-1; not found"]


def test_a_starting_pod_or_an_earlier_image_is_not_hopeless() -> None:
    """A pod that is only starting, or has an earlier image, is not hopeless."""
    pods = (pod(NEW, ready=False, waiting="ContainerCreating"), pod(OLD, waiting="ErrImagePull"))
    assert list(hopeless(State({"": deployment(NEW)}, pods, CanaryStatus()))) == []
