"""Writes the rights that a run with `training.workers` needs, for one namespace and one service account.

python -m k8s.training --namespace kubeflow [--account pipeline-runner] | kubectl apply -f -
"""

from __future__ import annotations

import argparse
import re
import sys

import yaml

from k8s.training.rights import rights

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    print(yaml.safe_dump_all(rights(args.namespace, args.account), sort_keys=False), end="")
    return 0


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name; allowed are small letters, digits, '-' and '.'")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--namespace", type=_name, required=True, help="where the runs' pods are")
    parser.add_argument(
        "--account", type=_name, default="pipeline-runner", help="the runs' service account (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
