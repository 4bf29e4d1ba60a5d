"""A small simulation: the claims hold, and the counting can tell when they do not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from components.spec.contract import Harm
from services.judge.evidence.counts import LOSSES_AT, SCORES_AT
from services.judge.simulate.benchmark import EveryRequest, FamilyRow, RivalCount
from services.judge.simulate.claims import claims
from services.judge.simulate.duel import AT_MARGIN, Contest, Setting
from services.judge.simulate.plan import SIGNALS, PlanRow, plan, rows, summarise
from services.judge.simulate.rollouts import FAILED, PROMOTED, WAITING, Case, SimulatedOutcome, play
from services.judge.simulate.scraped import ScrapedCase
from services.judge.simulate.show import draw, print_all, write_json
from services.judge.simulate.thresholds import ARGO, FLAGGER, Rule, ThresholdOutcome, calibrated, ending
from services.judge.simulate.world import answer, champion, drifted, harmed
from services.judge.simulate.worlds import WorldRow, play_world
from services.judge.statistics.latency import COLUMN

MARGINS = Harm().model_dump()


def test_harm_is_as_large_as_asked_for() -> None:
    base = champion()
    assert harmed(base, "error_ratio", 0.01).error == pytest.approx(0.011)
    assert harmed(base, "slow_ratio", 0.04).slow == pytest.approx(0.05)
    assert harmed(base, "label_loss", 0.04).loss() - base.loss() == pytest.approx(0.04)
    shifted = harmed(base, "score_shift", 0.1)
    assert np.abs(np.cumsum(shifted.scores - base.scores)).max() == pytest.approx(0.1)
    assert shifted.scores.sum() == pytest.approx(1)
    assert np.all((harmed(base, "label_loss", 0.04).positives >= 0) & (shifted.scores >= 0))


def test_traffic_shows_what_the_version_is() -> None:
    table = answer(champion(), np.full(50, 10_000), None, np.random.default_rng(1))
    assert table[:, 0].sum() == 500_000
    assert table[:, 1].mean() == pytest.approx(10, rel=0.2)
    assert table[:, SCORES_AT].sum() == 500_000
    assert table[:, LOSSES_AT].sum() == pytest.approx(250_000, rel=0.01)
    latency = table[:, list(COLUMN.values())].mean(0)
    assert latency[2] == table[:, 2].mean() == pytest.approx(100, rel=0.1)
    assert (np.diff(latency) < 0).all()
    assert drifted(champion(), 1.0).error == pytest.approx(0.004)


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_canary_worse_by_twice_the_margin_is_failed(signal: str) -> None:
    """A canary that is worse by twice the margin is failed and never promoted."""
    found = summarise([play(Case("x", signal, 2.0, 10_000, 10, 50), 12, seed=1)])  # type: ignore[arg-type]
    assert (found.promoted, found.failed) == (0, 1)
    assert found.median_look_share < 0.25


@pytest.mark.parametrize("late", [(10, 0), (40, 0), (0, 1)])
@pytest.mark.parametrize("traffic", [1000, 30_000])
def test_harm_that_begins_late_is_failed(traffic: int, late: tuple[int, int]) -> None:
    above, after = late
    found = play(Case("x", "error_ratio", 2.0, traffic, 10, 50, above=above, after=after), 100, seed=6)
    assert (found.fate == FAILED).all()


def test_without_a_weights_own_evidence_harm_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative twin: what all weights show together promotes what fails at the last one alone."""
    case = Case("x", "error_ratio", 2.0, 30_000, 10, 50, above=40)
    monkeypatch.setattr("services.judge.simulate.rollouts.is_safe_alone", lambda *_: np.ones(1, dtype=bool))
    found = play(case, 100, seed=6)
    assert (found.fate == PROMOTED).mean() > 0.05


@pytest.mark.parametrize("drifts", [False, True])
def test_an_equal_canary_is_promoted_although_base_rates_drift(drifts: bool) -> None:
    found = summarise([play(Case("x", None, 0.0, 10_000, 10, 50, drifts=drifts), 12, seed=2)])
    assert (found.promoted, found.failed) == (1, 0)


