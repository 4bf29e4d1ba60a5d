"""The families of the public benchmark: each effect is as large as it is said to be, and the judge is right."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from components.spec.contract import Harm
from services.judge.simulate import benchmark
from services.judge.simulate.benchmark import (
    EveryRequest,
    FamilyRow,
    play_block,
    run_every_request,
    run_families,
    summarise_family,
    traffic,
)
from services.judge.simulate.claims import claims
from services.judge.simulate.families import BENCHMARK, FAMILIES, margins_exceeded, size, slower_by_factor, spread
from services.judge.simulate.rollouts import PROMOTED, Case, play
from services.judge.simulate.world import SimulatedVersion, champion
from services.judge.statistics.signals import judged_signals


def canary(name: str, look: int = 60) -> SimulatedVersion:
    return FAMILIES[name].versions(look, np.random.default_rng(1))[1]


def test_three_families_may_stay_and_six_are_to_be_failed() -> None:
    assert [FAMILIES[name].may_stay for name in BENCHMARK] == [True] * 3 + [False] * 6


@pytest.mark.parametrize("name", ["mean shift", "variance", "tail", "gradual drift", "several small degradations"])
def test_latency_is_worse_by_twice_its_margin(name: str) -> None:
    assert margins_exceeded(canary(name).latency) == pytest.approx(2)
    assert canary(name).latency.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["subtle regression", "several small degradations"])
def test_errors_are_worse_by_twice_their_margin(name: str) -> None:
    assert canary(name).error - champion().error == pytest.approx(2 * (Harm().error_ratio or 0))


def test_the_other_effects_are_as_large_as_said() -> None:
    tail = canary("tail").latency - champion().latency
    assert (tail[-1], tail[3:].sum()) == (pytest.approx(0.01), pytest.approx(0.01, rel=0.02))
    shift = np.abs(np.cumsum(canary("several small degradations").scores - champion().scores)).max()
    assert shift == pytest.approx(2 * (Harm().score_shift or 0))
    assert margins_exceeded(canary("several below their margins").latency) == pytest.approx(0.5)
    assert (
        margins_exceeded(canary("gradual drift", 9).latency) < 1 < margins_exceeded(canary("gradual drift", 14).latency)
    )


def test_a_transient_heals() -> None:
    errors = [canary("healed transient", look).error for look in range(120)]
    assert [look for look, error in enumerate(errors) if error > 0.001] == [2, 3, 4]


def test_noise_is_equal_on_both_sides_and_new_at_each_look() -> None:
    rng = np.random.default_rng(2)
    pairs = [FAMILIES["equal noise"].versions(look, rng) for look in range(50)]
    assert all(one is other for one, other in pairs)
    assert np.std(np.log([one.slow for one, _ in pairs])) == pytest.approx(0.5, rel=0.3)
    assert all(one.latency.sum() == pytest.approx(1) for one, _ in pairs)


def test_an_effect_of_nothing_gives_the_champion_again() -> None:
    """The negative twin: what makes a family harmful is the effect alone."""
    for latency in (slower_by_factor, spread):
        assert latency(1.0) == pytest.approx(champion().latency)
        assert size(latency, 1e-9) == pytest.approx(1, abs=1e-6)


def test_the_counts_of_no_change_are_those_of_two_champions() -> None:
    """A family without an effect and a rollout without a family draw the same numbers."""
    plain = play(Case("x", None, 0.0, 1000, 10, 50), 10, seed=4)
    family = play(Case("x", None, 0.0, 1000, 10, 50, family="no change"), 10, seed=4)
    assert (plain.canary_requests == family.canary_requests).all()
    counts = traffic("no change", 40, seed=1).sum((0, 1))
    assert counts[1] / counts[0] == pytest.approx(1, rel=0.2)


@pytest.fixture(scope="module")
def rows() -> dict[str, FamilyRow]:
    return {name: summarise_family(name, [play_block(name, 6, 10, 0.01)]) for name in BENCHMARK}


def test_the_judge_is_right_in_every_family(rows: dict[str, FamilyRow]) -> None:
    assert {name: row.right for name, row in rows.items()} == dict.fromkeys(BENCHMARK, 10)
    assert all(row.failed == (0 if row.may_stay else 10) for row in rows.values())


def test_without_thresholds_a_tail_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative twin: at the objective alone a tail of twice the margin is promoted."""
    alone = partial(judged_signals, thresholds=False)
    monkeypatch.setattr("services.judge.simulate.rollouts.judged_signals", alone)
    found = play(Case("x", None, 0.0, 1000, 10, 50, family="tail"), 20, seed=6)
    assert (found.fate == PROMOTED).mean() > 0.9


def test_families_are_played_in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    two = {name: FAMILIES[name] for name in ("tail", "mean shift")}
    monkeypatch.setattr(benchmark, "FAMILIES", two)
    monkeypatch.setattr(benchmark, "_TOGETHER", 2)
    found = {row.name: row.rollouts for row in run_families(1, 1, 0.01, processes=2)}
    assert found == dict.fromkeys(two, 1)
    assert [one.rollouts for one in run_every_request(3, 3, processes=1)] == [2, 1]


@pytest.mark.parametrize(("right", "failed", "met"), [(96, 1, True), (94, 6, False)])
def test_claims_on_families_and_on_every_request(right: int, failed: int, met: bool) -> None:
    family = FamilyRow("tail", may_stay=False, rollouts=100, right=right, failed=right, median_requests=1.0, rivals={})
    made = {claim.text: claim for claim in claims([], [], [], 0.01, [family], [EveryRequest(100, failed)])}
    assert made["tail: judged wrong"].met == met
    assert made["equal, looked at after every request: surely failed more often than"].met == met
    assert not made["variance: judged wrong"].met
