"""The benchmark: us and the peers on the same fitted model, interleaved, as ratios.

    python -m tests.load.bench                 everything, some 15 minutes
    python -m tests.load.bench --quick         one short round, to see that it works
    python -m tests.load.bench --spec services/attrition/service.yaml
    python -m tests.load.bench --only FastAPI  with this peer only (us and our core always run)

Writes build/bench/bench.json. Exits 1 when the must row is not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.errors import ComponentError
from components.package.answers import TOLERANCE
from components.spec.reading.loading import load_spec
from tests.load.bench import report
from tests.load.bench.contestants import CEILING, CONTESTANTS, CORE, US, Contestant, us
from tests.load.bench.errors import BenchError
from tests.load.bench.running import Measured, Running, free_space
from tests.load.bench.subject import CHURN, MODELS, Subject, prepare

_HOME: Final = Path("build/bench")
_CONNECTIONS: Final = 8
_MANY_CONNECTIONS: Final = 64
_BATCH: Final = 100


@dataclass(frozen=True)
class Plan:
    """How long everything takes."""

    rounds: int
    seconds: float
    warmup_seconds: float
    soak_seconds: float


_FULL: Final = Plan(rounds=3, seconds=4, warmup_seconds=1, soak_seconds=60)
_QUICK: Final = Plan(rounds=1, seconds=1, warmup_seconds=0.3, soak_seconds=3)


def compare(subject: Subject, running: Sequence[Running]) -> None:
    """Every contestant answers as scikit-learn does, or nothing is measured."""
    judged = [server for server in running if server.contestant.has_model]
    for server in judged:
        one_by_one = [server.ask([row])[0] for row in subject.rows[:50]]
        together = server.ask(subject.rows[:_BATCH])
        differences = np.abs(
            np.array(one_by_one + together) - np.concatenate((subject.expected[:50], subject.expected[:_BATCH]))
        )
        if not differences.max() <= TOLERANCE:
            raise BenchError(f"{server.contestant.name}: an answer is {differences.max():.1e} off")
    print(f"{subject.model}: the answers of {len(judged)} servers agree within {TOLERANCE:g}", flush=True)


def measure(running: Sequence[Running], plan: Plan, batch: int, connections: int) -> list[report.Line]:
    """Rounds that go round all servers, so that what else the machine does meets each alike."""
    rounds: dict[str, list[Measured]] = {server.contestant.name: [] for server in running}
    for _ in range(plan.rounds):
        for server in running:
            rounds[server.contestant.name].append(server.load(batch, connections, plan.seconds, plan.warmup_seconds))
    return [
        report.line_of(server.contestant.name, rounds[server.contestant.name], server.start_seconds)
        for server in running
    ]


def bench_model(subject: Subject, contestants: Sequence[Contestant], plan: Plan) -> tuple[dict[str, Any], list[str]]:
    """All of one model: what was measured, and what of the must row is missing."""
    with ExitStack() as stack:
        running = [_start(stack, contestant, subject) for contestant in contestants]
        compare(subject, running)
        single = measure(running, plan, 1, _CONNECTIONS)
        print(report.table(f"{subject.model}: one row a request, {_CONNECTIONS} connections", single), flush=True)
        batch = measure(running, plan, _BATCH, _CONNECTIONS)
        print(report.table(f"{subject.model}: {_BATCH} rows a request, {_CONNECTIONS} connections", batch), flush=True)
        soak = running[0].load(1, _CONNECTIONS, plan.soak_seconds, 0)
    growth = soak.memory_mib - single[0].memory_mib
    workers = _workers(subject, plan)
    goals = report.against_goals(subject.model, single)
    batch_ratios = report.ratios(batch)
    goals += [
        report.goal(f"{_BATCH} rows: times MLflow", batch_ratios.mlflow, report.GOAL_BATCH[0]),
        report.goal(f"{_BATCH} rows: times the best other peer", batch_ratios.best_peer, report.GOAL_BATCH[1]),
        report.goal(f"MiB grown in {plan.soak_seconds:g} s of load", growth, report.GOAL_GROWTH_MIB, at_most=True),
        report.goal(f"two workers over one at {_MANY_CONNECTIONS} connections", workers, report.GOAL_WORKERS),
    ]
    print("\n".join(("", *goals)), flush=True)
    found = {
        "single": report.document(single),
        "batch": report.document(batch),
        "growth_mib": growth,
        "workers": workers,
    }
    return found, report.shortfalls(subject.model, single)


def _start(stack: ExitStack, contestant: Contestant, subject: Subject) -> Running:
    running = Running(contestant, subject)
    stack.callback(running.stop)
    return running


def _workers(subject: Subject, plan: Plan) -> float:
    with ExitStack() as stack:
        running = [_start(stack, us(count, f"{count} workers"), subject) for count in (1, 2)]
        rates = [
            [server.load(1, _MANY_CONNECTIONS, plan.seconds, plan.warmup_seconds).rps for server in running]
            for _ in range(plan.rounds)
        ]
    one, two = np.median(np.array(rates), axis=0)
    return float(two / one)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, default=CHURN, help="the service whose table is taken (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", action="append", default=[], help="only this peer; may be given again")
    parser.add_argument("--model", action="append", default=[], choices=MODELS, help="only this model")
    chosen = parser.parse_args(arguments)
    names = [contestant.name for contestant in CONTESTANTS]
    if unknown := set(chosen.only) - set(names):
        parser.error(f"--only {unknown.pop()!r} is no peer; there are {', '.join(names)}")
    contestants = [one for one in CONTESTANTS if not chosen.only or one.name in (US, CORE, CEILING, *chosen.only)]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the start", flush=True)
    shutil.rmtree(_HOME, ignore_errors=True)
    plan = _QUICK if chosen.quick else _FULL
    results: dict[str, Any] = {"cores": os.cpu_count(), "load_average": os.getloadavg()[0], "models": {}}
    missing: list[str] = []
    try:
        spec = load_spec(chosen.spec)
        results["service"] = spec.name
        for model in chosen.model or MODELS:
            found, short = bench_model(prepare(model, _HOME / model, spec), contestants, plan)
            results["models"][model] = found
            missing += short
    except (BenchError, ComponentError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        free_space(_HOME)
    results["missing"] = missing
    (_HOME / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    print("\n".join(("", *(missing or ["the must row is reached"]), f"written: {_HOME / 'bench.json'}")))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
