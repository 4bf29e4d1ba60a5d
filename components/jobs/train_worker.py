"""The train step without a pipeline: one pod of an indexed Job whose pods train a model together.

    python -m components.jobs.train_worker --spec spec.json --train train.parquet --trials trials.json --out /tmp/model
        [--workers 2 --job NAME --service NAME]

Every worker trains; worker 0 writes the model, then waits until somebody has taken it: a pod that has
ended keeps no files. `OUT/taken` says that it was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.errors import ComponentError, SpecError
from components.files import write_atomically
from components.models.trained import FIT
from components.models.trials import Search
from components.package.model_package import MODEL
from components.spec.contract import Spec

#: The port on which a worker listens to the others.
PORT: Final = 2222
#: The file that tells worker 0 that its model is safe; `fit.json`, written last, shows that there is a model.
TAKEN: Final = "taken"
_TAKE_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Place:
    """The position of one worker among all."""

    index: int
    workers: int


def place_of(workers: int, environ: Mapping[str, str]) -> Place:
    """Reads the worker's place from the number that Kubernetes gives a pod of an indexed Job.

    Raises:
        SpecError: there is no number, or it is not below `workers`.
    """
    given = environ.get("JOB_COMPLETION_INDEX", "0" if workers == 1 else "")
    if not given.isdecimal() or int(given) >= workers:
        raise SpecError(
            f"JOB_COMPLETION_INDEX is {given!r}, a number from 0 to {workers - 1} is allowed; "
            "run the worker as a pod of a Job with completionMode: Indexed and one completion a worker"
        )
    return Place(int(given), workers)


def tf_config(place: Place, job: str, service: str) -> str:
    """TF_CONFIG as TensorFlow reads it: an indexed Job's pods are called `<job>-<index>.<service>`."""
    workers = [f"{job}-{index}.{service}:{PORT}" for index in range(place.workers)]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": place.index}})


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status, 2 for a bad spec or table."""
    args = _parser().parse_args(arguments)
    try:
        place = place_of(args.workers, os.environ)
        if place.workers > 1:
            os.environ["TF_CONFIG"] = tf_config(place, args.job, args.service)
        _train(args, place)
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if place.index or _taken(args.out, _TAKE_SECONDS) else 1


def _train(args: argparse.Namespace, place: Place) -> None:
    # Imported here because TensorFlow reads TF_CONFIG, which is set only now.
    from components.models.training import train_candidate
    from components.table.examples import load_examples

    spec = Spec.model_validate_json(args.spec.read_bytes())
    best = Search.model_validate_json(args.trials.read_bytes()).best
    if place.workers > 1 and best.candidate != "keras_mlp":
        raise SpecError(
            f"the best trial is a {best.candidate}, which one worker fits; {place.workers} workers were asked for: "
            "ask for one, or name keras_mlp alone in training.candidates"
        )
    print(f"worker {place.index} of {place.workers} trains a {best.candidate}", flush=True)
    made = train_candidate(load_examples(args.train, spec), spec, best)
    print(f"fitted to {made.fit.rows:,} rows, strategy {made.fit.strategy}, graph within {made.fit.parity:.0e}")
    if place.index == 0:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / MODEL).write_bytes(made.model)
        write_atomically(args.out / FIT, made.fit.model_dump_json(indent=2))


def _taken(out: Path, seconds: float) -> bool:
    """Waits until the model is taken; returns False if time runs out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (out / TAKEN).exists():
            return True
        time.sleep(_LOOK_SECONDS)
    print(f"nobody took the model from {out} in {seconds:g} s; it is lost", file=sys.stderr)
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.jobs.train_worker", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--spec", type=Path, required=True, help="the spec as JSON")
    parser.add_argument("--train", type=Path, required=True, help="the training part")
    parser.add_argument("--trials", type=Path, required=True, help="what the search found")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--workers", type=int, default=1, help="pods that train together (%(default)s)")
    parser.add_argument("--job", default="", help="the Job's name, for more than one worker")
    parser.add_argument("--service", default="", help="the headless Service's name, for more than one worker")
    return parser


if __name__ == "__main__":
    sys.exit(main())
