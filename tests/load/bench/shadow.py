"""What a candidate in the shadow costs callers: one server without and two with one, interleaved, as ratios.

    python -m tests.load.bench.shadow               some two minutes of short rounds
    python -m tests.load.bench.shadow --rounds 60   more of them

The candidate runs on the same machine: where cores are few, its own work slows whoever shares them. So the verdict
is by the processor time that the server itself takes for a request. Exits 1 when that is more than 1.05 times what it
takes without a candidate.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from components.spec.reading.loading import load_spec
from tests.load.bench.contestants import Contestant, Started, us
from tests.load.bench.running import Measured, Running, free_space
from tests.load.bench.subject import CHURN, Subject, prepare

_HOME: Final = Path("build/bench-shadow")
_RATIOS: Final = (0.0, 0.2, 1.0)
_FIELDS: Final = ("rps", "p50_ms", "p99_ms", "cpu_us")
_MOST: Final = 1.05
_CONNECTIONS: Final = 8
_SECONDS: Final = 1.0
_WARMUP_SECONDS: Final = 0.2


def shadowed(port: int, ratio: float) -> Contestant:
    """Our server, which asks a candidate at `port` this share of its requests."""
    url = {"CANARIO_SHADOW_URL": f"http://127.0.0.1:{port}/predict"} if ratio else {}
    return _set_to(us(1, f"ratio {ratio:g}"), {**url, "CANARIO_SHADOW_RATIO": str(ratio)})


def _set_to(plain: Contestant, settings: dict[str, str]) -> Contestant:
    def start(subject: Subject, own_port: int) -> Started:
        started = plain.start(subject, own_port)
        return Started(started.command, {**started.variables, **settings})

    return replace(plain, start=start)


def against_the_first(rounds: Sequence[Sequence[Measured]]) -> list[tuple[float, ...]]:
    """For each server the medians over rounds of its requests, p50, p99 and processor time, beside the first's."""

    def median(place: int, field: str) -> float:
        return float(statistics.median(getattr(each[place], field) / getattr(each[0], field) for each in rounds))

    places = range(len(rounds[0]))
    return [tuple(median(place, field) for field in _FIELDS) for place in places]


def measure(subject: Subject, count: int) -> list[list[Measured]]:
    """Rounds that go round all servers, forwards and backwards in turn."""
    with ExitStack() as stack:
        candidate = Running(_set_to(us(1, "candidate"), {"CANARIO_SHADOW_CANDIDATE": "1"}), subject)
        stack.callback(candidate.stop)
        servers = [Running(shadowed(candidate.port, ratio), subject) for ratio in _RATIOS]
        for server in servers:
            stack.callback(server.stop)
        rounds = []
        for number in range(count):
            order = servers if number % 2 == 0 else servers[::-1]
            found = {one.contestant.name: one.load(1, _CONNECTIONS, _SECONDS, _WARMUP_SECONDS) for one in order}
            rounds.append([found[server.contestant.name] for server in servers])
        return rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args(arguments)
    shutil.rmtree(_HOME, ignore_errors=True)
    try:
        rounds = measure(prepare("logistic_regression", _HOME, load_spec(CHURN)), chosen.rounds)
    finally:
        free_space(_HOME)
    print(f"{'ratio':>6}{'requests/s':>12}{'beside none':>13}{'p50':>7}{'p99':>7}{'cpu':>7}{'failed':>8}")
    short = False
    for place, (ratio, (rps, p50, p99, cpu)) in enumerate(zip(_RATIOS, against_the_first(rounds), strict=True)):
        rate = statistics.median(each[place].rps for each in rounds)
        failed = sum(each[place].failed for each in rounds)
        print(f"{ratio:>6g}{rate:>12,.0f}{rps:>13.3f}{p50:>7.3f}{p99:>7.3f}{cpu:>7.3f}{failed:>8}")
        short = short or cpu > _MOST or failed > 0
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
