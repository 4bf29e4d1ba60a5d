"""Sends a test alert to whoever an environment tells: `python -m k8s.alerts --env local`.

It looks at the whole way: Prometheus has loaded the rules, Alertmanager hears Prometheus, and the receiver takes an
alert that is sent to Alertmanager's own API. The exit status is 1 when a part of the way is broken; each is named, with
what to do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from k8s.alerts.alertmanager import DEAD_MAN, PEOPLE, Alertmanager, Deliveries
from k8s.alerts.prometheus import PACE, WATCHDOG, loaded_alerts, place
from k8s.cluster import kubectl
from k8s.cluster.program import run
from k8s.cluster.tunnel import ClusterService, reached
from k8s.errors import ClusterError, DeployError, EnvironmentFileError
from k8s.rendering.alerting import Alerting
from k8s.rendering.environment_files import read_platform

_ROOT: Final = Path(__file__).resolve().parents[2]
#: Prometheus and Alertmanager by `alerts.rules`; an operator names the Services so itself.
_PLACES: Final = {
    "configmap": ("monitoring/prometheus:9090", "canario/alertmanager:9093"),
    "operator": ("monitoring/prometheus-operated:9090", "monitoring/alertmanager-operated:9093"),
}
_LOOK_SECONDS: Final = 2.0
_LOG_LINES: Final = 5


@dataclass(frozen=True)
class Way:
    """What an alert passes on its way to somebody."""

    alerting: Alerting
    file: str
    prometheus: ClusterService
    alertmanager: ClusterService


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when alerts do not reach everybody whom the environment names."""
    args = _parser().parse_args(arguments)
    try:
        way = _way(args)
        kubectl.check_ready()
        broken = [*_broken_before(way), *_broken_after(way, args.timeout_seconds)]
    except DeployError as error:
        print(f"not tested: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for sentence in [*way.alerting.gaps(way.file), *broken]:
        print(f"warning: {sentence}", file=sys.stderr)
    return 1 if broken else 0


def _way(args: argparse.Namespace) -> Way:
    file = f"k8s/envs/{args.env}/platform.yaml"
    alerting = read_platform(args.root / file).alerts
    if alerting.rules == "none" or (alerting.rules == "configmap" and alerting.receiver == "none"):
        raise EnvironmentFileError(next(alerting.gaps(file)))
    prometheus, alertmanager = _PLACES[alerting.rules]
    return Way(
        alerting,
        file,
        ClusterService.parse(f"PROMETHEUS={args.prometheus or prometheus}"),
        ClusterService.parse(f"ALERTMANAGER={args.alertmanager or alertmanager}"),
    )


def _broken_before(way: Way) -> Iterator[str]:
    """What is wrong between the rules and Alertmanager."""
    groups = loaded_alerts(way.prometheus)
    if not any(WATCHDOG in names for names in groups.values()):
        yield (
            f"Prometheus at {place(way.prometheus)} has not loaded the rules of helm/canario; `kubectl get "
            "configmaps -A -l prometheus_rules=1` lists them; it reads them by the values in k8s/controllers"
        )
        return
    _say(f"Prometheus: has {sum(map(len, groups.values()))} alerts, of {', '.join(sorted(groups))}")
    with reached(way.alertmanager, PACE) as address:
        if Alertmanager(address).hears_prometheus():
            _say(f"Alertmanager: hears Prometheus, for the {WATCHDOG} rings there")
        else:
            yield (
                f"Alertmanager at {place(way.alertmanager)} does not hear Prometheus: the {WATCHDOG} is not there; "
                "compare `alerting` in Prometheus' configuration, or wait two minutes after an installation"
            )


def _broken_after(way: Way, seconds: float) -> Iterator[str]:
    """What is wrong between Alertmanager and the receivers."""
    with reached(way.alertmanager, PACE) as address:
        alertmanager = Alertmanager(address)
        before, now = alertmanager.deliveries(PEOPLE), datetime.now(UTC)
        alertmanager.ring(now)
        _say(f"Alertmanager: accepted a test alert; waiting for the receiver, at most {seconds:g} s")
        after = _waited(alertmanager, before, seconds)
        alertmanager.ring(now, ended=True)
        dead_man = alertmanager.deliveries(DEAD_MAN)
    receiver = way.alerting.receiver if way.alerting.rules == "configmap" else "of the operator's Alertmanager"
    if after.taken > before.taken:
        _say(f"receiver {receiver}: took it; look there for AlertTest")
    else:
        tried = (
            f"refused it {after.failed - before.failed:g} times" if after.failed > before.failed else "was not asked"
        )
        yield f"receiver {receiver} {tried} within {seconds:g} s; {_log(way.alertmanager)}"
    if way.alerting.watchdog:
        if dead_man.taken:
            _say(f"watchdog: was told {dead_man.taken:g} times that alerts still arrive")
        else:
            yield (
                f"the address watchdog-url in secret {way.alerting.secret} took nothing yet ({dead_man.failed:g} "
                f"requests failed); {_log(way.alertmanager)}"
            )


def _waited(alertmanager: Alertmanager, before: Deliveries, seconds: float) -> Deliveries:
    """The counters once they say that the receiver took something, in two looks; else at the end of the time.

    A request is counted a moment before its failure is.
    """
    deadline, seen = time.monotonic() + seconds, before
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        last, seen = seen, alertmanager.deliveries(PEOPLE)
        if min(last.taken, seen.taken) > before.taken:
            break
    return seen


def _log(alertmanager: ClusterService) -> str:
    """Where to look next: the last complaints in Alertmanager's log, which leaves addresses out."""
    command = ["kubectl", "-n", alertmanager.namespace, "logs", f"service/{alertmanager.service}"]
    try:
        lines = run([*command, "--since=10m"]).splitlines()
    except ClusterError as error:
        return f"its log could not be read: {error}"
    complaints = [line for line in lines if "level=WARN" in line or "level=ERROR" in line][-_LOG_LINES:]
    return (
        "\n  ".join([f"its log ({' '.join(command)}) says:", *complaints])
        if complaints
        else "its log has no word of it"
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.alerts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--prometheus", metavar="NAMESPACE/SERVICE:PORT", help="where Prometheus is, if elsewhere")
    parser.add_argument("--alertmanager", metavar="NAMESPACE/SERVICE:PORT", help="where Alertmanager is, if elsewhere")
    parser.add_argument("--timeout-seconds", type=float, default=90, help="longest wait for the receiver (default 90)")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