@pytest.mark.parametrize(("traffic", "step", "largest"), [(10, 50, 50), (1000, 1, 5), (3000, 10, 50)])
def test_a_canary_at_the_margin_is_failed_as_seldom_as_promised(traffic: int, step: int, largest: int) -> None:
    found = summarise([play(Case("x", "error_ratio", 1.0, traffic, step, largest), 200, seed=3)])
    assert found.failed <= 0.01
    assert found.promoted <= 0.02


def test_with_little_traffic_the_deadline_says_what_was_enough() -> None:
    """With hardly any traffic the deadline passes, and the traffic that would have been enough is told."""
    found = play(Case("x", None, 0.0, 1, 10, 50), 5, seed=4)
    assert (found.fate == WAITING).all()
    assert found.enough is not None
    assert 500 < found.enough < 50_000


def test_the_same_seed_plays_the_same_rollouts() -> None:
    case = Case("x", "slow_ratio", 2.0, 1000, 10, 50)
    one, other = play(case, 20, seed=5), play(case, 20, seed=5)
    assert (one.canary_requests == other.canary_requests).all()
    assert (one.fate == other.fate).all()


def test_the_plan_covers_all_traffic_weights_and_signals() -> None:
    planned = plan(500)
    assert {case.requests_a_look for case, _ in planned} == {1, 10, 100, 1000, 10_000, 30_000}
    assert {case.step_weight for case, _ in planned} == {1, 5, 10, 25, 50}
    assert {case.signal for case, _ in planned} == {None, *SIGNALS}
    assert sum(number for _, number in planned) > 5000
    short = plan(20, short=True)
    assert {case.name for case, _ in short} == {case.name for case, _ in planned}
    assert sum(number for _, number in short) < 1000


def test_a_threshold_is_calibrated_to_its_false_alarms() -> None:
    rule = calibrated("x", 0.006, 1000, 120, 0.01)
    assert rule.max_error_ratio == pytest.approx(0.017)
    assert ending(rule, 0.006, 1000).failed <= 0.01
    assert ending(Rule("x", 0.016, 1, 120), 0.006, 1000).failed > 0.01


def test_the_examples_of_flagger_and_argo_do_as_documented() -> None:
    for rule, requests in ((FLAGGER, 5000), (ARGO, 3000)):
        found = ending(rule, 0.5, 1000)
        assert (found.median_requests, found.ninety_percent_requests) == (requests, requests)
        assert found.failed == pytest.approx(1)
    assert ending(ARGO, 0.04, 100_000).failed == pytest.approx(0)
    assert ending(FLAGGER, 0.0, 1000) == ThresholdOutcome(0.0, math.inf, math.inf)


def row(excess: float, *, late: bool = False, **found: float) -> PlanRow:
    known = {"promoted": 0.0, "failed": 0.0, "undecided": 0.0, "median_look_share": 0.1, **found}
    return PlanRow(
        name="x", signal="error_ratio" if excess else None, excess=excess, requests_a_look=10_000, rollouts=9,
        median_requests=1.0, ninety_percent_requests=1.0, enough=None, late=late, **known,
    )  # fmt: skip


CONTEST = Contest(
    2.0, 0.011, 1000, ThresholdOutcome(1.0, 4000, 8000), {AT_MARGIN: ThresholdOutcome(0.1, math.inf, math.inf)}
)


@pytest.mark.parametrize(
    ("rows_found", "words"),
    [
        ([row(0, failed=0.02)], "no worse than the champion is failed"),
        ([row(1, failed=0.02)], "by just the margin is failed"),
        ([row(2, promoted=0.02)], "twice the margin in error_ratio: promoted"),
        ([row(2, undecided=0.2)], "ample traffic: not failed"),
        ([row(2, median_look_share=0.9)], "part of the deadline"),
        ([row(2, late=True, harm_missed=2.0)], "in error_ratio and late"),
        ([row(2, beyond=9)], "share x excess beyond the margin"),
    ],
)
def test_a_claim_that_does_not_hold_is_not_met(rows_found: list[PlanRow], words: str) -> None:
    good = [row(0), row(1), row(2), row(2, late=True)]
    held = {claim.text: claim.met for claim in claims(good, [CONTEST], [], 0.01) if "error_ratio" in claim.text}
    assert all(held.values())
    (broken,) = [c for c in claims([*good, *rows_found], [CONTEST], [], 0.01) if words in c.text][:1]
    assert not broken.met


def test_what_was_not_simulated_is_not_met() -> None:
    assert not any(claim.met for claim in claims([], [], [], 0.01))


