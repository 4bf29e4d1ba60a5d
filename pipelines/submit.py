"""Runs the training graph on Kubeflow Pipelines and waits for its end.

    python -m pipelines.submit --spec services/churn/service.yaml --store s3://canario/store --data s3://data/churn.csv
        [--host URL]                  address of Kubeflow Pipelines; default $KFP_ENDPOINT
        [--ca FILE]                   certificate of the authority that signed the host's certificate
        [--namespace NAME]            the user's namespace, if Kubeflow Pipelines has several users
        [--mlflow URI]                address of MLflow inside the cluster
        [--terminate-on-interrupt]    Ctrl-C also ends the run

The token is read from $KFP_TOKEN. Exit status: 0 the run succeeded, 1 it failed or its end was not seen,
2 wrong input or no host, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import kfp
import kfp_server_api  # type: ignore[import-untyped]
import urllib3
import yaml

from components.errors import ComponentError, SpecError
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from components.step import IMAGE
from pipelines.compile import compile_pipeline
from pipelines.kfp_run import ASK_SECONDS, Follower, FollowError, Pace

_WRONG_INPUT: Final = 2
_INTERRUPTED: Final = 130
_UNREACHED: Final = (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError)


class SubmitError(Exception):
    """The run was not created; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        told = _parameters(load_spec(options.spec), options)
        host = _host(options.host)
        if options.ca and not options.ca.is_file():
            raise SpecError(f"--ca: there is no file {options.ca}")
    except ComponentError as error:
        print(error, file=sys.stderr)
        return _WRONG_INPUT
    try:
        return _submit(options, host, told)
    except SubmitError as error:
        print(error, file=sys.stderr)
        return 1


def _submit(options: argparse.Namespace, host: str, told: dict[str, str]) -> int:
    text = compile_pipeline(load_spec(options.spec), options.image)
    try:
        client = _client(host, options)
        run_id = _create(client, text, told, options)
    except _UNREACHED as error:
        raise SubmitError(f"{host}: the run was not made: {_sentence(error)}") from error
    link = f"{host}/#/runs/details/{run_id}"
    _say(f"submitted {told['run']}: {link}")
    steps = list(next(yaml.safe_load_all(text))["root"]["dag"]["tasks"])
    asked: list[int] = []

    def interrupt(number: int, _: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        follower = Follower(client, run_id, steps, _say, lambda: bool(asked))
        return _follow(follower, client, run_id, link, options)
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(follower: Follower, client: Any, run_id: str, link: str, options: argparse.Namespace) -> int:
    try:
        ending = follower.until_ended(Pace(options.poll_seconds, options.timeout_minutes * 60))
    except FollowError as error:
        print(f"{error}; look at {link}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _interrupted(client, run_id, link, options.terminate_on_interrupt)
    for fault in ending.faults:
        print(f"{ending.state.lower()}: {fault}; look at {link}", file=sys.stderr)
    if not ending.faults:
        _say("succeeded")
    return 1 if ending.faults else 0


def _interrupted(client: Any, run_id: str, link: str, terminate: bool) -> int:
    if not terminate:
        print(f"stopped waiting; the run goes on: {link}\n--terminate-on-interrupt would end it", file=sys.stderr)
        return _INTERRUPTED
    try:
        client._run_api.run_service_terminate_run(run_id=run_id, _request_timeout=ASK_SECONDS)
        print(f"the run was told to end: {link}", file=sys.stderr)
    except _UNREACHED as error:
        print(f"the run goes on, it could not be told to end: {_sentence(error)}; look at {link}", file=sys.stderr)
    return _INTERRUPTED


def _client(host: str, options: argparse.Namespace) -> Any:
    with warnings.catch_warnings():
        # Every client warns that it does not work with servers older than 2.0.
        warnings.simplefilter("ignore", FutureWarning)
        return kfp.Client(
            host=host,
            existing_token=os.environ.get("KFP_TOKEN"),
            ssl_ca_cert=str(options.ca) if options.ca else None,
            # With its default namespace the client would ask five times whether there are several users.
            namespace=options.namespace or "default",
        )


def _create(client: Any, text: str, told: dict[str, str], options: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder, "pipeline.yaml")
        path.write_text(text, encoding="utf-8")
        made = client.create_run_from_pipeline_package(
            str(path), told, run_name=told["run"], experiment_name=options.experiment, namespace=options.namespace
        )
    return str(made.run_id)


def _parameters(spec: Spec, options: argparse.Namespace) -> dict[str, str]:
    data = options.data or spec.data.uri
    for name, value in (("--data", data), ("--store", options.store)):
        if "://" not in value:
            raise SpecError(f"{name}: {value} is a path of this machine; the cluster needs an address such as s3://...")
    run = options.name or f"{spec.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return {"data": data, "run": run, "mlflow": options.mlflow, "store": options.store}


def _host(told: str) -> str:
    if not told:
        raise SpecError("no host: --host or KFP_ENDPOINT names the address of Kubeflow Pipelines, such as http://...")
    if not told.startswith(("http://", "https://")):
        raise SpecError(f"host {told}: an address starts with http:// or https://")
    return told.rstrip("/")


def _sentence(error: Exception) -> str:
    if isinstance(error, kfp_server_api.ApiException):
        token = "; is KFP_TOKEN right?" if error.status in (401, 403) else ""
        return f"it answers {error.status} {error.reason}{token}"
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return f"it is not reached ({error}); does it run, and is the address right?"
    return str(error)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.submit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--store", required=True, help="address of snapshots and packages inside the cluster")
    parser.add_argument("--data", default="", help="a table to use instead of the spec's")
    parser.add_argument("--mlflow", default="http://mlflow.canario", help="(%(default)s)")
    parser.add_argument("--name", help="the run's name")
    parser.add_argument("--image", default=IMAGE, help="the image of every step (%(default)s)")
    parser.add_argument("--host", default=os.environ.get("KFP_ENDPOINT", ""), help="default $KFP_ENDPOINT")
    parser.add_argument("--ca", type=Path, help="certificate of the authority that signed the host's")
    parser.add_argument("--namespace", help="the user's namespace")
    parser.add_argument("--experiment", default="canario", help="(%(default)s)")
    parser.add_argument("--timeout-minutes", type=float, default=240, help="time to wait for the end (%(default)s)")
    parser.add_argument("--poll-seconds", type=float, default=5, help="time between two looks (%(default)s)")
    parser.add_argument("--terminate-on-interrupt", action="store_true", help="Ctrl-C also ends the run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
