"""Trains one model on this machine: runs the training graph with KFP's local runner.

    python -m pipelines.local --spec services/churn/service.yaml --home build/train/churn
        [--data URI]                  a table instead of the spec's
        [--name RUN]                  the run's name; by default it is made from code, spec and data
        [--mlflow URI]                default sqlite:///build/mlflow/mlflow.db
        [--store ADDRESS]             snapshots and packages: a folder or s3://..., gs://...; default build/store
        [--work DIR]                  reusable answers; default the store, if it is a folder, else build/work
        [--environment REPO --env NAME [--settings JSON]]   release: commit to that Git repository

Every step prints one line; all other output goes to HOME/run.log. The run leaves these files in HOME:

- `result.json`, a cache: the registry and the store are the sources. `status` (ok, refused, bad-input, failed),
  `message`, `failed_step`, `run`, `package` (folder),
  `digest` (of the package), `model_version`, `run_id` (MLflow's), `champion` (digest of the champion's package,
  or null), `commit` (of the release, or null), `snapshot` {`digest`, `rows`, `uri`}, `holdout` (path),
  `metrics` {name: value}, `breaches` [{`gate`, `value`, `limit`, `passed`, `detail`}], `seconds`,
  `steps` {name: {`seconds`, `reused`}}. Values that a run did not reach are null or empty.
- `evaluation.json` (also for a refused model): `components.evaluation.result.Evaluation`, and `search` {`metric`,
  `rows`, `planned`, `trials` [{`number`, `candidate`, `parameters`, `scores`, `mean`, `seconds`}]}, and
  `importance` [{`feature`, `loss` {`value`, `low`, `high`}}].
- `holdout.parquet`: the hold-out rows, in the table's own columns.

The last line on stdout is `result.json` in one line. Exit status: 0 ok, 3 refused by a gate, 2 bad spec or table,
1 anything else, 128 + signal when interrupted (no step is left running, and no file half-written).

The version is registered with the alias `challenger`. In `components.registry.model_registry`,
`promote(mlflow_uri, name, version)` moves the alias `champion`, and `champion(mlflow_uri, name)` finds it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import filelock
import psutil

from components.code import ROOT, code_digest
from components.errors import ComponentError, DataError, SpecError
from components.registry.provenance import commit
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from components.store.content import Store
from pipelines.result import BAD_INPUT, Places, exit_status, write_outcome
from pipelines.runner import RUNS, StepFailure, StepRun, Watch, forget_unused, run_graph
from pipelines.training import training_pipeline

#: The time that child processes get to end by themselves.
GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Request:
    """The command line's arguments, with every path absolute."""

    spec: Spec
    home: Path
    store: str
    work: Path
    data: str
    mlflow: str
    name: str
    repository: str
    environment: str
    settings: str


class Interrupted(BaseException):
    """A signal asked the run to stop; not an `Exception`, so that no handler on the way catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    try:
        request = _read_request(_parser().parse_args(arguments))
        with _interruptible(), _alone(request.work):
            return train(request)
    except ComponentError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT if isinstance(error, SpecError | DataError) else 1
    except Interrupted as interrupted:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 128 + interrupted.number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.local", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder for the results")
    parser.add_argument("--data", default="", help="a table to use instead of the spec's")
    parser.add_argument("--name", default="", help="the run's name; by default made from code, spec and data")
    parser.add_argument("--mlflow", default="sqlite:///build/mlflow/mlflow.db", help="MLflow's store (%(default)s)")
    parser.add_argument("--store", default="build/store", help="folder or URI of snapshots and packages (%(default)s)")
    parser.add_argument("--work", type=Path, help="folder of reusable answers; default: the store, or build/work")
    parser.add_argument("--environment", default="", help="Git repository to release to")
    parser.add_argument("--env", default="", help="the environment's name in it")
    parser.add_argument("--settings", default="{}", help="JSON object with environment variables for the server")
    return parser


def _read_request(options: argparse.Namespace) -> Request:
    spec = load_spec(options.spec)
    if bool(options.environment) != bool(options.env):
        raise SpecError("--environment and --env go together: the repository and the environment's name in it")
    return Request(
        spec=spec,
        home=options.home.resolve(),
        store=absolute_place(options.store),
        work=_work(options).resolve(),
        data=absolute_place(options.data) if options.data else spec.data.uri,
        mlflow=absolute_sqlite(options.mlflow),
        name=options.name,
        repository=absolute_place(options.environment) if options.environment else "",
        environment=options.env,
        settings=_settings(options.settings),
    )


def absolute_place(place: str) -> str:
    """The absolute form of a path; a URI or an SSH address stays as it is."""
    return place if "://" in place or (":" in place and not Path(place).exists()) else str(Path(place).resolve())


def _work(options: argparse.Namespace) -> Path:
    """The folder of answers for later runs: KFP's local runner keeps them in files."""
    return options.work or Path("build/work" if "://" in options.store else options.store)


