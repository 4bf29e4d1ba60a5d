"""`python -m services.judge.simulate`: exits with 1 when a claim is not met."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from services.judge.simulate.benchmark import run_every_request, run_families
from services.judge.simulate.claims import claims
from services.judge.simulate.duel import contests, settings
from services.judge.simulate.families import FAMILIES
from services.judge.simulate.moved import CASES, moved_claims, moved_table, run_moved
from services.judge.simulate.pairs import pairs_claims, pairs_rows, pairs_table
from services.judge.simulate.plan import plan, rows, run, run_worlds
from services.judge.simulate.show import draw, print_all, write_json
from services.judge.simulate.tasks import run_tasks, task_cases, task_claims, task_table
from services.judge.simulate.worlds import worlds

Step = TypeVar("Step")

FALSE_ALARM = 0.01
#: Rollouts of the short form.
_SHORT = 20
#: Between two lines of progress where there is no bar.
_SECONDS_A_LINE = 60.0
#: Rollouts with pairs, in the short form, too: a median of fewer is off by half.
_PAIRS = 100


def main(arguments: list[str] | None = None) -> int:
    """Simulates, prints the tables, writes `simulate.json` and `simulate.png`."""
    options = _parser().parse_args(arguments)
    rollouts = _SHORT if options.short else options.rollouts
    console = Console(width=None if sys.stdout.isatty() else 160)
    began = time.monotonic()
    planned = plan(rollouts, short=options.short)
    shown = partial(_shown, console)
    found = rows(list(shown(run(planned, options.seed), "rollouts", len(planned))))
    fought = contests(max(rollouts, 20), options.seed, FALSE_ALARM)
    played = list(shown(run_worlds(max(rollouts // 10, 1), options.seed), "worlds", len(worlds())))
    families = list(shown(run_families(rollouts, options.seed, FALSE_ALARM), "families", len(FAMILIES)))
    every = list(
        shown(run_every_request(2 * rollouts, options.seed), "equal canaries, 25 at a time", 2 * rollouts // 25)
    )
    pairs = pairs_rows(_PAIRS, options.seed)
    moved = list(shown(run_moved(2 * rollouts, options.seed), "moved callers", len(CASES)))
    tasks = list(shown(run_tasks(2 * rollouts, options.seed, FALSE_ALARM), "values and classes", len(task_cases())))
    made = [
        *claims(found, fought, played, FALSE_ALARM, families, every),
        *(*pairs_claims(pairs), *moved_claims(moved), *task_claims(tasks)),
    ]
    everything = (found, settings(FALSE_ALARM), fought, played, families, every, made)
    print_all(console, *everything)
    console.print(pairs_table(pairs))
    console.print(moved_table(moved))
    console.print(task_table(tasks))
    write_json(options.out / "simulate.json", *everything)
    draw(options.out / "simulate.png", fought)
    total = sum(row.rollouts for row in found)
    console.print(f"{total:,} rollouts in {time.monotonic() - began:.0f} s; {options.out / 'simulate.json'}")
    return 0 if all(claim.met for claim in made) else 1


def _shown(console: Console, steps: Iterable[Step], what: str, number: int) -> Iterator[Step]:
    """The steps, with a bar as they come; in a file or a workflow's log, with a line a minute and one at their end."""
    if console.is_terminal:
        yield from track(steps, what, number, console=console)
        return
    began = said = time.monotonic()
    for done, step in enumerate(steps, start=1):
        yield step
        now = time.monotonic()
        if now - said >= _SECONDS_A_LINE:
            console.print(f"{what}: {done:,} of {number:,} after {now - began:.0f} s")
            said = now
    console.print(f"{what}: {time.monotonic() - began:.0f} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.judge.simulate", description="Simulates whole rollouts.")
    parser.add_argument("--rollouts", type=int, default=500, help="per kind and traffic; costly kinds get an eighth")
    parser.add_argument("--short", action="store_true", help=f"{_SHORT} rollouts instead: less than two minutes")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("build"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
