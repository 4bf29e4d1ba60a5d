"""Worlds in which the gateway tells what it answered itself, a few rollouts each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.judge.simulate.worlds import play_world, worlds

TOLD = {case.name: case for case in worlds() if case.told and case.requests_a_second == 100}


@pytest.mark.parametrize("name", TOLD)
def test_what_the_gateway_tells_decides_right(name: str) -> None:
    found = play_world(TOLD[name], 1, seed=5)
    assert (found.wrong, found.failed if found.harmful else found.promoted) == (0, 1)


def test_what_nobody_tells_is_not_found_by_errors() -> None:
    """The negative twin: the same time-outs at a gateway that tells nothing."""
    case = TOLD["1 % of the canary's requests time out at the gateway"]
    assert play_world(replace(case, told=False), 1, seed=5).promoted == 1
