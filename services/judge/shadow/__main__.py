"""Reports how a shadow candidate's answers differ from the champion's.

    python -m services.judge.shadow --spec services/churn/service.yaml --prometheus http://prometheus:9090
    python -m services.judge.shadow --spec services/churn/service.yaml --replica 10.0.0.7:3000 --replica 10.0.0.8:3000

The exit status is 0 for pass, 1 for fail, 3 for wait, and 2 when nothing can be read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from components.errors import SpecError
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from services.judge.errors import SourceError
from services.judge.evidence.sources import fetch, read_targets
from services.judge.shadow.reading import Counted, read_pages, read_prometheus, read_seen
from services.judge.shadow.report import ShadowReport, SlicePart, percent, shadow_report

_STATUS: Final = {"pass": 0, "fail": 1, "wait": 3}
_TIMEOUT_SECONDS: Final = 10.0
_MINUTE: Final = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    args = _parse(arguments)
    try:
        spec = load_spec(args.spec)
        counted = _read(args, spec)
    except (SpecError, SourceError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    report = shadow_report(spec.name, read_seen(counted, spec.name), spec.rollout)
    print(json.dumps(report.to_dict(), indent=2) if args.json else text(report))
    return _STATUS[report.verdict]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.judge.shadow", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True, help="the service.yaml with the margins")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prometheus", help="address of a Prometheus server, such as http://prometheus:9090")
    source.add_argument("--targets", type=Path, help="a file of targets in Prometheus's file_sd format")
    source.add_argument("--replica", action="append", help="host:port of a replica of either version; may be repeated")
    parser.add_argument("--range-minutes", type=float, help="how far back to read Prometheus; by default the deadline")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    return parser.parse_args(arguments)


def _read(args: argparse.Namespace, spec: Spec) -> list[Counted]:
    if args.prometheus:
        seconds = (args.range_minutes or spec.rollout.deadline_minutes) * _MINUTE
        return read_prometheus(args.prometheus, spec.name, time.time(), seconds, _TIMEOUT_SECONDS)
    addresses = args.replica or [
        target.address
        for target in read_targets(args.targets)
        if target.role in ("champion", "canary") and target.service == spec.name
    ]
    return read_pages(fetch(f"http://{address}/metrics", _TIMEOUT_SECONDS) for address in addresses)


def text(report: ShadowReport) -> str:
    """The report as text: the verdict, then a line for every ratio."""
    head = (
        f"{report.service}: champion {report.champion or '(none)'} and candidate {report.candidate or '(none)'}"
        f" in the shadow\n{report.reason}"
    )
    lost = f"not copied: {report.dropped:,.0f} (queue full); candidate unreachable: {report.unreachable:,.0f}"
    width = max(len(part.name) for part in (report.whole, report.failed, *report.slices))
    lines = [_line(part, width) for part in (*report.slices, report.whole, report.failed)]
    paired = [f"{finding.name}: {finding.state}: {finding.reason}" for finding in report.findings]
    columns = f"{'':{width}}  {'requests':>10}  {'differ':>8}  {'interval':>19}  state"
    return "\n".join((head, lost, "", *paired, "", columns, *lines))


def _line(part: SlicePart, width: int) -> str:
    seen = "" if part.ratio is None else percent(part.ratio)
    between = f"{percent(part.lower)} to {percent(part.upper)}" if part.total else ""
    return f"{part.name:{width}}  {part.total:>10,.0f}  {seen:>8}  {between:>19}  {part.state}"


if __name__ == "__main__":
    sys.exit(main())
