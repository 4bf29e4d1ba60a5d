"""One of several workers that train a network together: a pod of an indexed Job, or a process of this machine.

    python -m components.jobs.train_worker --store s3://bucket/store --code sha256:... --spec sha256:...
        --train sha256:... --trials sha256:... --workers 2 --name churn-training-x7-train-0f3c2d1a

JOB_COMPLETION_INDEX is the worker's number. Every worker trains; worker 0 keeps the model in the store, and the others
wait until it has: a worker that ends early looks like a dead one to TensorFlow. After each epoch worker 0 keeps a
checkpoint, from which all go on when they are started again.

Exit status: 0; 1 or 2 for what a new try cannot change; 75 when a new try may succeed, because another worker is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NoReturn

from components.errors import ComponentError, LostWorkersError, SpecError
from components.jobs.heartbeat import end_when_abandoned
from components.jobs.inputs import WorkerInputs, checkpoint_file, result_file
from components.models.trained import keep_model
from components.step import running, tell
from components.store.content import Kind, Store

#: The port on which a worker listens to the others.
PORT: Final = 2222
#: The addresses of all workers, joined by commas, where they are no pods of a Job.
ADDRESSES: Final = "CANARIO_WORKER_ADDRESSES"
#: EX_TEMPFAIL of sysexits.h: another worker is lost, and a new try may succeed.
LOST: Final = 75
#: What a new try would end with too: an error that nobody foresaw, or one with a sentence.
FINAL: Final = (1, 2)
#: Longer than worker 0 waits for a store that is away.
_RESULT_SECONDS: Final = 360.0
_LOOK_SECONDS: Final = 1.0


def index_of(workers: int, environ: Mapping[str, str]) -> int:
    """The worker's number, which Kubernetes gives a pod of an indexed Job.

    Raises:
        SpecError: there is no number, or it is not below `workers`.
    """
    given = environ.get("JOB_COMPLETION_INDEX", "")
    if not given.isdecimal() or int(given) >= workers:
        raise SpecError(
            f"JOB_COMPLETION_INDEX is {given!r}, a number from 0 to {workers - 1} is allowed; "
            "run the worker as a pod of a Job with completionMode: Indexed and one completion a worker"
        )
    return int(given)


def tf_config(index: int, workers: int, name: str, environ: Mapping[str, str]) -> str:
    """TF_CONFIG as TensorFlow reads it: an indexed Job's pods are called `<job>-<index>.<service>`."""
    pods = [f"{name}-{number}.{name}:{PORT}" for number in range(workers)]
    addresses = environ[ADDRESSES].split(",") if ADDRESSES in environ else pods
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line, then ends the process at once: TensorFlow's threads would go on looking for others."""
    args = _parser().parse_args(arguments)
    inputs = WorkerInputs(**{each.name: getattr(args, each.name) for each in fields(WorkerInputs)})
    status = 1
    try:
        status = _status(inputs, args.name)
    except Exception:  # noqa: BLE001 -- Python itself would print it too, but then wait for TensorFlow's threads
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _status(inputs: WorkerInputs, name: str) -> int:
    try:
        with running(inputs.code):
            return _train(inputs, name, index_of(inputs.workers, os.environ))
    except LostWorkersError as error:
        print(error, file=sys.stderr)
        return LOST
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 2


def _train(inputs: WorkerInputs, name: str, index: int) -> int:
    store = Store(inputs.store)
    if store.read(result_file(name)) is not None:
        print(f"worker {index}: the model is in the store already", flush=True)
        return 0
    end_when_abandoned(store, name)
    os.environ["TF_CONFIG"] = tf_config(index, inputs.workers, name, os.environ)
    made = _fitted(inputs, name, index)
    if index:
        return _wait_for_result(store, name)
    store.write(result_file(name), keep_model(store, made.model, made.fit).encode())
    print(f"fitted to {made.fit.rows:,} rows, strategy {made.fit.strategy}, graph within {made.fit.parity:.0e}")
    return 0


def _fitted(inputs: WorkerInputs, name: str, index: int) -> Any:
    # Imported here because TensorFlow reads TF_CONFIG, which is set only now.
    import tensorflow as tf

    from components.models.checkpoints import Checkpoints
    from components.models.training import train_candidate
    from components.models.trials import Search
    from components.store.reading import kept_document, kept_examples, kept_spec

    spec = kept_spec(inputs.store, inputs.spec)
    best = kept_document(inputs.store, inputs.trials, Search).best
    rows = kept_examples(inputs.store, inputs.train, spec, Kind.OBJECT)
    print(f"worker {index} of {inputs.workers} trains a {best.candidate}", flush=True)
    checkpoints = Checkpoints(Store(inputs.store), checkpoint_file(name), writes=index == 0)
    try:
        return train_candidate(rows, spec, best, checkpoints)
    except tf.errors.OpError as error:
        if isinstance(error, tf.errors.ResourceExhaustedError | tf.errors.InvalidArgumentError):
            raise
        raise LostWorkersError(f"worker {index} lost another worker ({type(error).__name__})") from error


def _wait_for_result(store: Store, name: str) -> int:
    """Waits until worker 0 has kept the model; returns the exit status."""
    deadline = time.monotonic() + _RESULT_SECONDS
    while store.read(result_file(name)) is None:
        if time.monotonic() > deadline:
            sentence = f"worker 0 kept no model in {_RESULT_SECONDS:g} s after the training"
            print(sentence, file=sys.stderr)
            tell(sentence)
            return LOST
        time.sleep(_LOOK_SECONDS)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.jobs.train_worker", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--store", required=True, help="the store's address")
    parser.add_argument("--code", required=True, help="digest of the code that must be here")
    parser.add_argument("--spec", required=True, help="digest of the spec")
    parser.add_argument("--train", required=True, help="digest of the training part")
    parser.add_argument("--trials", required=True, help="digest of the trials")
    parser.add_argument("--workers", type=int, required=True, help="workers that train together")
    parser.add_argument("--name", required=True, help="name of the Job, and of a folder in the store")
    return parser


if __name__ == "__main__":
    main()
