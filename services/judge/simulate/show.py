"""Shows the simulation on the terminal, as JSON and as a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from services.judge.simulate.benchmark import EveryRequest, FamilyRow
from services.judge.simulate.claims import Claim
from services.judge.simulate.duel import Contest, Setting
from services.judge.simulate.plan import PlanRow
from services.judge.simulate.thresholds import ThresholdOutcome
from services.judge.simulate.worlds import WorldRow


def print_all(
    console: Console,
    rows: Sequence[PlanRow],
    settings: Sequence[Setting],
    contests: Sequence[Contest],
    played: Sequence[WorldRow],
    families: Sequence[FamilyRow],
    every: Sequence[EveryRequest],
    claims: Sequence[Claim],
) -> None:
    """Prints six tables: rollouts, worlds, the benchmark's families, thresholds, the duel, the claims."""
    tables = (
        _rollouts(rows), _worlds(played), _families(families, every), _thresholds(settings), _duel(contests),
        _claims(claims),
    )  # fmt: skip
    for table in tables:
        console.print(table)


def write_json(
    path: Path,
    rows: Sequence[PlanRow],
    settings: Sequence[Setting],
    contests: Sequence[Contest],
    played: Sequence[WorldRow],
    families: Sequence[FamilyRow],
    every: Sequence[EveryRequest],
    claims: Sequence[Claim],
) -> None:
    """Writes the content of the tables in full precision; infinite numbers (no decision) become null."""
    document = {
        "rows": [asdict(row) for row in rows],
        "thresholds": [asdict(setting) for setting in settings],
        "worlds": [asdict(row) for row in played],
        "families": [asdict(row) for row in families],
        "every_request": {"rollouts": sum(one.rollouts for one in every), "failed": sum(one.failed for one in every)},
        "contests": [asdict(contest) for contest in contests],
        "claims": [{**asdict(claim), "met": claim.met} for claim in claims],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_finite(document), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def draw(path: Path, contests: Sequence[Contest]) -> None:
    """Draws canary requests until a harmful canary fails, by its error ratio; one panel for each volume of traffic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    contests = [contest for contest in contests if contest.excess > 1]
    traffics = sorted({contest.requests_a_look for contest in contests})
    figure, panels = plt.subplots(1, len(traffics), figsize=(4 * len(traffics), 4), sharey=True, layout="constrained")
    for panel, traffic in zip(panels, traffics, strict=True):
        mine = [contest for contest in contests if contest.requests_a_look == traffic]
        _lines(panel, mine)
        panel.set(
            title=f"{traffic:,} requests a look", xlabel="error ratio of the canary, %", xscale="log", yscale="log"
        )
        panel.set_xticks([100 * contest.error_ratio for contest in mine], minor=False)
        panel.xaxis.set_major_formatter("{x:.1f}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("canary requests until failed, median")
    panels[-1].legend(fontsize=8)
    figure.suptitle("A canary with errors, champion 0.1 %, margin 0.5 %, weight 10 % (no mark: most are never failed)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _lines(panel: Any, contests: Sequence[Contest]) -> None:
    names = list(contests[0].rules)
    ratios = [100 * contest.error_ratio for contest in contests]
    panel.plot(ratios, [contest.judge.median_requests for contest in contests], "o-", lw=2.5, label="the judge")
    for name in names:
        panel.plot(ratios, [contest.rules[name].median_requests for contest in contests], "x--", label=name)


def _rollouts(rows: Sequence[PlanRow]) -> Table:
    table = Table(title="Whole rollouts, over canary weights of 1 to 50 %, looked at after every batch (120 looks)")
    for name in ("canary", "signal", "requests a look", "rollouts", "promoted", "failed", "no decision"):
        table.add_column(name, justify="left" if name in ("canary", "signal") else "right", no_wrap=True)
    for name in ("median requests", "90 % requests", "enough"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name, row.signal or "all", f"{row.requests_a_look:,}", f"{row.rollouts:,}", _percent(row.promoted),
            _percent(row.failed), _percent(row.undecided), _count(row.median_requests),
            _count(row.ninety_percent_requests), _count(math.inf if row.enough is None else row.enough),
        )  # fmt: skip
    table.caption = (
        "Requests are the canary's until the decision; a dash: too many came to none before the deadline."
        " Enough: about how many would promote an equal canary."
    )
    return table


def _worlds(played: Sequence[WorldRow]) -> Table:
    table = Table(title="Worlds, scraped now and then and judged through the webhooks")
    for name in ("canary", "requests a second", "seconds a scrape", "rollouts", "promoted", "failed", "median seconds"):
        table.add_column(name, justify="left" if name == "canary" else "right", no_wrap=True)
    table.add_column("exposure", justify="right")
    table.add_column("of its bound", justify="right")
    for row in played:
        table.add_row(
            row.case.name, f"{row.case.requests_a_second:,}", f"{row.case.scrape_seconds}", f"{row.rollouts:,}",
            f"{row.promoted:,}", f"{row.failed:,}", _count(row.median_seconds), _count(row.exposure),
            _percent(row.exposed_part) if row.harmful else "",
        )  # fmt: skip
    table.caption = (
        "Exposure: the canary's requests under harm x its excess, in all but 1 % of the rollouts. Its bound: all"
        " requests until the deadline x the excess x the largest weight at which share x excess is within the margin,"
        " or the first weight, or the one at which the harm began."
    )
    return table


def _families(families: Sequence[FamilyRow], every: Sequence[EveryRequest]) -> Table:
    rivals = list(families[0].rivals) if families else []
    table = Table(title="The families of a public benchmark: judged right (median of the canary's requests)")
    for name in ("family", "to be", "rollouts", "the judge", *rivals):
        table.add_column(name, justify="left" if name in ("family", "to be") else "right")
    for row in families:
        counts = [(row.right, row.median_requests)]
        counts += [(rival.right, rival.median_requests) for rival in row.rivals.values()]
        cells = [f"{_percent(right / row.rollouts)} ({_count(requests)})" for right, requests in counts]
        table.add_row(row.name, "promoted" if row.may_stay else "failed", f"{row.rollouts:,}", *cells)
    rollouts, failed = sum(one.rollouts for one in every), sum(one.failed for one in every)
    table.caption = (
        "The judge sees default rollouts; its requests are until the decision. The rivals see half of the traffic for"
        " 120 looks; theirs are until they fail the canary. The last row is not of the benchmark."
        f" Equal canaries, looked at after every request: {failed:,} of {rollouts:,} failed."
    )
    return table


def _thresholds(settings: Sequence[Setting]) -> Table:
    table = Table(title="Fixed thresholds on an interval's error ratio: how often they fail a canary that may stay")
    for name in ("requests a look", "rule", "fails above", "an equal canary", "one at the margin"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for setting in settings:
        table.add_row(
            f"{setting.requests_a_look:,}", setting.rule.name, _percent(setting.rule.max_error_ratio),
            _percent(setting.failed_equal), _percent(setting.failed_at_margin),
        )  # fmt: skip
    return table


def _duel(contests: Sequence[Contest]) -> Table:
    table = Table(title="Canary requests until a canary with errors is failed: median / 90 % (share ever failed)")
    for name in ("requests a look", "error ratio", "the judge", *contests[0].rules):
        table.add_column(name, justify="right")
    for contest in contests:
        cells = [_ending(ending) for ending in (contest.judge, *contest.rules.values())]
        table.add_row(f"{contest.requests_a_look:,}", _percent(contest.error_ratio), *cells)
    return table


def _claims(claims: Sequence[Claim]) -> Table:
    table = Table(title="Claims")
    for name in ("claim", "found, at worst", "allowed", ""):
        table.add_column(name, justify="left" if name == "claim" else "right")
    for claim in claims:
        verdict = "[green]met" if claim.met else "[red]NOT MET"
        table.add_row(claim.text, f"{claim.found:.3f}", f"{claim.allowed:.3f}", verdict)
    return table


def _ending(ending: ThresholdOutcome) -> str:
    return f"{_count(ending.median_requests)} / {_count(ending.ninety_percent_requests)} ({_percent(ending.failed)})"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f} %"


def _count(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "–"  # noqa: RUF001 -- a dash for no number


def _finite(value: Any) -> Any:
    """The value with None for every infinite number, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