def absolute_sqlite(uri: str) -> str:
    """The URI of a registry, with the absolute path of a SQLite file; any other URI stays as it is."""
    scheme, slashes, path = uri.partition(":///")
    return f"{scheme}{slashes}{Path(path).resolve()}" if scheme == "sqlite" else uri


def _settings(text: str) -> str:
    """The settings as JSON with sorted keys.

    Raises:
        SpecError: the settings are not a JSON object with text values.
    """
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise SpecError(f"--settings is not JSON: {error}") from error
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        raise SpecError(f'--settings is a JSON object of texts such as {{"NAME": "value"}} (given: {text})')
    return json.dumps(settings, sort_keys=True)


def train(request: Request) -> int:
    """Runs the graph and writes the results; returns the exit status."""
    request.home.mkdir(parents=True, exist_ok=True)
    forget_unused(request.work)
    _prepare_environment()
    _tell_unshared(request)
    places = Places(Store(request.store), Store(str(request.work)))
    failure: StepFailure | None = None
    with (request.home / "run.log").open("w", encoding="utf-8") as log:
        watch = Watch(log, _tell, request.work / RUNS)
        try:
            run_graph(training_pipeline(request.spec, retries=0), _arguments(request), request.work, watch)
        except StepFailure as raised:
            failure = raised
    result = write_outcome(request.home, places, watch.steps, failure)
    status, word = exit_status(failure)
    if failure:
        print(
            f"{word} at {failure.step}: {failure.message}\n(everything is in {request.home / 'run.log'})",
            file=sys.stderr,
        )
    print(json.dumps(result, ensure_ascii=False))
    return status


def _tell_unshared(request: Request) -> None:
    """Warns if others see the version in the registry, but cannot have its data."""
    if request.mlflow.startswith("http") and "://" not in request.store:
        print(
            f"note: {request.mlflow} is for everybody, and the data stays in {request.store}: nobody else can compare a"
            " model with this version or replay it. Name a store that all reach (STORE=s3://... or gs://...)",
            file=sys.stderr,
        )


def _arguments(request: Request) -> dict[str, str]:
    """The parameters of the run; the digest of the code is one, so an answer of other code is never reused."""
    return {
        "spec": request.spec.model_dump_json(),
        "data": request.data,
        "run": request.name,
        "mlflow": request.mlflow,
        "store": request.store,
        "code": code_digest(),
        "commit": commit(),
        "repository": request.repository,
        "environment": request.environment,
        "settings": request.settings,
    }


def _prepare_environment() -> None:
    """Sets the environment that the steps' processes inherit."""
    os.environ["PYTHONPATH"] = str(ROOT)
    # Threads that spin while they wait would take the cores from other work on a small machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# --- progress and signals -------------------------------------------------------------------


def _tell(name: str, ended: StepRun | None) -> None:
    """Writes one line per step; a terminal shows the line while the step runs."""
    terminal = sys.__stderr__
    if terminal is None:
        return
    if ended is None:
        terminal.write(f"  {name:<14} ...\r" if terminal.isatty() else "")
    else:
        said = ended.said if ended.succeeded else "failed"
        terminal.write(f"  {name:<14} {ended.seconds:5.1f} s  {said}\n")
    terminal.flush()


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Locks the folder of answers, because two runs at once would write the same files."""
    work.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ComponentError(f"{work}: another run is using this folder; wait for it or name another --work") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turns SIGINT and SIGTERM into `Interrupted`, after ending every process of the run."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    children = psutil.Process().children(recursive=True)
    for child in children:
        _end_process(child.terminate)
    _, alive = psutil.wait_procs(children, timeout=GRACE_SECONDS)
    for child in alive:
        _end_process(child.kill)
    raise Interrupted(number)


def _end_process(end: Any) -> None:
    try:
        end()
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    sys.exit(main())