def test_a_threshold_with_fewer_requests_refutes_the_claim() -> None:
    """The claim is not met when a threshold needs fewer requests than the judge."""
    faster = Contest(
        2.0, 0.011, 1000, ThresholdOutcome(1.0, 4000, 8000), {AT_MARGIN: ThresholdOutcome(1.0, 5000, 9000)}
    )
    assert claims([], [faster], [], 0.01)[-1].met is False
    assert claims([], [CONTEST], [], 0.01)[-1].met is True


CASE = ScrapedCase("5 % errors at 50 % of the traffic only", "error_ratio", 10.0, 1000, 15, above=40)
WORLD = WorldRow(CASE, rollouts=50, promoted=0, failed=50, median_seconds=190.0, exposure=750.0)


@pytest.mark.parametrize(("part", "met"), [(0.4, True), (1.2, False)])
def test_what_callers_met_beyond_its_bound_is_not_met(part: float, met: bool) -> None:
    made = claims([], [], [replace(WORLD, exposed_part=part)], 0.01)
    (claim,) = [one for one in made if "as a part of its bound" in one.text]
    assert claim.met is met


@pytest.mark.parametrize("scrape_seconds", [2, 15, 30])
def test_harm_at_the_last_weight_is_failed_however_scraped(scrape_seconds: int) -> None:
    """At 1,000 requests a second the first look proves more than promotion needs, at 10 % of the traffic."""
    found = play_world(replace(CASE, scrape_seconds=scrape_seconds), 3, seed=8)
    assert (found.failed, found.promoted, found.wrong) == (3, 0, 0)
    assert found.exposure < 5000
    assert 0 < found.exposed_part < 1


def test_a_good_canary_is_promoted_however_it_is_scraped() -> None:
    for scrape_seconds in (2, 15, 30):
        case = ScrapedCase("equal", "error_ratio", 0.0, 100, scrape_seconds)
        found = play_world(case, 2, seed=9)
        assert (found.promoted, found.wrong, found.exposure) == (2, 0, 0)


@pytest.mark.parametrize(("promoted", "met"), [(0, True), (1, True), (4, False)])
def test_a_world_is_refuted_once_its_rate_is_surely_too_high(promoted: int, met: bool) -> None:
    made = claims([], [], [replace(WORLD, promoted=promoted)], 0.01)
    (claim,) = [one for one in made if one.text.startswith(CASE.name)]
    assert claim.met == met


def test_everything_is_shown_written_and_drawn(tmp_path: Path) -> None:
    fates = np.array([PROMOTED, FAILED, WAITING])
    outcome = SimulatedOutcome(
        Case("no worse", None, 0, 10, 10, 50),
        fates,
        np.array([10.0, 20.0, 30.0]),
        fates,
        99.0,
        np.zeros(3),
        np.zeros(3),
    )
    found = rows([outcome])
    assert (found[0].median_requests, found[0].ninety_percent_requests) == (20.0, math.inf)
    settings = [Setting(10, FLAGGER, 0.0, 0.01)]
    family = FamilyRow("tail", may_stay=False, rollouts=50, right=49, failed=49, median_requests=5000.0,
                       rivals={"z": RivalCount(10, math.inf)})  # fmt: skip
    every = [EveryRequest(25, 0), EveryRequest(25, 1)]
    everything = (found, settings, [CONTEST], [WORLD], [family], every, claims(found, [CONTEST], [WORLD], 0.01))
    console = Console(width=200, record=True)
    print_all(console, *everything)
    shown = console.export_text()
    assert "NOT MET" in shown
    assert "98.0 % (5,000)" in shown
    assert "looked at after every request: 1 of 50 failed" in " ".join(shown.split())
    write_json(tmp_path / "simulate.json", *everything)
    document = json.loads((tmp_path / "simulate.json").read_text(encoding="utf-8"))
    assert document["rows"][0]["ninety_percent_requests"] is None
    assert document["families"][0]["rivals"]["z"] == {"right": 10, "median_requests": None}
    assert document["every_request"] == {"rollouts": 50, "failed": 1}
    draw(tmp_path / "simulate.png", [CONTEST, Contest(2.0, 0.011, 100, CONTEST.judge, CONTEST.rules)])
    assert (tmp_path / "simulate.png").stat().st_size > 5000
