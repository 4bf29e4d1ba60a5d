"""The table of ratios, and whether the must row of the targets is reached."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.load.bench.contestants import CEILING, CORE, MLFLOW, US
from tests.load.bench.running import Measured

#: (times MLflow, times the best other peer) by model, below which the benchmark fails.
MUST: Final = {"logistic_regression": (30.0, 12.0), "random_forest": (60.0, 25.0)}
GOAL: Final = {"logistic_regression": (80.0, 30.0), "random_forest": (120.0, 50.0)}
GOAL_P99_MS: Final = {"logistic_regression": 3.0, "random_forest": 5.0}
MUST_OF_CORE: Final = 0.8
GOAL_BATCH: Final = (28.0, 10.0)
GOAL_WORKERS: Final = 1.7
GOAL_START_SECONDS: Final = 4.0
GOAL_MEMORY_MIB: Final = 300.0
GOAL_GROWTH_MIB: Final = 20.0


@dataclass(frozen=True)
class Line:
    """One contestant's medians over the rounds."""

    name: str
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    memory_mib: float
    start_seconds: float
    failed: int


def line_of(name: str, rounds: list[Measured], start_seconds: float) -> Line:
    """The medians of a contestant's rounds."""

    def median(field: str) -> float:
        return float(statistics.median(getattr(measured, field) for measured in rounds))

    return Line(
        name=name,
        rps=median("rps"),
        p50_ms=median("p50_ms"),
        p99_ms=median("p99_ms"),
        cpu_us=median("cpu_us"),
        memory_mib=median("memory_mib"),
        start_seconds=start_seconds,
        failed=sum(measured.failed for measured in rounds),
    )


@dataclass(frozen=True)
class Ratios:
    """Requests a second of ours over those of others; None where the other did not take part."""

    mlflow: float | None
    best_peer: float | None
    core: float | None


def ratios(lines: list[Line]) -> Ratios:
    """Ours over MLflow's, over the best other peer's, over our core's on FastAPI."""
    rates = {line.name: line.rps for line in lines}
    ours = rates[US]
    others = [rate for name, rate in rates.items() if name not in (US, CORE, MLFLOW, CEILING)]
    over = {name: ours / rates[name] for name in (MLFLOW, CORE) if rates.get(name)}
    best = max(others, default=0.0)
    return Ratios(over.get(MLFLOW), ours / best if best else None, over.get(CORE))


def table(title: str, lines: list[Line]) -> str:
    """The measurements as text; the last column is the contestant's rate as a share of ours."""
    ours = next(line.rps for line in lines if line.name == US)
    head = (
        f"{'server':<22}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'MiB':>7}{'start s':>9}{'we are':>9}"
    )
    rows = [
        f"{line.name:<22}{line.rps:>11,.0f}{line.p50_ms:>9.2f}{line.p99_ms:>9.2f}{line.cpu_us:>9,.0f}"
        f"{line.memory_mib:>7.0f}{line.start_seconds:>9.1f}{ours / line.rps if line.rps else float('inf'):>8.1f}x"
        for line in lines
    ]
    return "\n".join(("", title, head, "-" * len(head), *rows))


def shortfalls(model: str, lines: list[Line]) -> list[str]:
    """What of the must row is not reached; a peer that did not take part is a shortfall as well."""
    found, (mlflow, peer) = ratios(lines), MUST[model]
    demands = (
        ("MLflow", found.mlflow, mlflow),
        ("the best other peer", found.best_peer, peer),
        ("our core on FastAPI", found.core, MUST_OF_CORE),
    )
    texts = [
        f"{model}: {'not measured' if ratio is None else f'{ratio:.2f}'} times {name}, must be {demand:g}"
        for name, ratio, demand in demands
        if ratio is None or ratio < demand
    ]
    return texts + [f"{model}: {line.failed} requests to {line.name} failed" for line in lines if line.failed]


def against_goals(model: str, lines: list[Line]) -> list[str]:
    """Each goal with what was measured."""
    found, (mlflow, peer) = ratios(lines), GOAL[model]
    ours = next(line for line in lines if line.name == US)
    return [
        _goal(f"{model}: times MLflow", found.mlflow, mlflow),
        _goal(f"{model}: times the best other peer", found.best_peer, peer),
        _goal(f"{model}: p99 in ms", ours.p99_ms, GOAL_P99_MS[model], at_most=True),
        _goal(f"{model}: seconds to the first answer", ours.start_seconds, GOAL_START_SECONDS, at_most=True),
        _goal(f"{model}: MiB", ours.memory_mib, GOAL_MEMORY_MIB, at_most=True),
    ]


def goal(name: str, value: float | None, target: float, *, at_most: bool = False) -> str:
    """One goal as a line."""
    return _goal(name, value, target, at_most=at_most)


def _goal(name: str, value: float | None, target: float, *, at_most: bool = False) -> str:
    reached = value is not None and (value <= target if at_most else value >= target)
    shown = "not measured" if value is None else f"{value:.2f}"
    verdict, bound = "reached" if reached else "NOT YET", "most" if at_most else "least"
    return f"  {verdict:<8} {name}: {shown} (goal: at {bound} {target:g})"


def document(lines: list[Line]) -> dict[str, Any]:
    """For `bench.json`."""
    return {"servers": [asdict(line) for line in lines], "ratios": asdict(ratios(lines))}
