"""Makes, shows or removes the recurring run of a service on Kubeflow Pipelines.

    python -m pipelines.schedule --spec services/churn/service.yaml --store s3://canario/store --cron "0 3 * * *"
    python -m pipelines.schedule --spec services/churn/service.yaml            # shows it
    python -m pipelines.schedule --spec services/churn/service.yaml --remove

The options are those of `pipelines.submit`. A service has one recurring run in a namespace: another schedule, code or
spec replaces it. It fires in UTC, unless the server is set otherwise (CRON_SCHEDULE_TIMEZONE); one firing runs at a
time, and what was missed is not made up for. A firing with nothing new registers nothing. Exit status: 0, 1 if the
server did not do it, 2 for wrong input.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
from datetime import UTC, datetime
from typing import Any, Final

from components.errors import ComponentError
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from pipelines.cron import Cron, read_cron
from pipelines.kubeflow import UNREACHED, Kubeflow, RunGraph, host_of, sentence
from pipelines.submission import add_options, check_options, prepare
from pipelines.uploads import UploadError

_WRONG_INPUT: Final = 2
_SHOWN: Final = 3


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _obey(options)
    except UploadError as error:
        print(error, file=sys.stderr)
        return 1
    except ComponentError as error:
        print(error, file=sys.stderr)
        return _WRONG_INPUT
    except UNREACHED as error:
        print(f"{options.host}: the schedule is as it was: {sentence(error)}", file=sys.stderr)
        return 1
    return 0


def _obey(options: argparse.Namespace) -> None:
    options.host = host_of(options.host)
    cron = read_cron(options.cron) if options.cron else None
    spec = check_options(options) if cron else load_spec(options.spec)
    kubeflow = Kubeflow(options.host, options.namespace, options.experiment, options.ca)
    name = f"{spec.name}-schedule"
    if cron:
        graph = _graph(spec, options)
        _replace(kubeflow, name, cron, graph)
    elif options.remove:
        _remove(kubeflow, name)
    _show(kubeflow, name)


def _graph(spec: Spec, options: argparse.Namespace) -> RunGraph:
    options.name = ""  # each firing names itself after the data that it finds
    if "://" not in (options.data or spec.data.uri):
        _say("every firing reads the table as it is now; DATA=s3://... names one that may change")
    return prepare(spec, options, _say).graph


def _replace(kubeflow: Kubeflow, name: str, cron: Cron, graph: RunGraph) -> None:
    """Makes the recurring run, unless it is there; an older one fires no more before the new one is made."""
    experiment, wanted = kubeflow.experiment(), _described(cron, graph)
    before = kubeflow.recurring(experiment, name)
    if len(before) == 1 and before[0].description == wanted and before[0].mode == "ENABLE":
        _say(f"{name} is there already")
        return
    stopped = [old.recurring_run_id for old in before if old.mode == "ENABLE"]
    for old in stopped:
        kubeflow.enable_recurring(old, enabled=False)
    try:
        kubeflow.make_recurring(experiment, name, cron.six_fields(), wanted, graph)
    except UNREACHED:
        for old in stopped:
            kubeflow.enable_recurring(old, enabled=True)
        raise
    for old in before:
        kubeflow.remove_recurring(old.recurring_run_id)
    _say(f"{name} is {'replaced' if before else 'made'}")


def _remove(kubeflow: Kubeflow, name: str) -> None:
    for old in kubeflow.recurring(kubeflow.experiment(), name):
        kubeflow.remove_recurring(old.recurring_run_id)
        _say(f"{name} is removed; what it started goes on")


def _show(kubeflow: Kubeflow, name: str) -> None:
    experiment = kubeflow.experiment()
    found = kubeflow.recurring(experiment, name)
    if not found:
        _say(f"there is no {name}; CRON='0 3 * * *' makes one")
    for each in found:
        described = str(each.description or "").partition(";")[0]
        _say(f"{name}: {described}, {'enabled' if each.mode == 'ENABLE' else 'disabled'}")
        if each.mode == "ENABLE":
            _say(f"  next: {_next(described)}")
        for run in kubeflow.runs_of(each.recurring_run_id, experiment)[:_SHOWN]:
            _say(
                f"  last: {_moment(run.created_at)}  {str(run.state or 'PENDING').lower()}  {kubeflow.link(run.run_id)}"
            )


def _next(described: str) -> str:
    """The next moments of `0 3 * * * UTC`."""
    try:
        cron = read_cron(described.removesuffix(" UTC"))
    except ComponentError:
        return "not known; somebody else made it"
    return ", ".join(map(_moment, itertools.islice(cron.after(datetime.now(UTC)), _SHOWN)))


def _described(cron: Cron, graph: RunGraph) -> str:
    """The description by which the same schedule is known again: `0 3 * * * UTC; sha256:...`."""
    told = "\n".join([graph.text, *map(str, sorted(graph.parameters.items())), graph.root, graph.service_account])
    return f"{' '.join(cron.text.split())} UTC; sha256:{hashlib.sha256(told.encode()).hexdigest()}"


def _moment(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.schedule", description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--cron", default="", help="five fields in UTC, such as '0 3 * * *'")
    either.add_argument("--remove", action="store_true", help="removes it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
