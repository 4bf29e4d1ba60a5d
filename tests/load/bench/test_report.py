from __future__ import annotations

import pytest

from tests.load.bench.contestants import CEILING, CORE, MLFLOW, US
from tests.load.bench.report import Line, against_goals, goal, line_of, ratios, shortfalls, table
from tests.load.bench.running import Measured


def line(name: str, rps: float, *, failed: int = 0) -> Line:
    return Line(name, rps, p50_ms=1, p99_ms=2, cpu_us=100, memory_mib=100, start_seconds=3, failed=failed)


def lines(mlflow: float = 75, flask: float = 200, core: float = 7000, ours: float = 6000) -> list[Line]:
    return [
        line(US, ours),
        line(CORE, core),
        line(CEILING, 40_000),
        line(MLFLOW, mlflow),
        line("Flask", flask),
        line("KServe", 100),
    ]


def test_ratios_are_ours_over_theirs() -> None:
    found = ratios(lines())
    assert (found.mlflow, found.best_peer) == (80, 30)
    assert found.core == pytest.approx(6 / 7)


def test_the_must_row_is_reached() -> None:
    assert shortfalls("logistic_regression", lines()) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [({"mlflow": 201}, "MLflow"), ({"flask": 501}, "the best other peer"), ({"core": 7501}, "our core on FastAPI")],
)
def test_what_of_the_must_row_is_missing_is_said(change: dict[str, float], name: str) -> None:
    (missing,) = shortfalls("logistic_regression", lines(**change))
    assert name in missing


def test_more_is_asked_of_the_forest() -> None:
    assert shortfalls("random_forest", lines(mlflow=101, flask=101))
    assert not shortfalls("random_forest", lines(mlflow=100, flask=100))


def test_a_peer_that_did_not_take_part_is_missing() -> None:
    alone = [line(US, 6000), line(CORE, 6000)]
    assert len(shortfalls("logistic_regression", alone)) == 2
    assert "not measured" in shortfalls("logistic_regression", alone)[0]


def test_a_failed_request_is_missing() -> None:
    found = shortfalls("logistic_regression", [*lines()[1:], line(US, 6000, failed=1)])
    assert found == ["logistic_regression: 1 requests to canario failed"]


def test_the_median_of_the_rounds_counts_and_every_failure() -> None:
    rounds = [Measured(rps, 1, 2, 3, 4, failed=1) for rps in (10, 1000, 20)]
    found = line_of("x", rounds, 5)
    assert (found.rps, found.failed, found.start_seconds) == (20, 3, 5)


def test_goals_say_whether_they_are_reached() -> None:
    assert goal("a", 2, 1).startswith("  reached")
    assert goal("a", 2, 1, at_most=True).startswith("  NOT YET")
    assert goal("a", None, 1).startswith("  NOT YET")
    assert all(text.startswith("  reached") for text in against_goals("logistic_regression", lines()))


def test_the_table_shows_ratios() -> None:
    assert "80.0x" in table("title", lines()).splitlines()[7]
