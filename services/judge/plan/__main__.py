"""Tells what a rollout will need, before there is one: `make plan SERVICE=churn RATE=2`.

    python -m services.judge.plan --spec services/churn/service.yaml --rate 2 [--labelled 0.5 --label-delay 5m]

The exit status is 0 if nine in ten equal canaries are promoted before the deadline, 3 if not, and 2 for wrong input.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from components.errors import SpecError
from components.spec.contract import Rollout, Spec
from components.spec.quantities import requests_a_second, seconds
from components.spec.reading.loading import load_spec
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from services.judge.errors import PlanError, SourceError
from services.judge.plan.before import shadow_figures, shadow_words
from services.judge.plan.changes import propositions, weigh
from services.judge.plan.figures import Planner, fits
from services.judge.plan.playing import AssumedTraffic
from services.judge.plan.show import print_changes, print_plan
from services.judge.plan.traffic import FEWEST_REQUESTS, champion_of, counted, read_counters
from services.judge.shadow.first import canary_rollout
from services.judge.simulate.answered import champion_for
from services.judge.simulate.world import LABELLED, SimulatedVersion

FITS, WRONG, DOES_NOT_FIT = 0, 2, 3
#: With fewer rollouts, 90 % of them is hardly a number.
_FEWEST_ROLLOUTS = 20
_Number = TypeVar("_Number")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(arguments)
    try:
        spec = load_spec(options.spec)
        planner, source = _planner(spec, options)
    except (SpecError, PlanError, SourceError) as error:
        print(f"make plan: {error}", file=sys.stderr)
        return WRONG
    rollout = _asked(spec, options.traffic)
    shadow = shadow_figures(rollout, planner.traffic, planner.rollouts, planner.seed) if rollout.shadow_first else None
    found = _tell(Console(), spec.name, planner, source)
    if shadow is None:
        return found
    Console().print(f"\n{shadow_words(shadow, planner.traffic.rate, rollout)}")
    return found if shadow.fits else DOES_NOT_FIT


def _tell(console: Console, service: str, planner: Planner, source: str) -> int:
    shown = partial(track, console=console, disable=not console.is_terminal, transient=True)
    rows = [planner.answer(question) for question in shown(planner.questions(), "rollouts")]
    print_plan(console, service, planner, rows, source)
    if fits(rows[-1], planner.rollout):
        return FITS
    fewer = replace(planner, rollouts=max(planner.rollouts // 2, _FEWEST_ROLLOUTS))
    made = [make() for make in shown(list(propositions(fewer, rows[-1])), "changes")]
    print_changes(console, [weigh(fewer, change) for change in shown([c for c in made if c], "figures of changes")])
    return DOES_NOT_FIT


def _planner(spec: Spec, options: argparse.Namespace) -> tuple[Planner, str]:
    """What to play, and where the champion's figures are from."""
    if options.rollouts < _FEWEST_ROLLOUTS:
        fewest = f"allowed is {_FEWEST_ROLLOUTS} or more"
        raise PlanError(f"--rollouts {options.rollouts} is too few to tell 90 %; {fewest}")
    version, source = _champion(spec, options.counters)
    traffic = AssumedTraffic(
        _read("RATE", options.rate, requests_a_second),
        _read("LABELLED", options.labelled, _share),
        _read("LABEL_DELAY", options.label_delay, seconds),
        version,
    )
    return Planner(_rollout(spec, options.traffic), traffic, options.rollouts, options.seed), source


def _asked(spec: Spec, setting: str | None) -> Rollout:
    """The rollout's settings: the spec's, or a named one."""
    if setting is not None and setting not in TRAFFIC_SETTINGS:
        raise PlanError(f"TRAFFIC={setting} is no setting; allowed are {' and '.join(TRAFFIC_SETTINGS)}")
    return TRAFFIC_SETTINGS[setting] if setting else spec.rollout


def _rollout(spec: Spec, setting: str | None) -> Rollout:
    """What the canary is judged by."""
    rollout = _asked(spec, setting)
    if spec.rollout.strategy in ("shadow", "basic"):
        raise PlanError(f"{spec.name}: a canary is planned, and rollout.strategy is {spec.rollout.strategy}")
    return canary_rollout(rollout) if rollout.shadow_first else rollout


def _champion(spec: Spec, counters: str | None) -> tuple[SimulatedVersion, str]:
    usual = champion_for(spec.data)
    if not counters:
        return usual, "assumed (COUNTERS= reads a real one's /metrics)"
    found = champion_of(counted([read_counters(counters)], spec.name, time.time()), usual)
    if found is None:
        raise PlanError(f"COUNTERS={counters}: fewer than {FEWEST_REQUESTS} requests tell no ratios; leave it out")
    return found, f"that of {counters}"


def _read(name: str, text: str, read: Callable[[str], _Number]) -> _Number:
    try:
        return read(text)
    except ValueError as error:
        raise PlanError(f"{name}={text}: {error}") from error


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is no share of the answers; allowed is 0 to 1, such as 0.5")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.judge.plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--rate", required=True, help="requests of all callers: 2 (a second), 30/min, 100/day")
    parser.add_argument("--labelled", default=str(LABELLED), help=f"share of answers with a label (default {LABELLED})")
    parser.add_argument("--label-delay", default="0s", help="how long after its answer a label comes (default 0s)")
    parser.add_argument("--counters", help="the champion's /metrics, as a file or an address: its real ratios")
    parser.add_argument("--traffic", help="a named setting instead of the spec's rollout: usual or low")
    parser.add_argument("--rollouts", type=int, default=150, help="for a row (default 150); scores get a fifth")
    parser.add_argument("--seed", type=int, default=7)
    return parser


if __name__ == "__main__":
    sys.exit(main())
