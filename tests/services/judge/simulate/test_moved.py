"""Callers who have moved from the hold-out, in the simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.judge.evidence import same_inputs
from services.judge.evidence.counts import BINS
from services.judge.simulate.callers import Callers, pool
from services.judge.simulate.moved import CASES, MovedRow, moved_claims, moved_table, play_moved, summarise_moved
from services.judge.simulate.rollouts import FAILED, PROMOTED
from services.judge.simulate.scraped import play_scraped
from services.judge.simulate.worlds import worlds

LIKE, MOVED, WRONG, _, MISREAD = CASES[:5]


def test_the_hold_out_lets_expect_what_the_moved_callers_show() -> None:
    rng = np.random.default_rng(4)
    callers, live = Callers(0.5, "", rng), pool(0.5, "")
    asked = callers.of_canary(2000)
    expected = callers.expectation(asked)
    assert expected is not None
    below = [np.cumsum(np.bincount(side, minlength=BINS)) / len(side) for side in (live.canary, live.champion)]
    apart = below[0] - below[1]
    assert np.abs(apart - callers.holdout.shift).max() > 0.1
    assert np.abs(apart - expected.shift).max() < 0.04
    assert expected.inputs + expected.unlike == 2000
    assert max(expected.distance, key=lambda each: each[1])[0] == "feature 2"


def test_a_wrong_unit_moves_scores_and_not_what_is_expected() -> None:
    right, wrong = (Callers(0.0, fault, np.random.default_rng(4)) for fault in ("", "wrong unit"))
    asked = right.of_canary(500), wrong.of_canary(500)
    assert (asked[0].inputs == asked[1].inputs).all()
    assert np.abs(np.cumsum(asked[0].scores - asked[1].scores)).max() > 100


def test_a_better_canary_stays_for_moved_callers() -> None:
    """By the hold-out as it is, they fail it."""
    ends = play_moved(MOVED, 5, 1)
    assert [(ours.fate, as_it_is and as_it_is.fate) for ours, as_it_is in ends] == [(PROMOTED, FAILED)]


def test_a_wrong_unit_is_found_as_fast() -> None:
    row = summarise_moved(WRONG, play_moved(WRONG, 5, 4))
    assert (row.failed, row.as_it_is_failed) == (4, 4)
    assert row.median_requests == row.as_it_is_median_requests


@pytest.mark.parametrize(("rare", "fate"), [(None, FAILED), (math.inf, PROMOTED)])
def test_a_server_that_misreads_is_no_other_callers(
    monkeypatch: pytest.MonkeyPatch, rare: float | None, fate: int
) -> None:
    """Its inputs move as its scores do. Where they are not held against the champion's, they explain the scores."""
    if rare is not None:
        monkeypatch.setattr(same_inputs, "_RARE", rare)
    ((end, _),) = play_moved(MISREAD, 5, 1)
    assert end.fate == fate


@pytest.mark.parametrize(("world", "fate"), [(-2, PROMOTED), (-1, FAILED)])
def test_it_is_the_same_by_scrapes(world: int, fate: int) -> None:
    assert play_scraped(worlds()[world], 3).fate == fate


def row(place: int, promoted: int = 0, failed: int = 0, requests: float = 100.0) -> MovedRow:
    return MovedRow(CASES[place], 1000, promoted, failed, requests, 100, 0, 0, 100.0)


@pytest.mark.parametrize(
    ("place", "changes", "unmet"),
    [
        *[(0, {}, 0), (0, {"failed": 30}, 1), (2, {"failed": 1000}, 0), (2, {"promoted": 30}, 1)],
        *[(3, {"requests": 106.0}, 1), (6, {"requests": 999.0}, 0), (4, {"promoted": 30}, 1)],
    ],
)
def test_a_claim_on_a_world_can_be_refuted(place: int, changes: dict[str, float], unmet: int) -> None:
    rows = [row(each) for each in range(len(CASES)) if each != place]
    made = moved_claims([*rows, row(place, **changes)])  # type: ignore[arg-type]
    assert sum(not claim.met for claim in made) == unmet
    assert len(moved_table(rows).rows) == len(CASES) - 1


def test_what_was_not_played_is_not_claimed() -> None:
    assert not any(claim.met for claim in moved_claims([]))
    assert any(math.isinf(claim.found) for claim in moved_claims([]))
