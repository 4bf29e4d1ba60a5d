"""Callers who are not those of the hold-out, from packages of the pipeline through servers' pages to the verdict."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from components.evaluate import evaluate_model
from components.models.training import TrainedModel, train_candidate
from components.models.trials import Trial
from components.package.model_package import Package
from components.registry.packaging import package_model
from components.spec.contract import Harm, Rollout, Spec
from components.table.examples import examples_of
from components.table.holdout import Sides, split_examples
from components.table.requests import requests_of
from services.judge.evidence.counts import Evidence
from services.judge.evidence.exposition import parse_page, read_replica
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Replica, Series
from services.judge.verdict import Verdict, judge
from services.model_server.assembly import Server
from services.model_server.settings import read_settings
from tests.components.small_table import DOCUMENT, small_frame, small_spec
from tests.components.trained_small import ORIGIN, trained
from tests.services.model_server.conftest import Caller

ROWS = 4000
SPEC = small_spec()
#: A version whose spec takes the callers' cents for dollars: no offline check sees it.
WRONG = small_spec(features={**DOCUMENT["features"], "spend": {**DOCUMENT["features"]["spend"], "factor": 1.0}})
ROLLOUT = Rollout(harm=Harm(slow_ratio=None, label_loss=None, lost_ratio=None))
#: Of so many a server counts each.
SENT = 1000


@cache
def sides() -> Sides:
    return split_examples(examples_of(small_frame(ROWS), SPEC), SPEC)


@cache
def model(c: float) -> TrainedModel:
    trial = Trial(number=0, candidate="logistic_regression", parameters={"C": c}, scores=(0.5,), seconds=0.0)
    return train_candidate(sides().train, SPEC, trial)


def package(folder: Path, c: float, spec: Spec = SPEC, champion: Package | None = None) -> Package:
    made, holdout = model(c), sides().holdout
    found = evaluate_model("logistic_regression", trained(made), len(made.model), holdout, spec, champion)
    return package_model(made.model, made.fit, found, holdout, spec, ORIGIN, folder)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    folder = tmp_path_factory.mktemp("packages")
    champion = package(folder / "champion", 0.0003)
    return {
        "champion": champion,
        "better": package(folder / "better", 1.0, champion=champion),
        "wrong unit": package(folder / "wrong", 1.0, WRONG, champion),
    }


@cache
def callers(taller: float, seed: int) -> list[bytes]:
    """Requests of callers who are so many deviations taller than those of the table."""
    frame = small_frame(SENT, seed)
    frame["größe"] = (frame["größe"] + 20 * taller).round(1)
    return [json.dumps(row).encode() for row in requests_of(examples_of(frame, SPEC), SPEC.features)]


def page(found: Package, version: str, bodies: list[bytes]) -> tuple[str, str]:
    """The server's pages before and after these requests."""
    server = Server(read_settings({"CANARIO_PACKAGE": str(found.path), "CANARIO_VERSION": version}), {})
    server.app.self_test()
    caller = Caller(server.app)
    before = caller.get("/metrics").body.decode()

    async def ask() -> set[int]:
        return {reply.status for body in bodies if (reply := await caller.ask("POST", "/predict", (body,)))}

    assert asyncio.run(ask()) == {200}
    return before, caller.get("/metrics").body.decode()


def gathered(packages: dict[str, Package], canary: str, taller: float) -> Evidence:
    """The evidence after a minute in which each side got half of the callers."""
    series = Series()
    for at, weight in ((1000.0, 0.0), (1001.0, 50.0), (1060.0, 50.0), (1061.0, 50.0)):
        series.add_weight(at, weight)
    for role, name, seed in (("champion", "champion", 1), ("canary", canary, 2)):
        before, after = (parse_page(text) for text in page(packages[name], role, callers(taller, seed)))
        series.replicas[role] = one = Replica("champion" if role == "champion" else "canary")
        for at, samples in ((1000.0, before), (1001.0, before), (1060.0, after)):
            reading = read_replica(samples, "small", at)
            assert reading is not None
            one.add(at, reading)
    return evidence_at(series, 1061.0, 10.0)


def verdicts(packages: dict[str, Package], canary: str, taller: float) -> tuple[Verdict, Verdict]:
    """The verdict, and that of a package which tells nothing of its population."""
    evidence = gathered(packages, canary, taller)
    return judge(evidence, ROLLOUT, 100), judge(replace(evidence, expectation=None), ROLLOUT, 100)


def test_a_better_canary_is_not_failed_for_its_callers(packages: dict[str, Package]) -> None:
    verdict, as_it_is = verdicts(packages, "better", 0.8)
    assert as_it_is.verdict == "fail"
    scores = next(one for one in verdict.findings if one.name == "score_shift")
    assert scores.state in ("safe", "open"), scores.reason
    assert scores.moved is not None
    assert (scores.moved.used, scores.moved.feature) == (True, "größe")
    assert "not like the hold-out, most of all in 'größe': weighted like them, it shows a shift of" in scores.reason


@pytest.mark.parametrize("taller", [0.0, 0.8])
def test_a_wrong_unit_is_not_taken_for_other_callers(packages: dict[str, Package], taller: float) -> None:
    """The canary's server reads its inputs as the champion does, so its own mistake does not move what is expected."""
    evidence = gathered(packages, "wrong unit", taller)
    verdict = judge(evidence, ROLLOUT, 100)
    (scores,) = (one for one in verdict.findings if one.name == "score_shift")
    assert (verdict.verdict, scores.state) == ("fail", "harm")
    right = gathered(packages, "better", taller)
    assert evidence.expectation is not None
    assert right.expectation is not None
    assert evidence.expectation.shift == pytest.approx(right.expectation.shift, abs=1e-9)


def test_callers_of_the_holdout_change_nothing(packages: dict[str, Package]) -> None:
    verdict, as_it_is = verdicts(packages, "better", 0)
    assert verdict == as_it_is
