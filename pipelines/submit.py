"""Runs the training graph on Kubeflow Pipelines and waits for its end.

    python -m pipelines.submit --spec services/churn/service.yaml --store s3://canario/store
        [--data FILE|URI]             a table instead of the spec's; a file of this machine is uploaded to the store
        [--host URL]                  address of Kubeflow Pipelines; default $KFP_ENDPOINT
        [--namespace NAME]            the user's namespace, if Kubeflow Pipelines has several users
        [--secret store=NAME]         a secret with the pods' credentials for the store; --help lists the others
        [--terminate-on-interrupt]    Ctrl-C also ends the run

A run is named after code, spec, data and places. If one of that name still runs, it is followed instead of starting
another. Who asks is read from $KFP_TOKEN, $KFP_COOKIE or $KFP_HEADER (see `pipelines.kubeflow`). Exit status: 0 the
run succeeded, 1 it failed or its end was not seen, 2 wrong input or no host, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Final

import kfp_server_api  # type: ignore[import-untyped]
import urllib3

from components.errors import ComponentError
from pipelines.kfp_run import Follower, FollowError, Pace
from pipelines.kubeflow import UNREACHED, Kubeflow, sentence
from pipelines.submission import Submission, add_options, check_options, prepare
from pipelines.uploads import UploadError

_WRONG_INPUT: Final = 2
_INTERRUPTED: Final = 130


class SubmitError(Exception):
    """The run was not created; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        spec = check_options(options)
        return _submit(options, prepare(spec, options, _say))
    except (SubmitError, UploadError) as error:
        print(error, file=sys.stderr)
        return 1
    except ComponentError as error:
        print(error, file=sys.stderr)
        return _WRONG_INPUT
    except KeyboardInterrupt:
        print("stopped before a run was made", file=sys.stderr)
        return _INTERRUPTED


def _submit(options: argparse.Namespace, submission: Submission) -> int:
    try:
        kubeflow = Kubeflow(options.host, options.namespace, options.experiment, options.ca)
        run_id = _start(kubeflow, submission)
    except UNREACHED as error:
        raise SubmitError(f"{options.host}: the run was not made: {sentence(error)}") from error
    asked: list[int] = []

    def interrupt(number: int, _: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        follower = Follower(kubeflow.client, run_id, submission.steps, _say, lambda: bool(asked))
        return _follow(follower, kubeflow, run_id, options)
    finally:
        signal.signal(signal.SIGINT, before)


def _start(kubeflow: Kubeflow, submission: Submission) -> str:
    """The id of the run: one of this name that still runs, or a new one."""
    name, experiment = submission.name, kubeflow.experiment()
    running = kubeflow.running(experiment, name)
    if running:
        _say(f"{name} runs already, following it (NAME= starts another): {kubeflow.link(running)}")
        return running
    try:
        made = kubeflow.make_run(experiment, name, submission.graph)
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError) as error:
        made = _made_nevertheless(kubeflow, experiment, name, error)
    _say(f"submitted {name}: {kubeflow.link(made)}")
    return made


def _made_nevertheless(kubeflow: Kubeflow, experiment: str, name: str, error: Exception) -> str:
    """The run that was made although its answer was lost, so that nobody starts a second one."""
    if isinstance(error, kfp_server_api.ApiException) and (error.status or 0) < 500:
        raise error
    try:
        found = kubeflow.running(experiment, name)
    except UNREACHED:
        found = ""
    if not found:
        raise error
    return found


def _follow(follower: Follower, kubeflow: Kubeflow, run_id: str, options: argparse.Namespace) -> int:
    link = kubeflow.link(run_id)
    try:
        ending = follower.until_ended(Pace(options.poll_seconds, options.timeout_minutes * 60))
    except FollowError as error:
        print(f"{error}; look at {link}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _interrupted(kubeflow, run_id, options.terminate_on_interrupt)
    for fault in ending.faults:
        print(f"{ending.state.lower()}: {fault}; look at {link}", file=sys.stderr)
    if ending.faults:
        print("what succeeded is kept: make submit again goes on from there", file=sys.stderr)
    else:
        _say(f"succeeded{f', {len(ending.reused)} steps reused' if ending.reused else ''}")
    return 1 if ending.faults else 0


def _interrupted(kubeflow: Kubeflow, run_id: str, terminate: bool) -> int:
    link = kubeflow.link(run_id)
    if not terminate:
        print(f"stopped waiting; the run goes on, the same command follows it again: {link}\n"
              "--terminate-on-interrupt (TERMINATE=1) would end it", file=sys.stderr)  # fmt: skip
        return _INTERRUPTED
    try:
        kubeflow.end_run(run_id)
        print(f"the run was told to end: {link}", file=sys.stderr)
    except UNREACHED as error:
        print(f"the run goes on, it could not be told to end: {sentence(error)}; look at {link}", file=sys.stderr)
    return _INTERRUPTED


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.submit", description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument("--name", help="the run's name, instead of one from code, spec and data")
    parser.add_argument("--timeout-minutes", type=float, default=240, help="time to wait for the end (%(default)s)")
    parser.add_argument("--poll-seconds", type=float, default=5, help="time between two looks (%(default)s)")
    parser.add_argument("--terminate-on-interrupt", action="store_true", help="Ctrl-C also ends the run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
