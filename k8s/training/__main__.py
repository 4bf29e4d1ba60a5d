"""Trains one model on the cluster that KUBECONFIG names, with one worker or several.

    python -m k8s.training --spec services/churn/service.yaml --train train.parquet --trials trials.json
        --out build/model [--workers 2] [--pool gpu] [--namespace training]

`--train` and `--trials` are what the steps split and tune wrote. The Job runs on nodes of the pool, with the
accelerator that the spec names; its log is shown, `model.onnx` and `fit.json` come back to OUT, and nothing
stays on the cluster. Exit status: 0, 1 when the Job failed or no cluster is reached, 2 for a bad spec.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from components.errors import SpecError, TrainingInputError
from components.image.step_images import steps_image, training_image
from components.jobs.node_pools import provider_named
from components.jobs.training_job import Inputs, JobPlan, objects
from components.spec.reading.loading import load_spec
from k8s.errors import DeployError
from k8s.training.job import TrainingJob

_LONGEST_NAME = 40


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        _train(args)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except (DeployError, TrainingInputError, OSError) as error:
        print(f"not trained: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left on the cluster", file=sys.stderr)
        return 130
    return 0


def _train(args: argparse.Namespace) -> None:
    spec = load_spec(args.spec)
    inputs = Inputs(spec, args.train.read_bytes(), args.trials.read_bytes())
    name = f"{spec.name[:_LONGEST_NAME]}-train-{secrets.token_hex(3)}"
    image = args.image or training_image(steps_image(), spec.training)
    provider = provider_named(args.pools)
    wanted = JobPlan(name, image, args.workers, args.pool, args.memory, spec.training, provider)
    training = TrainingJob(name, args.namespace, _say)
    with training.brought(objects(wanted, inputs)):
        _say(f"job {name} in {args.namespace}: {args.workers} worker(s), {spec.training.accelerator}")
        training.model(args.out, 60 * spec.training.timeout_minutes)
    _say(f"the model is in {args.out}")


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers; 1 or more are allowed")
    return int(text)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--train", type=Path, required=True, help="the training part, as split wrote it")
    parser.add_argument("--trials", type=Path, required=True, help="the trials, as tune wrote them")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--workers", type=_workers, default=1, help="pods that train one network (%(default)s)")
    parser.add_argument("--namespace", default="training", help="(%(default)s)")
    parser.add_argument("--pool", default="", help="only nodes of the pool with this name")
    parser.add_argument(
        "--pools", default="canario", help="whose labels pools have: canario, gke, eks, aks (%(default)s)"
    )
    parser.add_argument("--image", default="", help="by default this tree's own, for the spec's accelerator")
    parser.add_argument("--memory", default="4Gi", help="limit of a worker (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
